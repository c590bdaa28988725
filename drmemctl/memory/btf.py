# SPDX-License-Identifier: MIT
"""BTF in the image of a dumped kernel: it has to agree with the layouts by which structures were found.

Source: Linux include/asm-generic/vmlinux.lds.h (BTF lies between the text and the data of the image).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from drmemctl.errors import InputError
from drmemctl.formats.btf import HEADER_SIZE, decode_btf_header, decode_structs, magic
from drmemctl.memory.kernel_memory import KernelMemory, places_in
from drmemctl.memory.physical import AbsentMemoryError

_STRUCTS = frozenset((b"device_node", b"property", b"drmem_lmb_info", b"drmem_lmb"))
_MOST_TRIED = 8
"""Places that begin as BTF does."""


def agree_with_btf(memory: KernelMemory, struct: str, offsets: Mapping[str, int]) -> None:
    """Hold the offsets of members by which a structure was read against BTF; `InputError` where it has others."""
    if memory.structs is None:
        memory.structs = _structs(memory)
    members = memory.structs.get(struct, {})
    for member, offset in offsets.items():
        if members.get(member, offset) != offset:
            raise InputError(
                f"BTF of this kernel has {member} of struct {struct} at {members[member]}, "
                f"what is found in the dump has it at {offset}",
                source=memory.source,
                hint="one of them is not this kernel's: nothing is guessed; name its symbols with --symbols",
            )


def _structs(memory: KernelMemory) -> Mapping[str, Mapping[str, int]]:
    """Return the structures in BTF, none where there is none, or some of it is not in the dump."""
    if memory.dump.is_slow:
        return {}
    begin = magic(memory.byte_order)
    places = (address + at for address, page in memory.image_before_data() for at in places_in(page, begin))
    for address in islice(places, _MOST_TRIED):
        try:
            header = decode_btf_header(memory.read(address, HEADER_SIZE), memory.byte_order)
            if header is not None:
                structs = decode_structs(memory.read(address, header.whole), memory.byte_order, _STRUCTS)
                if structs:
                    return structs
        except AbsentMemoryError:
            continue
    return {}
