# SPDX-License-Identifier: MIT
"""The node of LMBs as a running kernel looks it up (Linux arch/powerpc/mm/numa.c `of_drconf_to_nid_single`)."""

from __future__ import annotations

from dataclasses import replace

from drmemctl.kernel.affinity import affinity_rules
from drmemctl.kernel.state import KernelState
from drmemctl.model.associativity import DEFAULT_NODE, Associativity


def current_associativity(state: KernelState) -> Associativity:
    """Return what the lookups see: lookup arrays of the tree as it is now, the form and position of boot time."""
    in_tree = Associativity.as_booted(state.tree, affinity_rules(state.profile))
    form, primary_index = state.topology.form, state.topology.primary_index
    default_node = DEFAULT_NODE if primary_index is None else in_tree.default_node
    return replace(in_tree, form=form, primary_index=primary_index, defects=(), default_node=default_node)
