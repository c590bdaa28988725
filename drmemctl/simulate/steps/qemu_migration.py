# SPDX-License-Identifier: MIT
"""`qemu-migrate`: QEMU migrates the machine, of which the guest's kernel is told nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, cast

from drmemctl.hypervisor.machine import RefusedError
from drmemctl.kernel.errno import EINVAL
from drmemctl.kernel.job import Job
from drmemctl.kernel.task import Footprint, StatePart, Task, atomic
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Hypervisor, Partition, StepResult
from drmemctl.simulate.steps.kernel_step import Circumstances, KernelStep, MakeTask


@dataclass(frozen=True, slots=True)
class QemuMigrate(KernelStep):
    """A live migration to another QEMU, which is started with the DIMMs that the source has."""

    touches: ClassVar[Footprint] = Footprint(writes=frozenset({StatePart.CONNECTORS}))
    returns_errno: ClassVar[bool] = False

    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task: the moment from which on the machine is elsewhere."""
        del circumstances

        def make(job: Job) -> Task[int]:
            return EINVAL if (yield from _qemu_migration(job)) else 0

        return make

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result, also of a kernel that has died; not ok where the hypervisor is no QEMU."""
        del files
        try:
            machine = partition.machine.migrated()
        except RefusedError as refusal:
            return self.refused(partition, refusal)
        return StepResult(self, partition, replace(partition, machine=machine))


@atomic(writes=(StatePart.CONNECTORS,))
def _qemu_migration(job: Job) -> bool:
    """Move the machine; return whether the hypervisor refuses."""
    try:
        job.firmware = cast("Hypervisor", job.firmware).migrated()
    except RefusedError:
        return True
    return False
