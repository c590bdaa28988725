# SPDX-License-Identifier: MIT
"""The address space in segments: what is at each address, whichever property says so.

A picture of 2^32 LMBs costs as much as one of four: everything here goes by runs and ranges, never by LMB.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from drmemctl.model.lmbs import LmbTable, is_assigned, state_of
from drmemctl.model.memory import Memory

LAST_ADDRESS = (1 << 64) - 1

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
        node: the Linux node of memory; -1 for memory for which Linux finds none, None for all that is no memory.
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

    @classmethod
    def of(cls, memory: Memory) -> AddressMap:
        """Return the map of a partition's memory."""
        claims = _Claims(memory)
        found = cls(_flattened(claims.sorted(), claims.contents), claims.contents, claims.lmb_size)
        found.clipped = claims.clipped
        return found

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

    def position(self, content: Content) -> int:
        if content not in self._known:
            self._known[content] = len(self.contents)
            self.contents.append(content)
        return self._known[content]

    def sorted(self) -> Iterator[Span]:
        return heapq.merge(sorted(self._boot()), self._lmbs(self._memory.table))

    def _boot(self) -> Iterator[Span]:
        for node in self._memory.boot.nodes:
            content = self.position(Content(BOOT, -1 if node.node is None else node.node))
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
        node = self._memory.node_of(aa_index, flags)
        return self.position(Content(ASSIGNED, -1 if node is None else node))


def _ascending(table: LmbTable) -> Iterator[tuple[int, int, int, int]]:
    """Yield base, count, aa_index and flags of the runs by address; most trees have them so already."""
    runs = table.runs
    if all(here <= there for here, there in pairwise(base for _, base, _, _, _ in runs.entries())):
        for count, base, _, aa_index, flags in runs.entries():
            yield base, count, aa_index, flags
        return
    order = sorted((base, position) for position, (_, base, _, _, _) in enumerate(runs.entries()))
    for _, position in order:
        run = runs[position]
        yield run.base, run.count, run.aa_index, run.flags


def _flattened(spans: Iterable[Span], contents: list[Content]) -> Iterator[Span]:
    """Yield disjoint spans of ascending, perhaps overlapping ones."""
    cluster: list[Span] = []
    end = -1
    for span in spans:
        if cluster and span[0] > end:
            yield from _resolved(cluster, contents)
            cluster = []
        cluster.append(span)
        end = max(end, span[1]) if len(cluster) > 1 else span[1]
    if cluster:
        yield from _resolved(cluster, contents)


def _resolved(cluster: list[Span], contents: list[Content]) -> Iterator[Span]:
    """Yield disjoint spans of a cluster of spans that overlap, in which the highest rank shows."""
    if len(cluster) == 1:
        yield cluster[0]
        return
    sweep = _Sweep(contents)
    position = cluster[0][0]
    for span in cluster:
        yield from sweep.until(position, span[0])
        position = span[0]
        sweep.add(span)
    yield from sweep.until(position, max(last for _, last, _ in cluster) + 1)


class _Sweep:
    """The claims on the address at which a sweep has arrived."""

    def __init__(self, contents: list[Content]) -> None:
        self._contents = contents
        self._known = {content: position for position, content in enumerate(contents)}
        self._best: list[tuple[int, int, int]] = []
        self._ends: list[tuple[int, str]] = []
        self._active = dict.fromkeys(_RANK, 0)

    def add(self, span: Span) -> None:
        """Let a claim begin."""
        _, last, position = span
        kind = self._contents[position].kind
        heapq.heappush(self._best, (-_RANK[kind], last, position))
        heapq.heappush(self._ends, (last, kind))
        self._active[kind] += 1

    def until(self, position: int, stop: int) -> Iterator[Span]:
        """Yield what holds from `position` on to before `stop`; claims that end on the way are dropped."""
        while position < stop and self._ends:
            end = min(self._ends[0][0] + 1, stop)
            if end > position:
                yield position, end - 1, self._winner(position)
            while self._ends and self._ends[0][0] < end:
                self._active[heapq.heappop(self._ends)[1]] -= 1
            position = max(end, position)

    def _winner(self, position: int) -> int:
        while self._best[0][1] < position:
            heapq.heappop(self._best)
        best = self._contents[self._best[0][2]]
        return self._position(Content(best.kind, best.node, self._overlap()))

    def _overlap(self) -> bool:
        lmbs = self._active[ASSIGNED] + self._active[FREE] + self._active[RESERVED]
        in_memory = self._active[BOOT] and self._active[ASSIGNED] + self._active[FREE]
        return lmbs > 1 or self._active[BOOT] > 1 or bool(in_memory)

    def _position(self, content: Content) -> int:
        if content not in self._known:
            self._known[content] = len(self._contents)
            self._contents.append(content)
        return self._known[content]
