# SPDX-License-Identifier: MIT
"""Whether tree, array, connectors, memory blocks and the hypervisor's topology say the same, and which do not."""

from __future__ import annotations

from collections.abc import Iterable

from drmemctl.check.engine import ordered
from drmemctl.check.finding import Violation
from drmemctl.kernel.capabilities import DRMEM_ARRAY
from drmemctl.kernel.state import KernelState
from drmemctl.simulate.findings import contradictions_in
from drmemctl.simulate.partition import Partition
from drmemctl.simulate.subject import subject_of

TREE, ARRAY, CONNECTORS, BLOCKS, HYPERVISOR = "tree", "array", "connectors", "memory blocks", "the hypervisor"

_SPLITS = {
    "DRM080": ARRAY,
    "DRM081": ARRAY,
    "DRM082": ARRAY,
    "DRM083": CONNECTORS,
    "DRM084": BLOCKS,
    "DRM085": BLOCKS,
    "DRM086": BLOCKS,
    "DRM088": HYPERVISOR,
}
"""Who does not agree by a rule of the family state: array and hypervisor with the tree, others with the array."""


def contradictions(partition: Partition) -> list[Violation]:
    """Return what does not agree, as the rules of the family state have it."""
    state = partition.kernel
    return ordered(contradictions_in(subject_of(state, partition.machine, partition.flush), state.profile))


def sides(state: KernelState, violations: Iterable[Violation]) -> str:
    """Return who agrees with whom in a few words; who is not on the hypervisor's side is wrong."""
    apart = {_SPLITS[violation.rule] for violation in violations if violation.rule in _SPLITS}
    camps = sorted(_camps(apart, state), key=lambda camp: (HYPERVISOR not in camp, TREE not in camp))
    right, wrong = camps[0], [party for camp in camps[1:] for party in camp]
    if not wrong:
        return f"{_listed(right)} agree"
    if right == [HYPERVISOR]:
        # Nobody follows it: what the others agree on is what was before.
        right, wrong = camps[1], [party for camp in camps[2:] for party in camp]
        agree = "agree with each other" if len(right) > 1 else "agrees with nobody"
        return f"{_listed(right)} {agree}, not with {_listed([*wrong, HYPERVISOR])}"
    return f"{_listed(right)} agree, {_listed(wrong)} {'does' if wrong == [ARRAY] else 'do'} not"


def _camps(apart: set[str], state: KernelState) -> list[list[str]]:
    """Return the parties by whom they agree with, those in `apart` not with whom they are compared with."""
    array = TREE if not state.profile.has(DRMEM_ARRAY) else ARRAY if ARRAY in apart else TREE
    # Connectors know nothing of an aa_index: they go with the tree as long as that is about nothing else.
    with_whom = {ARRAY: array, TREE: TREE, CONNECTORS: TREE, BLOCKS: array, HYPERVISOR: TREE}
    if not state.profile.has(DRMEM_ARRAY):
        del with_whom[ARRAY]
    camps: dict[str, list[str]] = {}
    for party, camp in with_whom.items():
        camps.setdefault(party if party in apart else camp, []).append(party)
    return list(camps.values())


def _listed(parties: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(parties[:-1]), parties[-1])))
