# SPDX-License-Identifier: MIT
"""`hpt-full` and `hpt-room`: whether the hash page table has room for the linear mapping of LMBs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from drmemctl.hypervisor.machine import RefusedError
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Partition, Step, StepResult
from drmemctl.simulate.words import DRC, StepWords

FULL = "hpt-full"


@dataclass(frozen=True, slots=True)
class HashTableFull(Step):
    """LMBs whose entries the hypervisor refuses from now on, or takes again."""

    drc_indexes: tuple[int, ...]
    full: bool

    completions: ClassVar[tuple[tuple[str, ...], ...]] = ((DRC,),)
    repeats: ClassVar[bool] = True

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step."""
        drc_indexes = [words.drc_index()]
        while words.remaining:
            drc_indexes.append(words.drc_index())
        return cls(words.text, tuple(drc_indexes), words.name == FULL)

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result; `RefusedError` for a guest with radix, which has no such table."""
        del files
        kernel, named = partition.kernel, frozenset(self.drc_indexes)
        if kernel.hash_table is None:
            raise RefusedError("this guest has radix page tables, or a hash table whose size is not known")
        unbolted = kernel.unbolted | named if self.full else kernel.unbolted - named
        return StepResult(self, partition, replace(partition, kernel=replace(kernel, unbolted=unbolted)))
