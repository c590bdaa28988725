# SPDX-License-Identifier: MIT
"""`prrn`: a platform resource reassignment, to the firmware of a tree, of a record, or of phandles in a scope."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self, cast

from drmemctl.errors import InputError
from drmemctl.formats.rtas_event import PRRN
from drmemctl.kernel.firmware import UpdateSource
from drmemctl.kernel.job import REASSIGNMENT, Job
from drmemctl.kernel.mobility import handle_prrn_event
from drmemctl.kernel.processors import listens, why_deaf
from drmemctl.kernel.task import Action, Footprint, Lock, StatePart, Task, drop, take
from drmemctl.kernel.topology_capabilities import PRRN_UPDATE
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Hypervisor, Partition, StepResult
from drmemctl.simulate.rtas_record import read_reassignment
from drmemctl.simulate.step_words import FILE, StepWords
from drmemctl.simulate.steps.kernel_step import REQUEST, TREE_UPDATE, Circumstances, KernelStep, MakeTask
from drmemctl.simulate.steps.migration import FORGETTING, answering
from drmemctl.simulate.update_sources import LiveUpdates, RecordedUpdates, difference, updates_of_phandles
from drmemctl.tree.node import Tree

_EVENT_SCOPE = 2
"""The scope in the event of a reassignment to a tree; the kernel calls ibm,update-nodes with its negative."""

_TREE_OR_PHANDLES = "a tree, a record, or a scope and phandles"


@dataclass(frozen=True, slots=True)
class Prrn(KernelStep):
    """A reassignment to the firmware of `tree`, else one that names phandles, or DRC indexes of LMBs.

    `tree` may name a record instead: of the events, and of what firmware answered.
    """

    tree: str | None = None
    scope: int = 0
    phandles: tuple[int, ...] = ()

    updates_tree: ClassVar[bool] = True
    completions: ClassVar[tuple[tuple[str, ...], ...]] = ((FILE,),)
    doing: ClassVar[str] = REASSIGNMENT
    touches: ClassVar[Footprint] = TREE_UPDATE | REQUEST

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step."""
        if words.remaining == 1:
            return cls(words.text, words.file(_TREE_OR_PHANDLES))
        scope = words.signed(_TREE_OR_PHANDLES)
        phandles = [words.number("a phandle")]
        while words.remaining:
            phandles.append(words.number("a phandle"))
        return cls(words.text, scope=scope, phandles=tuple(phandles))

    @property
    def whole_tree(self) -> bool:
        """Whether it costs by the size of the tree: not where it names the nodes."""
        return self.tree is not None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tree of the new firmware, if any."""
        return () if self.tree is None else (self.tree,)

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result; a kernel that does not listen says nothing of it."""
        result = self.alone(partition, partition, files)
        kernel = partition.kernel
        if result.note or listens(kernel) or not kernel.profile.has(PRRN_UPDATE):
            return result
        return replace(result, note=f"nothing was asked for: {why_deaf(kernel, REASSIGNMENT)}")

    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task: receive the event, update the tree of its scope."""
        if self.tree is None:
            listed, scope = updates_of_phandles(self.phandles), self.scope
            return lambda job: _handle_event(job, _scan(), listed, scope)
        if circumstances.files.is_record(self.tree):
            return _recorded(self.tree, circumstances)
        reassigned = circumstances.files.tree(self.tree)
        if circumstances.alone:
            planned = difference(circumstances.tree, reassigned, reassignment=True).planned()
            circumstances.faults.extend(planned.faults)
            return lambda job: _handle_event(job, _scan(reassigned), planned, _EVENT_SCOPE)
        live = LiveUpdates.between(circumstances.tree, reassigned, additions=False)
        return lambda job: _handle_event(job, _scan_on_source(live), live, _EVENT_SCOPE)


def _recorded(name: str, circumstances: Circumstances) -> MakeTask:
    record = read_reassignment(circumstances.files.file(name), name)
    if not circumstances.alone:
        message = "answers that were recorded fit one order only: no thread can go by them"
        raise InputError(message, source=name, hint="name a tree, or a scope and phandles")
    updates = RecordedUpdates(record.calls, circumstances.faults)

    def make(job: Job) -> Task[int]:
        yield answering(record)
        for event in record.events:
            if event.fixed is not None and event.fixed.type == PRRN:
                yield from _handle_event(job, _scan(), updates, event.fixed.scope)
        yield FORGETTING
        return 0

    return make


def _scan(tree: Tree | None = None) -> Action:
    """Return the scan that finds the event, from the firmware of a tree where one is given."""

    def scan(job: Job) -> bool:
        if tree is not None:
            job.firmware = cast("Hypervisor", job.firmware).moved(tree)
        return True

    return Action("event-scan", scan, joins=Lock.RTASD)


def _scan_on_source(updates: LiveUpdates) -> Action:
    """Return the scan that finds the event as long as the partition has not migrated: it stays on the source."""

    def scan(job: Job) -> bool:
        machine = cast("Hypervisor", job.firmware)
        is_on_source = machine.tree is updates.kernel_tree
        if is_on_source:
            job.firmware = machine.moved(updates.tree)
        job.called("rtas_event_scan", "event-scan", (), (0 if is_on_source else 1,))
        return is_on_source

    touches = Footprint(writes=frozenset({StatePart.CONNECTORS}))
    return Action("event-scan", scan, touches, joins=Lock.RTASD)


def _handle_event(job: Job, scan: Action, updates: UpdateSource, scope: int) -> Task[int]:
    """Update the tree if the scan found an event, after the events that came before it (`rtas_event_scan`)."""
    has_event = yield scan
    yield from take(Lock.RTASD)
    if has_event:
        yield from handle_prrn_event(job, updates, scope)
    yield from drop(Lock.RTASD)
    return 0
