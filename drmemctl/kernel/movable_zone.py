# SPDX-License-Identifier: MIT
"""Where ZONE_MOVABLE begins on each node: at memory marked as hot-removable, or beyond what the kernel keeps.

Source: Linux mm/mm_init.c (before 6.4 mm/page_alloc.c) `find_zone_movable_pfns_for_nodes`, `cmdline_parse_core`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from drmemctl.kernel.cmdline import has_flag, memparse, options
from drmemctl.kernel.memblock import MemblockRegion

_LARGEST_PAGES = 1 << 24
"""ZONE_MOVABLE begins at a multiple of MAX_ORDER_NR_PAGES, 16 MiB with pages of 4 and of 64 KiB."""

_PAGE = 1 << 16
_PERCENT = re.compile(r"(\d+)%", re.ASCII)

Begins = dict[int | None, int]


def movable_begins(memory: Iterable[MemblockRegion], cmdline: str) -> Begins:
    """Return where ZONE_MOVABLE begins on each node that has one; all of its memory from there on is in it."""
    regions = list(memory)
    if has_flag(cmdline, "movable_node"):
        begins = _marked(regions)
    else:
        begins = _beyond(regions, _kept(cmdline, sum(region.size for region in regions)))
    ends = {region.node: region.end for region in regions}
    aligned = {node: -(-begin // _LARGEST_PAGES) * _LARGEST_PAGES for node, begin in begins.items()}
    return {node: begin for node, begin in aligned.items() if 0 < begin < ends[node]}


def _marked(regions: Sequence[MemblockRegion]) -> Begins:
    """Return the lowest marked memory of each node. Page 0 cannot be: 0 stands for a node without the zone."""
    begins: Begins = {}
    for region in regions:
        if region.is_hotplug and region.base >= _PAGE:
            begins.setdefault(region.node, region.base)
    return begins


def _kept(cmdline: str, total: int) -> int:
    """Return the bytes that must not be movable, 0 where no option asks for any."""
    kernel = _amount(cmdline, "kernelcore", total)
    movable = _amount(cmdline, "movablecore", total)
    if movable:
        movable = min(total, -(-movable // _LARGEST_PAGES) * _LARGEST_PAGES)
        kernel = max(kernel, total - movable)
    return kernel


def _amount(cmdline: str, name: str, total: int) -> int:
    """Return what an option that is given in bytes or in percent comes to. The last counts."""
    size = percent = 0
    for value in options(cmdline, name):
        share = _PERCENT.match(value)
        if share is not None:
            percent = int(share[1])
        else:
            size, percent = memparse(value)[0] // _PAGE * _PAGE, 0
    return total // _PAGE * 100 * percent // 10000 * _PAGE if percent else size


def _beyond(regions: Sequence[MemblockRegion], required: int) -> Begins:
    """Return where each node has given its share of what is kept; what small nodes lack the others give."""
    nodes = sorted({region.node for region in regions if region.node is not None})
    begins: Begins = {}
    n_nodes = len(nodes)
    while required and n_nodes:
        share = _share(required, n_nodes)
        for node in nodes:
            required -= min(required, _give(regions, node, share, begins))
        n_nodes -= 1
        if required // _PAGE <= n_nodes:
            break
    return begins


def _share(required: int, nodes: int) -> int:
    return required // _PAGE // nodes * _PAGE


def _give(regions: Sequence[MemblockRegion], node: int, share: int, begins: Begins) -> int:
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
