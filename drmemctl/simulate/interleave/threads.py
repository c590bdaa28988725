# SPDX-License-Identifier: MIT
"""Threads of the kernel by the step that sets each off: the same tasks that the simulator runs to the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from drmemctl.errors import DrmemctlError
from drmemctl.hypervisor.machine import RefusedError
from drmemctl.kernel.errno import EINVAL
from drmemctl.kernel.job import Job
from drmemctl.kernel.mobility import handle_prrn_event, post_mobility_fixup
from drmemctl.kernel.notifier import remove_property, set_property
from drmemctl.kernel.requests import dlpar_store, handle_event
from drmemctl.kernel.task import Action, Footprint, Lock, StatePart, Task, atomic, drop, take
from drmemctl.simulate.grammar import StepError, parse_step
from drmemctl.simulate.hotplug import changed, request_of
from drmemctl.simulate.interleave.policy import Policy
from drmemctl.simulate.interleave.source import FirmwareSource, ListedSource
from drmemctl.simulate.simulation import Files, Hypervisor
from drmemctl.simulate.steps import PRRN_EVENT_SCOPE, Attach, Detach, Dlpar, FirmwareUpdate, Lpm, Prrn, Step
from drmemctl.tree.node import Tree

KDUMP = "kdump"
"""A thread that is no step: user space, which loads the crash kernel anew whenever memory came or went."""

_OF_A_THREAD = (Dlpar, Lpm, Prrn, FirmwareUpdate, Attach, Detach)

Make = Callable[[Job], Task[int]]

_REQUEST = Footprint(
    frozenset(StatePart) - {StatePart.OTHER, StatePart.CRASH_KERNEL},
    frozenset(
        {
            StatePart.CONNECTORS,
            StatePart.FLAGS,
            StatePart.AA,
            StatePart.BLOCKS,
            StatePart.LMBS,
            StatePart.LOOKUP,
            StatePart.UPDATING,
            StatePart.DELIVERED,
        }
    ),
)
_TREE_UPDATE = Footprint(
    frozenset(
        {
            StatePart.CONNECTORS,
            StatePart.NODES,
            StatePart.UPDATING,
            StatePart.BLOCKS,
            StatePart.OTHER,
            StatePart.WINDOW,
        }
    ),
    frozenset(
        {
            StatePart.CONNECTORS,
            StatePart.NODES,
            StatePart.LMBS,
            StatePart.LOOKUP,
            StatePart.OTHER,
            StatePart.AA,
            StatePart.CPUS,
            StatePart.WINDOW,
            StatePart.DELIVERED,
        }
    ),
)
_READ_AGAIN = Footprint(writes=frozenset({StatePart.FLAGS}))
_RELOAD = Footprint(frozenset({StatePart.LMBS, StatePart.BLOCKS}), frozenset({StatePart.CRASH_KERNEL}))


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread.

    Attributes:
        text: the steps that it does, as the user wrote them.
        make: its task for a job that tells it nothing but the kernel's capabilities.
        touches: what any of its actions may read and write.
        locks: the locks that any of its actions may wait for.
        endless: whether it goes on for ever, and the others' end is the end.

    """

    text: str
    make: Make
    touches: Footprint
    locks: frozenset[Lock]
    endless: bool = False


class Reload(Action):
    """User space's reload of the crash kernel: not before a memory block came or went."""


def _kdump(job: Job) -> Task[int]:
    del job
    while True:
        yield Reload("kexec -p", lambda _: None, _RELOAD)


def steps_of(text: str) -> list[Step]:
    """Return the steps of a thread, none for kdump; `StepError` for what is none, or cannot be a thread's."""
    if text.strip() == KDUMP:
        return []
    steps = [step for part in text.split(";") if (step := parse_step(part)) is not None]
    if not steps:
        raise StepError(text, 1, 1, "a step")
    for step in steps:
        if not isinstance(step, _OF_A_THREAD):
            expected = "a step that sets a thread off (lpm, prrn, dlpar, plug, unplug, firmware)"
            raise StepError(step.text, 1, 1, expected)
    return steps


def thread(text: str, base: Tree, files: Files, policy: Policy) -> Thread:
    """Return the thread of steps separated by `;`; `StepError` for what is none, or cannot be a thread's."""
    if text.strip() == KDUMP:
        return Thread(KDUMP, _kdump, _RELOAD, frozenset(), endless=True)
    steps = steps_of(text)
    makes = [_make(step, base, files, policy) for step in steps]
    touches = Footprint()
    for step in steps:
        touches |= _REQUEST if isinstance(step, Dlpar | Attach | Detach) else _TREE_UPDATE | _READ_AGAIN
        if isinstance(step, Prrn):
            touches |= _REQUEST
    return Thread("; ".join(step.text for step in steps), _in_sequence(makes), touches, frozenset(Lock))


def _in_sequence(makes: Sequence[Make]) -> Make:
    def make(job: Job) -> Task[int]:
        rc = 0
        for one in makes:
            rc = (yield from one(job)) or rc
        return rc

    return make


def _make(step: Step, base: Tree, files: Files, policy: Policy) -> Make:
    if isinstance(step, Dlpar):
        request = step.request + "\n"
        return lambda job: dlpar_store(job, request)
    if isinstance(step, Lpm):
        source = FirmwareSource.between(base, files.tree(step.tree), additions=True)
        return lambda job: _migration(job, source, policy)
    if isinstance(step, Prrn):
        return _reassignment(step, base, files)
    if isinstance(step, FirmwareUpdate):
        return _update(step, files)
    assert isinstance(step, Attach | Detach)  # noqa: S101 - `steps_of` takes nothing else
    return lambda job: _event(job, step)


def _migration(job: Job, source: FirmwareSource, policy: Policy) -> Task[int]:
    """Suspend, wake up on the destination and update the tree (`pseries_migrate_partition`)."""
    yield _suspend(source.home, policy)
    if policy.hotplug:
        yield from take(Lock.HOTPLUG)
    rc = yield from post_mobility_fixup(job, source)
    if policy.hotplug:
        yield from drop(Lock.HOTPLUG)
    return rc


def _suspend(home: Tree, policy: Policy) -> Action:
    """Return the moment of the migration itself: no CPU runs, so that it is one action."""

    def moved(job: Job) -> None:
        machine = cast("Hypervisor", job.firmware)
        job.firmware = machine.moved(home).handing_out(home)
        job.called("pseries_suspend", "suspend-me", (), (0,))

    touches = Footprint(writes=frozenset({StatePart.CONNECTORS, StatePart.DELIVERED}))
    waited = Lock.RTASD if policy.drains else None
    return Action("suspend", moved, touches, takes=waited, drops=waited)


def _reassignment(step: Prrn, base: Tree, files: Files) -> Make:
    if step.tree is None:
        return lambda job: _listed(job, step)
    source = FirmwareSource.between(base, files.tree(step.tree), additions=False)
    return lambda job: _prrn(job, source)


def _listed(job: Job, step: Prrn) -> Task[int]:
    """Handle an event whose list names phandles, or DRC indexes of LMBs."""
    yield Action("event-scan", lambda _: None, joins=Lock.RTASD)
    yield from take(Lock.RTASD)
    yield from handle_prrn_event(job, ListedSource(step.phandles), step.scope)
    yield from drop(Lock.RTASD)
    return 0


def _prrn(job: Job, source: FirmwareSource) -> Task[int]:
    """Receive the event on the system that has it: after a migration it does not come any more."""

    def reassigned(now: Job) -> bool:
        machine = cast("Hypervisor", now.firmware)
        here = machine.tree is source.known
        if here:
            now.firmware = machine.moved(source.home)
        now.called("rtas_event_scan", "event-scan", (), (0 if here else 1,))
        return here

    touches = Footprint(writes=frozenset({StatePart.CONNECTORS}))
    here = yield Action("event-scan", reassigned, touches, joins=Lock.RTASD)
    yield from take(Lock.RTASD)
    if here:
        yield from handle_prrn_event(job, source, PRRN_EVENT_SCOPE)
    yield from drop(Lock.RTASD)
    return 0


def _update(step: FirmwareUpdate, files: Files) -> Make:
    value = step.value if step.file is None else files.file(step.file)
    path, name = step.path, step.property

    def make(job: Job) -> Task[int]:
        if value is None:
            yield from remove_property(job, path, name, delivered=True)
        else:
            yield from set_property(job, path, name, value, delivered=True)
        return 0

    return make


def _event(job: Job, step: Attach | Detach) -> Task[int]:
    """Let the hypervisor attach or detach, and the guest handle the event if it is told."""
    refused = yield from _changed(job, step)
    if refused or not step.tell:
        return EINVAL if refused else 0
    return (yield from handle_event(job, request_of(cast("Hypervisor", job.firmware), step)))


@atomic(writes=(StatePart.CONNECTORS,))
def _changed(job: Job, step: Attach | Detach) -> bool:
    try:
        job.firmware = changed(cast("Hypervisor", job.firmware), step)
    except RefusedError:
        return True
    return False


class ThreadsError(DrmemctlError):
    """These threads cannot be explored."""


def threads_of(texts: Sequence[str], base: Tree, files: Files, policy: Policy) -> tuple[Thread, ...]:
    """Return the threads; `ThreadsError` for none at all."""
    if not texts:
        raise ThreadsError("there is no thread to explore", hint="add --thread STEP")
    return tuple(thread(text, base, files, policy) for text in texts)
