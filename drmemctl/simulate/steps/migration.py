# SPDX-License-Identifier: MIT
"""`lpm`, a migration to the firmware of a tree, and `migrate`, one by the recorded answers of RTAS calls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self, cast

from drmemctl.hypervisor.recorded import NOTHING_RECORDED
from drmemctl.kernel.firmware import UpdateSource
from drmemctl.kernel.job import MIGRATION, Job
from drmemctl.kernel.mobility import post_mobility_fixup, suspend_messages
from drmemctl.kernel.task import Action, Footprint, Lock, StatePart, Task, drop, take
from drmemctl.kernel.topology_capabilities import CPU_TOPOLOGY_UPDATE, TOPOLOGY_STOPPED
from drmemctl.kernel.topology_updates import start_topology_update, stop_topology_update, update_cpu_topology
from drmemctl.simulate.partition import Hypervisor
from drmemctl.simulate.rtas_record import RtasRecord, read_migration
from drmemctl.simulate.step_words import FILE, StepWords
from drmemctl.simulate.steps.kernel_step import Circumstances, KernelStep, MakeTask
from drmemctl.simulate.update_sources import LiveUpdates, RecordedUpdates, difference
from drmemctl.tree.node import Tree


@dataclass(frozen=True, slots=True)
class _Migration(KernelStep):
    """A migration.

    Attributes:
        file: what firmware's answers are made of.
        expected: what that is.

    """

    file: str

    updates_tree: ClassVar[bool] = True
    completions: ClassVar[tuple[tuple[str, ...], ...]] = ((FILE,),)
    doing: ClassVar[str] = MIGRATION
    expected: ClassVar[str]

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step."""
        return cls(words.text, words.file(cls.expected))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The file."""
        return (self.file,)


@dataclass(frozen=True, slots=True)
class Lpm(_Migration):
    """A migration to the firmware of a tree."""

    expected: ClassVar[str] = "the tree of the destination"

    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task: suspend, wake up on the destination, update the tree."""
        source_tree, destination = circumstances.tree, circumstances.files.tree(self.file)
        updates: UpdateSource
        if circumstances.alone:
            planned = difference(source_tree, destination).planned()
            circumstances.faults.extend(planned.faults)
            updates = planned
        else:
            updates = LiveUpdates.between(source_tree, destination, additions=True)

        def make(job: Job) -> Task[int]:
            return (yield from _migrate(job, _suspend(destination, circumstances), updates, circumstances))

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


def _migrate(job: Job, suspension: Action, updates: UpdateSource, circumstances: Circumstances) -> Task[int]:
    """Suspend and do what follows, which failed updates do not make fail (`migration_store`)."""
    if job.has(TOPOLOGY_STOPPED):
        yield from stop_topology_update(job)
    yield suspension
    if job.has(CPU_TOPOLOGY_UPDATE) and not job.has(TOPOLOGY_STOPPED):
        # Up to 4.19 they are stopped while the partition is suspended, and no longer (rtas_ibm_suspend_me).
        yield from start_topology_update(job)
    if circumstances.alone:
        job.log += suspend_messages(job)
    if circumstances.hotplug_lock:
        yield from take(Lock.HOTPLUG)
    rc = yield from post_mobility_fixup(job, updates)
    if circumstances.hotplug_lock:
        yield from drop(Lock.HOTPLUG)
    if job.has(TOPOLOGY_STOPPED):
        yield from start_topology_update(job)
    else:
        yield from update_cpu_topology(job)
    return rc


@dataclass(frozen=True, slots=True)
class Migrate(_Migration):
    """A migration by the recorded answers of RTAS calls."""

    interleaves: ClassVar[bool] = False
    expected: ClassVar[str] = "a file of RTAS answers"

    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task: the update of the tree by the recorded answers."""
        record = read_migration(circumstances.files.file(self.file), self.file)
        updates = RecordedUpdates(record.calls, circumstances.faults)
        suspension = answering(record)

        def make(job: Job) -> Task[int]:
            rc = yield from _migrate(job, suspension, updates, circumstances)
            yield FORGETTING
            return rc

        return make


def answering(record: RtasRecord) -> Action:
    """Return the moment from which on the hypervisor answers as a record says."""

    def recorded(job: Job) -> None:
        machine = cast("Hypervisor", job.firmware)
        homes = tuple(sorted({**dict(machine.homes), **dict(record.homes)}.items()))
        job.firmware = replace(machine, recorded=record.connectors, homes=homes)

    return Action("firmware", recorded, Footprint(writes=frozenset({StatePart.CONNECTORS})))


def _forget(job: Job) -> None:
    job.firmware = replace(cast("Hypervisor", job.firmware), recorded=NOTHING_RECORDED)


FORGETTING = Action("firmware", _forget, Footprint(writes=frozenset({StatePart.CONNECTORS})))
"""The moment from which on connectors answer for themselves again; home nodes stay where the record has them."""
