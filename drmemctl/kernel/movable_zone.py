# SPDX-License-Identifier: MIT
"""Where ZONE_MOVABLE begins on each node: at memory marked as hot-removable, or beyond what the kernel keeps.

Source: Linux mm/mm_init.c (before 6.4 mm/page_alloc.c) `find_zone_movable_pfns_for_nodes`, `cmdline_parse_core`.
Where memory that comes later goes to: mm/memory_hotplug.c `default_zone_for_pfn`, read in 6.12.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from drmemctl.kernel.cmdline import has_flag, memparse, options
from drmemctl.kernel.memblock import Memblock, MemblockRegion

_LARGEST_PAGES = 1 << 24
"""ZONE_MOVABLE begins at a multiple of MAX_ORDER_NR_PAGES, 16 MiB with pages of 4 and of 64 KiB."""

_PAGE = 1 << 16
_PERCENT = re.compile(r"(\d+)%", re.ASCII)

Begins = dict[int | None, int]


class MovableZone:
    """Memory by zone: as boot distributes it, then as it comes and goes.

    Attributes:
        movable: what of the memory is in ZONE_MOVABLE.

    """

    def __init__(self, memory: Iterable[MemblockRegion], cmdline: str) -> None:
        self._asked = _asked_zone(cmdline)
        self._by_default = has_flag(cmdline, "movable_node")
        self._normal, self._movable = _Zone(), _Zone()
        regions = list(memory)
        begins = movable_begins(regions, cmdline)
        for region in regions:
            begin = min(region.end, max(region.base, begins.get(region.node, region.end)))
            self._normal.add(region.base, begin, region.node)
            self._movable.add(begin, region.end, region.node)

    @property
    def movable(self) -> Iterable[MemblockRegion]:
        """Ascending."""
        return self._movable.memory

    def change(self, base: int, size: int, node: int | None) -> None:
        """Add memory on a node, or take some away: then `node` is None."""
        end = base + size
        for zone in (self._normal, self._movable):
            zone.remove(base, end)
        if node is None:
            return
        movable = self._asked
        if movable is None:
            # What comes inside of one zone is that zone's; between zones, or in both, the default decides.
            in_movable = self._movable.spans(base, end, node)
            both_or_none = in_movable == self._normal.spans(base, end, node)
            movable = self._by_default if both_or_none else in_movable
        (self._movable if movable else self._normal).add(base, end, node)


class _Zone:
    """A zone of each node: from the first to the last of its memory."""

    def __init__(self) -> None:
        self.memory = Memblock()
        self._spans: dict[int | None, tuple[int, int]] = {}

    def spans(self, base: int, end: int, node: int) -> bool:
        """Whether a range meets the zone of a node (`zone_intersects`)."""
        if node not in self._spans:
            regions = [region for region in self.memory if region.node == node]
            self._spans[node] = (regions[0].base, regions[-1].end) if regions else (0, 0)
        first, last = self._spans[node]
        return first < end and base < last

    def add(self, base: int, end: int, node: int | None) -> None:
        """Add memory to the zone of a node."""
        self.memory.add(base, end - base, node)
        first, last = self._spans.get(node, (0, 0))
        if last:
            self._spans[node] = (min(first, base), max(last, end))
        else:
            self._spans.pop(node, None)

    def remove(self, base: int, end: int) -> None:
        """Take memory away, whosever it is; a zone shrinks to what is left of it (`shrink_zone_span`)."""
        self.memory.remove(base, end - base)
        cut = [node for node, (first, last) in self._spans.items() if base <= first < end or base < last <= end]
        for node in cut:
            del self._spans[node]


def _asked_zone(cmdline: str) -> bool | None:
    """Return whether memhp_default_state= wants added memory in ZONE_MOVABLE, None where it leaves it open."""
    policy = options(cmdline, "memhp_default_state")[-1:]
    return {"online_movable": True, "online_kernel": False}.get(policy[0]) if policy else None


def added_is_movable(cmdline: str) -> bool:
    """Whether memory that comes after boot goes to ZONE_MOVABLE where no zone is around it."""
    asked = _asked_zone(cmdline)
    return has_flag(cmdline, "movable_node") if asked is None else asked


def movable_begins(memory: Iterable[MemblockRegion], cmdline: str) -> Begins:
    """Return where ZONE_MOVABLE begins on each node that has one; all of its memory from there on is in it."""
    regions = list(memory)
    if has_flag(cmdline, "movable_node"):
        begins: Begins = {}
        for region in regions:
            # Page 0 cannot be the begin: 0 stands for a node without the zone.
            if region.is_hotplug and region.base >= _PAGE:
                begins.setdefault(region.node, region.base)
    else:
        begins = _begins_beyond_kernel_core(regions, cmdline)
    ends = {region.node: region.end for region in regions}
    aligned = {node: -(-begin // _LARGEST_PAGES) * _LARGEST_PAGES for node, begin in begins.items()}
    return {node: begin for node, begin in aligned.items() if 0 < begin < ends[node]}


def _amount(cmdline: str, name: str, total: int) -> int:
    """Return what an option that is given in bytes or in percent comes to. The last counts."""
    size = percent = 0
    for value in options(cmdline, name):
        share = _PERCENT.match(value)
        if share is not None:
            percent = int(share[1])
        else:
            size, percent = memparse(value).size // _PAGE * _PAGE, 0
    return total // _PAGE * 100 * percent // 10000 * _PAGE if percent else size


def _begins_beyond_kernel_core(regions: Sequence[MemblockRegion], cmdline: str) -> Begins:
    """Return where each node has given its share of what is kept; what small nodes lack the others give."""
    total = sum(region.size for region in regions)
    # The bytes that must not be movable, 0 where no option asks for any.
    required = _amount(cmdline, "kernelcore", total)
    movable = _amount(cmdline, "movablecore", total)
    if movable:
        movable = min(total, -(-movable // _LARGEST_PAGES) * _LARGEST_PAGES)
        required = max(required, total - movable)
    nodes = sorted({region.node for region in regions if region.node is not None})
    begins: Begins = {}
    n_nodes = len(nodes)
    while required and n_nodes:
        share = required // _PAGE // n_nodes * _PAGE
        for node in nodes:
            required -= min(required, _move_begin(regions, node, share, begins))
        n_nodes -= 1
        if required // _PAGE <= n_nodes:
            break
    return begins


def _move_begin(regions: Sequence[MemblockRegion], node: int, share: int, begins: Begins) -> int:
    """Move the begin of a node's zone up by its share, over holes; return how much memory that is."""
    total = 0
    for region in regions:
        start = max(region.base, begins.get(node, 0))
        if region.node != node or start >= region.end:
            continue
        size = min(region.end - start, share - total)
        begins[node] = start + size
        total += size
        if total == share:
            break
    return total
