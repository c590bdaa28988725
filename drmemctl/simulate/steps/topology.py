# SPDX-License-Identifier: MIT
"""`topology`: whether the kernel acts on new nodes of CPUs and on reassignments, as its user switches it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from drmemctl.kernel.errno import ENOENT, errno_name
from drmemctl.kernel.task import Footprint, StatePart
from drmemctl.kernel.topology_updates import topology_write
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Partition, StepResult
from drmemctl.simulate.step_words import StepWords
from drmemctl.simulate.steps.kernel_step import Circumstances, KernelStep, MakeTask

_STATES = ("on", "off")


@dataclass(frozen=True, slots=True)
class TopologySwitch(KernelStep):
    """What is written to /proc/powerpc/topology_updates."""

    on: bool

    completions: ClassVar[tuple[tuple[str, ...], ...]] = (_STATES,)
    touches: ClassVar[Footprint] = Footprint(writes=frozenset({StatePart.WINDOW}))

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step."""
        return cls(words.text, words.keyword(*_STATES) == "on")

    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task: the write."""
        del circumstances
        return lambda job: topology_write(job, on=self.on)

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result, ENOENT where there is nothing to write to."""
        result = self.alone(partition, partition, files)
        removed_note = "5.9 took /proc/powerpc/topology_updates out"
        return replace(result, note=removed_note) if result.errno == errno_name(ENOENT) else result
