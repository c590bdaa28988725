# SPDX-License-Identifier: MIT
"""The question of what threads can do to one another, and the answer for each policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import permutations
from time import monotonic
from typing import TypeVar

from drmemctl.check.finding import Finding
from drmemctl.errors import DrmemctlError
from drmemctl.kernel import plugins
from drmemctl.kernel.boot import check_runs
from drmemctl.kernel.kexec_capabilities import CRASH_HOTPLUG
from drmemctl.kernel.profiles import LATEST, Profile, profile
from drmemctl.kernel.running_kernel import running_kernel
from drmemctl.notebook import short_repr
from drmemctl.simulate.files import Files
from drmemctl.simulate.interleave.deadline import NEVER, TimeUpError, ended_at
from drmemctl.simulate.interleave.engine import Engine, SearchState
from drmemctl.simulate.interleave.judge import EndJudge, gravity
from drmemctl.simulate.interleave.policy import POLICIES, Policy, ThreadsError
from drmemctl.simulate.interleave.schedule import Schedule, shortest, switches, tidied
from drmemctl.simulate.interleave.search import Bounds, Graph, search
from drmemctl.simulate.interleave.threads import KDUMP, threads_of
from drmemctl.simulate.partition import Partition, machine_for
from drmemctl.tree.node import Tree
from drmemctl.wording import count_of

R = TypeVar("R")

MOST_SERIAL = 5
"""Threads of which every order one after the other is tried: 120 of them."""

INCONSISTENT = "inconsistent"


class DeadKernelError(ThreadsError):
    """The kernel does not come up: no thread begins."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be explored.

    Attributes:
        tree: the tree that the kernel boots.
        threads: the steps of each thread.
        kernel: the kernel.
        hypervisor: `qemu`, `qemu-VERSION` or `powervm`.
        bounds: when to give up.
        until: a rule, or `inconsistent`: stop at the first end that breaks it; empty to go through all.
        files: how trees and files in steps are read.
        reduce: whether orders that cannot matter are left out.

    """

    tree: Tree
    threads: tuple[str, ...]
    kernel: Profile = field(default_factory=lambda: profile(LATEST))
    hypervisor: str = "powervm"
    bounds: Bounds = field(default_factory=Bounds)
    until: str = ""
    files: Files = field(default_factory=Files)
    reduce: bool = True

    __repr__ = short_repr

    @property
    def has_kdump(self) -> bool:
        """Whether a crash kernel is loaded, and user space is one of the threads."""
        return KDUMP in map(str.strip, self.threads)

    def partition(self) -> Partition:
        """Return the partition before any thread begins."""
        state, faults = running_kernel(check_runs(self.tree), self.kernel)
        if state.dead:
            message = f"Linux {self.kernel.name} does not come up: {state.dead}"
            raise DeadKernelError(message, source=self.tree.source)
        crash = self.tree if self.has_kdump and not self.kernel.has(CRASH_HOTPLUG) else None
        machine = machine_for(self.tree, self.hypervisor)
        return Partition(state, machine, faults=frozenset(faults), crash_tree=crash)

    def engine(self, policy: Policy) -> Engine:
        """Return the threads on the partition, kept apart by a policy."""
        return Engine(self.partition(), threads_of(self.threads, self.tree, self.files, policy), policy)


@dataclass(frozen=True, slots=True)
class End:
    """One distinct end, as far as it is inconsistent.

    Attributes:
        outcomes: what each thread returned; None for one that hangs or goes on for ever.
        verdicts: what is wrong, the worst first.
        raced: those that no order of the threads one after the other leads to.
        schedule: a shortest way there.

    """

    outcomes: tuple[int | None, ...]
    verdicts: tuple[Finding, ...]
    raced: tuple[Finding, ...]
    schedule: Schedule

    __repr__ = short_repr

    @property
    def order(self) -> tuple[object, ...]:
        """What races brought comes first, the worst of it, then the shortest."""
        worst = (self.raced or self.verdicts)[0]
        return (
            not self.raced,
            gravity(worst),
            worst.message,
            len(self.schedule),
            switches(self.schedule),
            self.schedule,
        )


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """What came out for a policy.

    Attributes:
        policy: the policy.
        states: how many states there were.
        actions: how many actions were taken from them.
        schedules: how many ways were left to the ends, after reduction.
        ends: how many distinct ends there are.
        bad: the inconsistent ones, worst first.
        complete: whether that is all.
        why: why not.
        seconds: how long it took.
        missed: what was not looked at.

    """

    policy: Policy
    states: int
    actions: int
    schedules: int
    ends: int
    bad: tuple[End, ...]
    complete: bool
    why: str
    seconds: float
    missed: tuple[str, ...] = ()

    __repr__ = short_repr

    @property
    def races(self) -> tuple[End, ...]:
        """The ends with something that no order of the threads one after the other leads to."""
        return tuple(end for end in self.bad if end.raced)

    def examples(self, most: int) -> tuple[End, ...]:
        """Return an inconsistent end for each rule that a race breaks, or else that is broken: `most` of them."""
        first: dict[str, End] = {}
        for end in self.races or self.bad:
            first.setdefault((end.raced or end.verdicts)[0].rule, end)
        return tuple(first.values())[:most]

    @property
    def worst(self) -> Finding | None:
        """The worst that can happen; None if nothing is wrong anywhere."""
        return min((end.verdicts[0] for end in self.bad), key=gravity, default=None)


@dataclass(frozen=True, slots=True)
class _Clock:
    """The time that one policy has, and what part of it each phase may have used up when it ends."""

    begin: float
    end: float

    def at(self, share: float) -> float:
        """Return when a share of the time is over."""
        return self.begin + (self.end - self.begin) * share if self.end < NEVER else NEVER


_SEARCHED, _JUDGED, _COMPARED, _COUNTED = 0.6, 0.8, 0.85, 0.95
"""Shares of the time after which no more states are looked at, ends judged, orders compared, schedules counted."""


def answers(
    question: Question,
    policies: Sequence[Policy] = POLICIES,
    *,
    jobs: int = 1,
    began: float | None = None,
    tell: Callable[[Policy, int, int], None] | None = None,
) -> Iterator[PolicyAnswer]:
    """Yield the answer for each policy, in order; with `jobs`, so many are worked out at a time.

    All of them have `question.bounds.seconds` together, counted from `began` (`monotonic`) on. `tell` is told of
    the states and ends of a policy so far; other processes tell nothing.
    """
    begin, rounds = monotonic() if began is None else began, -(-len(policies) // jobs)
    ends = [begin + question.bounds.seconds * (number // jobs + 1) / rounds for number in range(len(policies))]
    tasks = list(zip(policies, ends, strict=True))
    if jobs == 1 or len(policies) < 2:
        with plugins.faults_told():
            yield from (answer(question, policy, end, tell) for policy, end in tasks)
        return
    from drmemctl.check.pool import ordered_map

    yield from ordered_map(partial(_answer_of, question), tasks, jobs, lost=_lost)


def _answer_of(question: Question, task: tuple[Policy, float]) -> PolicyAnswer:
    with plugins.faults_told():  # of what crosses the border of a process only the text is left
        return answer(question, *task)


def _lost(task: tuple[Policy, float], how: str) -> PolicyAnswer:
    raise DrmemctlError(f"the process that explored with locking {task[0].name} {how}", hint="try --jobs 1")


def answer(
    question: Question,
    policy: Policy,
    end: float | None = None,
    tell: Callable[[Policy, int, int], None] | None = None,
) -> PolicyAnswer:
    """Explore under one policy, until `end` on the clock (`monotonic`) or for `question.bounds.seconds`."""
    begin = monotonic()
    clock = _Clock(begin, begin + question.bounds.seconds if end is None else end)
    try:
        with ended_at(clock.at(_SEARCHED)):
            engine = question.engine(policy)
            judging = _TimedJudging(engine)
    except TimeUpError:
        late = _time_over(question), monotonic() - begin, ("a single state",)
        return PolicyAnswer(policy, 0, 0, 0, 0, (), False, *late)
    bounds = question.bounds.of_size(len(engine.first.partition.kernel.table.runs))
    graph = search(
        engine,
        bounds,
        reduce=question.reduce,
        watch=judging.watch(question.until),
        deadline=clock.at(_SEARCHED),
        tell=None if tell is None else partial(tell, policy),
    )
    bad = judging.bad_ends(graph, clock)
    ways = judging.in_time(clock.at(1), "how many schedules there are", graph.schedules)
    counts = len(graph.edges), graph.edges.transitions, ways or 0, len(graph.distinct)
    missed = tuple(judging.missed)
    if graph.unfollowed:
        missed = (f"{graph.unfollowed:,} of the actions from {count_of(len(graph.edges), 'state')}", *missed)
    why = graph.why or (_time_over(question) if missed else "")
    return PolicyAnswer(policy, *counts, bad, not why, why, monotonic() - begin, missed)


def _time_over(question: Question) -> str:
    return f"{question.bounds.seconds:g} s were over"


class _TimedJudging:
    """Judges the ends of a search within a time limit; each end is judged once.

    Attributes:
        missed: work that there was no time for, in words.

    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._judge = EndJudge(engine.first.partition)
        self._endless = [thread.endless for thread in engine.threads]
        self._findings: dict[tuple[bytes, tuple[int | None, ...]], tuple[Finding, ...]] = {}
        self.missed: list[str] = []

    def in_time(self, deadline: float, purpose: str, work: Callable[[], R]) -> R | None:
        """Return the result of some work; None, with its purpose noted as missed, if it is not done by a time."""
        try:
            with ended_at(deadline):
                return work()
        except TimeUpError:
            self.missed.append(purpose)
            return None

    def findings(self, state: SearchState) -> tuple[Finding, ...]:
        """Return what is wrong with an end."""
        outcomes = self._engine.outcomes(state)
        key = state.mark, outcomes
        if key not in self._findings:
            self._findings[key] = self._judge.findings(state.partition, outcomes, self._endless)
        return self._findings[key]

    def watch(self, until: str) -> Callable[[SearchState], bool] | None:
        """Return the function that stops the search at an end: one that breaks the rule `until`; None for none."""
        if not until:
            return None
        return lambda state: any(until in (INCONSISTENT, verdict.rule) for verdict in self.findings(state))

    def bad_ends(self, graph: Graph, clock: _Clock) -> tuple[End, ...]:
        """Return the inconsistent ends with a schedule for each, as far as there is time."""
        bad = self._bad(graph, clock.at(_JUDGED))
        if not bad:
            return ()
        serial = self.in_time(clock.at(_COMPARED), "what comes by race", self._serial_kinds)
        ways = self.in_time(clock.at(_COUNTED), "how these ends come about", lambda: shortest(graph, bad)) or {}
        ends = []
        for number, (outcomes, verdicts) in bad.items():
            raced = (
                () if serial is None else tuple(verdict for verdict in verdicts if _kind(verdict) not in serial)
            )
            ends.append(End(outcomes, verdicts, raced, ways.get(number, ())))
        # Schedules in which threads change less often, for as many as there is time for.
        tidy: list[End] = []

        def gather() -> None:
            tidy.extend(replace(end, schedule=tidied(self._engine, end.schedule)) for end in ends)

        self.in_time(clock.at(1), "fewer switches between threads", gather)
        return tuple(sorted([*tidy, *ends[len(tidy) :]], key=lambda end: end.order))

    def _bad(self, graph: Graph, deadline: float) -> dict[int, tuple[tuple[int | None, ...], tuple[Finding, ...]]]:
        """Return what threads came to, and what is wrong, by the number of each inconsistent end."""
        bad, judged = {}, 0
        try:
            with ended_at(deadline):
                for (_, outcomes), number in graph.distinct.items():
                    verdicts = self.findings(graph.state(number))
                    if verdicts:
                        bad[number] = outcomes, verdicts
                    judged += 1
        except TimeUpError:
            self.missed.append(f"{len(graph.distinct) - judged:,} of {len(graph.distinct):,} ends")
        return bad

    def _serial_kinds(self) -> set[tuple[str, str]]:
        """Return what is wrong after the threads one after the other, in any order; endless ones react at once."""
        kinds: set[tuple[str, str]] = set()
        ending = [number for number, endless in enumerate(self._endless) if not endless]
        reacting = [number for number, endless in enumerate(self._endless) if endless]
        for order in permutations(ending) if len(ending) <= MOST_SERIAL else [tuple(ending)]:
            state = self._engine.first
            for thread in order:
                for number in (thread, *reacting):
                    while self._engine.can_go(state, number):
                        state = self._engine.step(state, number)
            if not self._engine.enabled(state):
                kinds.update(map(_kind, self.findings(state)))
        return kinds


def _kind(verdict: Finding) -> tuple[str, str]:
    return verdict.rule, verdict.message
