# SPDX-License-Identifier: MIT
"""Rules of the family state about connectors and memory blocks."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.memory_nodes import boot_memory
from drmemctl.check.rule import rule
from drmemctl.check.select import LmbsByReason
from drmemctl.check.subject import Subject
from drmemctl.check.tables import (
    Nodes,
    beside_blocks,
    block_ranges,
    part_at,
    sensed,
    spans_of_addresses,
)
from drmemctl.formats.cells import LMB_SIZE
from drmemctl.formats.dynamic_memory import NODE, RESERVED
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY
from drmemctl.kernel.cmdline import command_line, memory_size
from drmemctl.kernel.firmware import SENSE_PRESENT
from drmemctl.kernel.sections import SECTION
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import ADDRESSES, is_assigned

_SENSES = {0: "empty", 1: "present", 2: "unusable", 3: "exchange", 4: "recover"}


def live_table(subject: Subject) -> LmbTable:
    """Return the LMBs as Linux has them, as far as is known."""
    return subject.running.array or subject.table


@rule(
    "DRM083",
    Severity.ERROR,
    "connector state contradicts its LMB",
    needs=("senses", "lmbs"),
    references=(
        "LoPAR 2.9, dr-entity-sense (9003)",
        "Linux arch/powerpc/platforms/pseries/dlpar.c dlpar_acquire_drc, dlpar_release_drc: results ignored",
        "linuxppc-dev, November 2023, double release of a DRC; dropped",
    ),
)
def contradicting_connectors(subject: Subject) -> Iterator[Violation]:
    """Look for assigned LMBs whose connector is not present, and for free ones whose connector is.

    Why:
        An LMB that Linux has given up while its connector is still present is lost: Linux adds only what is
        unusable, the hypervisor takes nothing back that the guest holds. An LMB in use whose connector was
        released may be given to someone else.

    Example:
        ibm,dynamic-memory-v2 … 80000004 ffffffff 00000000, and get-sensor-state(9003, 0x80000004) gives 1.

    Kernel:
        All: remove by count and by index ignore what isolating the connector returns; the rollback of a failed
        request can release a connector twice, or keep it.

    Fix:
        Free but present: on QEMU, reboot the guest; on PowerVM, isolate and release the connector with drmgr.
        Assigned but not present: remove the LMB by index as soon as possible.
        `drmemctl repair` finds the requests that put it right, if any do.
    """
    reasons = LmbsByReason[str](subject)
    for reason, run in sensed(subject, live_table(subject), _contradiction):
        reasons.add(reason, run)
    yield from reasons.violations(lambda reason, lmbs: f"{lmbs.are} {reason}, first {lmbs.first}")


def _contradiction(flags: int, sense: int) -> str:
    state = _SENSES.get(sense, str(sense))
    if is_assigned(flags) and sense != SENSE_PRESENT:
        return f"assigned, but the connector is {state}: the hypervisor may give that memory away"
    if not is_assigned(flags) and not flags & RESERVED and sense == SENSE_PRESENT:
        return f"free, but the connector is {state}: that memory is lost until the next boot"
    return ""


@rule(
    "DRM084",
    Severity.ERROR,
    "LMB with a missing, offline or unexpected memory block",
    needs=("blocks", "block-size"),
    references=(
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c lmb_to_memblock, dlpar_remove_lmb",
        "Linux Documentation/admin-guide/mm/memory-hotplug.rst",
    ),
)
def contradicting_blocks(subject: Subject) -> Iterator[Violation]:
    """Look for assigned LMBs without an online memory block, and for free LMBs that have a block.

    Why:
        Memory of an assigned LMB without a block is lost. A request to remove a number of LMBs counts it in, finds
        nothing to take offline and fails. A block at a free LMB is memory that the hypervisor may give away.

    Example:
        80000004 at 0x40000000 with flags 00000008, and no /sys/devices/system/memory/memory4.

    Kernel:
        All: after the rollback of a request that failed twice, or after echo offline into a block's state. What
        mem= leaves out, and what a crash kernel was not given, is not reported here.

    Fix:
        Put the block online; if there is none, reboot. A block at a free LMB: take it offline.
        `drmemctl repair` finds the requests that put it right, if any do.
    """
    table = live_table(subject)
    lmbs = spans_of_addresses(table, lambda flags: not flags & RESERVED or is_assigned(flags)).disjoint()
    reasons = LmbsByReason[str](subject)
    end = _expected_end(subject)
    boot = boot_memory(subject).disjoint()
    for start, count, owner, block in beside_blocks(subject, lmbs):
        reason = ""
        if not is_assigned(table.runs.flags[owner]):
            if block is not None and boot.first_in(start, count) is None:
                reason = "free, but Linux has a memory block there: the hypervisor may give that memory away"
        elif start < end and block is None:
            reason = (
                "assigned, but without a memory block: that memory is lost, and requests that count on it fail"
            )
        elif start < end and block is not None and not block.online:
            reason = "assigned, but the memory block is offline: that memory is lost"
        if reason:
            reasons.add(reason, part_at(table, owner, start, count))
    yield from reasons.violations(lambda reason, lmbs: f"{lmbs.are} {reason}, first {lmbs.first}")


def _expected_end(subject: Subject) -> int:
    """Return up to where every assigned LMB should have a block: mem= and kexec may allow less."""
    node = subject.drmem_node
    if node is not None and node.find(DRCONF_USABLE_MEMORY) is not None:
        return 0
    # LMBs may have come and gone since boot; but what lies below this address never was beyond the limit.
    limit = memory_size(command_line(subject.tree)) or ADDRESSES
    return limit // SECTION * SECTION or ADDRESSES


@rule(
    "DRM085",
    Severity.ERROR,
    "memory on a different node than its LMB's aa_index",
    needs=("blocks", "block-size"),
    references=(
        "Linux 72cdd117c449 (5.10): hot-added memory went to the first online node",
        "powerpc-utils lparnumascore",
    ),
)
def blocks_on_wrong_nodes(subject: Subject) -> Iterator[Violation]:
    """Look for online memory blocks on another Linux node than the aa_index of their LMB leads to.

    Why:
        Programs are placed by Linux's nodes: memory that is reported as near is far.

    Example:
        80000004 at 0x40000000 with the aa_index of node 1, and /sys/devices/system/memory/memory4/node0.

    Kernel:
        4.20 to 5.9 put every LMB that is added on the first online node, where all put one whose aa_index leads to
        no node. All leave memory where it is when a migration brings another topology.

    Fix:
        Remove the LMB and add it again (5.10 and later), or reboot.
        `drmemctl repair` finds the requests that put it right, if any do.
    """
    table = live_table(subject)
    nodes = Nodes(subject.running.associativity or subject.associativity)
    fallback = _first_online_node(subject)
    reasons = LmbsByReason[str](subject)
    lmbs = spans_of_addresses(table, is_assigned).disjoint()
    for start, count, owner, block in beside_blocks(subject, lmbs):
        if block is None:
            continue
        run = part_at(table, owner, start, count)
        node = nodes.of(run)
        expected = fallback if node is None else node
        if not block.online or None in (block.node, expected) or block.node == expected:
            continue
        by_index = "leads to no node" if node is None else f"says {node}"
        reasons.add(f"on node {block.node}, where the aa_index {by_index}", run)
    yield from reasons.violations(lambda reason, lmbs: f"{lmbs.are} {reason}, first {lmbs.first}")


def _first_online_node(subject: Subject) -> int | None:
    """Return where Linux adds memory that leads to no node; None where not all nodes are known: CPUs have some."""
    if subject.running.cpus is None:
        return None
    online = {block.node for block in block_ranges(subject)} | {cpu.node for cpu in subject.running.cpus}
    return min((node for node in online if node is not None), default=None)


@rule(
    "DRM086",
    Severity.ERROR,
    "memory block size other than the LMB size",
    needs=("blocks", "block-size"),
    references=(
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c dlpar_remove_lmb: memory_block_size_bytes()",
        "Linux 4d15721177d5 (6.6): probe_memory_block_size",
    ),
)
def foreign_block_size(subject: Subject) -> Iterator[Violation]:
    """Look for a memory block size that is not the LMB size.

    Why:
        Linux reads the tree in LMBs and adds and removes memory in blocks. With larger blocks a request for one
        LMB takes several, with smaller ones it leaves parts of the LMB behind.

    Example:
        ibm,lmb-size 0000000010000000, and 1000000 in /sys/devices/system/memory/block_size_bytes.

    Kernel:
        All take the block size from ibm,lmb-size at boot. It differs if the tree changed since then, or had no
        ibm,lmb-size (16 MiB from 6.6 on).

    Fix:
        Reboot; no DLPAR of memory before that.
    """
    size, block_size = subject.table.lmb_size, subject.running.block_size
    if block_size != size:
        message = (
            f"{size:#x}, and memory blocks have {block_size:#x} bytes: a request removes other memory than meant"
        )
        yield Violation(message, NODE, LMB_SIZE, 0)
