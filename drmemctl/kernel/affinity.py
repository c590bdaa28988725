# SPDX-License-Identifier: MIT
"""What a kernel makes of affinity, for those who read a tree as that kernel does.

Source: Linux arch/powerpc/mm/numa.c `find_primary_domain_index`, `of_drconf_to_nid_single`, `find_possible_nodes`.
"""

from __future__ import annotations

from drmemctl.kernel.capabilities import (
    CONNECTOR_DISTANCES,
    CURRENT_DOMAINS,
    FORM2,
    MIGRATABLE_MAX_DOMAINS,
    NO_DEFAULT_NODE,
)
from drmemctl.kernel.memory_capabilities import BRIDGE_NODES
from drmemctl.kernel.profiles import Profile
from drmemctl.model.associativity import AffinityRules


def affinity_rules(profile: Profile) -> AffinityRules:
    """Return the rules by which a kernel finds nodes."""
    return AffinityRules(
        form2=profile.has(FORM2),
        default_node=None if profile.has(NO_DEFAULT_NODE) else 0,
        current_domains=profile.has(CURRENT_DOMAINS),
        migratable_max=profile.has(MIGRATABLE_MAX_DOMAINS),
        bridges=profile.has(BRIDGE_NODES),
        node_0_has_row=profile.has(CONNECTOR_DISTANCES),
    )
