# SPDX-License-Identifier: MIT
"""Where the functions of a kernel are, by the symbol table of its vmlinux (ELFv2: each has up to two entries)."""

from __future__ import annotations

import mmap
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from drmemctl.formats.symbols import elf_symbols

_FUNC = 2
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


def functions_of(path: Path, names: Collection[str]) -> dict[str, list[Function]]:
    """Return the functions of these names, clones as `NAME.constprop.0` included; of others nothing.

    An image without a symbol table, or with one that cannot be read, has none.
    """
    functions: dict[str, list[Function]] = defaultdict(list)
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as image:
            for symbol in elf_symbols(image, names):
                if symbol.type == _FUNC and symbol.size:
                    encoded = symbol.other >> _LOCAL_ENTRY_SHIFT & _LOCAL_ENTRY_MASK
                    local = symbol.value + (1 << encoded & ~3)
                    functions[symbol.name.partition(".")[0]].append(Function(symbol.value, local, symbol.size))
    except (OSError, ValueError):
        return {}
    return dict(functions)
