# SPDX-License-Identifier: MIT
"""The diff of two trees as one value: what changed by its meaning, and what a migration may not have changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from drmemctl.arguments import checked
from drmemctl.compare.lmbs import LmbChange, LmbDiff, compare_lmbs
from drmemctl.compare.lookup import LookupDiff, compare_lookup
from drmemctl.compare.numa import Fact, compare_numa
from drmemctl.compare.properties import PropertyChange, compare_properties
from drmemctl.compare.side import Side, read_pair
from drmemctl.formats.cells import LMB_SIZE
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.lookup_arrays import LookupArrays
from drmemctl.kernel.affinity import affinity_rules
from drmemctl.kernel.choice import kernel_for, migrated
from drmemctl.kernel.profiles import Profile
from drmemctl.model.drmem import LmbTable
from drmemctl.notebook import short_repr
from drmemctl.tree.node import Property, Tree

if TYPE_CHECKING:
    from drmemctl.check.engine import Plan
    from drmemctl.check.finding import Finding


@dataclass(frozen=True, slots=True)
class Origin:
    """One of the two trees.

    Attributes:
        source: the input as the user named it.
        property: the property that Linux reads the LMBs from, None where there is none.
        lmb_size: bytes of an LMB, None where the tree does not say.
        n_lmbs: how many LMBs there are.
        is_cut: whether the source shows only the beginning of them.
        shows_nodes: whether the source shows what gives LMBs their node.
        table: the LMBs.
        lookup: the lookup arrays, None where there are none.
        size_property: the property with the LMB size, None where there is none.

    """

    source: str
    property: str | None
    lmb_size: int | None
    n_lmbs: int
    is_cut: bool = False
    shows_nodes: bool = True
    table: LmbTable = field(default_factory=partial(LmbTable.of, (), None), compare=False, repr=False)
    lookup: LookupArrays | None = field(default=None, compare=False, repr=False)
    size_property: Property | None = field(default=None, compare=False, repr=False)

    __repr__ = short_repr

    @classmethod
    def of(cls, side: Side) -> Origin:
        """Return the figures of a tree."""
        table, drmem = side.table, side.tree.find(NODE)
        return cls(
            side.tree.source,
            table.property_name or None,
            table.lmb_size,
            table.n_lmbs,
            side.is_cut,
            side.shows_nodes,
            table,
            side.associativity.lookup,
            None if drmem is None else drmem.find(LMB_SIZE),
        )


@dataclass(frozen=True, slots=True)
class Diff:
    """What is different in a new tree.

    Another encoding of the same is no difference: v1 for v2, sets divided otherwise, bytes behind a list, DRC
    indexes of LMBs whose flags say that those do not count. What one of the sources does not show is none either.

    Attributes:
        old: the old tree.
        new: the new tree.
        lmbs: what became of the LMBs.
        lookup: what became of the lookup arrays.
        numa: facts about the NUMA layout, the LMB size and agreed features that changed.
        properties: other properties and nodes that changed.
        findings: what a migration from the old to the new tree must not have changed; no part of comparisons.
        everything: whether all properties were compared, and not only those about memory and affinity.
        kernel: the kernel as which both were read, None where nobody named one: the newest.
        kernel_notes: what has to be said of it.

    """

    old: Origin
    new: Origin
    lmbs: LmbDiff
    lookup: LookupDiff
    numa: tuple[Fact, ...]
    properties: tuple[PropertyChange, ...]
    findings: tuple[Finding, ...] = field(default=(), compare=False)
    everything: bool = field(default=False, compare=False)
    kernel: str | None = field(default=None, compare=False)
    kernel_notes: tuple[str, ...] = field(default=(), compare=False)

    __repr__ = short_repr

    @property
    def same(self) -> bool:
        """Whether there is no difference."""
        return self.lmbs.same and self.lookup.same and not self.numa and not self.properties

    @property
    def same_format(self) -> bool:
        """Whether both have their LMBs in the same property; another one is no difference."""
        return self.old.property == self.new.property

    @property
    def address_digits(self) -> int:
        """Hex digits to which the addresses of LMBs are padded."""
        return max(self.old.table.address_digits, self.new.table.address_digits)

    def lmb_size_of(self, change: LmbChange) -> int | None:
        """Return the bytes of each LMB of a change: as the tree says that has them, the new one first."""
        first, second = (self.old, self.new) if change.new is None else (self.new, self.old)
        return second.lmb_size if first.lmb_size is None else first.lmb_size

    def judged_by(self, plan: Plan) -> Diff:
        """Return the same with the findings of some rules only."""
        rules = {rule.id for rule in plan.rules(["migration"])}
        return replace(self, findings=tuple(finding for finding in self.findings if finding.rule in rules))

    def mirrored(self) -> Diff:
        """Return the diff in the other direction, without findings."""
        properties = sorted((change.mirrored() for change in self.properties), key=lambda change: change.order)
        return Diff(
            self.new,
            self.old,
            self.lmbs.mirrored(),
            self.lookup.mirrored(),
            tuple(fact.mirrored() for fact in self.numa),
            tuple(properties),
            everything=self.everything,
        )


@checked()
def diff(
    old: Tree,
    new: Tree,
    *,
    everything: bool = False,
    migration: bool = True,
    kernel: str | Profile | None = None,
) -> Diff:
    """Return what is different in `new`.

    `everything` compares all properties, not only those about memory and affinity. `migration` says whether to
    judge the change by the rules of what a migration may do. Trees without LMBs, and parts of trees, can be
    compared as well. `kernel` is the one whose view of nodes and distances counts: else the one that the new input
    names, or the old one; else the newest. Nothing is raised but `ProfileError` for a kernel that is not known.
    """
    new = migrated(old, new)
    choice = kernel_for(new, kernel)
    before, after = read_pair(old, new, affinity_rules(choice.profile))
    difference = replace(
        diff_of_lmbs(before, after),
        numa=compare_numa(before, after),
        properties=compare_properties(before, after, everything=everything),
        everything=everything,
        kernel=choice.profile.name if choice.named else None,
        kernel_notes=choice.notes,
    )
    if not migration or (difference.same and difference.same_format):
        return difference
    from drmemctl.compare.migration import judge_migration

    return replace(difference, findings=judge_migration(before, after, difference.lmbs, choice.judged))


def diff_of_lmbs(old: Side, new: Side) -> Diff:
    """Return what is different in LMBs and lookup arrays alone."""
    lookup = compare_lookup(old.associativity.lookup, new.associativity.lookup)
    return Diff(Origin.of(old), Origin.of(new), compare_lmbs(old, new), lookup, (), ())
