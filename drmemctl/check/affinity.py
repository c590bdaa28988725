# SPDX-License-Identifier: MIT
"""What the rules ask about affinity: where Linux looks, what it takes, and what a dump leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from drmemctl.check.select import kinds
from drmemctl.check.subject import Subject
from drmemctl.check.survey import LocatedNode, per_subject, survey, whole
from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5, ArchitectureVec5, decode_architecture_vec5
from drmemctl.formats.associativity import ASSOCIATIVITY, AssociativityLists, decode_associativity
from drmemctl.formats.domains import CURRENT_DOMAINS, MAX_DOMAINS, Domains, decode_domains
from drmemctl.formats.dynamic_memory import AI_INVALID
from drmemctl.formats.lookup_arrays import LookupArrays
from drmemctl.formats.reference_points import REFERENCE_POINTS
from drmemctl.model import numa
from drmemctl.model.associativity import CHOSEN, RTAS, is_node, reference_points_node
from drmemctl.model.numa import counting_property
from drmemctl.model.run import is_assigned

_NEGATIVE = 1 << 31
"""From here on a u32 is negative as the int that Linux keeps it in."""


def numa_node(subject: Subject) -> LocatedNode | None:
    """Return the node whose NUMA properties Linux reads, or None if this dump does not show all of it."""
    path = reference_points_node(subject.tree)
    node = subject.tree.find(path)
    if node is None:
        return None
    points = node.find(REFERENCE_POINTS)
    if points is None:
        return LocatedNode(path, node) if path == RTAS else None
    return LocatedNode(path, node) if whole(node, REFERENCE_POINTS) is not None else None


def primary(subject: Subject) -> int | None:
    """Return the primary reference point as Linux takes it, even 0; None if NUMA is off or the tree does not tell.

    The form decides which point it is, and only a tree made after ibm,client-architecture-support tells the form.
    """
    if not subject.after_cas or numa_node(subject) is None:
        return None
    index = subject.associativity.primary_index
    return None if index is None or index >= _NEGATIVE else index


def numa_is_off(subject: Subject) -> bool:
    """Whether Linux finds no primary reference point in a tree that tells, and so runs without NUMA."""
    tells = subject.after_cas and numa_node(subject) is not None and not subject.associativity.unknown
    return tells and primary(subject) is None


def lookup_is_cut(subject: Subject) -> bool:
    """Whether the source shows only the beginning of the lookup arrays."""
    lookup = subject.associativity.lookup
    return lookup is not None and lookup.is_cut


def whole_lookup(subject: Subject) -> LookupArrays | None:
    """Return the lookup arrays if the tree has them and shows them whole."""
    return None if lookup_is_cut(subject) else subject.associativity.lookup


def lookup_rows(lookup: LookupArrays | None) -> Iterator[tuple[int, ...]]:
    """Yield the lists that are there in full; none where they have no domains, however many there are to be."""
    if lookup is not None and lookup.array_sz:
        yield from (lookup.row(index) or () for index in range(lookup.present))


def option_vector(subject: Subject) -> ArchitectureVec5 | None:
    """Return option vector 5, None if this dump does not show all of it."""
    data = whole(subject.tree.find(CHOSEN), ARCHITECTURE_VEC5)
    return None if data is None else decode_architecture_vec5(data)


class OwnList(NamedTuple):
    """A node's own `ibm,associativity`, of which Linux reads the first list, and its path."""

    path: str
    lists: AssociativityLists


@per_subject
def memory_lists(subject: Subject) -> tuple[OwnList, ...]:
    """Return the lists of the `memory@` nodes that have one."""
    return tuple(_own_lists(survey(subject).memory))


@per_subject
def cpu_lists(subject: Subject) -> tuple[OwnList, ...]:
    """Return the lists of the CPUs that have one."""
    return tuple(_own_lists(survey(subject).cpus))


def _own_lists(nodes: Iterable[LocatedNode]) -> Iterable[OwnList]:
    for node in nodes:
        data = whole(node.node, ASSOCIATIVITY)
        if data is not None:
            yield OwnList(node.path, decode_associativity(data))


@per_subject
def looked_up_nodes(subject: Subject) -> frozenset[int]:
    """Return the domains at the primary reference point of all lookup arrays that are there."""
    lookup, index = subject.associativity.lookup, primary(subject)
    if lookup is None or not index or index > lookup.array_sz:
        return frozenset()
    end = lookup.present * lookup.array_sz
    return frozenset(lookup.cells[index - 1 : end : lookup.array_sz])


@per_subject
def boot_nodes(subject: Subject) -> frozenset[int]:
    """Return the nodes that Linux sets online while it boots: of memory nodes, CPUs and assigned LMBs."""
    index = primary(subject)
    if not index:
        return frozenset()
    nodes = {own_list.lists.domain(index) for own_list in (*memory_lists(subject), *cpu_lists(subject))}
    if subject.has_lmbs:
        associativity = subject.associativity
        n_arrays = associativity.lookup.n_arrays if associativity.lookup is not None else 0
        nodes |= {
            associativity.node_of(aa_index)
            for aa_index, flags in kinds(subject)
            if aa_index < n_arrays and is_assigned(flags) and not flags & AI_INVALID
        }
    return frozenset(node for node in nodes if node is not None and is_node(node))


class DomainsProperty(NamedTuple):
    """One of the two properties that are there: its name, its bytes and what they say."""

    name: str
    data: bytes
    domains: Domains


def domain_properties(subject: Subject) -> Iterator[DomainsProperty]:
    """Yield current and maximum domains, as far as the tree shows them whole."""
    rtas = subject.tree.find(RTAS)
    for name in (CURRENT_DOMAINS, MAX_DOMAINS):
        data = whole(rtas, name)
        if data is not None:
            yield DomainsProperty(name, data, decode_domains(data))


@per_subject
def counted_by(subject: Subject) -> DomainsProperty | None:
    """Return the property that Linux counts the nodes by; None where the tree does not show all of it."""
    name = counting_property(subject.tree)
    return next((prop for prop in domain_properties(subject) if prop.name == name), None)


def possible_nodes(subject: Subject) -> int | None:
    """Return the number of nodes below which all are possible, or None if the tree does not tell."""
    if counted_by(subject) is None:
        return None
    possible, _ = numa.possible_nodes(subject.tree, primary(subject), subject.affinity_rules)
    return None if possible is None else possible.count
