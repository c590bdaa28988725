# SPDX-License-Identifier: MIT
"""What a kernel dies of while it boots: the one answer for the simulated boot and for the rules about trees.

Source: Linux arch/powerpc/mm/numa.c `parse_numa_properties`, `get_n_mem_cells`, `numa_setup_drmem_lmb`,
`initialize_form2_numa_distance_lookup_table`; drivers/base/memory.c `memory_dev_init`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from drmemctl.formats.associativity import ASSOCIATIVITY, decode_associativity
from drmemctl.formats.cells import LMB_SIZE
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, aa_text
from drmemctl.formats.memory_reg import REG, USABLE_MEMORY
from drmemctl.formats.numa_tables import DISTANCE_TABLE, LOOKUP_INDEX_TABLE
from drmemctl.kernel.block_size import block_size_of, second_memory_node
from drmemctl.kernel.boot_input import BootInput, boot_associativity, read_drmem
from drmemctl.kernel.capabilities import BLOCK_SIZE_PANIC, NO_DEFAULT_NODE, UNGUARDED_MEMORY_NODE
from drmemctl.kernel.fault import OOPS, PANIC, Cause, Fault
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.sections import is_block_size
from drmemctl.model.associativity import is_node, reference_points_node
from drmemctl.model.drmem import Drmem, RootCells
from drmemctl.model.platform import shows_absence
from drmemctl.model.standard_properties import device_type
from drmemctl.tree.node import Node, Tree


def deadly_at_boot(tree: Tree, profile: Profile, drmem: Drmem | None = None) -> tuple[Fault, ...]:
    """Return all of a tree that a kernel dies of while it boots, in its order; it comes up if there is nothing.

    `drmem` is what the drmem node says, where that is known already.
    """
    parsed = read_drmem(tree, profile, [], drmem)
    memory = BootInput(tree, profile, parsed, boot_associativity(tree, profile))
    return tuple(deadly_faults(memory))


def deadly_faults(memory: BootInput) -> Iterator[Fault]:
    """Yield all that a kernel cannot survive, in the order in which it comes to it; it dies of the first."""
    if shows_absence(memory.tree) and memory.is_empty():
        message = "no memory: nothing can be allocated"
        yield Fault("panic", message, "memblock_alloc", "/", dead=PANIC, cause=Cause.NO_MEMORY)
    if memory.associativity.primary_index is not None:
        yield from _missing_tables(memory)
        # Most memory nodes are below the root; of_find_node_by_type takes those at any depth.
        nodes = chain(memory.tree.root.children, (node for _, node in memory.tree.walk()))
        if shows_absence(memory.tree) and not any(device_type(node) == "memory" for node in nodes):
            message = "numa.c: No memory nodes found!"
            yield Fault("panic", message, "get_n_mem_cells", "/", dead=PANIC, cause=Cause.NO_MEMORY_NODE)
        if memory.profile.has(UNGUARDED_MEMORY_NODE):
            yield from _memory_nodes_without_node(memory)
        if memory.profile.has(NO_DEFAULT_NODE):
            yield from _lmbs_without_node(memory)
    yield from _unsuitable_block_size(memory)


def _missing_tables(memory: BootInput) -> Iterator[Fault]:
    if memory.associativity.form != 2:
        return
    path = reference_points_node(memory.tree)
    node = memory.tree.find(path)
    for name in (LOOKUP_INDEX_TABLE, DISTANCE_TABLE):
        if node is not None and node.find(name) is None:
            function = "initialize_form2_numa_distance_lookup_table"
            message = f"form 2 was agreed on and {name} is not there: a null pointer is read"
            yield Fault("oops", message, function, path, name, dead=OOPS, cause=Cause.NO_FORM2_TABLE)


def _memory_nodes_without_node(memory: BootInput) -> Iterator[Fault]:
    """Yield memory nodes that have a list, but no node by it: those without a list go to node 0.

    What a list that ends before its own count says is not known: Linux reads what is behind it.
    """
    cells = RootCells.from_tree(memory.tree)
    smallest = 4 * (cells.address + cells.size)
    for node in memory.tree.root.children:
        ranges = node.get(USABLE_MEMORY) or node.get(REG) or b""
        if device_type(node) == "memory" and len(ranges) >= smallest and _leads_nowhere(memory, node):
            message = f"the list of /{node.name} leads to no node: node -1"
            function = "parse_numa_properties"
            path = f"/{node.name}"
            yield Fault(
                "oops", message, function, path, ASSOCIATIVITY, dead=OOPS, cause=Cause.MEMORY_NODE_WITHOUT_NODE
            )


def _leads_nowhere(memory: BootInput, node: Node) -> bool:
    """Whether `associativity_to_nid` certainly finds no node for a list."""
    index = memory.associativity.primary_index
    data = node.get(ASSOCIATIVITY)
    if data is None or index is None:
        return False
    associativity = decode_associativity(data)
    if associativity.declared < index:
        return True
    if index == 0:
        return not is_node(associativity.declared)
    return index <= len(associativity.domains) and not is_node(associativity.domains[index - 1])


def _lmbs_without_node(memory: BootInput) -> Iterator[Fault]:
    if any(defect.code == "lookup-cut" for defect in memory.associativity.defects):
        return  # The source shows only the beginning: which lists there are is not known.
    with_node: set[tuple[int, int]] = set()
    for _, _, run in memory.lmb_ranges():
        kind = run.aa_index, run.flags
        if kind in with_node:
            continue
        with_node.add(kind)
        if memory.node_of(run) is None:
            aa = aa_text(run.aa_index)
            message = f"LMB {run.drc_index:#010x} is assigned, but aa_index {aa} leads to no node: node -1"
            function = "numa_setup_drmem_lmb"
            yield Fault("oops", message, function, NODE, LOOKUP_ARRAYS, dead=OOPS, cause=Cause.LMB_WITHOUT_NODE)
            return


def _unsuitable_block_size(memory: BootInput) -> Iterator[Fault]:
    size = block_size_of(memory.tree, memory.profile)
    if is_block_size(size) or not memory.profile.has(BLOCK_SIZE_PANIC):
        return
    path, name = NODE, LMB_SIZE
    if memory.tree.find(NODE) is None:
        path, name = second_memory_node(memory.tree)[0], REG
    whole = 0 if memory.drmem is None else memory.drmem.table.lmb_size or 0
    cause = Cause.CUT_BLOCK_SIZE if is_block_size(whole) else Cause.BLOCK_SIZE
    message = f"Memory block size not suitable: {size:#x}"
    yield Fault("panic", message, "memory_dev_init", path, name, dead=PANIC, cause=cause)
