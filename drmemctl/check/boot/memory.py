# SPDX-License-Identifier: MIT
"""Rules of the family boot about memory@ nodes, alone and against the LMBs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from drmemctl.check.bounds import limited
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.memory_nodes import boot_memory, memory_nodes, taken_nodes
from drmemctl.check.rule import rule
from drmemctl.check.select import AffectedLmbs, for_lmbs
from drmemctl.check.subject import Subject
from drmemctl.check.tables import spans_of_addresses
from drmemctl.formats.dynamic_memory import RESERVED
from drmemctl.formats.memory_reg import REG
from drmemctl.kernel.sections import max_physical
from drmemctl.model.boot_memory import MemoryNode
from drmemctl.model.intervals import shared
from drmemctl.model.platform import shows_absence
from drmemctl.model.run import is_assigned
from drmemctl.wording import size_text

_QEMU_OFFSET = 1 << 59
"""How far too high QEMU since 4.0 puts the memory node that configure-connector gives for an LMB."""


@rule(
    "DRM060",
    Severity.ERROR,
    "assigned LMB inside a memory node",
    needs=("block-size",),
    references=(
        "Linux arch/powerpc/mm/numa.c parse_numa_properties: memory nodes first, then LMBs",
        "LoPAR 2.9, ibm,dynamic-reconfiguration-memory: what cannot be reconfigured is in memory nodes",
    ),
)
def assigned_in_memory_node(subject: Subject) -> Iterator[Violation]:
    """Look for assigned LMBs at addresses that a memory@ node has too.

    Why:
        The memory is there twice, and it may be where the kernel itself lies. Removing the LMB takes it away;
        which node it is on, the LMB decides, whatever the memory node says.

    Example:
        memory@0 with reg 0 40000000, and an LMB at 0000000030000000 with flags 00000008.

    Kernel:
        All take the memory once and put it on the LMB's node.

    Fix:
        Either the memory node or the LMB goes. QEMU lists boot memory as LMBs too, but reserved (flags 0xa0),
        which is fine.
    """
    lmbs = _in_memory_nodes(subject, is_assigned)
    if lmbs:
        yield lmbs.violation(
            f"{lmbs.are} assigned and in a memory node too, first {lmbs.first}: one memory twice, and removing"
            " such an LMB takes boot memory away"
        )


@rule(
    "DRM061",
    Severity.WARNING,
    "free LMB inside a memory node",
    needs=("block-size",),
    references=("Linux mm/memory_hotplug.c register_memory_resource: EEXIST",),
)
def free_in_memory_node(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs that are neither assigned nor reserved at addresses that a memory@ node has.

    Why:
        A request for such an LMB can only fail; one for several fails as a whole, though the others could come.

    Example:
        memory@0 with reg 0 40000000, and an LMB at 0000000030000000 with flags 00000000.

    Kernel:
        All: EEXIST from adding the memory, then the rollback of the whole request.

    Fix:
        Boot memory that is listed as LMBs has to be reserved (0x80, with 0x20 if it has no connector).
    """
    lmbs = _in_memory_nodes(subject, lambda flags: not (is_assigned(flags) or flags & RESERVED))
    if lmbs:
        yield lmbs.violation(f"{lmbs.are} free but in a memory node, first {lmbs.first}: adding such an LMB fails")


def _in_memory_nodes(subject: Subject, wanted: Callable[[int], bool]) -> AffectedLmbs:
    """Return the LMBs with wanted flags that memory nodes hold as well."""
    table = subject.table
    size = table.lmb_size or 1
    lmbs = for_lmbs(subject)
    previous = -1, -1
    for start, count, owner, _ in shared(
        spans_of_addresses(table, wanted).disjoint(), boot_memory(subject).disjoint()
    ):
        run = table.runs[owner]
        first, last = (start - run.base) // size, (start + count - 1 - run.base) // size
        if previous == (owner, first):
            first += 1  # Two memory nodes share this LMB.
        if first <= last:
            lmbs.add(run.part(first, last - first + 1, size))
        previous = owner, last
    return lmbs


@rule(
    "DRM062",
    Severity.ERROR,
    "overlapping memory nodes",
    counted="overlaps",
    references=("Linux arch/powerpc/mm/numa.c parse_numa_properties; mm/memblock.c memblock_set_node",),
)
def overlapping_memory_nodes(subject: Subject) -> Iterator[Violation]:
    """Look for two memory@ nodes, or ranges of one, at the same addresses.

    Why:
        One memory is there twice: there is less than the nodes add up to, and the later node decides where it is.

    Example:
        memory@0 with reg 0 40000000 and memory@20000000 with reg 20000000 20000000.

    Kernel:
        All take the memory once and put it on the node of the memory node that comes later in the tree.

    Fix:
        Correct reg of one of them; QEMU and PowerVM never make such nodes.
    """
    nodes = taken_nodes(subject)
    for earlier, later in boot_memory(subject).overlaps():
        partner = "another range of its own" if earlier == later else nodes[earlier].path
        message = f"shares addresses with {partner}: one memory twice, on the node of whichever comes later"
        yield Violation(message, nodes[later].path, REG)


@rule(
    "DRM063",
    Severity.ERROR,
    "memory node that Linux cannot use",
    references=(
        "Linux drivers/of/fdt.c early_init_dt_scan_memory",
        "Linux arch/powerpc/mm/numa.c get_n_mem_cells: panic without a memory node",
        "QEMU 62d38c9bd3 (4.0): spapr_lmb_dt_populate multiplies the DRC index by the LMB size",
    ),
)
def useless_memory_nodes(subject: Subject) -> Iterator[Violation]:
    """Look for memory@ nodes without device_type or reg, or beyond any address, and for trees without any.

    Why:
        Linux finds memory by device_type "memory" and takes what reg says. What it cannot take is lost, and
        without any such node it stops.

    Example:
        memory@20000000 with reg, but without device_type; or with reg 08000000 40000000 00000000 10000000.

    Kernel:
        All. Without a memory node: "numa.c: No memory nodes found!", a panic, unless NUMA is off; without memory
        at all, a panic in either case. Addresses from 2^51 on (2^47 up to 4.19) are skipped.

    Fix:
        Restore device_type and reg. An address that is 2^59 too high comes from QEMU since 4.0: it is what
        ibm,configure-connector gives for an LMB, and belongs in no tree.
    """
    nodes = memory_nodes(subject)
    violations = (violation for node in nodes for violation in _judge_node(subject, node))
    yield from limited(violations, "memory nodes")
    if shows_absence(subject.tree) and not any(node.is_typed for node in nodes):
        yield Violation("there is no memory node at all", "/")


def _judge_node(subject: Subject, node: MemoryNode) -> Iterator[Violation]:
    if not node.is_typed:
        message = 'has no device_type "memory": Linux does not see this memory'
        yield Violation(message, node.path, "device_type")
    elif not node.reg and not subject.tree.get(node.path, REG):
        yield Violation("has no reg: Linux takes no memory from it", node.path, REG)
    limit = max_physical(subject.running.profile)
    for part in node.reg:
        if part.base + part.size > limit:
            real = part.base - _QEMU_OFFSET
            hint = f" (QEMU means {real:#x})" if 0 <= real < limit else ""
            end = f"2^{limit.bit_length() - 1}"
            message = f"{part.base:#x} with {size_text(part.size)} ends beyond {end}{hint}: Linux skips it"
            yield Violation(message, node.path, REG)


@rule(
    "DRM069",
    Severity.INFO,
    "memory node that is not a multiple of the block size",
    counted="ranges",
    needs=("block-size",),
    references=(
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c pseries_remove_memblock",
        "Linux 4d15721177d5 (6.6): block size probed from memory nodes without a drmem node",
        "QEMU spapr_validate_node_memory: multiples of 256 MiB",
    ),
)
def uneven_memory_nodes(subject: Subject) -> Iterator[Violation]:
    """Look for memory@ nodes that begin or end inside a memory block, which is as large as an LMB.

    Why:
        Part of a block without memory works, but the block can never be taken offline. A migration that deletes
        such a node makes Linux remove memory at addresses that are no block's.

    Example:
        ibm,lmb-size 0000000010000000 and memory@0 with reg 0 38000000.

    Kernel:
        All. Deleting a memory node with blocks above 16 MiB has a BUG_ON in its way (read in 6.19).

    Fix:
        None is needed while the node stays. Firmware makes nodes of whole LMBs.
    """
    size = subject.table.lmb_size or 1
    for node in taken_nodes(subject):
        for part in node.reg:
            if part.base % size or part.size % size:
                message = f"{part.base:#x} with {size_text(part.size)} is no whole number of blocks"
                yield Violation(message, node.path, REG)
