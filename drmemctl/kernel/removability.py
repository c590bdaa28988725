# SPDX-License-Identifier: MIT
"""Which assigned LMBs can be removed from a running kernel, and why the others cannot.

Source: Linux arch/powerpc/platforms/pseries/hotplug-memory.c `lmb_is_removable`, `dlpar_remove_lmb`;
mm/memory_hotplug.c `offline_pages`, `try_remove_memory`, `zone_for_pfn_range`; mm/page_isolation.c
`has_unmovable_pages`. Read in 6.12.118, not measured. The linear mapping of a block (bolted entries of the hash
table, or the radix tree) goes with its memory and keeps nothing: the kernel only warns of what fails there
(arch/powerpc/mm/mem.c `arch_remove_linear_mapping`). Whether a memory node describes the memory of an LMB, too,
none of these functions asks: memblock has it once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby, pairwise
from operator import itemgetter

from drmemctl.formats.block_states import state_name
from drmemctl.formats.dynamic_memory import ASSIGNED, RESERVED
from drmemctl.kernel.boot_regions import MOVABLE, NORMAL, boot_regions
from drmemctl.kernel.capabilities import OFFLINE_RESERVED, RESERVED_NOT_REMOVABLE, SECTION_REMOVABLE_CHECK
from drmemctl.kernel.cmdline import command_line, has_flag
from drmemctl.kernel.crash_cma import CmaState, CrashCma
from drmemctl.kernel.movable_zone import added_is_movable
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.state import KernelState
from drmemctl.model.intervals import stretches
from drmemctl.model.live_system import PERSISTENT_MEMORY, LiveSystem
from drmemctl.model.run import Run
from drmemctl.notebook import short_repr
from drmemctl.tree.node import Tree


class Removability(StrEnum):
    """Whether LMBs can be removed."""

    YES = "yes"
    PERHAPS = "perhaps"
    NO = "no"


@dataclass(frozen=True, slots=True)
class LmbRemovability:
    """Assigned LMBs that are alike in whether they can be removed.

    Attributes:
        run: the LMBs.
        node: the Linux node of their memory blocks, None without any.
        state: `online` or `offline`, empty without memory blocks.
        zone: `Movable`, `Normal` or what sysfs calls it (untrusted text); empty where not known.
        leaves: whether they can be removed.
        reasons: why they cannot, or perhaps not.

    """

    run: Run
    node: int | None
    state: str
    zone: str
    leaves: Removability
    reasons: tuple[str, ...]

    __repr__ = short_repr

    def goes_on(self, following: LmbRemovability, lmb_size: int) -> bool:
        """Whether `following` begins where these end and is like them."""
        expected = self.run.part(self.run.lmbs, following.run.lmbs, lmb_size)
        return following.run == expected and replace(following, run=self.run) == self


class RemovabilityJudge:
    """Judges the assigned LMBs of a kernel: where can the kernel take memory offline."""

    def __init__(self, kernel: KernelState, booted: Tree, system: LiveSystem) -> None:
        """`booted` is the tree that it booted on, `system` what a capture shows of it, empty without one."""
        self._kernel = kernel
        self._size = kernel.table.lmb_size or 0
        self._pinned = sorted(kernel.unmovable)
        self._zones = list(_zones(booted, kernel.profile, system))
        # Of memory that came after boot (`default_zone_for_pfn`), where nobody chose one by hand.
        self._added_zone = MOVABLE if added_is_movable(command_line(kernel.tree)) else NORMAL
        self._has_movable_cma = _has_movable_cma(booted, kernel.profile)
        self._persistent = system.spans(PERSISTENT_MEMORY).disjoint()
        # The addresses at which something changes.
        size = kernel.block_size
        addresses = {edge for first, last in kernel.kept.dump for edge in (first, last + 1)}
        addresses |= {edge for part in kernel.kept.reserved for edge in (part.base, part.end)}
        addresses |= {edge for first, end, _ in self._zones for edge in (first, end)}
        addresses |= {edge for start, last, _ in self._persistent for edge in (start, last + 1)}
        addresses |= {edge * size for blocks, _ in kernel.blocks.states() for edge in (blocks.first, blocks.end)}
        addresses |= {edge * size for block in kernel.blocks.holed for edge in (block, block + 1)}
        self._addresses = sorted(addresses)

    def parts(self) -> Iterator[LmbRemovability]:
        """Yield the assigned LMBs in array order, those that are alike as one."""
        last: LmbRemovability | None = None
        for run in self._kernel.table.runs if self._size else ():
            if not run.flags & ASSIGNED:
                continue
            edges = self._edges(run)
            for first, end in pairwise(edges):
                part = self._judge(run.part(first, end - first, self._size))
                if last is not None and last.goes_on(part, self._size):
                    last = replace(last, run=last.run._replace(lmbs=last.run.lmbs + part.run.lmbs))
                    continue
                if last is not None:
                    yield last
                last = part
        if last is not None:
            yield last

    def _edges(self, run: Run) -> list[int]:
        """Return the positions in a run at which something changes, with its ends."""
        first = bisect_left(self._addresses, run.base)
        inside = self._addresses[first : bisect_right(self._addresses, run.base + run.lmbs * self._size)]
        # An edge may lie inside an LMB: then that LMB differs from both of its neighbours.
        offsets = [address - run.base for address in inside]
        positions = {offset // self._size for offset in offsets} | {-(-offset // self._size) for offset in offsets}
        first = bisect_left(self._pinned, run.drc_index)
        for drc_index in self._pinned[first : bisect_left(self._pinned, run.drc_index + run.lmbs)]:
            positions |= {drc_index - run.drc_index, drc_index - run.drc_index + 1}
        return sorted({0, run.lmbs, *(position for position in positions if 0 < position < run.lmbs)})

    def _judge(self, run: Run) -> LmbRemovability:
        kernel = self._kernel
        block = kernel.block_of(run.base)
        node = kernel.blocks.node_of(block)
        online = block not in kernel.blocks.offline
        zone = ""
        if node is not None and online:
            at = bisect_right(self._zones, run.base, key=lambda zone: zone[0]) - 1
            is_known = at >= 0 and run.base < self._zones[at][1]
            zone = self._zones[at][2] if is_known else self._added_zone
        reasons = tuple(self._reasons(run, block, online=online))
        leaves = Removability.NO if reasons else Removability.YES
        if not reasons and online and zone != MOVABLE:
            reasons, leaves = (
                ("in no movable zone: memory of the kernel's own may be in it",),
                Removability.PERHAPS,
            )
        elif not reasons and online and self._has_movable_cma:
            reasons, leaves = ("memory of crashkernel=SIZE,cma may be in it",), Removability.PERHAPS
        state = "" if node is None else state_name(online=online)
        return LmbRemovability(run, node, state, zone, leaves, reasons)

    def _reasons(self, run: Run, block: int, *, online: bool) -> Iterator[str]:
        kernel, base, end = self._kernel, run.base, run.base + self._size
        if run.flags & RESERVED and kernel.profile.has(RESERVED_NOT_REMOVABLE):
            yield "reserved, flag 0x80: the kernel does not take it for removable"
        if not kernel.kept.is_removable(base):
            yield "kept for a firmware-assisted dump"
        reserved = list(kernel.kept.reserved_in(base, end))
        for part in reserved:
            yield f"memory of {part.purpose} is in it"
        if self._size != kernel.block_size or base % kernel.block_size:
            yield "no memory block of its own: to remove it stops the kernel or takes other memory"
        if kernel.blocks.node_of(block) is None:
            yield "no memory block: there is nothing to take offline"
        # Up to 5.7 the kernel asks whether memory can be moved before it looks whether it has to be.
        is_moved = online or kernel.profile.has(SECTION_REMOVABLE_CHECK)
        if is_moved and run.drc_index in kernel.unmovable and not reserved:
            yield "memory in it cannot be moved"
        elif not online and kernel.profile.has(SECTION_REMOVABLE_CHECK) and kernel.profile.has(OFFLINE_RESERVED):
            yield "its block is offline, and its pages marked as reserved for that: put it online first"
        if online and self._persistent.first_in(base, self._size) is not None:
            yield "its memory block has persistent memory, too"
        elif online and block in kernel.blocks.holed:
            yield "a part of its memory block is missing"


def _zones(booted: Tree, profile: Profile, system: LiveSystem) -> Iterator[tuple[int, int, str]]:
    """Yield (first address, end, zone) of memory whose zone is known: as sysfs has it, or as boot makes it."""
    size = system.block_size
    zones = [(number, block.zones[0]) for number, block in sorted(system.blocks.items()) if block.zones]
    if size and zones:
        for zone, group in groupby(zones, key=itemgetter(1)):
            for first, end in stretches(number for number, _ in group):
                yield first * size, end * size, zone
        return
    regions, _ = boot_regions(booted, profile)
    for entry in regions:
        region, movable = entry.region, entry.consequences.movable_from
        begin = region.end if movable is None else movable
        if region.base < begin:
            yield region.base, begin, NORMAL
        if begin < region.end:
            yield begin, region.end, MOVABLE


def _has_movable_cma(booted: Tree, profile: Profile) -> bool:
    """Whether `crashkernel=SIZE,cma` may have reserved pages of ZONE_MOVABLE, which then keep their memory block.

    `has_unmovable_pages` asks for pages of CMA before it asks for their zone. With movable_node memblock reserves
    nothing in memory that is marked as hot-removable (`should_skip_region`).
    """
    cma = CrashCma.of(booted, profile)
    return (
        cma is not None and cma.state is CmaState.RESERVED and not has_flag(command_line(booted), "movable_node")
    )
