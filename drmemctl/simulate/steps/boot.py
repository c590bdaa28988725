# SPDX-License-Identifier: MIT
"""`reboot`, from the firmware's tree, and `kexec`, from the kernel's own or the one that it was booted with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from drmemctl.check.subject import Flush
from drmemctl.hypervisor.firmware_tree import firmware_tree
from drmemctl.kernel.boot import boot
from drmemctl.kernel.kexec_load import Route, next_tree
from drmemctl.kernel.processors import on_homes
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Hypervisor, Partition, Step, StepResult
from drmemctl.simulate.step_words import StepWords
from drmemctl.tree.node import Tree


@dataclass(frozen=True, slots=True)
class Reboot(Step):
    """A boot of the same kernel by firmware."""

    boots: ClassVar[bool] = True

    @property
    def whole_tree(self) -> bool:
        """Whether it costs by the size of the tree."""
        return True

    def flush(self, before: Partition, after: Partition) -> Flush | None:
        """Return what wrote the LMB property that the kernel booted from: nothing of the kernel's."""
        del before, after
        return None

    def handed_on(self, partition: Partition) -> tuple[Hypervisor, Tree]:
        """Return the hypervisor's side, and the tree that the kernel boots from."""
        machine = partition.machine.reset()
        booted, tree = partition.boot_tree, firmware_tree(machine)
        # Where nothing came or went since the last boot, what is known of its tree need not be found out again.
        if booted is not None and booted == tree and booted.beside is None and booted.dump is None:
            tree = booted
        return replace(machine, tree=tree).handing_out(tree), tree

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result: not ok where the kernel does not come up."""
        del files
        machine, tree = self.handed_on(partition)
        kernel, faults = boot(tree, partition.kernel.profile)
        kernel = on_homes(kernel, machine)
        after = replace(partition, kernel=kernel, machine=machine, boot_tree=tree)
        return StepResult(self, partition, after, ok=not kernel.dead, note=kernel.dead, kernel_faults=faults)


@dataclass(frozen=True, slots=True)
class Kexec(Reboot):
    """A boot of the same kernel by the one that runs, which nothing of the hypervisor notices."""

    route: Route = Route.CLASSIC

    completions: ClassVar[tuple[tuple[str, ...], ...]] = (tuple(Route),)

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step; without a route, kexec-tools made the tree."""
        return cls(words.text, Route(words.keyword(*Route)) if words.remaining else Route.CLASSIC)

    def flush(self, before: Partition, after: Partition) -> Flush | None:
        """Return what wrote the LMB property that the kernel booted from."""
        del after
        return before.flush if self.route is Route.CLASSIC else None

    def handed_on(self, partition: Partition) -> tuple[Hypervisor, Tree]:
        """Return the hypervisor's side, and the tree that the kernel boots from."""
        return partition.machine, next_tree(partition.booted, partition.kernel.tree, self.route)
