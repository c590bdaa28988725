# SPDX-License-Identifier: MIT
"""Rules of the family live about memory blocks: which are there, on which node, how large."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.state.memory import blocks_on_wrong_nodes, contradicting_blocks, foreign_block_size
from drmemctl.check.subject import Subject
from drmemctl.check.tables import Nodes


@rule(
    "DRM120",
    Severity.ERROR,
    "assigned LMB without a memory block, or memory block at a free LMB",
    needs=("live", "block-size"),
    references=(
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c lmb_to_memblock, dlpar_remove_lmb",
        "Linux Documentation/admin-guide/mm/memory-hotplug.rst",
    ),
)
def live_blocks(subject: Subject) -> Iterator[Violation]:
    """Look in sysfs for assigned LMBs without an online memory block, and for blocks at free LMBs.

    Why:
        A block exists if and only if its LMB is assigned. Memory of an assigned LMB without a block is lost, and
        requests to remove a number of LMBs count on it and fail. A block at a free LMB is memory that the
        hypervisor may give away.

    Example:
        80000004 at 0x40000000 with flags 00000008, and no /sys/devices/system/memory/memory4.

    Kernel:
        All: after the rollback of a request that failed twice, or after echo offline into a block's state. What
        mem= leaves out, and what a crash kernel was not given, is not reported here.

    Fix:
        Put the block online; if there is none, reboot. A block at a free LMB: take it offline.
        `drmemctl repair` finds the requests that put it right, if any do.
    """
    yield from contradicting_blocks(subject)


@rule(
    "DRM121",
    Severity.ERROR,
    "memory block on a different node than its LMB's aa_index",
    needs=("live", "block-size"),
    references=(
        "powerpc-utils lparnumascore",
        "Linux 72cdd117c449 (5.10): hot-added memory went to the first online node",
    ),
)
def live_nodes(subject: Subject) -> Iterator[Violation]:
    """Look in sysfs for memory blocks on another node than the aa_index of their LMB leads to.

    Why:
        Programs are placed by Linux's nodes: memory that is reported as near is far. After a migration the tree
        tells the new topology, and Linux leaves all memory on the nodes of the old one. The score is that of
        lparnumascore: of 100 LMBs so many are where the tree says.

    Example:
        80000004 at 0x40000000 with the aa_index of node 1, and /sys/devices/system/memory/memory4/node0.

    Kernel:
        All leave memory where it is when a migration brings another topology. 4.20 to 5.9 put every LMB that is
        added on the first online node.

    Fix:
        Remove the LMBs and add them again (5.10 and later), by drmgr or one after the other; or reboot.
        `drmemctl repair` finds the requests that put it right, if any do.
    """
    violations = list(blocks_on_wrong_nodes(subject))
    if not violations:
        return
    nodes = Nodes(subject.associativity)
    # How many assigned LMBs the tree puts on each node, and how many of them are elsewhere.
    owned: Counter[int | None] = Counter()
    for run in subject.runs:
        if run.assigned:
            owned[nodes.of(run)] += run.lmbs
    misplaced: Counter[int | None] = Counter()
    for run in (run for violation in violations for run in violation.lmbs):
        misplaced[nodes.of(run)] += run.lmbs
    total = score(misplaced.total(), owned.total())
    for violation in violations:
        node = nodes.of(violation.lmbs[0])
        of_node = f"node {node}: {score(misplaced[node], owned[node])} (of 100)"
        yield violation._replace(message=f"{violation.message}; NUMA score {total}, {of_node}")


def score(misplaced: int, owned: int) -> int:
    """Return what lparnumascore prints: 100 where all memory is where the tree says; none at all is right, too."""
    return 100 if not owned else 100 * max(0, owned - misplaced) // owned


@rule(
    "DRM122",
    Severity.ERROR,
    "block_size_bytes other than the LMB size",
    needs=("live", "block-size"),
    references=(
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c dlpar_remove_lmb: memory_block_size_bytes()",
        "Linux 4d15721177d5 (6.6): probe_memory_block_size",
    ),
)
def live_block_size(subject: Subject) -> Iterator[Violation]:
    """Look for a /sys/devices/system/memory/block_size_bytes other than ibm,lmb-size.

    Why:
        Linux reads the tree in LMBs and adds and removes memory in blocks. With larger blocks a request for one
        LMB takes several, with smaller ones it leaves parts of the LMB behind.

    Example:
        ibm,lmb-size 0000000010000000, and 1000000 in /sys/devices/system/memory/block_size_bytes.

    Kernel:
        All take the block size from ibm,lmb-size at boot. It differs if the tree changed since then.

    Fix:
        Reboot; no DLPAR of memory before that.
    """
    yield from foreign_block_size(subject)
