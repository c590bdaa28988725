# SPDX-License-Identifier: MIT
"""The node of each LMB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from drmemctl.check.affinity import lookup_is_cut, numa_is_off, primary
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.select import AffectedLmbs, LmbsByReason, of_kind
from drmemctl.check.subject import Subject
from drmemctl.formats.dynamic_memory import AA_UNSET, AI_INVALID, LOOKUP_ARRAYS
from drmemctl.formats.lookup_arrays import LookupArrays
from drmemctl.model.associativity import is_node
from drmemctl.model.run import is_assigned
from drmemctl.wording import count_of

_SHOWN = 3


@rule(
    "DRM030",
    Severity.ERROR,
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
        NVDIMM, use a kernel that asks for ibm,dynamic-memory-v2. To boot all the same, add numa=off to the command
        line of the kernel: everything is on node 0 then.
    """
    reasons = LmbsByReason[str](subject)
    reason_of = cache(reason_finder(subject))
    for run in of_kind(subject, lambda aa_index, flags: is_assigned(flags) and reason_of(aa_index, flags)):
        reason = reason_of(run.aa_index, run.flags)
        if reason is not None:
            reasons.add(reason, run)
    yield from reasons.violations(
        lambda reason, lmbs: f"{lmbs.are} assigned, but {reason.format(_first_indexes(lmbs))}"
    )


def _first_indexes(lmbs: AffectedLmbs) -> str:
    """Return the first aa_indexes as words."""
    indexes = list(dict.fromkeys(run.aa_index for run in lmbs.runs))
    return ", ".join(map(str, indexes[:_SHOWN])) + (", …" if len(indexes) > _SHOWN else "")


def reason_finder(subject: Subject) -> Callable[[int, int], str | None]:
    """Return what says why assigned LMBs of an aa_index and flags have no node; `{}` stands for aa_indexes."""
    if numa_is_off(subject):
        return lambda _aa_index, _flags: None  # Linux asks for no node then: a rule of its own.
    lookup, cut, index = subject.associativity.lookup, lookup_is_cut(subject), primary(subject)
    for_all = _reason_for_all(lookup, cut, index)

    def reason(aa_index: int, flags: int) -> str | None:  # noqa: PLR0911 - a reason each
        if flags & AI_INVALID:
            return "marked as having no valid associativity (flag 0x40)"
        if aa_index == AA_UNSET:
            return "without an aa_index (0xffffffff)"
        if for_all is not None or lookup is None:
            return for_all
        if aa_index >= lookup.n_arrays:
            return f"with aa_index {{}}, and there are {lookup.n_arrays:,} lookup arrays"
        row = lookup.row(aa_index)
        if row is None:
            return None if cut else "their lookup array ({}) lies beyond the end of the property"
        if index and not is_node(row[index - 1]):
            return f"their lookup array ({{}}) names domain {row[index - 1]:#x}, which is no node"
        return None

    return reason


def _reason_for_all(lookup: LookupArrays | None, cut: bool, index: int | None) -> str | None:
    """Return why no LMB can have a node; without an `index`, as far as the lists tell."""
    if lookup is None:
        # Of a node shown alone, lookup arrays may be what was not copied.
        return None if index is None else f"{LOOKUP_ARRAYS} is absent"
    if not (lookup.usable or cut):
        return f"{LOOKUP_ARRAYS} is shorter than it says"
    if index is not None and index > lookup.array_sz:
        return f"a lookup array has {count_of(lookup.array_sz, 'domain')}, and reference point {index} is the node"
    return None
