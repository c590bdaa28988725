# SPDX-License-Identifier: MIT
"""`withhold` and `provide`: whether the hypervisor's pool gives LMBs that the partition asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from drmemctl.hypervisor.machine import RefusedError
from drmemctl.kernel.firmware import PARAMETER_ERROR
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Partition, Step, StepResult
from drmemctl.simulate.step_words import DRC, NUMBER, StepWords


@dataclass(frozen=True, slots=True)
class Pool(Step):
    """LMBs that the pool refuses from now on, or gives again.

    Attributes:
        drc_index: the first LMB's.
        count: how many LMBs.
        status: what set-indicator answers to who wants to use one, None where they are given.

    """

    drc_index: int
    count: int
    status: int | None = None

    completions: ClassVar[tuple[tuple[str, ...], ...]] = ((DRC,), (NUMBER,), (NUMBER,))

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step.

        Without a status it is -3, as PAPR 2.7 has it (13.5.3.4) by QEMU's spapr_drc.c: no resource to be used.
        """
        step = cls(words.text, words.drc_index(), words.number("how many LMBs"))
        if words.name == "provide":
            return step
        status = words.signed("a status of set-indicator") if words.remaining else PARAMETER_ERROR
        if not -(1 << 31) <= status < 0:
            raise words.error("a status of set-indicator that is an error, as -3", back=1)
        return replace(step, status=status)

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result; on QEMU there is no pool."""
        del files
        try:
            machine = partition.machine.withhold(self.drc_index, self.count, self.status)
        except RefusedError as refusal:
            return self.refused(partition, refusal)
        return StepResult(self, partition, replace(partition, machine=machine))
