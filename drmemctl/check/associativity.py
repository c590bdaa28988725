# SPDX-License-Identifier: MIT
"""Rules of the family associativity: lookup arrays, reference points, the node of an LMB."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation, count_lmbs
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.formats.dynamic_memory import AA_UNSET, AI_INVALID, LOOKUP_ARRAYS, NODE
from drmemctl.model.associativity import Associativity
from drmemctl.model.lmbs import Run


@rule(
    "DRM030",
    Severity.ERROR,
    "associativity",
    "assigned LMB whose node cannot be found",
    needs=("lmbs",),
    references=(
        "Linux arch/powerpc/mm/numa.c numa_setup_drmem_lmb, of_drconf_to_nid_single",
        "Linux ea9f5b702fe0 (5.3): no node instead of node 0",
    ),
)
def assigned_without_node(subject: Subject) -> Iterator[Violation]:
    """Look for assigned LMBs for which the kernel finds no node.

    Why:
        At boot the kernel puts every assigned LMB on the node that its aa_index selects from
        ibm,associativity-lookup-arrays. Where there is none it goes on with node -1, unguarded.

    Example:
        lookup arrays 00000002 00000001 00000000 00000001 (two lists of one domain), and an LMB with
        aa_index 00000005, flags 00000008.

    Kernel:
        5.10, 6.1, 6.12 and 7.2 print "node -1:" and oops in early boot. Up to 5.2 the memory comes up on node 0.

    Fix:
        Give the LMB an aa_index below the number of lists and clear flag 0x40, or add the list it means. After a
        migration this is the hypervisor's to mend: report it with the tree from before and after.
    """
    associativity = subject.associativity
    if associativity.primary_index is None:
        return  # Linux runs without NUMA then and asks for no node: a rule of its own.
    lost: dict[str, list[Run]] = {}
    for run in subject.table.runs:
        if run.assigned and associativity.node_of(run.aa_index, run.flags) is None:
            lost.setdefault(_why_no_node(associativity, run), []).append(run)
    for reason, runs in lost.items():
        message = f"{count_lmbs(runs)} assigned, but {reason}: the kernel dies at boot"
        yield Violation(message, NODE, subject.table.property_name, lmbs=tuple(runs))


def _why_no_node(associativity: Associativity, run: Run) -> str:
    if run.flags & AI_INVALID:
        return "marked as having no valid associativity (flag 0x40)"
    if run.aa_index == AA_UNSET:
        return "without an aa_index (0xffffffff)"
    lookup = associativity.lookup
    if lookup is None or not lookup.usable:
        return f"{LOOKUP_ARRAYS} is {'absent' if lookup is None else 'shorter than it says'}"
    if run.aa_index >= lookup.n_arrays:
        return f"aa_index {run.aa_index} is not among the {lookup.n_arrays} lookup arrays"
    if not 1 <= (associativity.primary_index or 0) <= lookup.array_sz:
        return f"reference point {associativity.primary_index} is not in lists of {lookup.array_sz} domains"
    return f"lookup array {run.aa_index} names no possible node"
