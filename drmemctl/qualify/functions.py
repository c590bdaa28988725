# SPDX-License-Identifier: MIT
"""Where the functions of a kernel are, by the symbol table of its vmlinux (ELFv2: each has up to two entries)."""

from __future__ import annotations

import mmap
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_SYMTAB, _FUNC = 2, 2
_LOCAL_ENTRY_SHIFT, _LOCAL_ENTRY_MASK = 5, 7
"""st_other says how far behind the first entry that for callers with the same TOC is (STO_PPC64_LOCAL_MASK)."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function, or a part that the compiler made of one.

    Attributes:
        start: its first address, and its entry from elsewhere.
        local: its entry for callers within the kernel.
        size: its bytes.

    """

    start: int
    local: int
    size: int

    def __contains__(self, address: int) -> bool:
        return self.start <= address <= self.start + self.size


def functions_of(path: Path, names: Iterable[str]) -> dict[str, list[Function]]:
    """Return the functions of these names, clones as `NAME.constprop.0` included; of others nothing.

    An image without a symbol table, or with one that cannot be read, has none.
    """
    wanted = frozenset(names)
    functions: dict[str, list[Function]] = defaultdict(list)
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as image:
            for name, function in _symbols(image):
                base = name.partition(".")[0]
                if base in wanted:
                    functions[base].append(function)
    except (OSError, struct.error, ValueError):
        return {}
    return dict(functions)


def _symbols(image: mmap.mmap) -> Iterator[tuple[str, Function]]:
    """Yield the functions of the symbol table."""
    (offset,) = struct.unpack_from("<Q", image, 0x28)
    size, count = struct.unpack_from("<HH", image, 0x3A)
    sections = [_SECTION.unpack_from(image, offset + size * number) for number in range(count)]
    for _, kind, _, _, start, length, link, *_ in sections:
        if kind != _SYMTAB or link >= len(sections):
            continue
        names = sections[link][4]
        for at in range(start, start + length - _SYMBOL.size + 1, _SYMBOL.size):
            name, info, visibility, _, value, bytes_ = _SYMBOL.unpack_from(image, at)
            if info & 0xF == _FUNC and bytes_:
                end = image.find(b"\0", names + name)
                encoded = visibility >> _LOCAL_ENTRY_SHIFT & _LOCAL_ENTRY_MASK
                local = value + (1 << encoded & ~3)
                yield image[names + name : end].decode("ascii", "replace"), Function(value, local, bytes_)
