# SPDX-License-Identifier: MIT
"""`online` and `offline`: what is written to the state of a memory block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from drmemctl.formats.block_states import OFFLINE, ONLINE
from drmemctl.kernel.block_state import write_state
from drmemctl.kernel.errno import EBUSY, EINVAL, ENOENT, errno_name
from drmemctl.kernel.task import Footprint, StatePart
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Partition, StepResult
from drmemctl.simulate.step_words import BLOCK, StepWords
from drmemctl.simulate.steps.kernel_step import Circumstances, KernelStep, MakeTask


@dataclass(frozen=True, slots=True)
class BlockState(KernelStep):
    """What is written to /sys/devices/system/memory/memoryN/state."""

    block: int
    online: bool

    completions: ClassVar[tuple[tuple[str, ...], ...]] = ((BLOCK,),)
    touches: ClassVar[Footprint] = Footprint(
        frozenset({StatePart.FLAGS, StatePart.BLOCKS}), frozenset({StatePart.BLOCKS})
    )

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step."""
        return cls(words.text, words.number("the number of a memory block"), words.name == ONLINE)

    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task: the write."""
        del circumstances
        return lambda job: write_state(job, self.block, online=self.online)

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result; the kernel says nothing of why it failed."""
        result = self.alone(partition, partition, files)
        return replace(result, note=result.note or self._note(result))

    def _note(self, result: StepResult) -> str:
        if result.errno == errno_name(ENOENT):
            return f"there is no memory block {self.block}"
        if result.errno == errno_name(EBUSY):
            return "something in it cannot be moved"
        if result.errno != errno_name(EINVAL):
            return ""
        if self.block in result.before.kernel.blocks.holed and not self.online:
            return "a part of its memory is missing"
        return f"it is {ONLINE if self.online else OFFLINE} already"
