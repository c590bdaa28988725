# SPDX-License-Identifier: MIT
"""The kernel's LMB array, `drmem_info`, found by what it must look like.

Source: Linux arch/powerpc/include/asm/drmem.h: struct drmem_lmb_info {lmbs, n_lmbs, lmb_size} and struct drmem_lmb
{base_addr, drc_index, aa_index, flags} of 24 bytes; `lmb_size` has 32 bits before 5.10 (ec72024e35dd).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from drmemctl.errors import InputError
from drmemctl.memory.btf import agree_with_btf
from drmemctl.memory.file import Allowance
from drmemctl.memory.kernel_memory import KernelMemory, is_pointer, places_in
from drmemctl.memory.physical import AbsentMemoryError
from drmemctl.memory.symbols import not_there, pointer_at

LMB_SIZE = 24
"""Bytes of a struct drmem_lmb."""

MOST_LMBS = 1 << 20
"""LMBs of an array: 256 TiB in LMBs of 256 MiB."""

_MOST_LOOKED_AT = 2 * MOST_LMBS
"""LMBs, and places that may be the array's, which are looked at while it is sought."""

_READ_AT_MOST = 4
"""Reads of the array of a running kernel, until two in a row are equal."""

_AT_ONCE = 2730
"""LMBs read in one piece: a page of 64 KiB."""

_PIN = "name the kernel's System.map or vmlinux with --symbols"

_FLAGS = 0x8000_FFFF
"""Flag bits that firmware and Linux use; DRMEM_LMB_RESERVED is the uppermost."""


@dataclass(frozen=True, slots=True)
class LmbArray:
    """The array as the kernel had it.

    Attributes:
        address: of the struct drmem_lmb_info, virtual.
        lmb_size: bytes of an LMB.
        count: number of LMBs.
        lmbs: the structs drmem_lmb in big-endian cells: base address (two), DRC index, aa_index, flags.

    """

    address: int
    lmb_size: int
    count: int
    lmbs: bytes

    def __iter__(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield base address, DRC index, aa_index and flags of each LMB."""
        return struct.iter_unpack(">QIII", self.lmbs)


def find_lmb_array(memory: KernelMemory, lmb_size: int) -> LmbArray | None:
    """Return the array of LMBs of a size in bytes, None where none is found; `InputError` where several are.

    Raises `AbsentMemoryError` where there is only one whose LMBs are not in the dump.
    """
    message = f"more than {_MOST_LOOKED_AT:,} LMBs, or places that look like their array"
    looked_at = Allowance(_MOST_LOOKED_AT, message, memory.source)
    if "drmem_info" in memory.pinned:
        array = _array_at(memory, pointer_at(memory, "drmem_info"), lmb_size, looked_at)
        if array is None:
            raise not_there(memory, "drmem_info", f"an array of LMBs of {lmb_size:#x} bytes")
    else:
        arrays = _arrays(memory, lmb_size, looked_at)
        if len(arrays) > 1:
            addresses = ", ".join(f"{array.address:#x}" for array in arrays[:4])
            raise InputError(
                f"there is more than one LMB array in this dump, at {addresses}", source=memory.source, hint=_PIN
            )
        array = next(iter(arrays), None)
    if array is not None:
        agree_with_btf(memory, "drmem_lmb_info", {"lmbs": 0, "n_lmbs": 8})
        agree_with_btf(memory, "drmem_lmb", {"base_addr": 0, "drc_index": 8, "aa_index": 12, "flags": 16})
    return array


def _arrays(memory: KernelMemory, lmb_size: int, looked_at: Allowance) -> list[LmbArray]:
    """Return the arrays by their address; where there is none, the first that is not in the dump is raised."""
    # The `lmb_size` of a drmem_lmb_info, in either width, is that of the tree.
    patterns = [(struct.pack(memory.byte_order + "Q", lmb_size), 16)]
    if lmb_size < 1 << 32:
        patterns.append((struct.pack(memory.byte_order + "I", lmb_size), 12))
    places = (
        base + at - offset
        for base, page in memory.image()
        for pattern, offset in patterns
        for at in places_in(page, pattern)
        if at % 8 == offset % 8
    )
    arrays: dict[int, LmbArray] = {}
    absent: AbsentMemoryError | None = None
    for address in places:
        try:
            array = _array_at(memory, address, lmb_size, looked_at)
        except AbsentMemoryError as error:
            absent = absent or error
            continue
        if array is not None:
            arrays[address] = array
    if absent is not None and not arrays:
        raise absent
    return [array for _, array in sorted(arrays.items())]


def settled_lmb_array(memory: KernelMemory, array: LmbArray) -> tuple[LmbArray, bool]:
    """Return an array of a kernel that runs as it is when it is read once more, and whether it was the same twice.

    A request for LMBs writes their flags and aa_index one after the other (drmem_update_lmbs, dlpar_memory).
    """
    looked_at = Allowance(_MOST_LOOKED_AT, "the LMB array changes all the time", memory.source, "try once more")
    for _ in range(_READ_AT_MOST):
        memory.dump.forget()
        try:
            reread = _array_at(memory, array.address, array.lmb_size, looked_at)
        except AbsentMemoryError:
            reread = None
        if reread == array:
            return array, True
        array = reread or array
    return array, False


def _array_at(memory: KernelMemory, address: int, lmb_size: int, looked_at: Allowance) -> LmbArray | None:
    """Return the array whose drmem_lmb_info is at an address, None where none can be.

    Raises `AbsentMemoryError` where it may be one, and its LMBs are not in the dump.
    """
    looked_at.spend()
    try:
        lmbs, count = memory.u64(address), memory.u32(address + 8)
    except AbsentMemoryError:
        return None
    if not is_pointer(lmbs) or not 0 < count <= MOST_LMBS:
        return None
    pieces: list[bytes] = []
    previous = (-lmb_size, -1)
    try:
        for index in range(0, count, _AT_ONCE):
            number = min(_AT_ONCE, count - index)
            # The first alone, since a wrong candidate ends there.
            if index == 0 and not _is_lmb(_unpacked(memory, lmbs, 1)[0], previous, lmb_size):
                return None
            looked_at.spend(number)
            cells = _unpacked(memory, lmbs + LMB_SIZE * index, number)
            for lmb in cells:
                if not _is_lmb(lmb, previous, lmb_size):
                    return None
                previous = lmb[0], lmb[1]
            pieces.append(b"".join(struct.pack(">QIII", *lmb) for lmb in cells))
    except AbsentMemoryError as error:
        raise error.about(f"the kernel's LMB array (drmem_info, {count:,} LMBs at {lmbs:#x})") from None
    return LmbArray(address, lmb_size, count, b"".join(pieces))


def _unpacked(memory: KernelMemory, address: int, count: int) -> list[tuple[int, int, int, int]]:
    data = memory.read(address, LMB_SIZE * count)
    return list(struct.iter_unpack(memory.byte_order + "QIII4x", data))


def _is_lmb(lmb: tuple[int, int, int, int], previous: tuple[int, int], lmb_size: int) -> bool:
    base, drc_index, _, flags = lmb
    if base % lmb_size or flags & ~_FLAGS:
        return False
    # Firmware lists LMBs by ascending address; an array that does not is taken where each LMB is another one.
    return (base, drc_index) != previous and base != previous[0]
