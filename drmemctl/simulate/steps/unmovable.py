# SPDX-License-Identifier: MIT
"""`unmovable` and `movable`: whether memory of LMBs can be taken offline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Partition, Step, StepResult
from drmemctl.simulate.words import DRC, StepWords


@dataclass(frozen=True, slots=True)
class Unmovable(Step):
    """LMBs whose memory cannot be taken offline from now on, or can again."""

    drc_indexes: tuple[int, ...]
    unmovable: bool

    completions: ClassVar[tuple[tuple[str, ...], ...]] = ((DRC,),)
    repeats: ClassVar[bool] = True

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step."""
        drc_indexes = [words.drc_index()]
        while words.remaining:
            drc_indexes.append(words.drc_index())
        return cls(words.text, tuple(drc_indexes), words.name == "unmovable")

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result, which is always fine."""
        del files
        kernel, named = partition.kernel, frozenset(self.drc_indexes)
        unmovable = kernel.unmovable | named if self.unmovable else kernel.unmovable - named
        return StepResult(self, partition, replace(partition, kernel=replace(kernel, unmovable=unmovable)))
