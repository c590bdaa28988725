# SPDX-License-Identifier: MIT
"""The tree that a crash kernel is given: what kexec writes into it about memory that may be used.

Source: kexec-tools kexec/arch/ppc64/fs2dt.c `add_ranges`, `add_dyn_reconf_usable_mem_property`,
`add_usable_mem_property`, crashdump-ppc64.c `add_usable_mem_rgns`; Linux arch/powerpc/kexec/file_load_64.c
`get_usable_memory_ranges`, `add_usable_mem`, `kdump_setup_usable_lmb`, `update_usable_mem_fdt` (5.9).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import repeat
from operator import attrgetter

from drmemctl.errors import LimitError, NotInTreeError
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.memory_reg import REG, USABLE_MEMORY, MemoryRange, decode_reg, encode_reg
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY, encode_usable_memory
from drmemctl.kernel.boot_regions import BootRegion
from drmemctl.kernel.memblock import MemblockRegion
from drmemctl.kernel.tree_edit import with_children
from drmemctl.model.associativity import CHOSEN, RTAS
from drmemctl.model.drmem import Drmem, LmbTable, RootCells
from drmemctl.model.run import ADDRESSES
from drmemctl.model.standard_properties import device_type
from drmemctl.tree.node import Node, Tree

CRASH_BASE, CRASH_SIZE = "linux,crashkernel-base", "linux,crashkernel-size"
RTAS_BASE, RTAS_SIZE = "linux,rtas-base", "rtas-size"
KEXEC_PAGE = 4096
_MOST_LMBS = 524_288
"""LMBs that a record is made for: 128 TiB in LMBs of 256 MiB."""

_NOTHING = (MemoryRange(0, 0),)


class Producer(StrEnum):
    """Who makes the crash kernel's tree."""

    TOOLS = "kexec-tools"
    FILE = "kexec-file"


@dataclass(frozen=True, slots=True)
class CrashMemory:
    """The crash kernel's own memory: `crashkernel=` as it was reserved, from address `base` on."""

    base: int
    size: int

    @classmethod
    def from_tree(cls, tree: Tree) -> CrashMemory:
        """Return what the running kernel put into /chosen; `NotInTreeError` if it reserved nothing."""
        base, size = (_number(tree, CHOSEN, name) for name in (CRASH_BASE, CRASH_SIZE))
        if base is None or not size:
            hint = "only the tree of a running kernel with crashkernel= has it; else say --crashkernel SIZE@BASE"
            raise NotInTreeError(f"{CHOSEN} has no {CRASH_SIZE}", source=tree.source, hint=hint)
        return cls(base, size)

    @property
    def end(self) -> int:
        """The address after it."""
        return self.base + self.size


def _number(tree: Tree, path: str, name: str) -> int | None:
    data = tree.get(path, name)
    return int.from_bytes(data, "big") if data is not None and len(data) in (4, 8) else None


def kdump_tree(tree: Tree, crash: CrashMemory, producer: Producer, page: int = KEXEC_PAGE) -> Tree:
    """Return the tree of the crash kernel. Of /chosen only what names crash memory changes here.

    `NotInTreeError` where kexec refuses: the kernel's own way does so in a crash kernel.
    """
    usable = usable_ranges(tree, crash, producer, page)
    result = tree
    for name in (CRASH_BASE, CRASH_SIZE):
        result = result.with_property(CHOSEN, name, None) if tree.get(CHOSEN, name) is not None else result
    cells = RootCells.from_tree(tree)

    @cache
    def encoded(parts: tuple[MemoryRange, ...]) -> bytes:
        return encode_reg(parts, cells.address, cells.size, USABLE_MEMORY)

    def restricted(child: Node) -> Node:
        reg = child.get(REG)
        if device_type(child) != "memory" or reg is None:
            return child
        ranges = decode_reg(reg, cells.address, cells.size).ranges
        # kexec-tools reads the first range of each node only.
        memory = ranges[:1] if producer is Producer.TOOLS else ranges
        parts = tuple(
            part for piece in memory for part in _inside(usable, piece.base, piece.base + piece.size, producer)
        )
        return child.with_property(USABLE_MEMORY, encoded(parts or _NOTHING))

    return _with_lmbs(with_children(result, restricted), usable, producer)


def usable_ranges(tree: Tree, crash: CrashMemory, producer: Producer, page: int) -> list[MemoryRange]:
    """Return the memory that the crash kernel may use, in the order in which the producer lists it."""
    low = MemoryRange(0, crash.end)
    base, size = _number(tree, RTAS, RTAS_BASE), _number(tree, RTAS, RTAS_SIZE)
    rtas = None if base is None or not size else MemoryRange(base, size)
    if producer is Producer.FILE:
        return [low] if rtas is None or rtas.base + rtas.size <= low.size else [low, rtas]
    regions: list[MemoryRange] = []
    for part in (rtas, low):
        if part is not None:
            _add_region(regions, part, page)
    return regions


def _add_region(regions: list[MemoryRange], part: MemoryRange, page: int) -> None:
    """Add whole pages; a region that overlaps grows (`add_usable_mem_rgns`)."""
    base, end = part.base // page * page, -(-(part.base + part.size) // page) * page
    for index, region in enumerate(regions):
        if base < region.base + region.size and end > region.base:
            start = min(base, region.base)
            regions[index] = MemoryRange(start, max(end, region.base + region.size) - start)
            return
    regions.append(MemoryRange(base, end - base))


def _inside(usable: Iterable[MemoryRange], base: int, end: int, producer: Producer) -> Iterator[MemoryRange]:
    """Yield what of the usable ranges lies in a piece of memory, as `add_ranges` or `add_usable_mem` finds it."""
    matches = False
    for region in usable:
        low, high = region.base, region.base + region.size
        if not (low >= base and high <= end) and base < high and end > low:
            low, high = max(low, base), min(high, end)
        # kexec-tools does not forget that it found one: from then on it takes every range, wherever that is.
        inside = low >= base and high <= end
        matches = inside or (matches and producer is Producer.TOOLS)
        if matches:
            yield MemoryRange(low, high - low)


def _with_lmbs(tree: Tree, usable: Sequence[MemoryRange], producer: Producer) -> Tree:
    if tree.find(NODE) is None:
        return tree
    if producer is Producer.FILE and tree.get(NODE, DRCONF_USABLE_MEMORY):
        message = (
            f"{DRCONF_USABLE_MEMORY} property already exists: the kernel refuses to load another crash kernel"
        )
        raise NotInTreeError(message, source=tree.source)
    drmem = Drmem.from_tree(tree)
    if drmem.entries is None or not drmem.table.lmb_size:
        return tree
    if drmem.table.n_lmbs > _MOST_LMBS:
        message = f"{drmem.table.n_lmbs:,} LMBs, each of which {DRCONF_USABLE_MEMORY} has a record for"
        hint = f"the memory of a crash kernel is predicted for {_MOST_LMBS:,} at most"
        raise LimitError(message, source=tree.source or None, path=NODE, hint=hint)
    records = _records(drmem.table, usable, producer)
    data = encode_usable_memory(records, drmem.cells.address, drmem.cells.size)
    return tree.with_property(NODE, DRCONF_USABLE_MEMORY, data)


def _records(
    table: LmbTable, usable: Sequence[MemoryRange], producer: Producer
) -> Iterator[tuple[MemoryRange, ...]]:
    """Yield a record for every LMB, also for those that are not assigned."""
    size = table.lmb_size or 0
    reach = max((region.base + region.size for region in usable), default=0)
    for run in table.runs:
        # Above all usable memory there is nothing to find; large tables are mostly that.
        low = max(0, min(run.lmbs, -(-(reach - run.base) // size)))
        if run.base + run.lmbs * size > ADDRESSES:
            low = run.lmbs
        for position in range(low):
            base = (run.base + position * size) % ADDRESSES
            yield tuple(_inside(usable, base, base + size, producer)) if base < reach else ()
        yield from repeat((), run.lmbs - low)


def is_crash_tree(tree: Tree) -> bool:
    """Whether memory is restricted already: the tree of a crash kernel."""
    lmbs = tree.get(NODE, DRCONF_USABLE_MEMORY) is not None
    return lmbs or any(child.find(USABLE_MEMORY) is not None for child in tree.root.children)


def without_usable(tree: Tree) -> Tree:
    """Return the tree without restrictions: that of the kernel that crashed."""
    if tree.get(NODE, DRCONF_USABLE_MEMORY) is not None:
        tree = tree.with_property(NODE, DRCONF_USABLE_MEMORY, None)
    return with_children(tree, lambda child: child.with_property(USABLE_MEMORY, None))


@dataclass(frozen=True, slots=True)
class CrashRegion:
    """A region of the crash kernel's memory; `nodes` are those that the kernel that crashed had it on."""

    region: MemblockRegion
    nodes: tuple[int | None, ...]

    @property
    def is_moved(self) -> bool:
        """Whether the crash kernel has it on another node."""
        return self.nodes != (self.region.node,)


def crash_regions(regions: Iterable[BootRegion], before: Iterable[BootRegion]) -> list[CrashRegion]:
    """Return the crash kernel's regions beside the nodes that the same memory was on before."""
    old = [region.region for region in before]
    crash = []
    for region in regions:
        # Both lists ascend.
        first = bisect_right(old, region.region.base, key=attrgetter("end"))
        common = old[first : bisect_left(old, region.region.end, lo=first, key=attrgetter("base"))]
        crash.append(CrashRegion(region.region, tuple(dict.fromkeys(part.node for part in common))))
    return crash
