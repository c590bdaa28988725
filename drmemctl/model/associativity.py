# SPDX-License-Identifier: MIT
"""Affinity form, reference points and lookup arrays: how Linux finds the node of an LMB, a CPU or a memory node.

Source: Linux arch/powerpc/mm/numa.c `find_primary_domain_index`, `of_get_assoc_arrays`,
`of_drconf_to_nid_single`, `associativity_to_nid`; LoPAR 2.9 chapter "NUMA".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from drmemctl.arguments import checked
from drmemctl.defect import Defect
from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5, FORM1, FORM2, decode_architecture_vec5
from drmemctl.formats.dynamic_memory import AI_INVALID, ASSIGNED, LOOKUP_ARRAYS, NODE
from drmemctl.formats.lookup_arrays import LookupArrays, decode_lookup_arrays
from drmemctl.formats.reference_points import REFERENCE_POINTS, decode_reference_points
from drmemctl.model import platform
from drmemctl.notebook import short_repr
from drmemctl.tree.node import Node, Tree

RTAS, CHOSEN = platform.RTAS, platform.CHOSEN

MAX_NODES = 256
"""Linux MAX_NUMNODES with the ppc64 default CONFIG_NODES_SHIFT of 8: ids from here on are no node."""

DEFAULT_NODE = 0
"""Where Linux puts memory without `ibm,associativity`, and all memory when it runs without NUMA."""

MAX_REFERENCE_POINTS = 4
"""Linux MAX_DISTANCE_REF_POINTS: further levels are ignored, with a warning."""

_NEGATIVE = 1 << 31
"""From here on a reference point is negative as the int that Linux keeps it in."""

_INVALID_DOMAIN = 0xFFFF
"""POWER4's "no node", which every lookup still honours."""


@dataclass(frozen=True, slots=True)
class AffinityRules:
    """How kernels differ in what they make of affinity; as it stands, the newest.

    Attributes:
        form2: whether form 2 is known (`1c6b5a7e7405`); without, such a tree is taken in form 1.
        default_node: the node of assigned LMBs whose lookup finds none: 0 before `ea9f5b702fe0`, else None.
        current_domains: whether possible nodes come from ibm,current-associativity-domains (`67df77845c18`).
        migratable_max: whether they come from the maximum on a partition that may migrate (`9c7248bb8de3`).
        bridges: whether a PCI host bridge puts its node online (`11981816e361`).
        node_0_has_row: whether lists of CPUs and memory nodes fill the row of node 0 in the table of distances of
            form 1 (`8ddc6448ec5a`).

    """

    form2: bool = True
    default_node: int | None = None
    current_domains: bool = True
    migratable_max: bool = True
    bridges: bool = True
    node_0_has_row: bool = True


NEWEST = AffinityRules()
"""The rules of the newest kernel."""


@dataclass(frozen=True, slots=True)
class Associativity:
    """What a tree says about affinity, as a kernel that knows all three forms takes it.

    Attributes:
        form: 0, 1 or 2, by `ibm,architecture-vec-5` byte 5.
        reference_points: 1-based positions in an associativity list, the most significant for nodes first.
        primary_index: the position whose domain is the node; None where Linux runs without NUMA.
        lookup: the lookup arrays, None where the tree has none.
        defects: faults of these properties.
        default_node: the node of assigned LMBs whose lookup finds none; None for no node.
        unknown: why form and reference points cannot be told, since the tree is shown in part only; else empty.

    """

    form: int
    reference_points: tuple[int, ...]
    primary_index: int | None
    lookup: LookupArrays | None
    defects: tuple[Defect, ...] = ()
    unknown: str = ""
    default_node: int | None = None

    __repr__ = short_repr

    @classmethod
    @checked()
    def from_tree(cls, tree: Tree, rules: AffinityRules = NEWEST) -> Associativity:
        """Return the associativity of a tree, as a kernel with these rules takes it.

        Without a primary index where only a part of the tree is shown; all is in node 0 where Linux has no NUMA.
        """
        read = cls.as_booted(tree, rules)
        unknown = _form_not_shown(tree) or _points_not_shown(tree, read.form, read.reference_points)
        if not unknown:
            return read if read.primary_index is not None else replace(read, default_node=DEFAULT_NODE)
        note = Defect("affinity-unknown", f"{unknown}: form and nodes are unknown")
        return replace(read, primary_index=None, unknown=unknown, defects=(*read.defects, note))

    @classmethod
    def as_booted(cls, tree: Tree, rules: AffinityRules = NEWEST) -> Associativity:
        """Return what a kernel makes of exactly this tree, to which a property that is not shown is absent."""
        form = affinity_form(tree)
        if form == 2 and not rules.form2:
            form = 1
        path = reference_points_node(tree)
        node = tree.find(path)
        prop = None if node is None else node.find(REFERENCE_POINTS)
        points: tuple[int, ...] = ()
        defects: list[Defect] = []
        if prop is not None:
            read = decode_reference_points(prop.value, prop.total)
            points, defects = read.points, [defect.at(path, REFERENCE_POINTS) for defect in read.defects]
        primary = primary_index(form, points)
        lookup = None
        node = tree.find(NODE)
        prop = None if node is None else node.find(LOOKUP_ARRAYS)
        if prop is not None:
            lookup = decode_lookup_arrays(prop.value, prop.total)
            defects += [defect.at(NODE, LOOKUP_ARRAYS) for defect in lookup.defects]
        return cls(form, points, primary, lookup, tuple(defects), default_node=rules.default_node)

    def row(self, aa_index: int, flags: int = 0) -> tuple[int, ...] | None:
        """Return the associativity list of an LMB, or None where Linux would find none."""
        if flags & AI_INVALID or self.lookup is None or not self.lookup.usable:
            return None
        return self.lookup.row(aa_index)

    def node_of(self, aa_index: int, flags: int = 0) -> int | None:
        """Return the node of an LMB, or None where `of_drconf_to_nid_single` finds none."""
        row = self.row(aa_index, flags)
        node = None if row is None else self.node_of_row(row)
        # Only what is assigned is ever looked up.
        looked_up = flags & ASSIGNED and not self.unknown
        return self.default_node if node is None and looked_up else node

    def node_of_row(self, domains: Sequence[int]) -> int | None:
        """Return the node of an associativity list without its length cell, or None (`associativity_to_nid`)."""
        return node_of_list(self.primary_index, domains)


def node_of_list(position: int | None, domains: Sequence[int]) -> int | None:
    """Return the node that the domain at a 1-based position of a list makes, None for none."""
    if position is None or not 1 <= position <= len(domains):
        return None
    node = domains[position - 1]
    return node if is_node(node) else None


def is_node(domain: int) -> bool:
    """Whether a domain can be a Linux node at all."""
    return domain != _INVALID_DOMAIN and domain < MAX_NODES


def affinity_form(tree: Tree) -> int:
    """Return 0, 1 or 2: what `ibm,architecture-vec-5` says; 0 where there is none, as in Linux."""
    if platform.has_opal(tree):
        return 1  # find_primary_domain_index: FW_FEATURE_OPAL, no vector is looked at
    data = tree.get(CHOSEN, ARCHITECTURE_VEC5)
    if data is None:
        return 0
    vector = decode_architecture_vec5(data)
    if vector.has(FORM2):
        return 2
    return 1 if vector.has(FORM1) else 0


def reference_points_node(tree: Tree) -> str:
    """Return the path of the node whose NUMA properties Linux reads: /ibm,opal, else /rtas, else the root."""
    if platform.has_opal(tree):
        return platform.OPAL
    return RTAS if tree.find(RTAS) is not None else "/"


_FORM_BYTE = 5
"""Where `ibm,architecture-vec-5` has the form."""


def _form_not_shown(tree: Tree) -> str:
    """Return what the tree does not show of the form, empty where it shows all that decides."""
    if platform.has_opal(tree):
        return ""
    chosen = tree.find(CHOSEN)
    if chosen is None:
        return f"no {CHOSEN} is shown, so that nothing tells the affinity form"
    vector = chosen.find(ARCHITECTURE_VEC5)
    if vector is None:
        is_shown = platform.is_whole(tree, chosen) and not platform.missing_part(tree)
        return "" if is_shown else f"no {ARCHITECTURE_VEC5} is shown, so that nothing tells the affinity form"
    is_cut = vector.is_cut and len(vector.value) <= _FORM_BYTE
    return f"{ARCHITECTURE_VEC5} is cut before the affinity form" if is_cut else ""


def _points_not_shown(tree: Tree, form: int, points: Sequence[int]) -> str:
    node = tree.find(reference_points_node(tree))
    prop = None if node is None else node.find(REFERENCE_POINTS)
    if prop is None:
        if node is not tree.root and platform.is_whole(tree, node):
            return ""
        return f"no {RTAS} with {REFERENCE_POINTS} is shown"
    is_cut = prop.is_cut and primary_index(form, points) is None
    return f"{REFERENCE_POINTS} is cut before what decides" if is_cut else ""


def primary_index(form: int, points: Sequence[int]) -> int | None:
    """Return the 1-based position of the node's domain, or None: `find_primary_domain_index` disables NUMA."""
    # Form 0 takes the second reference point and refuses a list that has none.
    position = 1 if form == 0 else 0
    if len(points) <= position or points[position] >= _NEGATIVE:
        return None
    return points[position]


def domains_of(node: Node) -> tuple[int, ...] | None:
    """Return the domains of a node's own `ibm,associativity` without the length cell, or None if it has none."""
    from drmemctl.formats.associativity import ASSOCIATIVITY, decode_associativity

    data = node.get(ASSOCIATIVITY)
    return None if data is None else decode_associativity(data).domains
