# SPDX-License-Identifier: MIT
"""The node of each LMB."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from drmemctl.check.affinity import is_node, lookup_is_cut, numa_is_off, primary
from drmemctl.check.bounds import ByReason
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.formats.dynamic_memory import AA_UNSET, AI_INVALID, LOOKUP_ARRAYS
from drmemctl.formats.lookup_arrays import LookupArrays


@rule(
    "DRM030",
    Severity.ERROR,
    "associativity",
    "assigned LMB whose node cannot be found",
    needs=("lmbs",),
    references=(
        "Linux arch/powerpc/mm/numa.c numa_setup_drmem_lmb, of_drconf_to_nid_single, of_get_assoc_arrays",
        "Linux ea9f5b702fe0 (5.3): no node instead of node 0",
        "LoPAR 2.9, ibm,dynamic-reconfiguration-memory: associativity list index, flag 0x40",
        "QEMU hw/ppc/spapr.c spapr_dt_dynamic_memory: an NVDIMM's LMBs are assigned without aa_index",
    ),
)
def assigned_without_node(subject: Subject) -> Iterator[Violation]:
    """Look for assigned LMBs for which the kernel finds no node.

    Why:
        At boot the kernel puts every assigned LMB on the node that its aa_index selects from
        ibm,associativity-lookup-arrays. Where there is none it goes on with node -1, unguarded.

    Example:
        Lookup arrays 00000002 00000001 00000000 00000001 (two lists of one domain), and an LMB with
        aa_index 00000005, flags 00000008. As deadly: aa_index ffffffff, flags 00000048, or lookup arrays
        00000003 00000001 00000000 00000001 (three lists promised, two there).

    Kernel:
        5.10, 6.1, 6.12 and 7.2 print "node -1:" and oops in early boot. Up to 5.2 the memory comes up on node 0.

    Fix:
        Give the LMB an aa_index below the number of lists and clear flag 0x40, or add the list it means. After a
        migration this is the hypervisor's to mend: report it with the tree from before and after. On QEMU with an
        NVDIMM, use a kernel that asks for ibm,dynamic-memory-v2.
    """
    if numa_is_off(subject):
        return  # Linux asks for no node then: a rule of its own.
    why = _Reasons(subject)
    lost = ByReason()
    for run in subject.table.runs:
        if run.assigned:
            reason = why(run.aa_index, run.flags)
            if reason is not None:
                lost.add(reason, run)
    for reason, found in lost:
        message = f"{found.are} assigned, but {reason}: the kernel dies at boot"
        yield found.violation(message, subject.table.property_name)


class _Reasons:
    """Why an aa_index leads to no node, found out once for each."""

    def __init__(self, subject: Subject) -> None:
        self._known: dict[tuple[int, int], str | None] = {}
        self._find = _finder(subject.associativity.lookup, lookup_is_cut(subject), primary(subject))

    def __call__(self, aa_index: int, flags: int) -> str | None:
        key = (aa_index, flags & AI_INVALID)
        if key not in self._known:
            self._known[key] = _without_looking(aa_index, flags) or self._find(aa_index)
        return self._known[key]


def _without_looking(aa_index: int, flags: int) -> str | None:
    if flags & AI_INVALID:
        return "marked as having no valid associativity (flag 0x40)"
    return "without an aa_index (0xffffffff)" if aa_index == AA_UNSET else None


def _finder(lookup: LookupArrays | None, cut: bool, index: int | None) -> Callable[[int], str | None]:
    """Return what says why there is no node behind an aa_index; without an `index`, as far as the lists tell."""
    if lookup is None:
        # Of a node shown alone, lookup arrays may be what was not copied.
        return lambda _: None if index is None else f"{LOOKUP_ARRAYS} is absent"
    if not (lookup.usable or cut):
        return lambda _: f"{LOOKUP_ARRAYS} is shorter than it says"

    def find(aa_index: int) -> str | None:
        if aa_index >= lookup.n_arrays:
            return f"with aa_index {aa_index}, and there are {lookup.n_arrays} lookup arrays"
        if index is not None and index > lookup.array_sz:
            return f"reference point {index} is beyond the {lookup.array_sz} domains of a lookup array"
        return _in_list(lookup, cut, aa_index, index)

    return find


def _in_list(lookup: LookupArrays, cut: bool, aa_index: int, index: int | None) -> str | None:
    row = lookup.row(aa_index)
    if row is None:
        return None if cut else f"lookup array {aa_index} lies beyond the end of the property"
    if not index or is_node(row[index - 1]):
        return None
    return f"lookup array {aa_index} names domain {row[index - 1]:#x}, which is no node"
