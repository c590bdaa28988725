# SPDX-License-Identifier: MIT
"""Change a tree as a DIMM that moves to another node would: `python -m benchmarks.make_changed IN OUT`.

512 LMBs in the middle of the array, assigned or not, become assigned memory of another node.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from drmemctl import load
from drmemctl.tree.writer import write_fdt

NODE = "/ibm,dynamic-reconfiguration-memory"
V1 = "ibm,dynamic-memory"
ENTRY = 24
MOVED = 512
NODES = 8
ASSIGNED = 0x08


def main(arguments: list[str]) -> None:
    """Write the changed tree."""
    source, target = arguments
    tree = load(source)
    value = bytearray(tree.node(NODE).get(V1) or b"")
    count = int.from_bytes(value[:4], "big")
    for lmb in range(count // 2, count // 2 + MOVED):
        offset = 4 + ENTRY * lmb + 16
        (aa_index,) = struct.unpack_from(">I", value, offset)
        struct.pack_into(">II", value, offset, (aa_index + 1) % NODES, ASSIGNED)
    Path(target).write_bytes(write_fdt(tree.with_property(NODE, V1, bytes(value))))


if __name__ == "__main__":
    main(sys.argv[1:])
