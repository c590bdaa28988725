# SPDX-License-Identifier: MIT
"""`numa=fake=`, worked out by hand after numa.c `fake_numa_create_new_node`: one range after the other."""

from __future__ import annotations

import pytest

from drmemctl.kernel.fake_nodes import FakeNodes

M = 1 << 20

Range = tuple[int, int, int, int]
"""Address, bytes of each, number, node; all in MiB."""


def made(cmdline: str, *ranges: Range) -> list[tuple[int, int, int]]:
    fake = FakeNodes(cmdline)
    found = [piece for base, size, count, node in ranges for piece in fake.pieces(base * M, size * M, count, node)]
    return [(base // M, size // M, node) for base, size, node in found]


EIGHT = (0, 128, 8, 5)


@pytest.mark.parametrize(
    ("cmdline", "found"),
    [
        ("", [(0, 1024, 5)]),
        ("quiet numa=off", [(0, 1024, 5)]),
        ("numa=fake=junk", [(0, 1024, 5)]),
        ("numa=fake=1G", [(0, 1024, 5)]),
        # A range that ends right at the boundary stays; the first that ends beyond is the first of the next node.
        ("numa=fake=256M", [(0, 256, 5), (256, 128, 1), (384, 640, 1)]),
        ("numa=fake=300M", [(0, 256, 5), (256, 128, 1), (384, 640, 1)]),
        ("numa=fake=256M,768M", [(0, 256, 5), (256, 128, 1), (384, 384, 1), (768, 128, 2), (896, 128, 2)]),
        ("numa=fake=256M,,384M", [(0, 256, 5), (256, 128, 1), (384, 128, 2), (512, 512, 2)]),
        ("numa=fake=256M,256M", [(0, 256, 5), (256, 128, 1), (384, 128, 2), (512, 512, 2)]),
        # What is below the last boundary ends them all.
        ("numa=fake=512M,256M,768M", [(0, 512, 5), (512, 128, 1), (640, 384, 1)]),
        ("numa=debug,fake=256M", [(0, 256, 5), (256, 128, 1), (384, 640, 1)]),
        ("numa=fake=256M numa=fake=512M", [(0, 512, 5), (512, 128, 1), (640, 384, 1)]),
        ("numa=fake=512M numa=debug", [(0, 512, 5), (512, 128, 1), (640, 384, 1)]),
    ],
)
def test_ranges_of_equal_length(cmdline: str, found: list[tuple[int, int, int]]) -> None:
    assert made(cmdline, EIGHT) == found


def test_a_node_goes_on_from_one_range_to_the_next() -> None:
    ranges = [(0, 512, 1, 0), (512, 512, 1, 3), (2048, 128, 2, 4), (1024, 256, 1, 7)]
    assert made("numa=fake=256M,2G", *ranges) == [
        (0, 512, 1),
        (512, 512, 1),
        (2048, 128, 2),
        (2176, 128, 2),
        (1024, 256, 2),
    ]
    assert made("numa=fake=4G", *ranges[:2]) == [(0, 512, 0), (512, 512, 3)]
