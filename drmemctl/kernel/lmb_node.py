# SPDX-License-Identifier: MIT
"""The node of LMBs as a running kernel looks it up (Linux arch/powerpc/mm/numa.c `of_drconf_to_nid_single`)."""

from __future__ import annotations

from drmemctl.kernel.state import KernelState
from drmemctl.model.associativity import Associativity


def current_associativity(state: KernelState) -> Associativity:
    """Return what the lookups see: lookup arrays of the tree as it is now, the form and position of boot time."""
    in_tree = Associativity.from_tree(state.tree)
    topology = state.topology
    return Associativity(topology.form, in_tree.reference_points, topology.primary_index, in_tree.lookup)
