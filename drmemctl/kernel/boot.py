# SPDX-License-Identifier: MIT
"""From a tree to a running kernel: block size, nodes, memory blocks, the LMB array.

Source: Linux arch/powerpc/kernel/prom.c the scan of the tree;
arch/powerpc/mm/numa.c `find_possible_nodes`, `early_topology_updates`; arch/powerpc/mm/drmem.c
`drmem_init`; drivers/base/memory.c `memory_dev_init`.
"""

from __future__ import annotations

from typing import NamedTuple

from drmemctl.errors import LimitError
from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5, PRRN, decode_architecture_vec5
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.kernel.affinity import affinity_rules
from drmemctl.kernel.block_size import block_size_of
from drmemctl.kernel.blocks import Blocks
from drmemctl.kernel.blocks_at_boot import blocks_of
from drmemctl.kernel.boot_faults import deadly_faults
from drmemctl.kernel.boot_input import boot_associativity, read_drmem
from drmemctl.kernel.capabilities import BLOCKS_LISTED_TWICE, DRMEM_ARRAY, LMB_SIZE_U32
from drmemctl.kernel.cmdline import command_line, options
from drmemctl.kernel.distances import boot_distances
from drmemctl.kernel.early_memory import EarlyMemory
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.hash_table import hash_table_of
from drmemctl.kernel.kept_at_boot import kept_memory
from drmemctl.kernel.listed_blocks import NOTHING_LISTED, ListedBlocks
from drmemctl.kernel.memory_capabilities import BRIDGE_NODES
from drmemctl.kernel.processors import cpu_ids_of, cpus_of, tells_home_nodes
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.sections import MIN_BLOCK_SIZE, is_block_size
from drmemctl.kernel.state import KernelState, Topology
from drmemctl.kernel.topology_capabilities import PRRN_OFF_BY_DEFAULT
from drmemctl.model.associativity import CHOSEN, Associativity
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.model.numa import bridge_lists, possible_nodes
from drmemctl.model.processors import cores
from drmemctl.tree.limits import LIMITS, NOT_REAL
from drmemctl.tree.node import Tree


class BootResult(NamedTuple):
    """A kernel after boot, which is `dead` if it did not come up, and what it did wrong on the way."""

    kernel: KernelState
    faults: tuple[Fault, ...]


def boot(tree: Tree, profile: Profile) -> BootResult:
    """Boot a kernel on a tree."""
    faults: list[Fault] = []
    drmem = read_drmem(tree, profile, faults)
    associativity = boot_associativity(tree, profile)
    size = block_size_of(tree, profile)
    memory = EarlyMemory(tree, profile, drmem, associativity)
    deadly = next(deadly_faults(memory), None)
    if deadly is not None:
        no_lmbs = LmbTable.of((), None)
        state = KernelState(profile, tree, no_lmbs, Blocks(), size or MIN_BLOCK_SIZE, dead=deadly.dead)
        return BootResult(state, (*faults, deadly))
    regions = memory.memblock()
    if not is_block_size(size):
        faults.append(Fault("block-size", f"the block size {size:#x} is not suitable; 16 MiB", "memory_dev_init"))
        size = MIN_BLOCK_SIZE
    blocks = blocks_of(regions, size)
    table = LmbTable.of((), None) if drmem is None else _array(drmem, profile)
    topology = _topology(tree, profile, associativity, blocks)
    cpus = cpus_of(tree, associativity, min(topology.at_boot, default=0))
    immovable = kept_memory(tree, profile, list(regions), size)
    # early_topology_updates: releases read one word of the two.
    words = options(command_line(tree), "topology_updates")
    updates = "on" in words if profile.has(PRRN_OFF_BY_DEFAULT) else "off" not in words
    state = KernelState(
        profile,
        tree,
        table,
        blocks,
        size,
        topology,
        cpus,
        cpu_ids_of(tree, cpus),
        unmovable=immovable.unmovable(table),
        kept=immovable,
        topology_updates=updates,
        deaf=not updates,
        listed=ListedBlocks.of(blocks) if profile.has(BLOCKS_LISTED_TWICE) else NOTHING_LISTED,
        distances=boot_distances(tree, profile, associativity, drmem),
        hash_table=hash_table_of(tree),
    )
    return BootResult(state, tuple(faults))


def check_runs(tree: Tree) -> Tree:
    """Return the tree; `LimitError` if its LMBs are in more runs than can be simulated in some seconds."""
    number = 0 if tree.find(NODE) is None else len(Drmem.from_tree(tree).table.runs)
    if number > LIMITS.max_simulated_runs:
        message = f"{number:,} runs of LMBs, more than the {LIMITS.max_simulated_runs:,} that are simulated"
        raise LimitError(message, source=tree.source or None, path=NODE, hint=NOT_REAL)
    return tree


def _array(drmem: Drmem, profile: Profile) -> LmbTable:
    """Return the array; kernels with a 32-bit LMB size compute the addresses in a set with what is left of it."""
    size = drmem.table.lmb_size
    if size is None:
        return LmbTable.of((), None) if profile.has(DRMEM_ARRAY) else drmem.table
    if profile.has(LMB_SIZE_U32) and size >> 32 and drmem.entries is not None:
        return LmbTable.of_property(drmem.entries, size & 0xFFFFFFFF)
    return drmem.table


def _topology(tree: Tree, profile: Profile, associativity: Associativity, blocks: Blocks) -> Topology:
    with_cpus = frozenset(core.node for core in cores(tree, associativity) if core.node is not None)
    form, primary_index = associativity.form, associativity.primary_index
    if primary_index is None:
        with_cpus = frozenset({0})
    possible, _ = possible_nodes(tree, primary_index, affinity_rules(profile))
    n_possible = 0 if possible is None else possible.count
    # numa_setup_cpu looks for the first online node after all of parse_numa_properties.
    bridges = bridge_lists(tree) if profile.has(BRIDGE_NODES) else ()
    nodes = (associativity.node_of_row(domains) for domains in bridges)
    with_bridges = frozenset(node for node in nodes if node is not None)
    online = with_cpus | with_bridges | blocks.nodes()
    agreed = decode_architecture_vec5(tree.get(CHOSEN, ARCHITECTURE_VEC5) or b"")
    vphn = tells_home_nodes(tree)
    return Topology(
        form, primary_index, n_possible, online, with_cpus, with_bridges, prrn=agreed.has(PRRN), vphn=vphn
    )
