# SPDX-License-Identifier: MIT
"""Kernel work as a sequence of atomic actions, between which another thread of the kernel may run.

A kernel function that can be interrupted is a generator: it yields one `Action` after the other and is sent what
each returned. Between two actions it may look at nothing but what it was sent, at the profile, and at its own log;
so what it does next depends on those results alone. `run` carries a task out alone, as the simulator does; the
explorer takes the actions of several tasks in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from enum import StrEnum
from types import GeneratorType
from typing import Any, Concatenate, ParamSpec, TypeVar

from drmemctl.kernel.errno import EFAULT
from drmemctl.kernel.firmware import Firmware
from drmemctl.kernel.job import BlockedError, Job, OopsError, Outcome
from drmemctl.kernel.plugins import PluginError
from drmemctl.kernel.state import KernelState

P = ParamSpec("P")
R = TypeVar("R")


class StatePart(StrEnum):
    """A part of the partition that actions read and write; two that share none can change places."""

    CONNECTORS = "connectors"
    FLAGS = "flags of the array"
    AA = "aa_index of the array"
    BLOCKS = "memory blocks"
    LMBS = "ibm,dynamic-memory"
    LOOKUP = "ibm,associativity-lookup-arrays"
    NODES = "nodes of the tree"
    OTHER = "other properties"
    UPDATING = "in_drmem_update"
    CPUS = "nodes of CPUs"
    DISTANCES = "distances of nodes"
    WINDOW = "topology updates"
    CRASH_KERNEL = "crash kernel"
    DELIVERED = "what the hypervisor delivered"


class Lock(StrEnum):
    """What keeps threads of the kernel apart.

    `device_hotplug_lock` is a mutex. An ordered work queue, and the one work item that scans for events, run what
    was queued first to its end before the next begins.
    """

    HOTPLUG = "device_hotplug_lock"
    WORKQUEUE = "pseries hotplug workqueue"
    RTASD = "rtasd"
    TREE_UPDATE = "device tree update mutex"


@dataclass(frozen=True, slots=True)
class Footprint:
    """What an action reads and what it writes."""

    reads: frozenset[StatePart] = frozenset()
    writes: frozenset[StatePart] = frozenset()

    def __or__(self, more: Footprint) -> Footprint:
        return Footprint(self.reads | more.reads, self.writes | more.writes)

    def is_within(self, footprint: Footprint) -> bool:
        """Whether the other reads and writes as much; what is written may be read."""
        return self.writes <= footprint.writes and self.reads <= footprint.reads | footprint.writes

    def conflicts(self, footprint: Footprint) -> bool:
        """Whether the order of the two can matter."""
        touched = self.reads | self.writes
        return bool(self.writes & (footprint.reads | footprint.writes) or footprint.writes & touched)


NOTHING = Footprint()


@dataclass(frozen=True, slots=True)
class Action:
    """Something that happens at once.

    Attributes:
        name: the function that does it.
        do: does it to a job; what it returns is sent to the task.
        touches: what it reads and writes.
        joins: the queue that it puts its thread at the end of.
        takes: the lock that it waits for and takes; that of a queue only once those before it are done.
        drops: the lock that it gives back.

    """

    name: str
    do: Callable[[Job], Any]
    touches: Footprint = NOTHING
    joins: Lock | None = None
    takes: Lock | None = None
    drops: Lock | None = None

    @property
    def locks(self) -> frozenset[Lock]:
        """The queues and locks that it has to do with."""
        return frozenset(filter(None, (self.joins, self.takes, self.drops)))


Task = Generator[Action, Any, R]


def atomic(
    *, reads: tuple[StatePart, ...] = (), writes: tuple[StatePart, ...] = ()
) -> Callable[[Callable[Concatenate[Job, P], R]], Callable[Concatenate[Job, P], Task[R]]]:
    """Decorate a function of a job: it becomes a task of one action that reads and writes these parts.

    The function's name, without leading underscores, is the action's name: saved schedules of `explore` hold it,
    and `output/explore_words.py` has the words for it, so it stays when the function is changed.
    """
    touches = Footprint(frozenset(reads), frozenset(writes))

    def decorated(function: Callable[Concatenate[Job, P], R]) -> Callable[Concatenate[Job, P], Task[R]]:
        def task(job: Job, /, *args: P.args, **kwargs: P.kwargs) -> Task[R]:
            del job  # the action is done to the job that `run`, or the explorer, passes to it
            result: R = yield Action(
                function.__name__.strip("_"), lambda actor: function(actor, *args, **kwargs), touches
            )
            return result

        task.__doc__ = function.__doc__
        return task

    return decorated


def join(queue: Lock) -> Task[None]:
    """Put the thread at the end of a queue."""
    yield Action("queue", lambda _: None, joins=queue)


def take(lock: Lock) -> Task[None]:
    """Wait for a lock and take it."""
    yield Action("take", lambda _: None, takes=lock)


def drop(lock: Lock) -> Task[None]:
    """Give a lock back."""
    yield Action("drop", lambda _: None, drops=lock)


def holding(lock: Lock, task: Task[R]) -> Task[R]:
    """Carry a task out under a lock."""
    yield from take(lock)
    result = yield from task
    yield from drop(lock)
    return result


def in_turn(queue: Lock, task: Task[R]) -> Task[R]:
    """Join a queue, carry a task out when it is its turn, and leave the queue."""
    yield from join(queue)
    return (yield from holding(queue, task))


def next_action(task: Task[Any], result: Any) -> Action:
    """Return what a task does next, once its last action returned `result`; `PluginError` if that is no action."""
    action: Any = task.send(result)
    if isinstance(action, Action):
        return action
    inner: Any = task
    while isinstance(inner.gi_yieldfrom, GeneratorType):
        inner = inner.gi_yieldfrom
    message = f"line {inner.gi_frame.f_lineno}: {inner.__name__} yields a {type(action).__name__} and no action"
    hint = "`yield from` goes on with another function"
    raise PluginError(message, source=inner.gi_code.co_filename, hint=hint)


def run(job: Job, task: Task[R]) -> R:
    """Carry a task out alone; nobody else holds a lock."""
    result: Any = None
    while True:
        try:
            action = next_action(task, result)
        except StopIteration as end:
            value: R = end.value
            return value
        try:
            result = _perform(job, action)
        except (OopsError, BlockedError) as end:
            task.throw(end)  # `finally` of the task restores the log that it set aside (`alike._act_on_run`)
            raise


def _perform(job: Job, action: Action) -> Any:
    if action.takes is Lock.HOTPLUG and job.state.dead:
        raise BlockedError
    return action.do(job)


def run_alone(
    state: KernelState, firmware: Firmware, make: Callable[[Job], Task[Any]], *, alike: bool = False
) -> Outcome:
    """Carry out alone the task that `make` returns for a job: one that returns an error number, or nothing for 0.

    An oops ends it, or a lock that nobody gives back. With `alike`, LMBs that are alike are acted on at once.
    """
    job = Job(state, firmware, alone=alike)
    try:
        return job.outcome(run(job, make(job)) or 0)
    except OopsError as oops:
        return job.stopped(oops, EFAULT)
    except BlockedError:
        return replace(job.outcome(EFAULT), blocked=True)
