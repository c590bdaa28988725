# SPDX-License-Identifier: MIT
"""The shortest schedule to each end: fewest actions, then fewest switches between threads."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise

from drmemctl.simulate.interleave.engine import Engine, SearchState
from drmemctl.simulate.interleave.search import Graph, independent

Schedule = tuple[int, ...]
"""The number of the thread that goes on, action by action."""

_UNREACHED = (1 << 32) - 1
_ACTION = 1 << 16
"""A cost is one number: actions, and in the lower half switches between threads."""


def shortest(graph: Graph, ends: Iterable[int]) -> dict[int, Schedule]:
    """Return a shortest schedule to each of some ends, among those that the search went through."""
    order = array("I", graph.backwards())
    # For each state and the thread that was last: the cost, and which thread was last before that, and where.
    n_threads = graph.n_threads
    costs = array("I", [_UNREACHED]) * (len(graph.edges) * n_threads)
    before = array("B" if n_threads <= 256 else "I", [0]) * len(costs)
    states = array("I", [0]) * len(costs)
    # By which threads an end was reached, in this order.
    last_threads: dict[int, list[int]] = {end: [] for end in ends}
    for state in reversed(order):
        base = state * n_threads
        reached = [(costs[base + last], last) for last in range(n_threads) if costs[base + last] != _UNREACHED]
        for thread, after in reversed(list(graph.edges.of(state))):
            node = after * n_threads + thread
            if after >= len(graph.edges):
                continue
            if after in last_threads and costs[node] == _UNREACHED:
                last_threads[after].append(thread)
            cost, last = min(((cost + (last != thread), last) for cost, last in reached), default=(0, thread))
            if cost + _ACTION < costs[node]:
                costs[node], before[node], states[node] = cost + _ACTION, last, state
    schedules: dict[int, Schedule] = {}
    for end, lasts in last_threads.items():
        state, threads = end, []
        last = min(
            lasts, key=[costs[end * n_threads + thread] for thread in range(n_threads)].__getitem__, default=0
        )
        while state:
            threads.append(last)
            node = state * n_threads + last
            state, last = states[node], before[node]
        schedules[end] = tuple(reversed(threads))
    return schedules


def switches(schedule: Schedule) -> int:
    """Return how often another thread goes on."""
    return sum(thread != following for thread, following in pairwise(schedule))


def states_of(engine: Engine, schedule: Sequence[int]) -> list[SearchState]:
    """Return the states that a schedule goes through, the first included; `ValueError` if it cannot be kept."""
    states = [engine.first]
    for thread in schedule:
        if not engine.can_go(states[-1], thread):
            raise ValueError(f"thread {thread + 1} cannot go on at action {len(states)}")
        states.append(engine.step(states[-1], thread))
    return states


def tidied(engine: Engine, schedule: Schedule) -> Schedule:
    """Return the same schedule with independent actions brought together, so that threads change less often.

    All orders that keep dependent actions in order are equivalent (A. Mazurkiewicz, Trace Theory, LNCS 255, 1987).
    """
    states = states_of(engine, schedule)
    candidates = [schedule, *(_gathered(engine, schedule, states, first) for first in sorted(set(schedule)))]
    outcomes = engine.outcomes(states[-1])
    alike = []
    for candidate in candidates:
        try:
            last = states_of(engine, candidate)[-1]
        except ValueError:
            continue
        if last.mark == states[-1].mark and engine.outcomes(last) == outcomes:
            alike.append(candidate)
    return min(alike, key=switches)


def _gathered(engine: Engine, schedule: Schedule, states: Sequence[SearchState], first: int) -> Schedule:
    """Return an equivalent order that stays with a thread as long as that can go on."""
    actions = [engine.action(state, thread) for state, thread in zip(states, schedule, strict=False)]

    def stays_before(first: int, second: int) -> bool:
        """Whether the action at a position has to stay before that at another."""
        if first >= second:
            return False
        earlier, later = actions[first], actions[second]
        same_thread = schedule[first] == schedule[second]
        return same_thread or earlier is None or later is None or not independent(earlier, later)

    remaining = list(range(len(schedule)))
    order: list[int] = []
    current = first
    while remaining:
        ready = [at for at in remaining if not any(stays_before(earlier, at) for earlier in remaining)]
        at = next((at for at in ready if schedule[at] == current), ready[0])
        current = schedule[at]
        remaining.remove(at)
        order.append(current)
    return tuple(order)
