# SPDX-License-Identifier: MIT
"""The kernel's early map of memory: regions with a node and flags, added, split and merged as memblock does.

Source: Linux mm/memblock.c `memblock_add_range`, `memblock_merge_regions`, `memblock_isolate_range`,
`memblock_setclr_flag`, `memblock_set_node`, `memblock_remove_range`, `memblock_enforce_memory_limit`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import NamedTuple

from drmemctl.model.run import ADDRESSES

HOTPLUG = 0x1
"""MEMBLOCK_HOTPLUG: the firmware may want this memory back."""

DRIVER_MANAGED = 0x8
"""MEMBLOCK_DRIVER_MANAGED: a driver found and added it; the firmware's map never has it."""

FLAG_NAMES = {HOTPLUG: "hotplug", 0x2: "mirror", 0x4: "nomap", DRIVER_MANAGED: "driver-managed"}


class MemblockRegion(NamedTuple):
    """Memory from address `base` up to `end`; `node` is None as long as no one said which it is on."""

    base: int
    end: int
    node: int | None = None
    flags: int = 0

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.base

    @property
    def is_hotplug(self) -> bool:
        """Whether it is marked as memory that may be taken away."""
        return bool(self.flags & HOTPLUG)

    @property
    def flag_names(self) -> list[str]:
        """The flags by name."""
        return [name for bit, name in FLAG_NAMES.items() if self.flags & bit]

    def continues(self, before: MemblockRegion) -> bool:
        """Whether memblock makes one region of the other and this one."""
        return (before.end, before.node, before.flags) == (self.base, self.node, self.flags)


Changed = Callable[[int, int, int | None, int], MemblockRegion] | None
"""What makes a region of another one's base, end, node and flags; None: the region goes."""

_end = attrgetter("end")


class Memblock:
    """`memblock.memory`: ascending regions without overlaps, none of which continues its neighbour."""

    __slots__ = ("_recent", "_regions")

    def __init__(self) -> None:
        self._regions: list[MemblockRegion] = []
        self._recent = 0

    def __iter__(self) -> Iterator[MemblockRegion]:
        return iter(self._regions)

    def __len__(self) -> int:
        return len(self._regions)

    @property
    def size(self) -> int:
        """Bytes of all regions (`memblock_phys_mem_size`)."""
        return sum(region.size for region in self._regions)

    def add(self, base: int, size: int, node: int | None = None, flags: int = 0) -> None:
        """Add memory; what of it is there already stays as it is (`memblock_add_range`)."""
        end = min(base + size, ADDRESSES - 1)
        if end <= base:
            return
        low, high = self._touched(base, end)
        regions: list[MemblockRegion] = []
        for region in self._regions[low:high]:
            if base < region.base:
                regions.append(MemblockRegion(base, region.base, node, flags))
            regions.append(region)
            base = region.end
        if base < end:
            regions.append(MemblockRegion(base, end, node, flags))
        self._replace(low, high, regions)

    def remove(self, base: int, size: int) -> None:
        """Take away what is there of a range (`memblock_remove_range`)."""
        self._change(base, size, None)

    def mark_hotplug(self, base: int, size: int) -> None:
        """Mark what is there of a range (`memblock_mark_hotplug`)."""
        self._change(base, size, lambda base, end, node, flags: MemblockRegion(base, end, node, flags | HOTPLUG))

    def clear_hotplug(self) -> None:
        """Take all such marks away (`memblock_clear_hotplug`)."""
        regions = [region._replace(flags=region.flags & ~HOTPLUG) for region in self._regions]
        self._replace(0, len(self._regions), regions)

    def set_node(self, base: int, size: int, node: int | None) -> None:
        """Put what is there of a range on a node (`memblock_set_node`)."""
        self._change(base, size, lambda base, end, _, flags: MemblockRegion(base, end, node, flags))

    def keep_lowest(self, limit: int) -> None:
        """Drop all but the lowest `limit` bytes of memory (`memblock_enforce_memory_limit`)."""
        for index, region in enumerate(self._regions):
            if limit <= region.size:
                cut = [region._replace(end=region.base + limit)] if limit else []
                self._regions[index:] = cut
                return
            limit -= region.size

    def _touched(self, base: int, end: int) -> tuple[int, int]:
        """Return which regions a range has bytes in common with: from the first index up to the second."""
        regions = self._regions
        low = self._recent + 1
        # Memory mostly comes by address: what is asked for is next to what was asked for last.
        is_next = low <= len(regions) and regions[low - 1].end <= base
        if not is_next or (low < len(regions) and regions[low].end <= base):
            low = bisect_right(regions, base, key=_end)
        self._recent = low
        high = low
        while high < len(regions) and regions[high].base < end:
            high += 1
        return low, high

    def _change(self, base: int, size: int, changed: Changed) -> None:
        """Cut the regions at both ends of a range (`memblock_isolate_range`) and change those inside."""
        end = min(base + size, ADDRESSES - 1)
        if end <= base:
            return
        low, high = self._touched(base, end)
        regions = []
        for region in self._regions[low:high]:
            node, flags = region.node, region.flags
            if region.base < base:
                regions.append(MemblockRegion(region.base, base, node, flags))
            if changed is not None:
                regions.append(changed(max(base, region.base), min(end, region.end), node, flags))
            if end < region.end:
                regions.append(MemblockRegion(end, region.end, node, flags))
        self._replace(low, high, regions)

    def _replace(self, low: int, high: int, regions: list[MemblockRegion]) -> None:
        """Put regions in the place of others and merge them, with their neighbours as well."""
        before, after = self._regions[max(low - 1, 0) : low], self._regions[high : high + 1]
        merged: list[MemblockRegion] = []
        for region in (*before, *regions, *after):
            if merged and region.continues(merged[-1]):
                merged[-1] = MemblockRegion(merged[-1].base, region.end, region.node, region.flags)
            else:
                merged.append(region)
        self._regions[low - len(before) : high + len(after)] = merged
