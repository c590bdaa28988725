# SPDX-License-Identifier: MIT
"""A pair of trees judged by the rules of what a migration may change.

The rules see only the LMBs that changed: they have nothing to say of unchanged ones, and there may be very many.
Where a DRC index is used twice they see all: by that of an LMB that changed they may find one that did not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from operator import add, le

from drmemctl.check.about import complete
from drmemctl.check.engine import Judge, finding_of, ordered, rules_of
from drmemctl.check.finding import Finding
from drmemctl.check.subject import Running, Subject
from drmemctl.check.tables import spans_of_drc_indexes
from drmemctl.compare.lmbs import LmbDiff, Lmbs
from drmemctl.compare.side import Side
from drmemctl.kernel.profiles import Profile
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import ADDRESSES, Run
from drmemctl.model.runs import Runs

FAMILY = "migration"


def judge_migration(old: Side, new: Side, lmbs: LmbDiff, kernel: Profile | None = None) -> tuple[Finding, ...]:
    """Return the findings about the new tree for a kernel, or any; the worst first."""
    everything = lmbs.reordered or not all(map(_each_once, (old.table.runs, new.table.runs)))
    before = _subject(old, old.table if everything else _changed(old, lmbs, is_old=True), None)
    after = _subject(new, new.table if everything else _changed(new, lmbs, is_old=False), before)
    # The kernel's array stays what it was at boot, in all its length.
    after.running = Running(array=old.table) if old.memory.drmem is not None else Running()
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


def _changed(side: Side, lmbs: LmbDiff, *, is_old: bool) -> LmbTable:
    """Return the LMBs that changed as they are on a side."""
    changed = ((change.count, change.old if is_old else change.new) for change in lmbs.changes)
    entries = (entry for count, values in changed if values is not None for entry in _entries(count, values, side))
    return LmbTable.of(entries, side.table.lmb_size, side.table.property_name)


def _each_once(runs: Runs) -> bool:
    """Whether no two LMBs have the same DRC index."""
    ends = map(add, runs.drc_indexes, runs.lmbs)
    # Nearly all trees have them in order, which is soon seen.
    return all(map(le, ends, islice(runs.drc_indexes, 1, None))) or not any(spans_of_drc_indexes(runs).overlaps())


def _entries(count: int, lmbs: Lmbs, side: Side) -> Iterable[Run]:
    if not lmbs.same_drc:
        return [Run(lmbs.base, count, lmbs.drc_index, lmbs.aa_index, lmbs.flags)]
    size = side.table.lmb_size or 0
    return (
        Run((lmbs.base + size * position) % ADDRESSES, 1, lmbs.drc_index, lmbs.aa_index, lmbs.flags)
        for position in range(count)
    )
