# SPDX-License-Identifier: MIT
"""`topology`: whether the kernel acts on new nodes of CPUs and on reassignments, as its user switches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from drmemctl.kernel.job import Job
from drmemctl.kernel.task import Footprint, StatePart, Task
from drmemctl.kernel.topology_updates import topology_write
from drmemctl.simulate.steps.kernel_step import Circumstances, KernelStep, MakeTask
from drmemctl.simulate.words import StepWords

_STATES = ("on", "off")


@dataclass(frozen=True, slots=True)
class Topology(KernelStep):
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

        def make(job: Job) -> Task[int]:
            return (yield from topology_write(job, on=self.on))

        return make
