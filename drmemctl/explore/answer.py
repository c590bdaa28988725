# SPDX-License-Identifier: MIT
"""The question of what threads can do to one another, and the answer for each policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from time import monotonic

from drmemctl.check.finding import Finding
from drmemctl.errors import DrmemctlError
from drmemctl.explore.engine import Engine, State
from drmemctl.explore.judge import Ends, gravity
from drmemctl.explore.policy import POLICIES, Policy
from drmemctl.explore.schedule import Schedule, shortest, switches, tidied
from drmemctl.explore.search import Bounds, Graph, search
from drmemctl.explore.threads import KDUMP, ThreadsError, threads_of
from drmemctl.explore.world import World
from drmemctl.kernel.boot import boot, check_runs
from drmemctl.kernel.profiles import LATEST, Profile, profile
from drmemctl.scenario.simulation import Files, machine_for
from drmemctl.tree.node import Tree

MOST_SERIAL = 5
"""Threads of which every order one after the other is tried: 120 of them."""

INCONSISTENT = "inconsistent"


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

    def world(self) -> World:
        """Return the partition before any thread begins."""
        state, faults = boot(check_runs(self.tree), self.kernel)
        if state.dead:
            raise ThreadsError(f"Linux {self.kernel.name} does not come up: {state.dead}", source=self.tree.source)
        crash = self.tree if KDUMP in map(str.strip, self.threads) else None
        return World(state, machine_for(self.tree, self.hypervisor), frozenset(faults), crash_tree=crash)

    def engine(self, policy: Policy) -> Engine:
        """Return the threads on the partition, kept apart by a policy."""
        return Engine(self.world(), threads_of(self.threads, self.tree, self.files, policy), policy)


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
class Answer:
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

    @property
    def races(self) -> tuple[End, ...]:
        """The ends with something that no order of the threads one after the other leads to."""
        return tuple(end for end in self.bad if end.raced)

    @property
    def worst(self) -> Finding | None:
        """The worst that can happen; None if nothing is wrong anywhere."""
        return min((end.verdicts[0] for end in self.bad), key=gravity, default=None)


def answers(question: Question, policies: Sequence[Policy] = POLICIES, *, jobs: int = 1) -> Iterator[Answer]:
    """Yield the answer for each policy, in order; with `jobs`, so many are worked out at a time."""
    if jobs == 1 or len(policies) == 1:
        yield from (answer(question, policy) for policy in policies)
        return
    from functools import partial

    from drmemctl.check.pool import ordered_map

    yield from ordered_map(partial(answer, question), policies, jobs, lost=_lost)


def _lost(policy: Policy, how: str) -> Answer:
    raise DrmemctlError(f"the process that explored with locking {policy.name} {how}", hint="try --jobs 1")


def answer(question: Question, policy: Policy) -> Answer:
    """Explore under one policy."""
    begin = monotonic()
    engine = question.engine(policy)
    judging = _Judging(engine)
    bounds = question.bounds.of_size(len(engine.worlds[0].kernel.table.runs))
    graph = search(engine, bounds, reduce=question.reduce, watch=judging.watch(question.until))
    ends = {(state.world, engine.outcomes(state)): state for state in graph.ends}
    bad = judging.bad_ends(graph, list(ends.values()))
    seconds = monotonic() - begin
    counts = len(graph.edges), graph.transitions, graph.schedules(), len(ends)
    return Answer(policy, *counts, bad, graph.complete, graph.why, seconds)


class _Judging:
    """What the rules say of ends, each asked once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._judge = Ends(engine.world(engine.first))
        self._endless = [thread.endless for thread in engine.threads]
        self._known: dict[tuple[int, tuple[int | None, ...]], tuple[Finding, ...]] = {}

    def of(self, state: State) -> tuple[Finding, ...]:
        """Return what is wrong with an end."""
        outcomes = self._engine.outcomes(state)
        key = state.world, outcomes
        if key not in self._known:
            self._known[key] = self._judge.findings(self._engine.world(state), outcomes, self._endless)
        return self._known[key]

    def watch(self, until: str) -> Callable[[State], bool] | None:
        """Return what stops the search."""
        if not until:
            return None
        return lambda state: any(until in (INCONSISTENT, verdict.rule) for verdict in self.of(state))

    def bad_ends(self, graph: Graph, states: list[State]) -> tuple[End, ...]:
        """Return the inconsistent ends with a schedule for each."""
        bad = [state for state in states if self.of(state)]
        if not bad:
            return ()
        serial = {_kind(verdict) for state in self._serial() for verdict in self.of(state)}
        ways = shortest(graph, bad)
        found = []
        for state in bad:
            verdicts = self.of(state)
            raced = tuple(verdict for verdict in verdicts if _kind(verdict) not in serial)
            way = tidied(self._engine, ways[state])
            found.append(End(self._engine.outcomes(state), verdicts, raced, way))
        return tuple(sorted(found, key=lambda end: end.order))

    def _serial(self) -> Iterator[State]:
        """Yield the ends of the threads one after the other, in any order; those without end react at once."""
        ending = [number for number, endless in enumerate(self._endless) if not endless]
        orders = permutations(ending) if len(ending) <= MOST_SERIAL else [tuple(ending)]
        for order in orders:
            state = self._engine.first
            for thread in order:
                state = self._alone(state, thread)
                for other, endless in enumerate(self._endless):
                    state = self._alone(state, other) if endless else state
            if not self._engine.enabled(state):
                yield state

    def _alone(self, state: State, thread: int) -> State:
        while thread in self._engine.enabled(state):
            state = self._engine.step(state, thread)
        return state


def _kind(verdict: Finding) -> tuple[str, str]:
    return verdict.rule, verdict.message
