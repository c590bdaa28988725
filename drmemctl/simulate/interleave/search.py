# SPDX-License-Identifier: MIT
"""All end states of some threads: depth-first search over states, with partial-order reduction.

Persistent sets leave out threads whose actions commute with everything that is explored instead; sleep sets leave
out orders of independent actions that were seen already. Both keep every end state. With states stored, the sleep
set is stored too, and what it had left out is explored when a state is reached again with a smaller one.

Source: P. Godefroid, Partial-Order Methods for the Verification of Concurrent Systems, LNCS 1032 (1996):
chapter 4, persistent sets from conflicting transitions; chapter 5, sleep sets with states stored. An action brings
its thread nearer to its end, so that there are no cycles, for which these methods would need more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from time import monotonic

from drmemctl.kernel.task import Action, StatePart
from drmemctl.simulate.interleave.deadline import TimeUpError, ended_at
from drmemctl.simulate.interleave.engine import Engine, SearchState
from drmemctl.simulate.interleave.threads import Reload

Sleep = frozenset[int]

_TOLD_EVERY = 64
_FEW_RUNS = 1000
_RUNS_IN_ALL = 3_000_000
"""Runs of LMBs in all states together, where a partition has more than a few: some 50 bytes each."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """When to give up.

    Attributes:
        states: after as many states.
        seconds: after as long.

    """

    states: int = 1_000_000
    seconds: float = float("inf")

    def of_size(self, runs: int) -> Bounds:
        """Return the bounds for a partition of so many runs: each state may have a table of its own."""
        return self if runs <= _FEW_RUNS else replace(self, states=min(self.states, max(1, _RUNS_IN_ALL // runs)))


@dataclass(slots=True)
class Graph:
    """What a search went through.

    Attributes:
        first: the state in which no thread has begun.
        edges: by state, the threads that went on from there, and to which state.
        ends: the states in which no thread can go on.
        complete: whether the bounds let the search see all that there is.
        why: why not, empty if it is complete.
        unfollowed: actions that could have been taken from its states, and were not.

    """

    first: SearchState
    edges: dict[SearchState, dict[int, SearchState]] = field(default_factory=dict)
    ends: list[SearchState] = field(default_factory=list)
    complete: bool = True
    why: str = ""
    unfollowed: int = 0

    @property
    def transitions(self) -> int:
        """How many actions were taken."""
        return sum(map(len, self.edges.values()))

    def schedules(self) -> int:
        """Return how many ways lead from the first state to an end."""
        ways: dict[SearchState, int] = {}
        for state in self.backwards():
            after = self.edges[state].values()
            ways[state] = sum(ways.get(following, 0) for following in after) if self.edges[state] else 1
        return ways.get(self.first, 0)

    def backwards(self) -> Iterator[SearchState]:
        """Yield every state after those that it leads to."""
        seen: set[SearchState] = set()
        stack = [(self.first, False)]
        while stack:
            state, followed = stack.pop()
            if followed:
                yield state
            elif state not in seen and state in self.edges:
                seen.add(state)
                stack.append((state, True))
                stack.extend((following, False) for following in self.edges[state].values())


def independent(first: Action, second: Action) -> bool:
    """Whether two actions of different threads can change places."""
    return not first.locks & second.locks and not first.touches.conflicts(second.touches)


def search(  # noqa: PLR0913 - the bounds, the reduction, and who listens
    engine: Engine,
    bounds: Bounds,
    *,
    reduce: bool = True,
    watch: Callable[[SearchState], bool] | None = None,
    deadline: float | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> Graph:
    """Explore; without `reduce`, every order of everything. `watch` sees each end; if true, it was the last.

    `deadline` is when it is late by the clock, where that is not `bounds.seconds` from now. `tell` is told of the
    number of states and of ends now and then.
    """
    until = monotonic() + bounds.seconds if deadline is None else deadline
    return _Search(engine, bounds, until, reduce=reduce, watch=watch, tell=tell).run()


class _Search:
    def __init__(  # noqa: PLR0913 - as `search`
        self,
        engine: Engine,
        bounds: Bounds,
        deadline: float,
        *,
        reduce: bool,
        watch: Callable[[SearchState], bool] | None,
        tell: Callable[[int, int], None] | None,
    ) -> None:
        self._engine = engine
        self._bounds = bounds
        self._reduce = reduce
        self._watch = watch
        self._graph = Graph(engine.first)
        self._slept: dict[SearchState, Sleep] = {}
        self._deadline = deadline
        self._tell = tell
        self._bounded = False
        self._stack: list[tuple[SearchState, list[int], Sleep]] = []

    def run(self) -> Graph:
        """Go through all states, or as many as there is time for."""
        try:
            with ended_at(self._deadline):
                self._enter(self._engine.first, frozenset())
                while self._stack and self._graph.complete:
                    self._follow_one()
        except TimeUpError:
            self._bounded = True
            self._give_up(f"{self._bounds.seconds:g} s were over")
        unfollowed = sum(len(todo) for _, todo, _ in self._stack)
        # The state that a bound kept it from looking at has at least one.
        self._graph.unfollowed = max(unfollowed, 1) if self._bounded else unfollowed
        return self._graph

    def _follow_one(self) -> None:
        """Follow the first action that is left to the state on top of the stack; drop a state that has none."""
        state, todo, sleep = self._stack[-1]
        if not todo:
            self._stack.pop()
            return
        thread = todo[0]
        after = self._engine.step(state, thread)
        del todo[0]
        self._graph.edges[state][thread] = after
        self._stack[-1] = state, todo, sleep | {thread}
        # Who need not go first after this action either: those whose action commutes with it.
        action = self._engine.action(state, thread) if sleep else None
        still = []
        for sleeper in sleep:
            theirs = self._engine.action(state, sleeper)
            if action is not None and theirs is not None and independent(action, theirs):
                still.append(sleeper)
        self._enter(after, frozenset(still))

    def _enter(self, state: SearchState, sleep: Sleep) -> None:
        slept = self._slept.get(state)
        if slept is None:
            todo = self._first_visit(state, sleep)
        else:
            todo = sorted(slept - sleep)
            sleep = self._slept[state] = slept & sleep
        if todo:
            self._stack.append((state, todo, sleep))

    def _first_visit(self, state: SearchState, sleep: Sleep) -> list[int]:
        if self._is_too_much():
            return []
        if self._tell is not None and not len(self._slept) % _TOLD_EVERY:
            self._tell(len(self._slept), len(self._graph.ends))
        self._graph.edges[state] = {}
        enabled = self._engine.enabled(state)
        if not enabled:
            self._slept[state] = frozenset()
            self._graph.ends.append(state)
            if self._watch is not None and self._watch(state):
                self._give_up("the first such end was enough")
            return []
        chosen = self._persistent(state, enabled) if self._reduce else enabled
        self._slept[state] = sleep & frozenset(chosen) if self._reduce else frozenset()
        return [thread for thread in chosen if not self._reduce or thread not in sleep]

    def _is_too_much(self) -> bool:
        if len(self._slept) >= self._bounds.states:
            self._give_up(f"{self._bounds.states:,} states were looked at")
        elif monotonic() > self._deadline:
            self._give_up(f"{self._bounds.seconds:g} s were over")
        self._bounded = self._bounded or not self._graph.complete
        return not self._graph.complete

    def _give_up(self, why: str) -> None:
        self._graph.complete, self._graph.why = False, why

    def _persistent(self, state: SearchState, enabled: list[int]) -> list[int]:
        """Return the smallest persistent set that can be grown from one thread."""
        best = enabled
        for seed in enabled:
            grown = self._grown(state, seed)
            chosen = [thread for thread in enabled if thread in grown]
            if len(chosen) < len(best):
                best = chosen
        return best

    def _grown(self, state: SearchState, seed: int) -> set[int]:
        """Return a thread with all others that it depends on, now or later."""
        grown, todo = {seed}, [seed]
        while todo:
            thread = todo.pop()
            action = self._engine.action(state, thread)
            for candidate in range(len(self._engine.threads)):
                if candidate not in grown and action is not None and self._depends(state, action, candidate):
                    grown.add(candidate)
                    todo.append(candidate)
        return grown

    def _depends(self, state: SearchState, action: Action, number: int) -> bool:
        """Whether another thread might yet do what does not commute with an action, or what that waits for."""
        if self._engine.action(state, number) is None:
            return False
        thread = self._engine.threads[number]
        if action.locks & thread.locks & self._engine.policy.locks:
            return True
        if isinstance(action, Reload) and StatePart.BLOCKS in thread.touches.writes:
            return True
        return action.touches.conflicts(thread.touches)
