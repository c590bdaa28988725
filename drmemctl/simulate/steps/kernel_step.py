# SPDX-License-Identifier: MIT
"""Steps that the kernel carries out: a task each, which runs alone or as a thread beside others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

from drmemctl.kernel import plugins
from drmemctl.kernel.errno import errno_name
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.job import Job
from drmemctl.kernel.task import Footprint, StatePart, Task, run_alone
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Hypervisor, Partition, Step, StepResult
from drmemctl.tree.node import Tree

MakeTask = Callable[[Job], Task[int]]
"""Makes the task of a step for a job; the task returns 0 or a negative error number."""

_Part = StatePart

REQUEST = Footprint(
    reads=frozenset(StatePart) - {_Part.OTHER, _Part.CRASH_KERNEL},
    writes=frozenset({_Part.CONNECTORS, _Part.FLAGS, _Part.AA, _Part.BLOCKS, _Part.LMBS, _Part.LOOKUP})
    | {_Part.UPDATING, _Part.DELIVERED, _Part.DISTANCES},
)
"""What a request for memory may read and write."""

TREE_UPDATE = Footprint(
    reads=frozenset({_Part.CONNECTORS, _Part.NODES, _Part.UPDATING, _Part.BLOCKS, _Part.OTHER, _Part.WINDOW}),
    writes=frozenset({_Part.CONNECTORS, _Part.NODES, _Part.LMBS, _Part.LOOKUP, _Part.OTHER})
    | {_Part.AA, _Part.FLAGS, _Part.CPUS, _Part.WINDOW, _Part.DELIVERED, _Part.DISTANCES},
)
"""What an update of the device tree may read and write, with the array that is read from it anew."""

CPU_REQUEST = Footprint(
    reads=frozenset({_Part.CONNECTORS, _Part.NODES, _Part.CPUS, _Part.OTHER, _Part.BLOCKS}),
    writes=frozenset({_Part.CONNECTORS, _Part.NODES, _Part.CPUS, _Part.DELIVERED, _Part.DISTANCES}),
)
"""What a request for CPUs may read and write."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a step's task depends on besides the job.

    Attributes:
        tree: the kernel's tree at that time.
        files: how the files and trees that the step names are read.
        alone: whether no other thread runs meanwhile.
        drains: whether a migration waits until every reassignment received is done.
        hotplug_lock: whether the tree update after a migration holds device_hotplug_lock, as requests do.
        faults: what firmware does in the course of it that LoPAR does not allow.

    """

    tree: Tree
    files: Files
    alone: bool = True
    drains: bool = False
    hotplug_lock: bool = False
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class KernelStep(Step):
    """A step that sets a thread of the kernel off.

    Attributes:
        touches: what any action of the task may read and write.
        interleaves: whether it can be a thread beside others: one that replays recorded answers cannot.
        alike: whether a run of equal LMBs is acted on at once where no other thread runs (`kernel.alike`).
        returns_errno: whether the error number of the task reaches user space, as that of write(2) does.

    """

    touches: ClassVar[Footprint] = TREE_UPDATE
    interleaves: ClassVar[bool] = True
    alike: ClassVar[bool] = False
    returns_errno: ClassVar[bool] = True

    @abstractmethod
    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task; files are read here, once for all tasks."""

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result of the task run alone; a dead kernel does nothing, one without its lock no request."""
        return self.alone(partition, partition, files)

    def alone(
        self, before: Partition, partition: Partition, files: Files, make: MakeTask | None = None
    ) -> StepResult:
        """Return the result of the step's task, run alone on a partition.

        Args:
            before: the partition before the step.
            partition: the same after what the hypervisor did in the step.
            files: how files that the step names are read.
            make: makes the task in place of `task`.

        """
        kernel = partition.kernel
        if kernel.dead and (self.is_request or not kernel.takes_updates):
            return StepResult(self, before, partition, ok=False, note=_NO_ANSWER + kernel.dead)
        circumstances = Circumstances(kernel.tree, files)
        make = make or plugins.task_maker(self, circumstances)
        outcome = run_alone(kernel, partition.machine, make, alike=self.alike)
        after = replace(partition, kernel=outcome.state, machine=cast("Hypervisor", outcome.firmware))
        stopped = outcome.blocked or any(fault.code in _STOPS for fault in outcome.faults)
        no_answer = HYPERVISOR_ABORTED if after.machine.aborted else _NO_ANSWER + after.kernel.dead
        return StepResult(
            self,
            before,
            after,
            ok=outcome.rc == 0 and not stopped,
            errno=errno_name(outcome.rc) if self.returns_errno and not stopped else None,
            log=outcome.log,
            note=no_answer if outcome.blocked else "",
            kernel_faults=(*outcome.faults, *circumstances.faults),
        )


_NO_ANSWER = "the kernel does not answer: "

HYPERVISOR_ABORTED = "the hypervisor has aborted"


_STOPS = frozenset({"oops", "never-returns"})
"""Faults after which nobody gets an error number any more."""
