# SPDX-License-Identifier: MIT
"""The address space in segments: what is at each address, whichever property says so.

A picture of 2^32 LMBs costs as much as one of four: everything here goes by runs and ranges, never by LMB.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from operator import le

from drmemctl.model.drmem import LmbTable
from drmemctl.model.memory import Memory
from drmemctl.model.run import is_assigned, state_of
from drmemctl.wording import count_of

LAST_ADDRESS = (1 << 64) - 1

NO_NODE, UNKNOWN_NODE = -1, -2

BOOT = "memory@"
ASSIGNED = "assigned"
FREE = "free"
RESERVED = "reserved"
HOLE = "hole"

_RANK = {RESERVED: 0, FREE: 1, BOOT: 2, ASSIGNED: 3}
"""What is shown where two things are at one address: memory before places for memory."""

_REMEMBERED = 4096


@dataclass(frozen=True, slots=True, order=True)
class Content:
    """What is at some addresses.

    Attributes:
        kind: `memory@`, `assigned`, `free`, `reserved` or `hole`.
        node: the Linux node of memory; `NO_NODE` for memory for which Linux finds none, `UNKNOWN_NODE` where the
            tree does not tell, None for all that is no memory.
        overlap: whether two claims clash: two LMBs, two memory nodes, or an LMB in a memory node. A reserved
            LMB there is no clash: that is how QEMU lists boot memory.

    """

    kind: str
    node: int | None = None
    overlap: bool = False


NOTHING = Content(HOLE)

Span = tuple[int, int, int]
"""First and last address, and the position of the content in the map's `contents`."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Addresses `start` to `last`, both included, that all hold the same."""

    start: int
    last: int
    content: Content

    @property
    def size(self) -> int:
        """Bytes."""
        return self.last - self.start + 1


class AddressMap(Sequence[Segment]):
    """Disjoint segments in ascending order, maximal, without the holes; held as columns.

    Attributes:
        lmb_size: bytes of an LMB, None where the tree gives none: its LMBs are not in the map then.
        contents: every different content.
        clipped: LMB runs that go beyond 64 bits of address; what is beyond is left out.

    """

    __slots__ = ("_content", "_last", "_start", "clipped", "contents", "lmb_size")

    def __init__(self, spans: Iterable[Span], contents: Sequence[Content], lmb_size: int | None) -> None:
        """Take ascending, disjoint spans; neighbours of the same content become one segment."""
        self.lmb_size = lmb_size
        self.clipped = 0
        self._start, self._last, self._content = array("Q"), array("Q"), array("H")
        for start, last, content in spans:
            if self._last and self._last[-1] == start - 1 and self._content[-1] == content:
                self._last[-1] = last
            else:
                self._start.append(start)
                self._last.append(last)
                self._content.append(content)
        self.contents = tuple(contents)  # after the loop, in which overlaps may have brought more

    def __repr__(self) -> str:
        return f"<AddressMap: {count_of(len(self), 'segment')}>"

    @classmethod
    def of(cls, memory: Memory) -> AddressMap:
        """Return the map of a partition's memory."""
        claims = _Claims(memory)
        address_map = cls(_flattened(claims.sorted(), claims.contents), claims.contents, claims.lmb_size)
        address_map.clipped = claims.clipped
        return address_map

    def __len__(self) -> int:
        return len(self._start)

    def __getitem__(self, index: int) -> Segment:  # type: ignore[override]
        return Segment(self._start[index], self._last[index], self.contents[self._content[index]])

    def __iter__(self) -> Iterator[Segment]:
        return (Segment(start, last, self.contents[content]) for start, last, content in self.spans())

    def spans(self) -> Iterator[Span]:
        """Yield the segments as (first address, last address, position in `contents`)."""
        return zip(self._start, self._last, self._content, strict=True)

    def with_holes(self) -> Iterator[Segment]:
        """Yield the segments and, as segments of their own, the holes below and between them."""
        expected = 0
        for segment in self:
            if segment.start > expected:
                yield Segment(expected, segment.start - 1, NOTHING)
            yield segment
            expected = segment.last + 1

    @property
    def end(self) -> int:
        """The address behind the last segment, 0 where there is none."""
        return self._last[-1] + 1 if self._last else 0


class _Claims:
    """Who claims which addresses, in ascending order; claims may overlap."""

    def __init__(self, memory: Memory) -> None:
        self.contents: list[Content] = []
        self.lmb_size = memory.table.lmb_size or None
        self.clipped = 0
        self._known: dict[Content, int] = {}
        self._memory = memory
        self._no_node = UNKNOWN_NODE if memory.associativity.unknown else NO_NODE

    def position(self, content: Content) -> int:
        if content not in self._known:
            self._known[content] = len(self.contents)
            self.contents.append(content)
        return self._known[content]

    def sorted(self) -> Iterator[Span]:
        return heapq.merge(sorted(self._boot()), self._lmbs(self._memory.table))

    def _boot(self) -> Iterator[Span]:
        for node in self._memory.boot.nodes:
            content = self.position(Content(BOOT, self._no_node if node.node is None else node.node))
            for part in node.ranges:
                # Linux keeps the low 64 bits of an address in more cells.
                start = part.base & LAST_ADDRESS
                yield start, min(start + part.size - 1, LAST_ADDRESS), content

    def _lmbs(self, table: LmbTable) -> Iterator[Span]:
        if self.lmb_size is None:
            return
        content_of: Callable[[int, int], int] = lru_cache(_REMEMBERED)(self._lmb_content)
        for base, count, aa_index, flags in _ascending(table):
            last = base + count * self.lmb_size - 1
            if last > LAST_ADDRESS:
                self.clipped += 1
                last = LAST_ADDRESS
            yield base, last, content_of(aa_index, flags)

    def _lmb_content(self, aa_index: int, flags: int) -> int:
        if not is_assigned(flags):
            return self.position(Content(state_of(flags)))
        node = self._memory.associativity.node_of(aa_index, flags)
        return self.position(Content(ASSIGNED, self._no_node if node is None else node))


def _ascending(table: LmbTable) -> Iterator[tuple[int, int, int, int]]:
    """Yield base, count, aa_index and flags of the runs by address; most trees have them so already."""
    runs = table.runs
    if all(map(le, runs.bases, islice(runs.bases, 1, None))):
        yield from zip(runs.bases, runs.lmbs, runs.aa_indexes, runs.flags, strict=True)
        return
    # One number a run: tuples of a hostile tree's three million would take half a gigabyte.
    order = sorted((base << _SHIFT) + position for position, base in enumerate(runs.bases))
    for key in order:
        run = runs[key & ((1 << _SHIFT) - 1)]
        yield run.base, run.lmbs, run.aa_index, run.flags


_SHIFT = 32


def _flattened(spans: Iterable[Span], contents: list[Content]) -> Iterator[Span]:
    """Yield disjoint spans of ascending, perhaps overlapping ones; `contents` grows by those of overlaps."""
    sweep = _Sweep(contents)
    alone: Span | None = None
    position = 0
    for span in spans:
        start = span[0]
        if alone is not None:
            if start > alone[1]:
                yield alone  # nearly all spans of a tree that is in order go this way
                alone = span
                continue
            position = alone[0]
            sweep.add(alone)
        yield from sweep.until(position, start)
        position = start
        alone = None if sweep.active(start) else span
        if alone is None:
            sweep.add(span)
    yield from sweep.until(position, LAST_ADDRESS + 1) if alone is None else (alone,)


class _Sweep:
    """The claims on the address at which a sweep has arrived.

    All of them began before it, so what holds until when is known from the claim of each kind that lasts longest
    and from the second longest of all LMBs and of all memory nodes, however many there are.
    """

    def __init__(self, contents: list[Content]) -> None:
        self._contents = contents
        self._clashes: dict[int, int] = {}
        self._longest: dict[str, tuple[int, int]] = {}
        self._lmbs = [-1, -1]
        self._boot = [-1, -1]

    def add(self, span: Span) -> None:
        """Let a claim begin."""
        _, last, position = span
        kind = self._contents[position].kind
        if last > self._longest.get(kind, (-1, 0))[0]:
            self._longest[kind] = (last, position)
        pair = self._boot if kind == BOOT else self._lmbs
        pair[:] = sorted((*pair, last), reverse=True)[:2]

    def active(self, position: int) -> bool:
        """Whether any claim holds at this address."""
        return any(last >= position for last, _ in self._longest.values())

    def until(self, position: int, stop: int) -> Iterator[Span]:
        """Yield what holds from `position` on to before `stop`, up to the end of the last claim."""
        while position < stop:
            lasts = [*(last for last, _ in self._longest.values()), self._lmbs[1], self._boot[1]]
            end = min((last for last in lasts if last >= position), default=stop) + 1
            if not self.active(position):
                return
            yield position, min(end, stop) - 1, self._content(position)
            position = min(end, stop)

    def _content(self, position: int) -> int:
        here = {kind: content for kind, (last, content) in self._longest.items() if last >= position}
        best = here[max(here, key=_RANK.__getitem__)]
        in_memory = BOOT in here and (ASSIGNED in here or FREE in here)
        if not (in_memory or self._lmbs[1] >= position or self._boot[1] >= position):
            return best
        if best not in self._clashes:
            self._clashes[best] = len(self._contents)
            self._contents.append(replace(self._contents[best], overlap=True))
        return self._clashes[best]
