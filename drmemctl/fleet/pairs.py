# SPDX-License-Identifier: MIT
"""Pairs of captures of a partition, compared as `drmemctl diff` does: what a migration may not have changed.

One capture shows only that tree and memory disagree. Two tell why: the destination's tree came and memory stayed,
or the tree has the source's aa_index under the destination's lookup arrays. A third, from before the migration,
shows that the aa_index was written back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby, pairwise
from typing import NamedTuple

import pyarrow as pa

from drmemctl.check.finding import Finding
from drmemctl.check.report import why_unread
from drmemctl.check.tables import in_both_by_drc_index
from drmemctl.compare.diff import Diff, diff
from drmemctl.fleet.ask import Fleet
from drmemctl.fleet.questions import CAPTURES
from drmemctl.fleet.rows import Row, finding_row, printable, tree_at
from drmemctl.fleet.tables import PAIRS, parquet_of
from drmemctl.kernel.profiles import Profile
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.tree.kernel_banner import release_in
from drmemctl.tree.node import Tree

MOVED, CHANGED = "DRM075", "DRM076"
"""The rules about LMBs whose node, and whose aa_index, is another one than before."""


class Capture(NamedTuple):
    """A capture of a partition: where it is, when it was taken, and on which kernel."""

    url: str
    taken: datetime | None = None
    release: str | None = None


class Pair(NamedTuple):
    """Two captures of a partition, None where nobody says which."""

    partition: str | None
    before: Capture
    after: Capture


class MigratedLmbs(NamedTuple):
    """How many LMBs of a finding a migration, or the request after it, left how.

    Attributes:
        memory_stayed: with the destination's aa_index or list, while memory is where it was.
        stale: with the aa_index of before under other lookup arrays: not updated, or written back since.
        written_back: with an aa_index that they had before the one that the migration brought.

    """

    memory_stayed: int = 0
    stale: int = 0
    written_back: int = 0


class PairDiff(NamedTuple):
    """What became of a pair.

    Attributes:
        pair: the pair.
        same: whether there is no difference.
        rows: its findings, as the table has them; one with the error where a capture cannot be read.
        error: why one cannot be read, empty where both were.

    """

    pair: Pair
    same: bool
    rows: tuple[Row, ...]
    error: str = ""


def pairs_of(fleet: Fleet, partition: str | None) -> list[Pair]:
    """Return the captures of each partition in pairs, each with the next; or those of one partition."""
    rows = fleet.ask(CAPTURES.sql(partition) if partition else CAPTURES.text.replace("$partition", "name")).rows
    pairs = []
    for name, group in groupby(rows, key=lambda row: str(row[0])):
        pairs += [Pair(name, *captures) for captures in pairwise(Capture(*row[1:]) for row in group)]
    return pairs


def compared(
    pairs: Iterable[Pair], kernel: str | Profile | None = None, progress: Callable[[int], None] = lambda _: None
) -> Iterator[PairDiff]:
    """Yield what became of each pair, for a kernel as `diff` takes it; `progress` is told how many are done."""
    number = 0
    for partition, group in groupby(pairs, key=lambda pair: pair.partition):
        comparison = _Comparison(kernel)
        for pair in group:
            if partition is None:
                comparison = _Comparison(kernel)
            yield comparison.of(pair)
            number += 1
            progress(number)


class _Comparison:
    """Compares the captures of a partition one after the other.

    Attributes:
        source: the LMBs before the last migration that was seen, None before that.

    """

    def __init__(self, kernel: str | Profile | None) -> None:
        self.source: LmbTable | None = None
        self._kernel = kernel
        self._last: tuple[str, Tree] | None = None

    def of(self, pair: Pair) -> PairDiff:
        """Return what became of the next pair."""
        sides = []
        for capture in (pair.before, pair.after):
            try:
                sides.append(self._tree(capture.url))
            except Exception as error:  # noqa: BLE001 - whatever a capture does to us, the other pairs go on
                reason = printable(why_unread(error, capture.url))
                return PairDiff(pair, same=False, rows=(_row(pair) | {"error": reason},), error=reason)
        old, new = sides
        difference = diff(old, new, kernel=self._kernel)
        pair = pair._replace(before=_completed(pair.before, old), after=_completed(pair.after, new))
        outcomes = [outcome(finding, difference, self.source) for finding in difference.findings]
        rows = tuple(
            {**_row(pair), **finding_row(finding, difference.kernel, new.source), **counts._asdict()}
            for finding, counts in zip(difference.findings, outcomes, strict=True)
        )
        if any(counts.memory_stayed or counts.stale for counts in outcomes):
            self.source = difference.old.table
        return PairDiff(pair, difference.same, tuple({name: row[name] for name in PAIRS.names} for row in rows))

    def _tree(self, url: str) -> Tree:
        if self._last is None or self._last[0] != url:
            self._last = (url, tree_at(url))
        return self._last[1]


def _completed(capture: Capture, tree: Tree) -> Capture:
    """Return a capture with what its tree says of time and kernel, where nobody else did."""
    time = capture.taken
    if time is None and tree.provenance.time is not None:
        time = datetime.fromtimestamp(tree.provenance.time, UTC)
    return capture._replace(taken=time, release=capture.release or printable(release_in(tree.kernel)) or None)


def outcome(finding: Finding, difference: Diff, source: LmbTable | None) -> MigratedLmbs:
    """Return how a migration left the LMBs of a finding; `source` are the LMBs before an earlier one."""
    if finding.rule not in (MOVED, CHANGED):
        return MigratedLmbs()
    before, size = difference.old.table, difference.new.lmb_size
    runs = (Run(lmbs.base, lmbs.count, lmbs.drc_index, lmbs.aa_index, lmbs.flags) for lmbs in finding.lmbs)
    pieces = [(old, new) for old, new in in_both_by_drc_index(before, LmbTable.of(runs, size)) if new.assigned]
    same = sum(new.lmbs for old, new in pieces if old.aa_index == new.aa_index)
    changed = LmbTable.of((new for old, new in pieces if old.aa_index != new.aa_index), size)
    n_written_back = 0
    if source is not None:
        pairs = in_both_by_drc_index(source, changed)
        n_written_back = sum(new.lmbs for old, new in pairs if old.assigned and old.aa_index == new.aa_index)
    if finding.rule == CHANGED:
        return MigratedLmbs(written_back=n_written_back)
    return MigratedLmbs(changed.n_lmbs - n_written_back, same, n_written_back)


def _row(pair: Pair) -> Row:
    row: Row = dict.fromkeys(PAIRS.names)
    row["partition"] = pair.partition
    for side, capture in (("before", pair.before), ("after", pair.after)):
        row |= {f"{side}_{name}": value for name, value in capture._asdict().items()}
        row[f"{side}_url"] = printable(capture.url)
    return row


def pairs_file(differences: Iterable[PairDiff]) -> bytes:
    """Return the rows of pairs as a file of Parquet."""
    rows = [row for difference in differences for row in difference.rows]
    return parquet_of(pa.Table.from_pylist(rows, schema=PAIRS))
