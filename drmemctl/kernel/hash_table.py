# SPDX-License-Identifier: MIT
"""The hash page table of a guest without radix: its size follows memory that comes and goes.

Source: Linux arch/powerpc/mm/book3s64/hash_utils.c `htab_shift_for_mem_size`, `resize_hpt_for_hotplug` (up to 5.8
called by arch/powerpc/mm/mem.c `arch_add_memory`), arch/powerpc/platforms/pseries/lpar.c `pseries_lpar_resize_hpt`
(438cc81a41e8, 4.11).
"""

from __future__ import annotations

from dataclasses import dataclass

from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5, decode_architecture_vec5
from drmemctl.formats.rows import words
from drmemctl.kernel.cmdline import command_line, has_flag
from drmemctl.model.associativity import CHOSEN
from drmemctl.model.platform import hypertas_functions
from drmemctl.model.processors import CPUS, PFT_SIZE
from drmemctl.model.standard_properties import device_type
from drmemctl.tree.node import Tree

_SMALLEST = 18
"""2^11 groups of entries, of 128 bytes each: the smallest table that the architecture allows."""

_PAGE_TO_TABLE = 10
"""A group of entries (2^7 bytes) for every two pages of 64 KiB (2^17), which distributions' kernels have."""


@dataclass(frozen=True, slots=True)
class HashTable:
    """The table.

    Attributes:
        order: it has 2^order bytes (`ppc64_pft_size`).
        shrinks: how often the kernel has tried to make it smaller; none of that is taken to succeed.

    """

    order: int
    shrinks: int = 0

    def after_adding(self, size: int, block: int, count: int) -> HashTable:
        """Return the table when `count` blocks come to memory of a size: each is counted before it is mapped."""
        tries = _tries(self.order, size + block, block, count)
        return HashTable(max(self.order, order_for(size + count * block)), self.shrinks + tries)

    def after_removing(self, size: int, block: int, count: int) -> HashTable:
        """Return the table when `count` blocks go: each is counted until it is gone."""
        order = max(self.order, order_for(size))
        return HashTable(order, self.shrinks + _tries(order, size - (count - 1) * block, block, count))


def _tries(order: int, smallest: int, block: int, count: int) -> int:
    """Return for how many of `count` sizes of memory, a block apart, a table is four times what it should be."""
    if order - 2 < _SMALLEST:
        return 0
    largest = 1 << (order - 2 + _PAGE_TO_TABLE)
    return min(count, max(0, (largest - smallest) // block + 1))


def order_for(size: int) -> int:
    """Return the order that the kernel wants for so many bytes of memory (`htab_shift_for_mem_size`)."""
    return max((max(size, 1) - 1).bit_length() - _PAGE_TO_TABLE, _SMALLEST)


def uses_radix(tree: Tree) -> bool:
    """Whether a guest that boots on a tree uses radix page tables, and has no hash page table."""
    agreed = decode_architecture_vec5(tree.get(CHOSEN, ARCHITECTURE_VEC5) or b"")
    return agreed.has("MMU_RADIX") and not has_flag(command_line(tree), "disable_radix")


def hash_table_of(tree: Tree) -> HashTable | None:
    """Return the table of a guest that boots on a tree; None with radix, and where it cannot be resized."""
    if "hcall-hpt-resize" not in hypertas_functions(tree) or uses_radix(tree):
        return None
    parent = tree.find(CPUS)
    for node in () if parent is None else parent.children:
        cells = words(node.get(PFT_SIZE) or b"")
        if device_type(node) == "cpu" and len(cells) > 1:
            return HashTable(cells[1])
    return None
