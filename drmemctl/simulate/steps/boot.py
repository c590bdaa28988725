# SPDX-License-Identifier: MIT
"""`reboot`, from the firmware's tree, and `kexec`, from the kernel's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from drmemctl.check.subject import Flush
from drmemctl.hypervisor.firmware_tree import firmware_tree
from drmemctl.kernel.boot import boot
from drmemctl.kernel.processors import on_homes
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Partition, Step, StepResult
from drmemctl.simulate.words import StepWords


@dataclass(frozen=True, slots=True)
class Reboot(Step):
    """A boot of the same kernel."""

    kexec: bool

    boots: ClassVar[bool] = True

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step."""
        return cls(words.text, words.name == "kexec")

    @property
    def whole_tree(self) -> bool:
        """Whether it costs by the size of the tree."""
        return True

    def flush(self, before: Partition, after: Partition) -> Flush | None:
        """Return what wrote the LMB property that the kernel booted from."""
        del after
        return before.flush if self.kexec else None

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result: not ok where the kernel does not come up."""
        del files
        machine, tree = partition.machine, partition.kernel.tree
        if not self.kexec:
            machine = machine.reset()
            tree = firmware_tree(machine)
            machine = replace(machine, tree=tree).handing_out(tree)
        kernel, faults = boot(tree, partition.kernel.profile)
        kernel = on_homes(kernel, machine)
        after = replace(partition, kernel=kernel, machine=machine)
        return StepResult(self, partition, after, ok=not kernel.dead, note=kernel.dead, kernel_faults=faults)
