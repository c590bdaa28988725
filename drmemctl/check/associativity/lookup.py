# SPDX-License-Identifier: MIT
"""What ibm,associativity-lookup-arrays holds: lists too short, too many, or of nodes that cannot be."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.affinity import (
    OwnList,
    boot_nodes,
    cpu_lists,
    looked_up_nodes,
    memory_lists,
    numa_node,
    possible_nodes,
    primary,
    whole_lookup,
)
from drmemctl.check.bounds import limited
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.select import kinds
from drmemctl.check.subject import Subject
from drmemctl.check.survey import listed, per_subject
from drmemctl.formats.associativity import ASSOCIATIVITY
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.formats.lookup_arrays import HEADER
from drmemctl.model.associativity import is_node
from drmemctl.wording import count_of

_HEADER = HEADER.size


def _violation(message: str, offset: int) -> Violation:
    return Violation(message, NODE, LOOKUP_ARRAYS, offset)


@rule(
    "DRM031",
    Severity.ERROR,
    "lookup arrays shorter than their counts",
    references=(
        "Linux arch/powerpc/mm/numa.c of_get_assoc_arrays; pseries/hotplug-memory.c find_aa_index",
        "LoPAR 2.9, ibm,dynamic-reconfiguration-memory: ibm,associativity-lookup-arrays",
    ),
)
def short_lookup_arrays(subject: Subject) -> Iterator[Violation]:
    """Look for lookup arrays that end before the M lists of N domains that their first two words promise.

    Why:
        Linux computes M times N in 32 bits. Where the property is shorter than that, no LMB has a node any more.
        Where the product wraps to a small number, it takes the property and reads lists far behind its end.

    Example:
        00000003 00000001 00000000 00000001: three lists of one domain, two are there.
        80000001 00000002 00000000 00000000: the product wraps to 2, the lists would take 16 GiB.

    Kernel:
        With any LMB assigned, every kernel since 5.3 dies at boot (see DRM030), and before 5.3 all of it is on
        node 0. A hot-add compares and appends lists by the counts alone, in all kernels: it reads behind the
        property and writes behind its copy.

    Fix:
        The counts or the lists are the firmware's mistake; a truncated copy of the tree looks the same, so check
        the length in the running system first.
    """
    lookup = whole_lookup(subject)
    if lookup is None:
        return
    needed = _HEADER + 4 * lookup.n_arrays * lookup.array_sz
    if lookup.size < _HEADER:
        yield _violation(f"{lookup.size} bytes, too short for the two counts", 0)
    elif lookup.size < needed:
        lists = f"{lookup.n_arrays:,} lists of {count_of(lookup.array_sz, 'domain')}"
        message = f"{lists} need {needed:,} bytes, there are {lookup.size:,}"
        if lookup.usable:
            message += "; the product wraps in 32 bits, so Linux takes them and reads behind the end"
        else:
            message += ": Linux takes none of them, and no LMB has a node"
        yield _violation(message, lookup.size)


@rule(
    "DRM032",
    Severity.INFO,
    "lookup arrays longer than their counts",
    references=(
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c find_aa_index: appends behind the counted lists",
    ),
)
def long_lookup_arrays(subject: Subject) -> Iterator[Violation]:
    """Look for bytes behind the last counted list.

    Why:
        Nobody reads them. They show that counts and lists were made apart, or that a list was taken away by its
        count only.

    Example:
        00000001 00000001 00000000 00000001: one list of one domain, and a word behind it.

    Kernel:
        All kernels ignore them. A hot-add whose list is new writes it over them, right behind the counted lists,
        and makes the property longer all the same.

    Fix:
        Nothing to do, unless the count of lists is what is wrong: compare it with the aa_index of the LMBs.
    """
    lookup = whole_lookup(subject)
    if lookup is None or lookup.size < _HEADER:
        return
    end = _HEADER + 4 * lookup.n_arrays * lookup.array_sz
    if lookup.size > end:
        counts = f"{lookup.n_arrays:,} lists of {count_of(lookup.array_sz, 'domain')}"
        yield _violation(f"{lookup.size - end:,} bytes follow the {counts}; Linux ignores them", end)


@per_subject
def _repeats(subject: Subject) -> dict[int, int]:
    """Return, for each list that repeats an earlier one, the index of the first such."""
    lookup = whole_lookup(subject)
    if lookup is None or not lookup.array_sz:
        return {}
    data, size = lookup.cells.tobytes(), 4 * lookup.array_sz
    first: dict[bytes, int] = {}
    repeats: dict[int, int] = {}
    for index in range(lookup.present):
        earlier = first.setdefault(data[index * size : (index + 1) * size], index)
        if earlier != index:
            repeats[index] = earlier
    return repeats


@rule(
    "DRM037",
    Severity.INFO,
    "lookup array that repeats an earlier one",
    references=(
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c find_aa_index: takes the first list that is equal",
    ),
)
def repeated_lists(subject: Subject) -> Iterator[Violation]:
    """Look for lists that are the same as an earlier one.

    Why:
        Each associativity needs one list. A repeated one works, but LMBs of the same associativity then have
        different aa_indexes, which tools that compare indexes take for a difference.

    Example:
        00000003 00000001 00000000 00000001 00000001: lists 1 and 2 are the same.

    Kernel:
        All kernels find the same node through either. A hot-add takes the first, so that the table does not grow
        from this; a table that grows with each hot-add has lists that differ in a domain above the node.

    Fix:
        Nothing has to be done. A firmware that builds such a table wastes space in it.
    """
    repeats = _repeats(subject)
    if repeats:
        pairs = [f"{index} repeats {earlier}" for index, earlier in list(repeats.items())[:5]]
        lists = "1 list repeats" if len(repeats) == 1 else f"{len(repeats):,} lists repeat"
        message = f"{lists} an earlier one: {listed(pairs, len(repeats))}"
        yield _violation(message, _offset(subject, min(repeats)))


@rule(
    "DRM038",
    Severity.INFO,
    "superfluous lookup array that no LMB uses",
    needs=("lmbs",),
    references=(
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c find_aa_index: the list stays if the hot-add fails",
    ),
)
def unused_lists(subject: Subject) -> Iterator[Violation]:
    """Look for lists that no LMB uses and whose node another list names as well.

    Why:
        A hot-add whose list matches none appends it, and does not take it away again when the rest of the
        hot-add fails. Such lists are traces of failed requests. A list that is the only one for its node is
        not one of them: the firmware lists every node that memory may come to.

    Example:
        00000003 00000002 00000000 00000000 00000000 00000001 00000007 00000001: lists 1 and 2 both name
        node 1, and no LMB has aa_index 2.

    Kernel:
        All kernels since 4.10 append; none ever removes a list.

    Fix:
        Nothing has to be done; the lists are gone after the next boot through the firmware. Look for
        "Failed to configure LMB" or "Memory hot-add failed" in the log to learn what happened.
    """
    lookup, index = whole_lookup(subject), primary(subject)
    if lookup is None or not index or index > lookup.array_sz or subject.associativity.form == 0:
        return  # In form 0 lists of one node differ as a matter of course: in its parts.
    nodes = lookup.cells[index - 1 : lookup.present * lookup.array_sz : lookup.array_sz]
    used, repeats = {aa_index for aa_index, _ in kinds(subject)}, _repeats(subject)
    named = {node for position, node in enumerate(nodes) if position in used}
    unused = []
    for position, node in enumerate(nodes):
        if position in used or position in repeats:
            continue
        if node in named:
            unused.append(position)
        named.add(node)
    if unused:
        lists = "1 lookup array is" if len(unused) == 1 else f"{len(unused):,} lookup arrays are"
        message = f"{lists} used by no LMB, and other ones name the same nodes: {listed(unused)}"
        yield _violation(message, _offset(subject, unused[0]))


@rule(
    "DRM039",
    Severity.WARNING,
    "lookup array for a node that is not possible",
    references=(
        "Linux arch/powerpc/mm/numa.c find_possible_nodes, of_drconf_to_nid_single; dbce45628085 (5.9)",
        "Linux 67df77845c18 (5.10), 9c7248bb8de3 (5.15): current or max domains",
        "LoPAR 2.9, Maximum and Current Associativity Domains",
    ),
)
def impossible_nodes(subject: Subject) -> Iterator[Violation]:
    """Look for lists that name a node which Linux will not have.

    Why:
        Linux fixes at boot which nodes there can ever be: those that have memory or CPUs then, and those below
        the number of domains in /rtas. Memory that is hot-added later with another node cannot go there.

    Example:
        ibm,max-associativity-domains 00000001 00000002 (nodes 0 and 1), lookup arrays 00000003 00000001
        00000000 00000001 00000005, and nothing on node 5 at boot.

    Kernel:
        Since 5.9 the hot-added memory goes to the first online node, without a message; before, the kernel uses
        a node that is not set up. 5.10 and later count the nodes by ibm,current-associativity-domains, from
        5.15 on only where the partition is not migratable.

    Fix:
        The numbers of domains must cover every list: a matter of the firmware. Until then do not hot-add memory
        of these lists; if it has happened, reboot.
    """
    lookup = whole_lookup(subject)
    if lookup is None or not primary(subject) or numa_node(subject) is None:
        return
    limit = possible_nodes(subject)
    if limit is None:
        return
    online = boot_nodes(subject)
    lost = sorted(node for node in looked_up_nodes(subject) if node >= limit and node not in online)
    if lost:
        names = listed([node if is_node(node) else f"{node:#x}" for node in lost])
        nodes = f"node {names}, which is" if len(lost) == 1 else f"nodes {names}, which are"
        message = f"lookup arrays name {nodes} not among the {limit:,} possible ones and not online at boot"
        yield _violation(f"{message}: memory hot-added there lands on another node", _HEADER)


def _offset(subject: Subject, index: int) -> int:
    lookup = subject.associativity.lookup
    return _HEADER + 4 * index * (0 if lookup is None else lookup.array_sz)


@rule(
    "DRM036",
    Severity.WARNING,
    "associativity list of another length than the lookup arrays",
    references=(
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c find_aa_index: compares N words",
        "LoPAR 2.9, ibm,associativity; ibm,associativity-lookup-arrays: without the length cell",
        "QEMU hw/ppc/spapr_numa.c: a CPU's list has one domain more, the CPU itself",
    ),
)
def other_lengths(subject: Subject) -> Iterator[Violation]:
    """Look for memory nodes and CPUs whose lists have another length than those in the lookup arrays.

    Why:
        For a hot-add the firmware hands over an ibm,associativity as a memory node has it, a length and then the
        domains. Linux compares as many words of it as a lookup array has, without a look at the length. Where
        they differ, it finds no equal list or takes one that is equal by chance, and appends garbage from behind
        the end. A list that is shorter than its own length cell says misleads every reader.

    Example:
        Lookup arrays 00000001 00000004 … (four domains), memory@0 with ibm,associativity 00000003 00000000
        00000000 00000000. A CPU may have one domain more: 00000005 … is right with four.

    Kernel:
        All kernels since 4.10: after the next hot-add the lookup arrays have a list that no firmware made, and
        the LMB may be on another node, or on none at the next kexec, which is deadly (see DRM030).

    Fix:
        Report it, with the tree, to whoever makes the firmware. Do not hot-add memory before it is mended.
    """
    lookup = whole_lookup(subject)
    size = lookup.array_sz if lookup is not None and lookup.n_arrays else None
    yield from limited(_odd_lists(memory_lists(subject), size, 0), "memory nodes")
    yield from limited(_odd_lists(cpu_lists(subject), size, 1), "CPUs")


def _odd_lists(lists: tuple[OwnList, ...], size: int | None, extra: int) -> Iterator[Violation]:
    """Yield what is wrong with lists that should have `size` domains, or up to `extra` more."""
    for own_list in lists:
        declared = count_of(own_list.lists.declared, "domain")
        if len(own_list.lists.domains) < own_list.lists.declared:
            message = f"the list says {declared} and ends after {len(own_list.lists.domains)}"
            yield Violation(message, own_list.path, ASSOCIATIVITY, 0)
        elif size is not None and not size <= own_list.lists.declared <= size + extra:
            message = (
                f"a list of {declared}, and the lookup arrays have {size}: a hot-add compares the wrong words"
            )
            yield Violation(message, own_list.path, ASSOCIATIVITY, 0)
