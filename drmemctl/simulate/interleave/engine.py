# SPDX-License-Identifier: MIT
"""Taking one action of one thread: from a state to the next.

A thread's task looks at nothing but the results of its actions, so that where it is in its code is known by them.
They are the branches of a tree, and a thread's place is the number of a node in it. Python cannot copy a
generator; to go on from a place a second time, a new one is sent the same results again, which costs little since
nothing is done. Source of the idea: stateless search by re-execution (P. Godefroid, Model Checking for Programming
Languages using VeriSoft, POPL 1997), here with states nevertheless.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

from drmemctl.kernel import plugins
from drmemctl.kernel.errno import EFAULT
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.job import BlockedError, Job, OopsError
from drmemctl.kernel.task import Action, Lock, next_action
from drmemctl.kernel.trace import Trace
from drmemctl.simulate.interleave.keys import Keys
from drmemctl.simulate.interleave.policy import Policy
from drmemctl.simulate.interleave.states import Recent
from drmemctl.simulate.interleave.threads import Reload, Thread
from drmemctl.simulate.partition import Hypervisor, Partition

OOPSED = EFAULT
"""The outcome of a thread that the kernel killed: nobody gets an error number."""

_STEPS, _PARTITIONS = 100_000, 20_000
"""Results of actions, and partitions, that are remembered: some kilobytes each."""

Threads = int
"""A set of threads: a bit for each."""


def threads_in(threads: Threads) -> Iterator[int]:
    """Yield the numbers of the threads in a set, ascending."""
    while threads:
        bit = threads & -threads
        yield bit.bit_length() - 1
        threads ^= bit


class SearchState(NamedTuple):
    """A partition, its mark (equal marks: equal partitions), and the place of each thread in its code."""

    partition: Partition
    mark: bytes
    places: tuple[int, ...]


@dataclass(slots=True)
class _Place:
    """A place in a thread's code: a node of the tree of results.

    Attributes:
        before: the number of the place before, -1 for the beginning.
        result: what the action at that place returned.
        action: the next action, None at the end.
        outcome: the thread's return value, once it is at its end.
        next: by the result of the next action, the number of the place after it, and what the thread prints.

    """

    before: int
    result: Any
    action: Action | None = None
    outcome: int | None = None
    next: dict[Hashable, tuple[int, _Way]] = field(default_factory=dict)


class _Way(NamedTuple):
    """What a thread prints, and what goes wrong, between an action's result and its next action."""

    log: tuple[str, ...] = ()
    faults: frozenset[Fault] = frozenset()


_OOPS = ("oops",)
"""Stands for the result of an action that does not return."""


class _Code:
    """The places of a thread that were reached so far; all ends with the same outcome are one place.

    `_parked` keeps the generator that waits at a place, until the search goes on from there.
    """

    def __init__(self, thread: Thread, start: Partition, locks: frozenset[Lock]) -> None:
        self._thread = thread
        self._start = start
        self._locks = locks
        self.places: list[_Place] = []
        self._ends: dict[int, int] = {}
        self._parked: dict[int, tuple[Job, Generator[Action, Any, int]]] = {}
        job = self._job()
        _, self.begin = self._run_to_next_action(_Place(-1, None), job, thread.make(job), None)

    def _job(self) -> Job:
        return Job(self._start.kernel, self._start.machine, events=None, asks_each=False)

    def after(self, place: int, result: Hashable) -> tuple[int, _Way]:
        """Return the place after the next action there, once that returned, and what happens on the way."""
        following = self.places[place].next.get(result)
        if following is None:
            new = _Place(place, result)
            if result is _OOPS:
                new.outcome = OOPSED
                following = self._number(new), _Way()
            else:
                following = self._run_to_next_action(new, *self._generator_at(place), result)
            self.places[place].next[result] = following
        return following

    def _number(self, place: _Place) -> int:
        number = len(self.places) if place.outcome is None else self._ends.get(place.outcome, len(self.places))
        if number == len(self.places):
            self.places.append(place)
            if place.outcome is not None:
                self._ends[place.outcome] = number
        return number

    def _generator_at(self, place: int) -> tuple[Job, Generator[Action, Any, int]]:
        """Return the generator that waits at a place: the one that came there, or a new one."""
        parked = self._parked.pop(place, None)
        if parked is not None:
            return parked
        job = self._job()
        task = self._thread.make(job)
        results = []
        while self.places[place].before >= 0:
            results.append(self.places[place].result)
            place = self.places[place].before
        self._next(task, None)
        for result in reversed(results):
            self._next(task, result)
        return job, task

    def _next(self, task: Generator[Action, Any, int], result: Any) -> Action:
        """Return the next action, without those about locks that the policy does not have."""
        action = next_action(task, result)
        while action.name in ("queue", "take", "drop") and not action.locks & self._locks:
            action = next_action(task, None)
        return action

    def _run_to_next_action(
        self, place: _Place, job: Job, task: Generator[Action, Any, int], result: Any
    ) -> tuple[int, _Way]:
        job.log.clear()
        job.faults.clear()
        try:
            place.action = self._next(task, result)
        except StopIteration as end:
            place.outcome = end.value or 0
        except OopsError as oops:
            job.faults.append(oops.fault)
            place.outcome = OOPSED
        if place.action is not None and plugins.loaded():
            _check_touches(place.action, self._thread)
        number = self._number(place)
        if place.action is not None:
            self._parked[number] = job, task
        return number, _Way(tuple(job.log), frozenset(job.faults))


def _check_touches(action: Action, thread: Thread) -> None:
    """Refuse an action of a plugin that touches more than its step says: orders that matter would be left out."""
    if not action.touches.is_within(thread.touches):
        parts = sorted({*action.touches.reads, *action.touches.writes} - {*thread.touches.writes})
        message = f"{action.name} touches more than is said of {thread.text!r}: {', '.join(parts)}"
        raise plugins.PluginError(message, hint="a step of its own says what its actions touch")


class Engine:
    """Threads on a partition: takes one action of one thread at a time, and remembers the results."""

    def __init__(self, start: Partition, threads: Sequence[Thread], policy: Policy) -> None:
        self.threads = tuple(threads)
        self.policy = policy
        self._keys = Keys(start.kernel.tree)
        self._partitions: Recent[bytes, Partition] = Recent(_PARTITIONS)
        self._code = [_Code(thread, start, policy.locks) for thread in threads]
        self._steps: Recent[tuple[bytes, int, int], tuple[Partition, bytes, int]] = Recent(_STEPS)
        first = start
        for code in self._code:
            first = _with_faults(first, code.begin)
        self.first = SearchState(*self._shared(first, self._keys.mark(first)), (0,) * len(threads))

    def _shared(self, partition: Partition, mark: bytes) -> tuple[Partition, bytes]:
        """Return a partition and its mark; of equal partitions always the same object, to save memory."""
        equal = self._partitions.get(mark)
        if equal is None:
            self._partitions.put(mark, partition)
        return equal or partition, mark

    def action(self, state: SearchState, thread: int) -> Action | None:
        """Return a thread's next action, None at its end."""
        return self._code[thread].places[state.places[thread]].action

    def outcomes(self, state: SearchState) -> tuple[int | None, ...]:
        """Return what each thread came to; None for one that is not at its end."""
        return tuple(code.places[place].outcome for code, place in zip(self._code, state.places, strict=True))

    def enabled(self, state: SearchState) -> Threads:
        """Return the threads that need not wait."""
        partition, enabled = state.partition, 0
        if partition.machine.aborted:
            return 0
        for number, (code, place) in enumerate(zip(self._code, state.places, strict=True)):
            action = code.places[place].action
            if action is None:
                continue
            # User space reloads the crash kernel once a memory block came or went.
            can_go = partition.uevent if isinstance(action, Reload) else partition.admits(number, action)
            if can_go:
                enabled |= 1 << number
        return enabled

    def can_go(self, state: SearchState, thread: int) -> bool:
        """Whether a thread need not wait."""
        return bool(self.enabled(state) >> thread & 1)

    def step(self, state: SearchState, thread: int) -> SearchState:
        """Return the state after a thread's next action, which must be able to go."""
        place = state.places[thread]
        key = state.mark, thread, place
        following = self._steps.get(key)
        if following is None:
            partition, result, _ = self.perform(state, thread)
            next_place, way = self._code[thread].after(place, result)
            partition = _with_faults(partition, way)
            mark = self._keys.mark(partition, state.partition, state.mark)
            following = *self._shared(partition, mark), next_place
            self._steps.put(key, following)
        partition, mark, next_place = following
        return SearchState(partition, mark, (*state.places[:thread], next_place, *state.places[thread + 1 :]))

    def messages_after(self, state: SearchState, thread: int, result: Hashable) -> tuple[str, ...]:
        """Return what a thread prints after its next action, once that returned."""
        return self._code[thread].after(state.places[thread], result)[1].log

    def messages_before_first(self, thread: int) -> tuple[str, ...]:
        """Return what a thread prints before its first action."""
        return self._code[thread].begin.log

    def perform(self, state: SearchState, thread: int, events: Trace | None = None) -> tuple[Partition, Any, Job]:
        """Do a thread's next action; return (partition after it, the result of the action, the job)."""
        partition, action = state.partition, self.action(state, thread)
        if action is None:
            raise ValueError(f"thread {thread} is at its end")
        job = Job(partition.kernel, partition.machine, events=events, asks_each=False)
        try:
            result = action.do(job)
        except OopsError as oops:
            result = _OOPS
            job.faults.append(oops.fault)
            job.state = replace(job.state, dead=oops.dead or job.state.dead)
        except BlockedError:
            result = _OOPS
        # Not by `replace`, which takes three times as long: this is the hot path of a search.
        changed = Partition(
            job.state,
            cast("Hypervisor", job.firmware).without_events(),
            partition.last,
            partition.boot,
            partition.flush,
            partition.faults.union(job.faults) if job.faults else partition.faults,
            *partition.locks_after(thread, action),
            partition.uevent,
            partition.crash_tree,
        )
        # User space gets a uevent when memory blocks change, and reloads the crash kernel after it.
        if isinstance(action, Reload):
            changed = replace(changed, uevent=False, crash_tree=changed.kernel.tree)
        elif changed.crash_tree is not None and changed.kernel.blocks is not partition.kernel.blocks:
            changed = replace(changed, uevent=True)
        return changed, result, job


def _with_faults(partition: Partition, way: _Way) -> Partition:
    return replace(partition, faults=partition.faults | way.faults) if way.faults else partition
