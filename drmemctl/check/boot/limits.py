# SPDX-License-Identifier: MIT
"""Rules of the family boot about what limits memory: mem=, ibm,lrdr-capacity, movable memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.memory_nodes import boot_memory, taken_nodes
from drmemctl.check.rule import rule
from drmemctl.check.select import for_lmbs, highest_end, of_kind
from drmemctl.check.subject import Subject
from drmemctl.check.tables import beside_blocks, spans_of_addresses
from drmemctl.formats.cells import LMB_SIZE
from drmemctl.formats.dynamic_memory import HOTREMOVABLE
from drmemctl.formats.lrdr_capacity import LRDR_CAPACITY, LrdrCapacity, decode_lrdr_capacity
from drmemctl.kernel.cmdline import command_line, memory_size
from drmemctl.kernel.sections import max_physical
from drmemctl.model.drmem import RootCells
from drmemctl.model.intervals import Intervals
from drmemctl.model.run import Run, is_assigned


@rule(
    "DRM065",
    Severity.WARNING,
    "assigned LMB above the mem= limit",
    needs=("block-size",),
    references=(
        "Linux arch/powerpc/kernel/prom.c early_parse_mem; mm/memblock.c memblock_enforce_memory_limit",
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c dlpar_memory_remove_by_count",
    ),
)
def limited_by_mem(subject: Subject) -> Iterator[Violation]:
    """Look for assigned LMBs beyond the limit that mem= in /chosen/bootargs sets.

    Why:
        Linux has no memory there, but its array still says assigned. A request to remove a number of LMBs counts
        them in, finds that they are not there, and takes back what it had done already; to add them is refused.

    Example:
        bootargs "mem=1536M" with 1 GiB in memory nodes and four assigned LMBs of 256 MiB.

    Kernel:
        All. mem= is rounded up to a page, from 6.10 on down to 16 MiB. On 7.2 "memory remove count 2" gave EINVAL
        although two LMBs could have gone, and "memory add index" of one that is not there gave EPERM.

    Fix:
        Do without mem=; give the partition less memory instead. Else remove LMBs by index only.
    """
    end = memory_end(subject)
    if end is None:
        return
    size = subject.table.lmb_size or 1
    above: list[Run] = []
    for run in subject.runs:
        first = max(0, (end - run.base) // size)
        if run.assigned and first < run.lmbs:
            above.append(run.part(first, run.lmbs - first, size))
    lmbs = for_lmbs(subject, _without_blocks(subject, above))
    if lmbs:
        yield lmbs.violation(
            f"{lmbs.are} assigned above {subject.address(end)}, where mem= ends memory, first {lmbs.first}:"
            " requests to remove LMBs by number count them in and fail"
        )


def _without_blocks(subject: Subject, runs: Sequence[Run]) -> Iterator[Run]:
    """Yield those LMBs of runs that have no memory block, where that is known: LMBs added since boot have one."""
    if not subject.running.blocks:
        yield from runs
        return
    size = subject.table.lmb_size or 1
    lmbs = Intervals()
    for owner, run in enumerate(runs):
        lmbs.add(run.base, run.lmbs * size, owner)
    for start, count, owner, block in beside_blocks(subject, lmbs.disjoint()):
        if block is None:
            run = runs[owner]
            first = (start - run.base) // size
            yield run.part(first, -(-count // size), size)


def memory_end(subject: Subject) -> int | None:
    """Return the address at which mem= ends memory; None where it does not."""
    if not memory_size(command_line(subject.tree)):
        return None
    # The simulated kernel's boot takes longer to import than most trees to check.
    from drmemctl.kernel.early_memory import memory_limit
    from drmemctl.kernel.profiles import profile

    memory = Intervals()
    for start, last, _ in chain(boot_memory(subject), spans_of_addresses(subject.table, is_assigned)):
        memory.add(start, last - start + 1, 0)
    ranges = [(start, last - start + 1) for start, last, _ in memory.disjoint()]
    limit = memory_limit(subject.tree, subject.running.profile or profile(), sum(size for _, size in ranges))
    for start, size in ranges:
        if limit <= size:
            return start + limit if limit else None
        limit -= size
    return None


@rule(
    "DRM066",
    Severity.INFO,
    "hot-removable LMB below boot memory",
    needs=("block-size",),
    references=(
        "Linux b6eca183e23e (5.8): MEMBLOCK_HOTPLUG for flag 0x100",
        "Linux mm/mm_init.c find_zone_movable_pfns_for_nodes",
    ),
)
def removable_below_boot_memory(subject: Subject) -> Iterator[Violation]:
    """Look for assigned LMBs with flag 0x100 at addresses below the end of the highest memory@ node.

    Why:
        With movable_node on the command line, all memory of a node from its first hot-removable LMB on becomes
        movable. Boot memory above it is then no good for the kernel itself.

    Example:
        memory@0 with reg 0 10000000, memory@40000000 with reg 40000000 40000000, and an LMB at 0000000020000000
        with flags 00000108.

    Kernel:
        5.8 and later with movable_node; others ignore flag 0x100. LMBs that are added at run time never have it.

    Fix:
        None without movable_node. With it, put memory that may go above all memory that stays.
    """
    ends = (part.base + part.size for node in taken_nodes(subject) for part in node.ranges)
    limit = max_physical(subject.running.profile)
    top = max((end for end in ends if end <= limit), default=0)
    lmbs = of_kind(subject, lambda _, flags: is_assigned(flags) and flags & HOTREMOVABLE)
    removable = for_lmbs(subject, (run for run in lmbs if run.base < top))
    if removable:
        yield removable.violation(
            f"{removable.are} hot-removable below the end of boot memory {subject.address(top)}, first"
            f" {removable.first}"
        )


@rule(
    "DRM067",
    Severity.WARNING,
    "ibm,lrdr-capacity that contradicts the LMBs",
    needs=("block-size",),
    references=(
        "Linux arch/powerpc/mm/numa.c memory_hotplug_max, hot_add_drconf_memory_max",
        'LoPAR 2.9, "RTAS Node Properties"',
    ),
)
def contradicting_capacity(subject: Subject) -> Iterator[Violation]:
    """Look for a highest address in /rtas/ibm,lrdr-capacity below the end of the LMBs, and for another LMB size.

    Why:
        Linux takes its first number for the highest address that memory can ever have and makes DMA windows that
        large. Devices then cannot reach memory that is added above.

    Example:
        00000000 c0000000 00000000 10000000 00000001, with LMBs up to 0000000200000000.

    Kernel:
        All take the number in place of what the LMBs say.

    Fix:
        Report it to whoever makes the tree: the number has to be at least the end of the last LMB.
    """
    capacity = _capacity(subject)
    if capacity is None or capacity.max_address is None:
        return
    size = subject.table.lmb_size or 0
    end = highest_end(subject)
    if capacity.max_address < end:
        highest, end_of_lmbs = subject.address(capacity.max_address), subject.address(end)
        message = f"{highest} is below {end_of_lmbs}, where the LMBs end: DMA windows will not reach them"
        yield Violation(message, "/rtas", LRDR_CAPACITY, 0)
    if capacity.lmb_size not in (None, size):
        message = f"LMB size {capacity.lmb_size:#x}, where {LMB_SIZE} has {size:#x}"
        yield Violation(message, "/rtas", LRDR_CAPACITY, 4 * RootCells.from_tree(subject.tree).address)


@rule(
    "DRM068",
    Severity.INFO,
    "ibm,lrdr-capacity without a highest address",
    references=("QEMU c0ce7b4acb (8.1): ram size where there is no maxmem",),
)
def empty_capacity(subject: Subject) -> Iterator[Violation]:
    """Look for a highest address of 0 in /rtas/ibm,lrdr-capacity of a tree without LMBs.

    Why:
        It says that memory can reach address 0. QEMU up to 8.0 has that where no maxmem was given.

    Example:
        00000000 00000000 00000000 10000000 00000001.

    Kernel:
        All take the end of the memory that is there instead.

    Fix:
        None is needed.
    """
    capacity = _capacity(subject)
    if capacity is not None and capacity.max_address == 0 and not subject.has_lmbs:
        yield Violation("the highest address is 0; Linux takes the end of boot memory", "/rtas", LRDR_CAPACITY, 0)


def _capacity(subject: Subject) -> LrdrCapacity | None:
    data = subject.tree.get("/rtas", LRDR_CAPACITY)
    cells = RootCells.from_tree(subject.tree)
    return None if data is None else decode_lrdr_capacity(data, cells.address, cells.size)
