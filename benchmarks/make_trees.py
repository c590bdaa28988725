# SPDX-License-Identifier: MIT
"""Build device trees larger than any machine at hand: `python -m benchmarks.make_trees COUNT SHAPE OUT`.

All have QEMU's form, with `ibm,dynamic-memory` (v1) save for `v2`. `realistic`: boot memory first as reserved
LMBs without a connector, then DIMMs on several nodes with free room between some of them, and the root's four drc
arrays with an entry for each connector, in the order of a hash table. `bare`: the same without the drc arrays, so
that the LMBs are nearly all of the file. `v2`: as realistic, with `ibm,dynamic-memory-v2`, a set for each DIMM.
`dlpar`: as realistic, with 4,000 runs, as a partition has after years of LMBs that came and went one by one.
`sets`: as bare, with `ibm,dynamic-memory-v2`, a set for each LMB, neighbours on different nodes. `worst`: no two
neighbours in the array are alike.
"""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LMB_SIZE = 1 << 28
NODES = 8
DLPAR_RUNS = 4_000
NO_ASSOCIATIVITY = 0xFFFFFFFF
ASSIGNED = 0x08
RESERVED_WITHOUT_CONNECTOR = 0xA0
LMB_CONNECTOR = 0x80000000

_ENTRY = struct.Struct(">QIIII")
_SET = struct.Struct(">IQIII")

Node = dict[str, "bytes | Node"]
"""Properties and child nodes of one node, properties first."""


class Run(NamedTuple):
    """LMBs in sequence that are alike."""

    length: int
    has_connector: bool
    aa_index: int
    flags: int


def dimms(total: int) -> Iterator[Run]:
    """Yield boot memory, then up to a hundred DIMMs and gaps, node by node."""
    choose = random.Random(total)
    boot = total // 16
    yield Run(boot, has_connector=False, aa_index=NO_ASSOCIATIVITY, flags=RESERVED_WITHOUT_CONNECTOR)
    left = total - boot
    share = -(-left // NODES)
    while left:
        node = NODES - 1 - (left - 1) // share
        length = min(left, total // choose.choice((32, 64, 128)))
        left -= length
        if choose.random() < 0.2:
            yield Run(length, has_connector=True, aa_index=NO_ASSOCIATIVITY, flags=0)
        else:
            yield Run(length, has_connector=True, aa_index=node, flags=ASSIGNED)


def after_dlpar(total: int) -> Iterator[Run]:
    """Yield 4,000 runs of unlike length: on PowerVM boot memory has connectors as well."""
    choose = random.Random(total)
    begin = node = 0
    for number, end in enumerate((*sorted(choose.sample(range(1, total), DLPAR_RUNS - 1)), total)):
        node = (node + choose.randrange(1, NODES)) % NODES
        if number % 4 == 3:
            yield Run(end - begin, has_connector=True, aa_index=NO_ASSOCIATIVITY, flags=0)
        else:
            yield Run(end - begin, has_connector=True, aa_index=node, flags=ASSIGNED)
        begin = end


def alternating(total: int) -> Iterator[Run]:
    """Yield as many runs as there are LMBs."""
    yield Run(1, has_connector=False, aa_index=NO_ASSOCIATIVITY, flags=RESERVED_WITHOUT_CONNECTOR)
    for index in range(1, total):
        yield Run(1, has_connector=True, aa_index=index % NODES, flags=ASSIGNED)


def build(total: int, shape: str) -> bytes:
    """Return a flattened tree with `total` LMBs of 256 MiB in a v1 property."""
    entries: list[bytes] = []
    sets: list[bytes] = []
    connectors: list[int] = []
    boot = index = 0
    layouts = {"worst": alternating, "sets": alternating, "dlpar": after_dlpar}
    for run in layouts.get(shape, dimms)(total):
        for lmb in range(index, index + run.length):
            drc = LMB_CONNECTOR + lmb if run.has_connector else 0
            entries.append(_ENTRY.pack(lmb * LMB_SIZE, drc, 0, run.aa_index, run.flags))
        first = LMB_CONNECTOR + index if run.has_connector else 0
        sets.append(_SET.pack(run.length, index * LMB_SIZE, first, run.aa_index, run.flags))
        if run.has_connector:
            connectors += range(index, index + run.length)
        else:
            boot += run.length
        index += run.length
    random.Random(0).shuffle(connectors)
    if shape in ("v2", "sets"):
        tree = _tree({"ibm,dynamic-memory-v2": _cells(len(sets)) + b"".join(sets)}, total, boot)
    else:
        tree = _tree({"ibm,dynamic-memory": _cells(total) + b"".join(entries)}, total, boot)
    return _flatten(tree if shape in ("bare", "sets") else {**_drc_arrays(connectors), **tree})


def _drc_arrays(connectors: list[int]) -> Node:
    count = len(connectors)
    return {
        "ibm,drc-types": _cells(count) + b"MEM\0" * count,
        "ibm,drc-names": _cells(count) + "".join(f"LMB {lmb}\0" for lmb in connectors).encode(),
        "ibm,drc-power-domains": _cells(count) + _cells(0xFFFFFFFF) * count,
        "ibm,drc-indexes": _cells(count, *(LMB_CONNECTOR + lmb for lmb in connectors)),
    }


def _tree(dynamic_memory: dict[str, bytes | Node], total: int, boot: int) -> Node:
    rows = [(0, 0, 0, node) for node in range(NODES)]
    return {
        "#size-cells": _cells(2),
        "#address-cells": _cells(2),
        "compatible": b"qemu,pseries\0",
        "model": b"IBM pSeries (emulated by qemu)\0",
        "device_type": b"chrp\0",
        "chosen": {"ibm,architecture-vec-5": bytes.fromhex("19002000008004" + "00" * 16 + "40400040")},
        "rtas": {
            "ibm,max-associativity-domains": _cells(4, 0, 0, 0, NODES),
            "ibm,associativity-reference-points": _cells(4, 4, 2),
            "ibm,lrdr-capacity": _cells(*divmod(total * LMB_SIZE, 1 << 32), 0, LMB_SIZE, 1),
        },
        "cpus": {
            "#size-cells": _cells(0),
            "#address-cells": _cells(1),
            **{
                f"PowerPC,POWER9@{cpu:x}": {
                    "device_type": b"cpu\0",
                    "reg": _cells(cpu),
                    "ibm,associativity": _cells(5, 0, 0, 0, cpu % NODES, cpu),
                }
                for cpu in range(2 * NODES)
            },
        },
        "memory@0": {
            "device_type": b"memory\0",
            "reg": _cells(0, 0, *divmod(boot * LMB_SIZE, 1 << 32)),
            "ibm,associativity": _cells(4, *rows[0]),
        },
        "ibm,dynamic-reconfiguration-memory": {
            "ibm,associativity-lookup-arrays": _cells(NODES, 4, *(cell for row in rows for cell in row)),
            **dynamic_memory,
            "ibm,memory-preservation-time": _cells(0),
            "ibm,memory-flags-mask": _cells(0xFF),
            "ibm,lmb-size": _cells(0, LMB_SIZE),
        },
    }


def _cells(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def _flatten(root: Node) -> bytes:
    """Return a version 17 blob: header, empty reservation map, struct block, strings."""
    strings = bytearray()
    offsets: dict[str, int] = {}
    block: list[bytes] = []

    def emit(name: str, node: Node) -> None:
        block.extend((_cells(1), _padded(name.encode() + b"\0")))
        for key, value in node.items():
            if isinstance(value, bytes):
                if key not in offsets:
                    offsets[key] = len(strings)
                    strings.extend(key.encode() + b"\0")
                block.extend((_cells(3, len(value), offsets[key]), _padded(value)))
            else:
                emit(key, value)
        block.append(_cells(2))

    emit("", root)
    structure = b"".join([*block, _cells(9)])
    reserved, header = bytes(16), 40
    begin = header + len(reserved)
    end = begin + len(structure)
    return b"".join(
        (
            _cells(0xD00DFEED, end + len(strings), begin, end, header, 17, 16, 0, len(strings), len(structure)),
            reserved,
            structure,
            strings,
        )
    )


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def main(arguments: list[str]) -> None:
    """Write the tree that the arguments name."""
    count, shape, path = arguments
    Path(path).write_bytes(build(int(count), shape))


if __name__ == "__main__":
    main(sys.argv[1:])
