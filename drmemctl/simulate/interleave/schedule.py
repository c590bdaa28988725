# SPDX-License-Identifier: MIT
"""The shortest schedule to each end: fewest actions, then fewest switches between threads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from drmemctl.simulate.interleave.engine import Engine, State
from drmemctl.simulate.interleave.search import Graph, independent

Schedule = tuple[int, ...]
"""The number of the thread that goes on, action by action."""

_Node = tuple[State, int]
_Cost = tuple[int, int]


def shortest(graph: Graph, ends: Iterable[State]) -> dict[State, Schedule]:
    """Return a shortest schedule to each of some ends, among those that the search went through."""
    best: dict[_Node, tuple[_Cost, _Node | None]] = {(graph.first, -1): ((0, 0), None)}
    last: dict[State, dict[int, None]] = {graph.first: {-1: None}}
    for state in reversed(list(graph.backwards())):
        for thread, after in graph.edges[state].items():
            found = min(
                ((*_add(best[state, before][0], before, thread),), (state, before)) for before in last[state]
            )
            node = after, thread
            if node not in best or found[0] < best[node][0]:
                best[node] = found
            last.setdefault(after, {})[thread] = None
    return {end: _way(best, min(((end, one) for one in last[end]), key=lambda n: best[n][0])) for end in ends}


def _add(cost: _Cost, before: int, thread: int) -> _Cost:
    return cost[0] + 1, cost[1] + (before not in (-1, thread))


def _way(best: dict[_Node, tuple[_Cost, _Node | None]], node: _Node) -> Schedule:
    way = []
    before = best[node][1]
    while before is not None:
        way.append(node[1])
        node, before = before, best[before][1]
    return tuple(reversed(way))


def switches(schedule: Schedule) -> int:
    """Return how often another thread goes on."""
    return sum(one != other for one, other in pairwise(schedule))


def states_of(engine: Engine, schedule: Sequence[int]) -> list[State]:
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
    return min((one for one in candidates if _ends_alike(engine, one, states[-1])), key=switches)


def _ends_alike(engine: Engine, schedule: Schedule, end: State) -> bool:
    try:
        last = states_of(engine, schedule)[-1]
    except ValueError:
        return False
    return last.world == end.world and engine.outcomes(last) == engine.outcomes(end)


def _gathered(engine: Engine, schedule: Schedule, states: Sequence[State], first: int) -> Schedule:
    """Return an equivalent order that stays with a thread as long as that can go on."""
    left = list(range(len(schedule)))
    taken: list[int] = []
    current = first
    while left:
        ready = [at for at in left if not any(_before(engine, schedule, states, one, at) for one in left)]
        at = next((one for one in ready if schedule[one] == current), ready[0])
        current = schedule[at]
        left.remove(at)
        taken.append(current)
    return tuple(taken)


def _before(engine: Engine, schedule: Schedule, states: Sequence[State], one: int, other: int) -> bool:
    """Whether an action has to stay before another."""
    if one >= other:
        return False
    if schedule[one] == schedule[other]:
        return True
    first = engine.action(states[one], schedule[one])
    second = engine.action(states[other], schedule[other])
    return first is None or second is None or not independent(first, second)
