# SPDX-License-Identifier: MIT
"""The reference points, which say which domain of a list is the node."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.affinity import (
    OwnList,
    lookup_rows,
    memory_lists,
    numa_is_off,
    numa_node,
    primary,
    whole_lookup,
)
from drmemctl.check.bounds import limited
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.check.survey import LocatedNode
from drmemctl.formats.associativity import ASSOCIATIVITY
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.formats.reference_points import REFERENCE_POINTS
from drmemctl.model.associativity import MAX_REFERENCE_POINTS, is_node
from drmemctl.wording import count_of


@rule(
    "DRM033",
    Severity.ERROR,
    "associativity list without a node at the primary reference point",
    needs=("after-cas",),
    references=(
        "Linux arch/powerpc/mm/numa.c parse_numa_properties, associativity_to_nid",
        "Linux 8ddc6448ec5a (5.15): a memory node without a valid domain no longer falls back to node 0",
        "LoPAR 2.9, ibm,associativity and ibm,associativity-reference-points",
    ),
)
def no_primary_domain(subject: Subject) -> Iterator[Violation]:
    """Look for memory nodes and lookup arrays in which the primary reference point does not hit a node.

    Why:
        The node of memory is the domain at the primary reference point of its associativity list, counted from 1:
        the first reference point in form 1 and 2, the second in form 0. Lists that are too short for it, or that
        hold no node there (0xffff, or 256 and above), leave the memory without a node. A reference point of 0
        hits the word before the list, which is its length: that number becomes the node.

    Example:
        ibm,associativity-reference-points 00000004 and memory@0 with ibm,associativity 00000002 00000000
        00000001: there is no fourth domain.

    Kernel:
        5.15 and later, and 5.10.y with form 2, set memory of a memory@ node online on node -1, unguarded, as for
        LMBs (see DRM030): they die at boot (read in numa.c). Other kernels put it on node 0. Of a list that ends
        before the number that it says they read what is behind it: not known. Of lookup arrays that are too
        short: assigned LMBs are lost in the same way, hot-added ones go to the first online node.

    Fix:
        Reference points, lists and the form agreed on in ibm,architecture-vec-5 must belong together: a matter of
        the firmware. If the tree was put together by hand or for kexec, take all of them from one source.
    """
    index, numa = primary(subject), numa_node(subject)
    if index is None or numa is None:
        return
    if index == 0:
        message = (
            "the primary reference point is 0: Linux takes the word before each list, its length, for the node"
        )
        yield Violation(message, numa.path, REFERENCE_POINTS, 4 * (subject.associativity.form == 0))
        return
    lookup = whole_lookup(subject)
    if lookup is not None and lookup.n_arrays and lookup.array_sz < index:
        message = f"lists of {count_of(lookup.array_sz, 'domain')}, and the node is to be domain {index}"
        yield Violation(f"{message}: no LMB has a node", NODE, LOOKUP_ARRAYS, 4)
    reasons = ((own_list.path, _why_no_node(own_list, index)) for own_list in memory_lists(subject))
    yield from limited(
        (
            Violation(f"{reason}: this memory has no node", path, ASSOCIATIVITY, 0)
            for path, reason in reasons
            if reason is not None
        ),
        "memory nodes",
    )


def _why_no_node(own_list: OwnList, index: int) -> str | None:
    if own_list.lists.declared < index:
        return f"a list of {count_of(own_list.lists.declared, 'domain')}, and the node is to be domain {index}"
    domain = own_list.lists.domain(index)
    if domain is None:
        present = f"{len(own_list.lists.domains)} of its {own_list.lists.declared} domains"
        return f"the list ends after {present}, before domain {index}"
    return None if is_node(domain) else f"domain {index} is {domain:#x}, which is no node"


@rule(
    "DRM034",
    Severity.ERROR,
    "no primary reference point: Linux runs without NUMA",
    needs=("after-cas",),
    references=(
        "Linux arch/powerpc/mm/numa.c find_primary_domain_index: `short ibm,associativity-reference-points`",
        "LoPAR 2.9, RTAS Node Properties: ibm,associativity-reference-points",
    ),
)
def no_primary_point(subject: Subject) -> Iterator[Violation]:
    """Look for trees with several nodes in which Linux finds no reference point for them.

    Why:
        Without a primary reference point Linux switches NUMA off. Everything runs, but all memory and all CPUs
        are on node 0, whatever their associativity lists say.

    Example:
        Form 0 (byte 5 of ibm,architecture-vec-5 is 00) with ibm,associativity-reference-points 00000001: form 0
        takes the second one, and there is none.

    Kernel:
        All kernels: NUMA is off if the property is missing from /rtas, is empty, has no second word in form 0,
        or holds a number above 0x7fffffff there. The only sign is a debug message, or in form 0 "short
        ibm,associativity-reference-points".

    Fix:
        Let the firmware supply the property that belongs to the form agreed on. A kexec that hands on form 2
        content to a kernel without form 2 is not the cause: such a kernel reads it as form 1.
    """
    numa = numa_node(subject)
    if numa is None or not numa_is_off(subject):
        return
    # Whether memory is of more than one associativity: that of memory nodes, and of LMBs that can come.
    own = (own_list.lists.domains for own_list in memory_lists(subject))
    if len({*own, *lookup_rows(subject.associativity.lookup)}) > 1:
        message = f"{_missing_point(subject, numa)}: Linux puts all memory on node 0, and its lists differ"
        yield Violation(message, numa.path, REFERENCE_POINTS)


def _missing_point(subject: Subject, numa: LocatedNode) -> str:
    if numa.node.find(REFERENCE_POINTS) is None:
        return "no reference points"
    form, points = subject.associativity.form, subject.associativity.reference_points
    at = 1 if form == 0 else 0
    if len(points) <= at:
        return f"{count_of(len(points), 'reference point')}, and form {form} needs {at + 1}"
    return f"reference point {points[at]:#x} is negative as Linux takes it"


@rule(
    "DRM035",
    Severity.WARNING,
    "reference point that gives no distance",
    needs=("after-cas",),
    references=(
        "Linux arch/powerpc/mm/numa.c __initialize_form1_numa_distance: `Broken ibm,associativity property`",
        "Linux 8ddc6448ec5a (5.15): checks the reference points; before, it reads behind the list",
        "Linux arch/powerpc/mm/numa.c find_primary_domain_index: `distance array capped at 4 entries`",
    ),
)
def useless_points(subject: Subject) -> Iterator[Violation]:
    """Look in form 1 for further reference points that are outside the lists, or that Linux leaves out.

    Why:
        In form 1 two nodes are the farther apart the more reference points differ between their lists. A
        reference point that is not in the lists leaves the distances as they happen to be; from the fifth on
        Linux does not look at all. Memory is on its right node, but the scheduler and the allocator take the
        wrong one for the nearest when it is full.

    Example:
        ibm,associativity-reference-points 00000004 00000009 with lists of four domains.

    Kernel:
        5.15 and later warn "Broken ibm,associativity property" with a call trace, once for each list, and leave
        the distances there; with panic_on_warn they stop. Before, the kernel reads behind the list. Point 0
        reads the word before the list, in all kernels.

    Fix:
        Reference points and lists must come from one firmware level; after a migration reboot, because Linux
        never reads the reference points again.
    """
    numa = numa_node(subject)
    if numa is None or subject.associativity.form != 1:
        return
    lengths = [own_list.lists.declared for own_list in memory_lists(subject)]
    lookup = whole_lookup(subject)
    if lookup is not None and lookup.n_arrays:
        lengths.append(lookup.array_sz)
    points = subject.associativity.reference_points
    for position, point in enumerate(points[1:MAX_REFERENCE_POINTS], 1):
        if lengths and point != points[0] and not 1 <= point <= min(lengths):
            message = f"reference point {point} is outside lists of {count_of(min(lengths), 'domain')}"
            message += ": distances are not what is meant"
            yield Violation(message, numa.path, REFERENCE_POINTS, 4 * position)
    if len(points) > MAX_REFERENCE_POINTS:
        message = f"{len(points)} reference points, of which Linux uses the first {MAX_REFERENCE_POINTS}"
        yield Violation(message, numa.path, REFERENCE_POINTS, 4 * MAX_REFERENCE_POINTS)
