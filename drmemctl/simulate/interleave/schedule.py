# SPDX-License-Identifier: MIT
"""The shortest schedule to each end: fewest actions, then fewest switches between threads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from drmemctl.simulate.interleave.engine import Engine, SearchState
from drmemctl.simulate.interleave.search import Graph, independent

Schedule = tuple[int, ...]
"""The number of the thread that goes on, action by action."""

_Node = tuple[SearchState, int]
_Cost = tuple[int, int]


def shortest(graph: Graph, ends: Iterable[SearchState]) -> dict[SearchState, Schedule]:
    """Return a shortest schedule to each of some ends, among those that the search went through."""
    best: dict[_Node, tuple[_Cost, _Node | None]] = {(graph.first, -1): ((0, 0), None)}
    last: dict[SearchState, dict[int, None]] = {graph.first: {-1: None}}
    for state in reversed(list(graph.backwards())):
        for thread, after in graph.edges[state].items():
            node = after, thread
            ways = []
            for before in last[state]:
                actions, changes = best[state, before][0]
                ways.append(((actions + 1, changes + (before not in (-1, thread))), before))
            cost, before = min(ways)
            if node not in best or cost < best[node][0]:
                best[node] = cost, (state, before)
            last.setdefault(after, {})[thread] = None
    schedules: dict[SearchState, Schedule] = {}
    for end in ends:
        node = min(((end, thread) for thread in last[end]), key=lambda node: best[node][0])
        threads = []
        while (earlier := best[node][1]) is not None:
            threads.append(node[1])
            node = earlier
        schedules[end] = tuple(reversed(threads))
    return schedules


def switches(schedule: Schedule) -> int:
    """Return how often another thread goes on."""
    return sum(thread != following for thread, following in pairwise(schedule))


def states_of(engine: Engine, schedule: Sequence[int]) -> list[SearchState]:
    """Return the states that a schedule goes through, the first included; `ValueError` if it cannot be kept."""
    states = [engine.first]
    for thread in schedule:
        if thread not in engine.enabled(states[-1]):
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
        if last.partition == states[-1].partition and engine.outcomes(last) == outcomes:
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
