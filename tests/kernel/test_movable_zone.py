# SPDX-License-Identifier: MIT
"""Where ZONE_MOVABLE begins, worked out by hand after mm_init.c `find_zone_movable_pfns_for_nodes`."""

from __future__ import annotations

import pytest

from drmemctl.kernel.memblock import HOTPLUG, MemblockRegion
from drmemctl.kernel.movable_zone import MovableZone, movable_begins

K, M = 1 << 10, 1 << 20


def region(base: int, end: int, node: int = 0, *, hotplug: bool = False) -> MemblockRegion:
    return MemblockRegion(base, end, node, HOTPLUG if hotplug else 0)


ONE = [region(0, 512 * M)]
SMALL_AND_LARGE = [region(0, 64 * M), region(64 * M, 576 * M, 1)]
THREE = [region(0, 64 * M), region(64 * M, 576 * M, 1), region(576 * M, 1600 * M, 2)]


@pytest.mark.parametrize(
    ("memory", "cmdline", "begins"),
    [
        (ONE, "", {}),
        # Rounded up to 16 MiB: the begin, and how much movablecore asks for.
        (ONE, "kernelcore=100M", {0: 112 * M}),
        (ONE, "movablecore=100M", {0: 400 * M}),
        (ONE, "kernelcore=100M movablecore=100M", {0: 400 * M}),
        (ONE, "kernelcore=450M movablecore=100M", {0: 464 * M}),
        (ONE, "kernelcore=25%", {0: 128 * M}),
        (ONE, "movablecore=25%", {0: 384 * M}),
        (ONE, "kernelcore=25% kernelcore=64M", {0: 64 * M}),
        # Whole pages of 64 KiB: what is asked for, and the share of 8196 and of 8194 of them.
        (ONE, f"kernelcore={112 * M + 1}", {0: 112 * M}),
        ([region(0, 512 * M + 256 * K)], "kernelcore=25%", {0: 144 * M}),
        ([region(0, 512 * M + 128 * K)], "kernelcore=25%", {0: 128 * M}),
        # Nothing is left for the zone.
        (ONE, "kernelcore=512M", {}),
        (ONE, "kernelcore=2G", {}),
        (ONE, "kernelcore=505M", {}),
        (ONE, "movablecore=1G", {}),
        # Each node keeps 128 MiB, and what the small one lacks the large one keeps, too.
        (SMALL_AND_LARGE, "kernelcore=256M", {1: (64 + 128 + 64) * M}),
        (SMALL_AND_LARGE, "kernelcore=64M", {0: 32 * M, 1: (64 + 32) * M}),
        # 300 MiB each, of which the small node has 64; then 118 each of the 236 that are left.
        (THREE, "kernelcore=900M", {1: 496 * M, 2: 1008 * M}),
        # 299 each; of the 235 that are left node 1 has 21, and node 2 gives 117 and then the rest.
        ([THREE[0], region(64 * M, 384 * M, 1), region(384 * M, 1408 * M, 2)], "kernelcore=897M", {2: 912 * M}),
        # A node's share goes over a hole.
        ([region(0, 64 * M), region(128 * M, 512 * M)], "kernelcore=96M", {0: (128 + 32) * M}),
        # movable_node goes by what is marked, and then by nothing else; page 0 cannot be.
        ([region(0, 64 * M), region(64 * M, 128 * M, hotplug=True)], "movable_node", {0: 64 * M}),
        (ONE, "movable_node kernelcore=64M", {}),
        ([region(0, 64 * M, hotplug=True)], "movable_node", {}),
        ([region(64 * K, 64 * M, hotplug=True)], "movable_node", {0: 16 * M}),
        (
            [region(16 * M, 32 * M, 1, hotplug=True), region(64 * M, 80 * M, 1, hotplug=True)],
            "movable_node",
            {1: 16 * M},
        ),
    ],
)
def test_where_it_begins(memory: list[MemblockRegion], cmdline: str, begins: dict[int, int]) -> None:
    assert movable_begins(memory, cmdline) == begins


PLUGGED = [region(0, 64 * M), region(96 * M, 128 * M, hotplug=True), region(256 * M, 320 * M, 1)]
"""With movable_node: the zones of node 0 are from 0 to 64 MiB and from 96 to 128 MiB."""


@pytest.mark.parametrize(
    ("cmdline", "changes", "movable"),
    [
        # Between two zones, and behind both: as the command line says; none before a zone is that zone's.
        ("movable_node", [(64 * M, 16 * M, 0)], [(64, 80), (96, 128)]),
        ("movable_node memhp_default_state=online_kernel", [(64 * M, 16 * M, 0)], [(96, 128)]),
        ("movable_node memhp_default_state=online", [(64 * M, 16 * M, 0)], [(64, 80), (96, 128)]),
        ("", [(64 * M, 16 * M, 0)], []),
        ("memhp_default_state=online_movable", [(64 * M, 16 * M, 0)], [(64, 80)]),
        # Inside of a zone it is that zone's, also where it was away in between.
        ("movable_node", [(16 * M, 16 * M, None), (16 * M, 16 * M, 0)], [(96, 128)]),
        ("movable_node", [(112 * M, 16 * M, None)], [(96, 112)]),
        # A zone shrinks to what is left of it, and goes with the last of its memory.
        ("movable_node", [(48 * M, 16 * M, None), (48 * M, 16 * M, 0)], [(48, 64), (96, 128)]),
        ("movable_node", [(0, 64 * M, None), (0, 16 * M, 0)], [(0, 16), (96, 128)]),
        ("kernelcore=64M", [(400 * M, 16 * M, 1)], [(32, 64), (96, 128), (288, 320)]),
        # The zones of another node do not count.
        ("movable_node", [(112 * M, 16 * M, None), (112 * M, 16 * M, 1)], [(96, 112), (112, 128)]),
    ],
)
def test_memory_that_comes_later(
    cmdline: str, changes: list[tuple[int, int, int | None]], movable: list[tuple[int, int]]
) -> None:
    zone = MovableZone(PLUGGED, cmdline)
    for change in changes:
        zone.change(*change)
    assert [(part.base // M, part.end // M) for part in zone.movable] == movable
