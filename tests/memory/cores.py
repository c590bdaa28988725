# SPDX-License-Identifier: MIT
"""Recorded dumps with another history: what no recorded kernel went through, in the memory of one that ran.

`python -m tests.memory.cores` makes fixtures/tutorial/lpar7.vmcore.xz anew.
"""

from __future__ import annotations

import lzma
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from io import BytesIO
from unittest.mock import patch

from drmemctl.memory.device_tree import KernelNode, _TreeReader
from drmemctl.tree.dump import read_dump
from drmemctl.tree.node import Tree
from tests.conftest import FIXTURES

LINEAR = 0xC << 60
DRMEM = "/ibm,dynamic-reconfiguration-memory"
V2 = "ibm,dynamic-memory-v2"
LOOKUP = "ibm,associativity-lookup-arrays"
_AT = 64 << 30
"""Physical address of what is added, far above the memory of the recorded guests."""

_PROPERTIES = 88
"""Offset of device_node.properties on 6.1; deadprops follows."""

Lmb = tuple[int, int, int, int]
Set = tuple[int, int, int, int, int]


@cache
def recorded(name: str) -> bytes:
    """Return a recorded core."""
    return lzma.decompress((FIXTURES / "vmcores" / f"{name}.core.xz").read_bytes())


def v2(*sets: Set) -> bytes:
    """Return a property of sets: LMBs, address, DRC index, aa_index, flags."""
    return struct.pack(">I", len(sets)) + b"".join(struct.pack(">IQIII", *one) for one in sets)


def with_segments(data: bytes, extra: Mapping[int, bytes]) -> bytes:
    """Return an ELF core with more memory, by physical address: its program headers go to the end of the file."""
    (offset,) = struct.unpack_from("<Q", data, 32)
    (count,) = struct.unpack_from("<H", data, 56)
    core, headers = bytearray(data), data[offset : offset + 56 * count]
    for address, content in extra.items():
        size = len(content)
        headers += struct.pack("<IIQQQQQQ", 1, 7, len(core), LINEAR + address, address, size, size, 4096)
        core += content
    struct.pack_into("<Q", core, 32, len(core))
    struct.pack_into("<H", core, 56, count + len(extra))
    return bytes(core) + headers


class _Memory:
    """Memory to be added to a core, filled from its beginning."""

    def __init__(self, core: bytes) -> None:
        (n_segments,) = struct.unpack_from("<H", core, 56)
        self.at = _AT + (n_segments << 26)
        self.data = bytearray()

    def put(self, data: bytes) -> int:
        """Add bytes; return the pointer to them."""
        self.data += bytes(-len(self.data) % 16)
        address: int = LINEAR + self.at + len(self.data)
        self.data += data
        return address

    def properties(self, properties: Sequence[tuple[str, bytes]]) -> int:
        """Add a list of struct property; return the pointer to the first."""
        following = 0
        for name, value in reversed(properties):
            name_at, value_at = self.put(name.encode() + b"\0"), self.put(value or b"\0")
            following = self.put(struct.pack("<QiiQQ", name_at, len(value), 0, value_at, following))
        return following


def _addresses(core: bytes) -> tuple[Tree, dict[str, int]]:
    """Return the tree of a core, and where its nodes are."""
    addresses: dict[str, int] = {}
    read = _TreeReader.node

    def node(self: _TreeReader, address: int, path: str = "", depth: int = 1) -> KernelNode:
        kernel_node = read(self, address, path, depth)
        addresses[f"{path}{kernel_node.name}" or "/"] = address
        return kernel_node

    with patch.object(_TreeReader, "node", node):
        return read_dump(BytesIO(core), "core"), addresses


def _poke(core: bytearray, address: int, data: bytes) -> None:
    """Write memory at a virtual address that the core has."""
    (offset,) = struct.unpack_from("<Q", core, 32)
    (count,) = struct.unpack_from("<H", core, 56)
    for index in range(count):
        kind, at, virtual, _, size = struct.unpack_from("<I4xQQQQ", core, offset + 56 * index)
        if kind == 1 and virtual <= address < virtual + size:
            core[at + address - virtual : at + address - virtual + len(data)] = data
            return
    raise AssertionError(f"{address:#x} is not in the core")


def core_with(
    core: bytes,
    *,
    path: str = DRMEM,
    current: Mapping[str, bytes | None] = {},
    replaced: Sequence[tuple[str, bytes]] | None = None,
    array: Sequence[Lmb] | None = None,
    release: bytes = b"",
) -> bytes:
    """Return a core in which a node has other properties, and had others; with another array, of another kernel.

    `replaced` is the newest first; `array` is base, DRC index, aa_index, flags of each LMB; the release has to
    have as many characters as the recorded one.
    """
    tree, addresses = _addresses(core)
    memory, changed = _Memory(core), bytearray(core)
    node = tree.node(path)
    properties: dict[str, bytes | None] = {prop.name: prop.value for prop in node.properties}
    properties.update(current)
    kept = [(name, value) for name, value in properties.items() if value is not None]
    _poke(changed, addresses[path] + _PROPERTIES, struct.pack("<Q", memory.properties(kept)))
    if replaced is not None:
        _poke(changed, addresses[path] + _PROPERTIES + 8, struct.pack("<Q", memory.properties(replaced)))
    if array is not None:
        assert tree.dump is not None
        assert tree.dump.array is not None
        lmbs = memory.put(b"".join(struct.pack("<QIII4x", *lmb) for lmb in array))
        _poke(changed, tree.dump.array.address, struct.pack("<QI", lmbs, len(array)))
    if release:
        assert tree.dump is not None
        assert len(release) == len(tree.dump.release)
        changed = bytearray(bytes(changed).replace(tree.dump.release.encode(), release, 1))
    return with_segments(bytes(changed), {memory.at: bytes(memory.data)})


def lmbs_of(*sets: Set, lmb_size: int = 256 << 20) -> list[Lmb]:
    """Return the LMBs of sets one by one."""
    return [
        (base + i * lmb_size, drc + i, aa, flags) for count, base, drc, aa, flags in sets for i in range(count)
    ]


def migrated() -> bytes:
    """Return the dump of the tutorial: what 5.10 leaves behind of a migration, in the memory of a 6.1.

    The recorded guest got the same DIMMs at the same times. 5.10 takes no aa_index over, as recorded in
    fixtures/captures/5.10-lpm: the second DIMM's flush writes that of the source back.
    """
    unset = 0xFFFFFFFF
    boot = (4, 0, 0, unset, 0xA0)
    source, target = ((1, 0x40000000, 0x80000004, aa_index, 8) for aa_index in (1, 0))
    free = (7, 0x50000000, 0x80000005, unset, 0)
    now = (boot, source, (2, 0x50000000, 0x80000005, 0, 8), (5, 0x70000000, 0x80000007, unset, 0))
    return core_with(
        recorded("6.1-radix64k-written-back"),
        current={V2: v2(*now)},
        replaced=[
            (V2, v2(boot, target, free)),
            (V2, v2(boot, source, free)),
            (V2, v2(boot, (8, 0x40000000, 0x80000004, unset, 0))),
        ],
        array=lmbs_of(*now),
        release=b"5.10.262-powerpc64le",
    )


if __name__ == "__main__":
    (FIXTURES / "tutorial" / "lpar7.vmcore.xz").write_bytes(lzma.compress(migrated(), preset=9))
