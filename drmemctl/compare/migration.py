# SPDX-License-Identifier: MIT
"""A pair of trees judged by the rules of what a migration may change.

The rules see only the LMBs that changed: they have nothing to say of unchanged ones, and there may be very many.
Where LMBs went elsewhere, or a DRC index is used twice, they see all: they go by DRC index and by order.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from operator import add, le

from drmemctl.check.about import complete
from drmemctl.check.engine import Judge, finding_of, ordered, rules_of
from drmemctl.check.finding import Finding
from drmemctl.check.subject import Running, Subject
from drmemctl.check.tables import spans_of_drc_indexes
from drmemctl.compare.lmbs import ADDRESS, DRC_INDEX, LmbDiff
from drmemctl.compare.side import Side
from drmemctl.kernel.profiles import Profile
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.model.runs import Runs

FAMILY = "migration"


def judge_migration(old: Side, new: Side, lmbs: LmbDiff, kernel: Profile | None = None) -> tuple[Finding, ...]:
    """Return the findings about the new tree for a kernel, or any; the worst first."""
    in_place = _is_in_place(old.table, new.table, lmbs)
    before = _subject(old, _changed(old, lmbs, is_old=True) if in_place else old.table, None)
    after = _subject(new, _changed(new, lmbs, is_old=False) if in_place else new.table, before)
    # The kernel's array stays what it was at boot, in all its length.
    after.running = Running(array=None if old.memory.drmem is None else old.table, profile=kernel)
    # Only this family: importing all of them takes longer than comparing most trees.
    violations = Judge(profile=kernel).ask(rules_of([FAMILY]).values(), after)
    return complete((finding_of(violation, after) for violation in ordered(violations)), after)


def _subject(side: Side, table: LmbTable, before: Subject | None) -> Subject:
    subject = Subject(side.tree, before=before)
    subject.associativity = side.associativity
    # Of the whole partition, not of what changed.
    subject.address_digits = side.table.address_digits
    if side.memory.drmem is not None:
        subject.drmem = replace(side.memory.drmem, table=table)
    return subject


def _is_in_place(old: LmbTable, new: LmbTable, lmbs: LmbDiff) -> bool:
    """Whether each LMB that both tables have is where it was, as the only one with its DRC index."""
    if lmbs.reordered or old.lmb_size != new.lmb_size:
        return False
    elsewhere = any(ADDRESS in change.kinds or DRC_INDEX in change.kinds for change in lmbs.changes)
    return not elsewhere and _each_once(old.runs) and _each_once(new.runs)


def _changed(side: Side, lmbs: LmbDiff, *, is_old: bool) -> LmbTable:
    """Return the LMBs that changed as they are on a side."""
    changed = ((change.count, change.old if is_old else change.new) for change in lmbs.changes)
    # Where the DRC index does not grow from LMB to LMB it does not count: then none of them has a valid one.
    runs = (
        Run(lmb.base, count, lmb.drc_index, lmb.aa_index, lmb.flags) for count, lmb in changed if lmb is not None
    )
    return LmbTable.of(runs, side.table.lmb_size, side.table.property_name)


def _each_once(runs: Runs) -> bool:
    """Whether no two LMBs have the same DRC index."""
    ends = map(add, runs.drc_indexes, runs.lmbs)
    # Nearly all trees have them in order, which is soon seen.
    return all(map(le, ends, islice(runs.drc_indexes, 1, None))) or not any(spans_of_drc_indexes(runs).overlaps())
