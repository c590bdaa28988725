# SPDX-License-Identifier: MIT
"""What a search keeps of states, against dictionaries; states that were rebuilt, against those that were seen."""

from __future__ import annotations

import random

import pytest

from drmemctl.simulate.interleave import states
from drmemctl.simulate.interleave.engine import SearchState
from drmemctl.simulate.interleave.policy import BY_NAME
from drmemctl.simulate.interleave.search import Bounds, search
from drmemctl.simulate.interleave.states import Edges, Numbers, Recent, digest_of
from tests.simulate.interleave.cases import ends_of, question


@pytest.mark.parametrize("many", [1 << 24, 1], ids=["half", "four fifths"])
def test_numbers_are_those_of_a_dictionary(monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    monkeypatch.setattr(states, "_MANY_SLOTS", many)
    monkeypatch.setattr(states, "_SLOTS", 8)
    chance, numbers, naive = random.Random(1), Numbers(), dict[bytes, int]()
    for _ in range(5000):
        digest = digest_of(chance.randrange(3000).to_bytes(4))
        new = digest not in naive
        assert numbers.numbered(digest) == (naive.setdefault(digest, len(naive)), new)
    assert numbers.count == len(naive)


@pytest.mark.parametrize("threads", [1, 2, 3, 8, 9])
def test_edges_are_the_newest_first(threads: int) -> None:
    edges = Edges(threads)
    edges.add_state(0, 0)
    edges.add_state(0, threads - 1)
    added = [(thread, edges.most - 1 - thread) for thread in range(threads)]
    for thread, following in added:
        edges.add(1, thread, following)
    edges.add(0, 0, 1)
    edges.add_state(1, threads - 1)
    assert list(edges.of(0)) == [(0, 1), (threads - 1, 1)]
    assert list(edges.of(1)) == [(threads - 1, 2), *added[::-1]]
    assert list(edges.of(2)) == []
    assert [edges.parent(state) for state in range(3)] == [(0, 0), (0, threads - 1), (1, threads - 1)]
    assert (len(edges), edges.transitions) == (3, threads + 3)


def test_edges_of_random_walks_are_those_of_lists() -> None:
    chance, edges = random.Random(2), Edges(5)
    edges.add_state(0, 0)
    naive: list[list[tuple[int, int]]] = [[]]
    for _ in range(3000):
        state, thread = chance.randrange(len(naive)), chance.randrange(5)
        if chance.random() < 0.7:
            edges.add_state(state, thread)
            naive[state].insert(0, (thread, len(naive)))
            naive.append([])
        else:
            following = chance.randrange(2 * len(naive))
            edges.add(state, thread, following)
            naive[state].insert(0, (thread, following))
    assert [list(edges.of(state)) for state in range(len(edges))] == naive
    assert edges.transitions == sum(map(len, naive))


def test_what_is_remembered_is_bounded() -> None:
    recent: Recent[int, int] = Recent(10)
    for number in range(100):
        recent.put(number, number)
        assert recent.get(number) == number
    assert sum(recent.get(number) is not None for number in range(100)) <= 20


def test_ends_are_rebuilt_as_they_were() -> None:
    seen: list[SearchState] = []
    engine = question("lpm after", "dlpar memory add count 1", kernel="4.20").engine(BY_NAME["none"])

    def note(state: SearchState) -> bool:
        seen.append(state)
        return False

    graph = search(engine, Bounds(), watch=note)
    again = ends_of(graph)
    assert [(state.mark, state.places) for state in again] == [(state.mark, state.places) for state in seen]
    assert [state.partition for state in again] == [state.partition for state in seen]
