# SPDX-License-Identifier: MIT
"""What a search keeps of each state: a digest, its first parent, and its edges.

A hundred million states fit into 4 GB: a state is a number, and what belongs to it is some 30 bytes in arrays. Its
partition is made anew, where it is needed, by taking the actions that lead there.

Source of the idea: hash compaction (U. Stern, D. Dill, A New Scheme for Memory-Efficient Probabilistic
Verification, 1996). With 80 bits, two of 10^8 states have the same digest with a probability of 4 * 10^-9.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Hashable, Iterator
from hashlib import blake2b
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_DIGEST = struct.Struct("<QH")
"""The two numbers that a digest is kept as."""

_SLOTS = 1 << 14
_MANY_SLOTS = 1 << 24


def _most_taken(slots: int) -> int:
    """Return how many slots may be taken: half of them, in large tables four fifths to save memory."""
    return slots // 2 if slots < _MANY_SLOTS else slots // 5 * 4


def digest_of(data: bytes) -> bytes:
    """Return what stands for a state, of all that tells it from others."""
    return blake2b(data, digest_size=_DIGEST.size).digest()


class Numbers:
    """Numbers of digests, in the order in which they came: a table with open addressing."""

    def __init__(self) -> None:
        self._low = array("Q")
        self._high = array("H")
        self._slots = array("I", bytes(4 * _SLOTS))
        self._most = _most_taken(_SLOTS)

    @property
    def count(self) -> int:
        """How many numbers were given."""
        return len(self._high)

    def numbered(self, digest: bytes) -> tuple[int, bool]:
        """Return (number of a digest, whether it is new); a new digest gets the next number."""
        low, high = _DIGEST.unpack(digest)
        slot = self._slot(low, high)
        number = self._slots[slot]
        if number:
            return number - 1, False
        self._low.append(low)
        self._high.append(high)
        number = len(self._high)
        self._slots[slot] = number
        if number > self._most:
            self._grow()
        return number - 1, True

    def _slot(self, low: int, high: int) -> int:
        """Return the slot that has the number of a digest, or would have it; 0 is an empty slot."""
        slots, lows, highs = self._slots, self._low, self._high
        mask = len(slots) - 1
        at = low & mask
        while (number := slots[at]) and (lows[number - 1] != low or highs[number - 1] != high):
            at = (at + 1) & mask
        return at

    def _grow(self) -> None:
        size = 2 * len(self._slots)
        # The digests are here: nobody needs the old slots beside the new ones.
        self._slots = array("I")
        self._slots = array("I", [0]) * size
        self._most = _most_taken(size)
        for number, digest in enumerate(zip(self._low, self._high, strict=True), 1):
            self._slots[self._slot(*digest)] = number


class Edges:
    """By state, the threads that went on from there, and to which state; and from where it was reached first.

    The edges of a state are a list, the newest first. An edge by which a state was reached first is that state:
    what belongs to it stands in the arrays of states. Only the others, far fewer, have arrays of their own. A
    thread and a state are one number.
    """

    def __init__(self, threads: int) -> None:
        self._bits = max(1, (threads - 1).bit_length())
        self.most = 1 << (32 - self._bits)
        """States that there are numbers for."""
        # By state: parent and thread, the newest edge, the edge of the parent that is older than its own.
        self._parents = array("I")
        self._newest = array("I")
        self._older_of_parent = array("I")
        # By edge to a state that had been reached: state and thread, the edge that is older.
        self._followed = array("I")
        self._older = array("I")

    def __len__(self) -> int:
        return len(self._newest)

    @property
    def transitions(self) -> int:
        """How many edges there are."""
        return max(0, len(self._newest) - 1) + len(self._older)

    def add_state(self, parent: int, thread: int) -> None:
        """Give the next number to a state that a thread led to from its parent, which is the edge between them.

        The first state is its own parent, and has no edge to itself.
        """
        state = len(self._newest)
        self._parents.append(parent << self._bits | thread)
        self._older_of_parent.append(self._newest[parent] if state else 0)
        if state:
            self._newest[parent] = state << 1
        # Last, as time may be up between any of these.
        self._newest.append(0)

    def add(self, state: int, thread: int, following: int) -> None:
        """Note that a thread went on to a state that was reached before, or that no number will be given to."""
        self._followed.append(following << self._bits | thread)
        self._older.append(self._newest[state])
        # Last, as in `add_state`.
        self._newest[state] = len(self._older) << 1 | 1

    def of(self, state: int) -> Iterator[tuple[int, int]]:
        """Yield the threads that went on from a state and where to, the newest first."""
        edge = self._newest[state]
        mask = (1 << self._bits) - 1
        while edge:
            number = edge >> 1
            if edge & 1:
                packed = self._followed[number - 1]
                yield packed & mask, packed >> self._bits
                edge = self._older[number - 1]
            else:
                yield self._parents[number] & mask, number
                edge = self._older_of_parent[number]

    def parent(self, state: int) -> tuple[int, int]:
        """Return from which state, and by which thread, a state was reached first."""
        packed = self._parents[state]
        return packed >> self._bits, packed & ((1 << self._bits) - 1)


class Recent(Generic[K, V]):
    """A cache of recently used values: between `most` and twice as many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Return the value of a key, None if it is not there any more."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember a value."""
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[key] = value
