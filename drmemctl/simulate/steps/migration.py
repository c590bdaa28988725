# SPDX-License-Identifier: MIT
"""`lpm`, a migration to the firmware of a tree, and `migrate`, one by the recorded answers of RTAS calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self, cast

from drmemctl.kernel.capabilities import SUSPEND_IN_STOP_MACHINE
from drmemctl.kernel.firmware import UpdateSource
from drmemctl.kernel.job import MIGRATION, Job
from drmemctl.kernel.mobility import SUSPENDED, post_mobility_fixup
from drmemctl.kernel.task import Action, Footprint, Lock, StatePart, Task, drop, take
from drmemctl.simulate.partition import Hypervisor
from drmemctl.simulate.steps.kernel_step import Circumstances, KernelStep, MakeTask
from drmemctl.simulate.updates import LiveUpdates, RecordedUpdates, difference, read_record
from drmemctl.simulate.words import FILE, StepWords
from drmemctl.tree.node import Tree


@dataclass(frozen=True, slots=True)
class Lpm(KernelStep):
    """A migration to the firmware of a tree."""

    tree: str

    updates_tree: ClassVar[bool] = True
    completions: ClassVar[tuple[tuple[str, ...], ...]] = ((FILE,),)
    doing: ClassVar[str] = MIGRATION

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step."""
        return cls(words.text, words.next("the tree of the destination"))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tree of the destination."""
        return (self.tree,)

    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task: suspend, wake up on the destination, update the tree."""
        source_tree, destination = circumstances.tree, circumstances.files.tree(self.tree)
        updates: UpdateSource
        if circumstances.alone:
            planned = difference(source_tree, destination).planned()
            circumstances.faults.extend(planned.faults)
            updates = planned
        else:
            updates = LiveUpdates.between(source_tree, destination, additions=True)

        def make(job: Job) -> Task[int]:
            yield _suspend(destination, circumstances)
            return (yield from _update_tree(job, updates, circumstances))

        return make


def _suspend(destination: Tree, circumstances: Circumstances) -> Action:
    """Return the moment of the migration itself: no CPU runs, so that it is one action."""

    def moved(job: Job) -> None:
        machine = cast("Hypervisor", job.firmware)
        job.firmware = machine.moved(destination).handing_out(destination)
        if not circumstances.alone:
            job.called("pseries_suspend", "suspend-me", (), (0,))

    touches = Footprint(writes=frozenset({StatePart.CONNECTORS, StatePart.DELIVERED}))
    waits_for = Lock.RTASD if circumstances.drains else None
    return Action("suspend", moved, touches, takes=waits_for, drops=waits_for)


def _update_tree(job: Job, updates: UpdateSource, circumstances: Circumstances) -> Task[int]:
    """Do what follows the suspension, which failed updates do not make fail (`pseries_migrate_partition`)."""
    if circumstances.alone and job.has(SUSPEND_IN_STOP_MACHINE):
        job.log += SUSPENDED
    if circumstances.hotplug_lock:
        yield from take(Lock.HOTPLUG)
    rc = yield from post_mobility_fixup(job, updates)
    if circumstances.hotplug_lock:
        yield from drop(Lock.HOTPLUG)
    return rc


@dataclass(frozen=True, slots=True)
class Migrate(KernelStep):
    """A migration by the recorded answers of RTAS calls."""

    file: str

    interleaves: ClassVar[bool] = False
    updates_tree: ClassVar[bool] = True
    completions: ClassVar[tuple[tuple[str, ...], ...]] = ((FILE,),)
    doing: ClassVar[str] = MIGRATION

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step."""
        return cls(words.text, words.next("a file of RTAS answers"))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The record."""
        return (self.file,)

    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task: the update of the tree by the recorded answers."""
        answers = read_record(circumstances.files.file(self.file), self.file)
        updates = RecordedUpdates(answers, circumstances.faults)
        return lambda job: _update_tree(job, updates, circumstances)
