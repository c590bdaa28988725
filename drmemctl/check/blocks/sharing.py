# SPDX-License-Identifier: MIT
"""Rules of the family blocks about what lies in one memory block, or in one section of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.memory_nodes import taken_nodes
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.check.survey import per_subject
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.memory_reg import REG
from drmemctl.kernel.sections import SECTION, SUBSECTION
from drmemctl.model.boot_memory import BootMemory

if TYPE_CHECKING:
    from drmemctl.kernel.block_map import BlockSpan


@per_subject
def shared_blocks(subject: Subject) -> tuple[BlockSpan, ...]:
    """Return the blocks with memory of several owners, all of it there: overlaps have rules of their own."""
    memory = BootMemory.from_tree(subject.tree, subject.associativity)
    # Where all memory begins and ends where blocks do, only overlaps put several owners into one.
    within = (subject.table.lmb_size or 1) - 1
    edges = (edge for node in memory.nodes for part in node.ranges for edge in (part.base, part.size))
    if not any(edge & within for edge in chain(edges, subject.table.runs.bases)):
        return ()
    from drmemctl.kernel.block_map import BlockMap, owners_of
    from drmemctl.kernel.blocks import Blocks

    owners = [owner for owner in owners_of(memory, subject.table) if owner.state == "assigned"]
    size = subject.table.lmb_size or 1
    spans = BlockMap(owners, size, size, Blocks()).spans()
    by_base = attrgetter("base")
    return tuple(
        span
        for span in spans
        if span.shared
        and all(before.end <= after.base for before, after in pairwise(sorted(span.owners, key=by_base)))
    )


@rule(
    "DRM100",
    Severity.ERROR,
    "memory block on several nodes",
    counted="blocks",
    needs=("block-size",),
    references=(
        "Linux drivers/base/memory.c memory_block_add_nid_early: a block of several nodes has none of its own",
        "Linux mm/memory_hotplug.c offline_pages: zone of all pages must be the same",
    ),
)
def block_on_several_nodes(subject: Subject) -> Iterator[Violation]:
    """Look for a memory block in which memory of two nodes lies.

    Why:
        Linux adds, removes and takes offline whole blocks, and a block is in one zone of one node. With memory of
        two nodes in it, it shows up below both, and can never be taken offline.

    Example:
        ibm,lmb-size 0000000010000000, memory@0 with reg 0 38000000 on node 0, memory@38000000 on node 1.

    Kernel:
        All: "Block spans multiple zones", EINVAL, where a request wants to remove it.

    Fix:
        Let nodes begin at multiples of the LMB size; QEMU and PowerVM do.
    """
    blocks = shared_blocks(subject)
    memory_nodes = BootMemory.from_tree(subject.tree, subject.associativity).nodes if blocks else ()
    node_of_path = {node.path: node.node for node in memory_nodes}
    for block in blocks:
        nodes = {
            node_of_path.get(owner.path)
            if owner.run is None
            else subject.associativity.node_of(owner.run.aa_index, owner.run.flags)
            for owner in block.owners
        }
        numbers = sorted(node for node in nodes if node is not None)
        if len(numbers) > 1:
            yield _shared(
                subject, block, f", on nodes {', '.join(map(str, numbers))}: it can never be taken offline"
            )


def _shared(subject: Subject, block: BlockSpan, consequence: str) -> Violation:
    owners = [owner.path or f"the LMBs from {subject.address(owner.base)} on" for owner in block.owners[:2]]
    path = block.owners[0].path
    message = f"memory block {block.first} holds memory of {' and '.join(owners)}{consequence}"
    return Violation(message, path or NODE, REG if path else "")


@rule(
    "DRM101",
    Severity.WARNING,
    "memory block shared by a memory node and LMBs",
    counted="blocks",
    needs=("block-size",),
    references=(
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c dlpar_remove_lmb: one block, whatever is in it",
        "LoPAR 2.9, ibm,dynamic-reconfiguration-memory: what cannot be reconfigured is in memory nodes",
    ),
)
def block_of_node_and_lmb(subject: Subject) -> Iterator[Violation]:
    """Look for a memory block that holds part of a memory node and part of an assigned LMB, side by side.

    Why:
        A request to remove the LMB takes the block offline, and with it boot memory that nobody asked for.

    Example:
        memory@0 with reg 0 38000000, and an assigned LMB at 0000000038000000 of 10000000 bytes.

    Kernel:
        All: lmb_to_memblock finds the block by the LMB's address alone.

    Fix:
        Let memory nodes end, and LMBs begin, at multiples of the LMB size.
    """
    for block in shared_blocks(subject):
        if len({owner.kind for owner in block.owners}) > 1:
            yield _shared(subject, block, ": removing those LMBs takes boot memory along")


@rule(
    "DRM102",
    Severity.INFO,
    "memory that ends inside a section",
    counted="ends of memory",
    references=(
        "Linux mm/sparse.c subsection_map_init; mm/memory_hotplug.c check_hotplug_memory_range",
        "Linux arch/powerpc/include/asm/sparsemem.h SECTION_SIZE_BITS 24",
    ),
)
def memory_inside_section(subject: Subject) -> Iterator[Violation]:
    """Look for memory nodes that begin or end at no multiple of a section, 16 MiB.

    Why:
        Linux keeps track of memory by the section. What is added beside this memory shares a section with it:
        system memory cannot be added there, device memory (a namespace) from the next 2 MiB on only.

    Example:
        memory@0 with reg 0 3f800000: 8 MiB of the last section are there.

    Kernel:
        5.3 and later know parts of a section for device memory; before, a namespace there is refused.

    Fix:
        None is needed while nothing is added there.
    """
    for node in taken_nodes(subject):
        for edge in (edge for part in node.reg for edge in (part.base, part.base + part.size)):
            if edge % SECTION:
                following = -(-edge // SUBSECTION) * SUBSECTION
                device = "at it" if following == edge else f"from {following:#x} on"
                message = f"{edge:#x} is inside a section of 16 MiB: beside it goes no system memory, device"
                yield Violation(f"{message} memory {device}", node.path, REG)
