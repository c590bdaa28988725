# SPDX-License-Identifier: MIT
"""The LMB properties, read and written LMB by LMB, for the naive kernel."""

from __future__ import annotations

import struct
from dataclasses import dataclass

V1 = "ibm,dynamic-memory"
V2 = "ibm,dynamic-memory-v2"
UNSET = 0xFFFFFFFF
TOUCHED = 0x80000000


@dataclass
class NaiveLmb:
    """struct drmem_lmb."""

    base: int
    drc: int
    aa: int
    flags: int


def as_int(count: int) -> int:
    """Return a u32 as an int."""
    return int(struct.unpack(">i", struct.pack(">I", count))[0])


def read_property(name: str, data: bytes, size: int) -> list[NaiveLmb]:
    """Return each LMB of a property, in its order."""
    found = []
    for at in range(4, 4 + 24 * int.from_bytes(data[:4], "big"), 24):
        if name == V1:
            base, drc, _, aa, flags = struct.unpack_from(">QIIII", data, at)
            found.append(NaiveLmb(base, drc, aa, flags))
        else:
            count, base, drc, aa, flags = struct.unpack_from(">IQIII", data, at)
            found += [NaiveLmb(base + i * size, (drc + i) & UNSET, aa, flags) for i in range(count)]
    return found


def write_v1(lmbs: list[NaiveLmb], size: int) -> bytes:
    """Return a property of a given size: the array, what does not fit cut off, zeros behind it."""
    data = struct.pack(">I", len(lmbs))
    data += b"".join(struct.pack(">QIIII", one.base, one.drc, 0, one.aa, one.flags & ~TOUCHED) for one in lmbs)
    return data[:size].ljust(size, b"\0")


def write_v2(lmbs: list[NaiveLmb]) -> bytes:
    """Return the sets of `drmem_update_dt_v2`, which looks at aa_index and flags only."""
    sets: list[list[int]] = []
    for one in lmbs:
        flags = one.flags & ~TOUCHED
        if not sets or sets[-1][3:] != [one.aa, flags]:
            sets.append([0, one.base, one.drc, one.aa, flags])
        sets[-1][0] += 1
    return struct.pack(">I", len(sets)) + b"".join(struct.pack(">IQIII", *one) for one in sets)
