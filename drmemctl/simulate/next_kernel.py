# SPDX-License-Identifier: MIT
"""What the kernel gets that is loaded now: its LMBs beside those of boot, of now, and of the hypervisor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drmemctl.check.boot.next_kernel import is_foreign, is_lost
from drmemctl.check.engine import Judge, all_rules, finding_of
from drmemctl.check.finding import Finding
from drmemctl.check.subject import Subject
from drmemctl.check.tables import by_sense, spans_of_drc_indexes
from drmemctl.hypervisor.firmware_tree import firmware_tree
from drmemctl.hypervisor.topology import lmb_table
from drmemctl.kernel.kexec_load import Route, next_tree
from drmemctl.model.drmem import LmbTable
from drmemctl.model.intervals import Intervals, side_by_side
from drmemctl.simulate.partition import Partition
from drmemctl.simulate.subject import subject_of
from drmemctl.tree.node import Tree

_RULES = ("DRM160", "DRM161", "DRM088")


@dataclass(frozen=True, slots=True)
class LmbEntry:
    """What one side says of LMBs: their flags and the aa_index of the first."""

    flags: int
    aa_index: int


@dataclass(frozen=True, slots=True)
class HandedLmbs:
    """`lmbs` LMBs from a DRC index on of which each side says the same; None where a side does not have them.

    Attributes:
        drc_index: of the first.
        base: its address.
        lmbs: how many.
        booted: the tree that the kernel was booted with.
        live: the kernel's tree now.
        sense: what the connectors say.
        next: the tree that the next kernel gets.

    """

    drc_index: int
    base: int
    lmbs: int
    booted: LmbEntry | None
    live: LmbEntry | None
    sense: int | None
    next: LmbEntry | None

    @property
    def is_wrong(self) -> bool:
        """Whether the next kernel takes what is not the partition's, or does not take what is."""
        if self.next is None or self.sense is None:
            return False
        return is_foreign(self.next.flags, self.sense) or is_lost(self.next.flags, self.sense)


def tree_handed_on(partition: Partition, purpose: str, route: Route) -> Tree:
    """Return the tree of the next kernel. After a crash, fadump has firmware boot it, with a tree of its own."""
    if purpose == "fadump":
        return firmware_tree(partition.machine.reset())
    return next_tree(partition.booted, partition.kernel.tree, route)


def next_findings(partition: Partition, tree: Tree) -> list[Finding]:
    """Return what is wrong with the LMBs of a tree that the next kernel gets."""
    now = subject_of(partition.kernel, partition.machine)
    running = now.running._replace(array=None, flush=None, next_kernel=True)
    subject = Subject(tree, running=running)
    violations = Judge(profile=partition.kernel.profile).ask([all_rules()[name] for name in _RULES], subject)
    return [finding_of(violation, subject) for violation in violations]


def handed_lmbs(partition: Partition, tree: Tree) -> Iterator[HandedLmbs]:
    """Yield the LMBs of all sides, by DRC index."""
    tables = [lmb_table(side) for side in (partition.booted, partition.kernel.tree, tree)]
    spans = [spans_of_drc_indexes(table.runs).disjoint() for table in tables]
    senses = by_sense(subject_of(partition.kernel, partition.machine).running.senses or ())
    # The LMBs of two trees, then of three, then the connectors: each pair of owners is a number of its own.
    owners: list[tuple[int | None, ...]] = [(owner,) for owner in range(len(tables[0].runs))]
    joined = spans[0]
    for width, side in enumerate((*spans[1:], senses), start=1):
        joined, owners = _joined(joined, owners, width, side)
    for start, last, number in joined:
        *rows, sense = owners[number]
        in_tables = [(table, row) for table, row in zip(tables, rows, strict=True) if row is not None]
        if not in_tables:
            continue  # a connector of which no tree has the LMB
        table, row = in_tables[0]
        run = table.runs[row]
        base = run.base + (start - run.drc_index) * (table.lmb_size or 0)
        booted, live, handed = map(_entry, tables, rows)
        yield HandedLmbs(start, base, last - start + 1, booted, live, sense, handed)


def _joined(
    joined: Intervals, owners: Sequence[tuple[int | None, ...]], width: int, side: Intervals
) -> tuple[Intervals, list[tuple[int | None, ...]]]:
    """Return the ranges of `width` columns and one more cut at both, and which owners each range has."""
    nobody = (None,) * width
    result = Intervals()
    pairs: list[tuple[int | None, ...]] = []
    for start, count, owner, owner_there in side_by_side(joined, side):
        result.add(start, count, len(pairs))
        pairs.append((*(nobody if owner is None else owners[owner]), owner_there))
    return result, pairs


def _entry(table: LmbTable, row: int | None) -> LmbEntry | None:
    return None if row is None else LmbEntry(table.runs.flags[row], table.runs[row].aa_index)
