# SPDX-License-Identifier: MIT
"""The distances of nodes as a running kernel holds them: a table made at boot, of which form 1 changes rows.

Source: Linux arch/powerpc/mm/numa.c `update_numa_distance`, `__initialize_form1_numa_distance`; up to 5.14
`associativity_to_nid`, `of_drconf_to_nid_single`. A migration changes no row: those of its source stay until
something is added on their node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from drmemctl.formats.rows import words
from drmemctl.kernel.affinity import affinity_rules
from drmemctl.kernel.capabilities import CONNECTOR_DISTANCES
from drmemctl.kernel.job import Job
from drmemctl.kernel.lmb_node import current_associativity
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.state import KernelState
from drmemctl.kernel.task import StatePart, Task, atomic
from drmemctl.model.associativity import Associativity, node_of_list
from drmemctl.model.boot_memory import BootMemory
from drmemctl.model.distances import Distances, Form1, Form2
from drmemctl.model.drmem import Drmem
from drmemctl.model.memory import Memory, Tally
from drmemctl.model.numa import distance_table
from drmemctl.tree.node import Tree


def boot_distances(
    tree: Tree, profile: Profile, associativity: Associativity, drmem: Drmem | None
) -> Form1 | Form2 | None:
    """Return the table that a kernel makes at boot; None in form 0, and without NUMA."""
    if associativity.form == 0 or associativity.primary_index is None:
        return None
    if associativity.form == 2:
        return Form2.from_tree(tree)
    boot_memory = BootMemory.from_tree(tree, associativity)
    memory = Memory(drmem, boot_memory, associativity, affinity_rules(profile))
    return distance_table(tree, memory, Tally.of(memory))


def update_numa_distance(job: Job, associativity: bytes) -> Task[None]:
    """Take the distances of what is added from its connector's ibm,associativity (`update_numa_distance`)."""
    cells = words(associativity).tolist()
    # Which form it is, how many nodes there are, and which the tables of form 2 list, is as it was at boot.
    table, topology = job.state.distances, job.state.topology
    if not job.has(CONNECTOR_DISTANCES) or table is None or not cells:
        return
    domains = cells[1 : 1 + cells[0]]
    node = node_of_list(topology.primary_index, domains)
    if node is None or node >= topology.n_node_ids:
        return
    if isinstance(table, Form1):
        yield from _fill_row(job, node, domains)
    elif node not in table.positions:
        job.tell(f"NUMA distance details for node {node} not provided", 0, 0)


@atomic(writes=(StatePart.DISTANCES,))
def _fill_row(job: Job, node: int, domains: Sequence[int]) -> None:
    """Fill in a node's row (`__initialize_form1_numa_distance`)."""
    _set_row(job, node, domains)


def look_up_fills_row(job: Job) -> bool:
    """Whether looking a node up fills its row in: up to 5.14, in form 1, which was agreed on at boot."""
    return not job.has(CONNECTOR_DISTANCES) and isinstance(job.state.distances, Form1)


def look_up_node(job: Job, domains: Sequence[int]) -> int | None:
    """Return the node of a list, which up to 5.14 fills the node's row as well (`associativity_to_nid`)."""
    node = current_associativity(job.state).node_of_row(domains)
    if node and look_up_fills_row(job):
        _set_row(job, node, domains)
    return node


def _set_row(job: Job, node: int, domains: Sequence[int]) -> None:
    table = job.state.distances
    if isinstance(table, Form1):
        job.state = replace(job.state, distances=table.filled(node, domains))


def distances_of(state: KernelState) -> Distances | None:
    """Return the distances between the nodes that are online, in form 1; None where they never change."""
    table = state.distances
    return Distances.of(state.online, table.distance) if isinstance(table, Form1) else None
