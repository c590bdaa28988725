# SPDX-License-Identifier: MIT
"""The header of a flattened tree: which fields and how many bytes each version of it has."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from drmemctl.formats.fdt_header import Header, decode_header, header_size
from tests.conftest import Tool, fixture_trees, gunzip, tree_name

# libfdt's fdt.h: FDT_V1_SIZE is 7 words; version 2 has boot_cpuid_phys, 3 the size of the strings, 17 that of the
# structure. Each word is another here.
WORDS = (0xD00DFEED, 0x101, 0x102, 0x103, 0x104)
LATER = (0x105, 0x106, 0x107)


@pytest.mark.parametrize(
    ("version", "size", "later"),
    [
        (0, 28, (0, None, None)),
        (1, 28, (0, None, None)),
        (2, 32, (0x105, None, None)),
        (3, 36, (0x105, 0x106, None)),
        (16, 36, (0x105, 0x106, None)),
        (17, 40, (0x105, 0x106, 0x107)),
        (18, 40, (0x105, 0x106, 0x107)),
    ],
)
def test_fields_by_version(version: int, size: int, later: tuple[int | None, ...]) -> None:
    blob = struct.pack(">10I", *WORDS, version, 15, *LATER)
    found = decode_header(blob + b"\xff" * 8)
    assert found == Header(0x101, 0x102, 0x103, 0x104, version, 15, *later)  # type: ignore[arg-type]
    assert (found.size, header_size(version)) == (size, size)
    # What comes after the header may be missing.
    assert decode_header(blob[:size]) == found


def test_what_a_short_blob_lacks_is_zero() -> None:
    blob = struct.pack(">7I", *WORDS, 17, 16)
    assert decode_header(blob)[6:] == (0, 0, 0)


@pytest.mark.parametrize("path", fixture_trees("trees")[:6], ids=tree_name)
def test_headers_are_what_fdtdump_prints(path: Path, fdtdump: Tool, dtb_file: Callable[[str], Path]) -> None:
    lines = fdtdump(dtb_file(tree_name(path))).stdout.decode("ascii", "replace").splitlines()
    printed = dict(line.removeprefix("// ").split(":") for line in lines[1:11])
    for name, value in decode_header(gunzip(path))._asdict().items():
        assert value == int(printed[name].split()[0], 0), name
