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

import struct
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import monotonic

from drmemctl.kernel.task import Action, StatePart
from drmemctl.simulate.interleave.deadline import TimeUpError, ended_at
from drmemctl.simulate.interleave.engine import Engine, SearchState, Threads, threads_in
from drmemctl.simulate.interleave.states import Edges, Numbers, Recent, digest_of
from drmemctl.simulate.interleave.threads import Reload

_TOLD_EVERY = 64
_RECENT = 1000
"""States that were rebuilt, from which others are."""

_PAIRS = 100_000
"""Pairs of actions of which it is remembered whether they commute."""

_64_BITS = 1 << 64
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

    states: int = 10_000_000
    seconds: float = float("inf")

    def of_size(self, runs: int) -> Bounds:
        """Return the bounds for a partition of so many runs: each state may have a table of its own."""
        return self if runs <= _FEW_RUNS else replace(self, states=min(self.states, max(1, _RUNS_IN_ALL // runs)))


class Graph:
    """The states and edges that a search visited.

    Attributes:
        edges: by the number of a state, the threads that went on from there, and to which state; 0 is the first.
        ends: the numbers of the states in which no thread can go on.
        distinct: by partition and what threads came to, the last end that is like that.
        complete: whether the bounds let the search see all that there is.
        why: why not, empty if it is complete.
        unfollowed: actions that could have been taken from its states, and were not.
        n_threads: how many threads there are.

    """

    def __init__(self, engine: Engine) -> None:
        """Begin with nothing."""
        self.edges = Edges(len(engine.threads))
        self.ends = array("I")
        self.distinct: dict[tuple[bytes, tuple[int | None, ...]], int] = {}
        self.complete = True
        self.why = ""
        self.unfollowed = 0
        self.n_threads = len(engine.threads)
        self._engine = engine
        self._recent: Recent[int, SearchState] = Recent(_RECENT)

    def add_end(self, number: int, state: SearchState) -> None:
        """Note a state in which no thread can go on."""
        self.ends.append(number)
        self.distinct[state.mark, self._engine.outcomes(state)] = number

    def state(self, number: int) -> SearchState:
        """Return a state by its number: the actions from the nearest remembered ancestor are taken again."""
        ways = []
        state = self._engine.first if number == 0 else self._recent.get(number)
        while state is None:
            parent, thread = self.edges.parent(number)
            ways.append((number, thread))
            number = parent
            state = self._engine.first if number == 0 else self._recent.get(number)
        for reached, thread in reversed(ways):
            state = self._engine.step(state, thread)
            self._recent.put(reached, state)
        return state

    def schedules(self) -> int:
        """Return how many ways lead from the first state to an end."""
        if not len(self.edges):
            return 0
        ways = array("Q", [0]) * len(self.edges)
        beyond: dict[int, int] = {}
        for state in self.backwards():
            number, last = 0, True
            for _, following in self.edges.of(state):
                last = False
                if following < len(ways):
                    number += beyond.get(following) or ways[following]
            number += last
            if number < _64_BITS:
                ways[state] = number
            else:
                beyond[state] = number
        return beyond.get(0) or ways[0]

    def backwards(self) -> Iterator[int]:
        """Yield the number of every state after those that it leads to."""
        visited = bytearray(len(self.edges))
        stack = [0] if visited else []
        while stack:
            state = stack.pop()
            if state < 0:
                yield ~state
            elif not visited[state]:
                visited[state] = 1
                stack.append(~state)
                # The newest is followed first.
                following = [
                    after for _, after in self.edges.of(state) if after < len(visited) and not visited[after]
                ]
                stack.extend(reversed(following))


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
        self._graph = Graph(engine)
        self._numbers = Numbers()
        self._places = struct.Struct(f"={len(engine.threads)}I")
        self._sleep_sets: array[int] | list[int] = array("B") if len(engine.threads) <= 8 else []
        self._commuting: Recent[tuple[int, int, int, int], bool] = Recent(_PAIRS)
        self._conflicting: Recent[tuple[int, int], Threads] = Recent(_PAIRS)
        self._persistent_sets: Recent[tuple[Threads, bytes], Threads] = Recent(_PAIRS)
        self._deadline = deadline
        self._tell = tell
        self._bounded = False
        # A state, the threads that are still to be followed from it, and those that need not go first after it.
        self._stack: list[tuple[int, SearchState, Threads, Threads]] = []

    def run(self) -> Graph:
        """Go through all states, or as many as there is time for."""
        try:
            with ended_at(self._deadline):
                self._enter(0, 0, self._engine.first, 0)
                while self._stack and self._graph.complete:
                    self._follow_one()
        except TimeUpError:
            self._bounded = True
            self._give_up(f"{self._bounds.seconds:g} s were over")
        unfollowed = sum(todo.bit_count() for _, _, todo, _ in self._stack)
        # The state that a bound kept it from looking at has at least one.
        self._graph.unfollowed = max(unfollowed, 1) if self._bounded else unfollowed
        return self._graph

    def _follow_one(self) -> None:
        """Follow the first action that is left to the state on top of the stack; drop a state that has none."""
        number, state, todo, sleep = self._stack[-1]
        if not todo:
            self._stack.pop()
            return
        bit = todo & -todo
        thread = bit.bit_length() - 1
        after = self._engine.step(state, thread)
        self._stack[-1] = number, state, todo ^ bit, sleep | bit
        # Sleep set of the next state (Godefroid, chapter 5): threads whose action commutes with this one.
        still_asleep = 0
        for sleeper in threads_in(sleep):
            if self._commute(state, thread, sleeper):
                still_asleep |= 1 << sleeper
        self._enter(number, thread, after, still_asleep)

    def _commute(self, state: SearchState, thread: int, sleeper: int) -> bool:
        key = thread, state.places[thread], sleeper, state.places[sleeper]
        commute = self._commuting.get(key)
        if commute is None:
            first, second = self._engine.action(state, thread), self._engine.action(state, sleeper)
            commute = first is not None and second is not None and independent(first, second)
            self._commuting.put(key, commute)
        return commute

    def _enter(self, parent: int, thread: int, state: SearchState, sleep: Threads) -> None:
        places = self._places.pack(*state.places)
        number, new = self._numbers.numbered(digest_of(state.mark + places))
        if new:
            if self._is_too_much(number):
                if number:
                    self._graph.edges.add(parent, thread, number)
                return
            self._graph.edges.add_state(parent, thread)
            self._sleep_sets.append(0)
            todo = self._first_visit(number, state, places, sleep)
        else:
            self._graph.edges.add(parent, thread, number)
            slept = self._sleep_sets[number]
            todo = slept & ~sleep
            sleep &= slept
            self._sleep_sets[number] = sleep
        if todo:
            self._stack.append((number, state, todo, sleep))

    def _first_visit(self, number: int, state: SearchState, places: bytes, sleep: Threads) -> Threads:
        if self._tell is not None and not number % _TOLD_EVERY:
            self._tell(number, len(self._graph.ends))
        enabled = self._engine.enabled(state)
        if not enabled:
            self._graph.add_end(number, state)
            if self._watch is not None and self._watch(state):
                self._give_up("the first such end was enough")
            return 0
        if not self._reduce:
            return enabled
        key = enabled, places
        chosen = self._persistent_sets.get(key)
        if chosen is None:
            chosen = self._persistent(state, enabled)
            self._persistent_sets.put(key, chosen)
        self._sleep_sets[number] = sleep & chosen
        return chosen & ~sleep

    def _is_too_much(self, number: int) -> bool:
        most = min(self._bounds.states, self._graph.edges.most)
        if number >= most:
            self._give_up(f"{most:,} states were looked at")
        elif monotonic() > self._deadline:
            self._give_up(f"{self._bounds.seconds:g} s were over")
        self._bounded = self._bounded or not self._graph.complete
        return not self._graph.complete

    def _give_up(self, why: str) -> None:
        self._graph.complete, self._graph.why = False, why

    def _persistent(self, state: SearchState, enabled: Threads) -> Threads:
        """Return the smallest persistent set that can be grown from one thread."""
        numbers = range(len(self._engine.threads))
        alive = sum(1 << number for number in numbers if self._engine.action(state, number) is not None)
        best = enabled
        for seed in threads_in(enabled):
            chosen = self._grown(state, seed, alive) & enabled
            if chosen.bit_count() < best.bit_count():
                best = chosen
        return best

    def _grown(self, state: SearchState, seed: int, alive: Threads) -> Threads:
        """Return a thread with all others that it depends on, now or later."""
        grown = todo = 1 << seed
        while todo:
            bit = todo & -todo
            new = self._dependents(state, bit.bit_length() - 1) & alive & ~grown
            grown |= new
            todo ^= bit | new
        return grown

    def _dependents(self, state: SearchState, thread: int) -> Threads:
        """Return the threads that might not commute with the next action of another, at an end or not."""
        key = thread, state.places[thread]
        dependents = self._conflicting.get(key)
        if dependents is None:
            action, numbers = self._engine.action(state, thread), range(len(self._engine.threads))
            dependents = sum(1 << number for number in numbers if action and self._depends(action, number))
            self._conflicting.put(key, dependents)
        return dependents

    def _depends(self, action: Action, number: int) -> bool:
        """Whether another thread might yet do what does not commute with an action, or what that waits for."""
        thread = self._engine.threads[number]
        if action.locks & thread.locks & self._engine.policy.locks:
            return True
        if isinstance(action, Reload) and StatePart.BLOCKS in thread.touches.writes:
            return True
        return action.touches.conflicts(thread.touches)
