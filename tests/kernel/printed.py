# SPDX-License-Identifier: MIT
"""What real kernels printed of their boot memory, and the same as drmemctl has it."""

from __future__ import annotations

import re
from typing import Any

from drmemctl.kernel.boot_regions import BootRegion, boot_regions
from drmemctl.kernel.profiles import Profile, profile
from drmemctl.tree.node import Tree

Region = tuple[int, int, int | None, int]
"""First address, last, node, flags."""

_PRINTED = re.compile(r" memory\[\w+\]\t\[(0x\w+)-(0x\w+)\], \w+ bytes(?: on node (\d+))? flags: (0x\w+)")


def printed(record: dict[str, Any]) -> list[Region]:
    """Return the last map that the kernel of a record printed; empty where it printed none."""
    lines = record["boot"].get("memblock_log", [])
    last = max((i for i, line in enumerate(lines) if "MEMBLOCK configuration" in line), default=0)
    found = [match for line in lines[last:] if (match := _PRINTED.fullmatch(line))]
    return [
        (int(one[1], 16), int(one[2], 16), None if one[3] is None else int(one[3]), int(one[4], 16))
        for one in found
    ]


def simulated(tree: Tree, kernel: str | Profile) -> list[Region]:
    """Return the map that drmemctl has for a kernel."""
    regions, _ = boot_regions(tree, kernel if isinstance(kernel, Profile) else profile(kernel))
    return [(one.region.base, one.region.end - 1, one.region.node, one.region.flags) for one in regions]


def zones(tree: Tree, record: dict[str, Any], kernel: Profile | None = None) -> list[str]:
    """Return the zone of each recorded memory block, as `valid_zones` names it: `none` for a block in two."""
    regions, _ = boot_regions(tree, kernel or profile(record["kernel"]))
    size = record["block_size"]
    return [_zone(regions, block["block"] * size, size) for block in record["boot"]["blocks"]]


def _zone(regions: list[BootRegion], base: int, size: int) -> str:
    found = set()
    for one in regions:
        low, high = max(base, one.region.base), min(base + size, one.region.end)
        begins = one.consequences.movable_from
        if low < high:
            found |= {"Normal"} if begins is None or low < begins else set()
            found |= {"Movable"} if begins is not None and high > begins else set()
    return found.pop() if len(found) == 1 else "none"
