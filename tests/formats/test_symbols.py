# SPDX-License-Identifier: MIT
"""Symbols out of System.map and of ELF files, made by hand."""

from __future__ import annotations

import random
import struct
import time

from drmemctl.formats.symbols import decode_symbols
from tests.cases import each

NAMES = ("of_root", "drmem_info")
AT = 0xC000_0000_0200_0000


def vmlinux(order: str = "<", *, shared: bool = False, **addresses: int) -> bytes:
    """Return an ELF file with these symbols: header, texts, table, headers of three sections.

    `shared` has each name be the end of another one, as ld writes them.
    """
    before = b"other_" if shared else b""
    texts = b"\0other_of_root\0" + b"".join(before + name.encode() + b"\0" for name in addresses)
    table = bytes(24) + b"".join(
        struct.pack(order + "IBBHQQ", texts.rindex(name.encode() + b"\0"), 0x11, 0, 1, address, 8)
        for name, address in addresses.items()
    )
    at = 64 + len(texts) + len(table)
    sections = bytes(64)
    sections += struct.pack(order + "IIQQQQIIQQ", 0, 2, 0, 0, 64 + len(texts), len(table), 2, 0, 8, 24)
    sections += struct.pack(order + "IIQQQQIIQQ", 0, 3, 0, 0, 64, len(texts), 0, 0, 1, 0)
    head = b"\x7fELF\2" + (b"\1" if order == "<" else b"\2") + b"\1".ljust(10, b"\0")
    head += struct.pack(order + "HHIQQQIHHHHHH", 2, 21, 1, 0, 0, at, 0, 64, 56, 0, 64, 3, 0)
    return head + texts + table + sections


@each("order", ["<", ">"])
def test_symbols_of_an_elf_file(order: str) -> None:
    data = vmlinux(order, of_root=AT, unrelated=1, drmem_info=AT + 8)
    assert decode_symbols(data, NAMES) == {"of_root": AT, "drmem_info": AT + 8}


def test_a_name_may_be_the_end_of_another() -> None:
    data = vmlinux(shared=True, of_root=AT, drmem_info=AT + 8)
    assert decode_symbols(data, NAMES) == {"of_root": AT, "drmem_info": AT + 8}


def test_texts_without_an_end_take_no_long_time() -> None:
    data = vmlinux(of_root=AT)
    texts = (b"of_root." * (1 << 15)) + b"-\0"
    sections = data[-192:-64] + struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, len(data), len(texts), 0, 0, 1, 0)
    began = time.process_time()
    assert decode_symbols(data[:-192] + sections + texts, NAMES) == {}
    assert time.process_time() - began < 1


def test_symbols_of_a_system_map() -> None:
    text = b"c000000000000000 T _stext\nc000000002000000 D of_root\r\nc000000002000008 d not_of_root\n"
    assert decode_symbols(text, NAMES) == {"of_root": AT}
    assert decode_symbols(b"ffffffffffffffff B The real System.map is in the debug package\n", NAMES) is None
    assert decode_symbols(b"c000000000000000 T _stext\n", NAMES) == {}
    assert decode_symbols(b"what is this", NAMES) is None


def test_elf_files_that_are_damaged_have_no_symbols_and_raise_nothing() -> None:
    data = vmlinux(of_root=AT)
    for size in (5, 40, 63, 64, 100):
        assert decode_symbols(data[:size], NAMES) == {}
    seed = random.Random(5)
    for _ in range(3000):
        changed = bytearray(data)
        for _ in range(seed.choice([1, 3, 8])):
            changed[seed.randrange(4, len(data))] = seed.choice([0, 1, 255, seed.randrange(256)])
        decode_symbols(bytes(changed), NAMES)
