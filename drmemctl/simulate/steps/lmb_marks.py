# SPDX-License-Identifier: MIT
"""`unmovable`, `movable`, `hpt-full` and `hpt-room`: which LMBs the kernel cannot take offline or map."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Partition, Step, StepResult
from drmemctl.simulate.step_words import DRC, StepWords


@dataclass(frozen=True, slots=True)
class LmbMark(Step):
    """LMBs that are marked from now on, or are not any more.

    Attributes:
        drc_indexes: the LMBs, as the step names them.
        marked: whether they are marked from now on.
        marks: the first word of the step that marks them.

    """

    drc_indexes: tuple[int, ...]
    marked: bool

    marks: ClassVar[str]
    completions: ClassVar[tuple[tuple[str, ...], ...]] = ((DRC,),)
    repeats: ClassVar[bool] = True

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step."""
        drc_indexes = [words.drc_index()]
        while words.remaining:
            drc_indexes.append(words.drc_index())
        return cls(words.text, tuple(drc_indexes), words.name == cls.marks)

    def applied_to(self, lmbs: frozenset[int]) -> frozenset[int]:
        """Return the marked LMBs after the step, of those before it."""
        return lmbs.union(self.drc_indexes) if self.marked else lmbs.difference(self.drc_indexes)


@dataclass(frozen=True, slots=True)
class Unmovable(LmbMark):
    """LMBs whose memory cannot be taken offline."""

    marks: ClassVar[str] = "unmovable"

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result, which is always fine."""
        del files
        kernel = replace(partition.kernel, unmovable=self.applied_to(partition.kernel.unmovable))
        return StepResult(self, partition, replace(partition, kernel=kernel))


@dataclass(frozen=True, slots=True)
class HashTableFull(LmbMark):
    """LMBs for whose linear mapping the hash page table has no room: the hypervisor refuses the entries."""

    marks: ClassVar[str] = "hpt-full"

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result; not ok for a guest without such a table."""
        del files
        if partition.kernel.hash_table is None:
            note = "this guest has radix page tables, or a hash table whose size is not known"
            return StepResult(self, partition, partition, ok=False, note=note)
        kernel = replace(partition.kernel, unbolted=self.applied_to(partition.kernel.unbolted))
        return StepResult(self, partition, replace(partition, kernel=kernel))
