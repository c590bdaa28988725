# SPDX-License-Identifier: MIT
"""Rules of the family state about the hypervisor's own topology."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.select import AffectedLmbs, LmbsByReason
from drmemctl.check.subject import Subject
from drmemctl.check.tables import part_of_drc, spans_of_drc_indexes
from drmemctl.formats.dynamic_memory import aa_text
from drmemctl.hypervisor.topology import DeliveredTopology
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import LmbTable
from drmemctl.model.intervals import Intervals, shared, side_by_side
from drmemctl.model.run import Run, is_assigned
from drmemctl.model.runs import Runs

_LISTED_DOMAINS = 8
_LONGEST_STEP = 80
Domains = tuple[int, ...]


class LostPlacement(NamedTuple):
    """Why LMBs are not where the hypervisor has them.

    Attributes:
        aa_index: theirs.
        row: the lookup array that it names, None for none.
        domains: where the hypervisor has them.

    """

    aa_index: int
    row: Domains | None
    domains: Domains


@rule(
    "DRM088",
    Severity.ERROR,
    "aa_index that leads elsewhere than where the hypervisor has the LMB",
    needs=("delivered", "lmbs"),
    references=(
        "Linux d144f4d5a8a8 (5.15): the aa_index of a migration is taken over",
        "Linux arch/powerpc/mm/drmem.c drmem_update_dt",
        "LoPAR 2.9: ibm,update-properties RTAS call; ibm,dynamic-memory-v2",
    ),
)
def lost_topology(subject: Subject) -> Iterator[Violation]:
    """Look for assigned LMBs whose aa_index leads to another associativity than the hypervisor delivered last.

    Why:
        What the hypervisor told is gone, and it does not tell again: kexec, kdump and drmgr read the property, and
        the next kernel puts memory on nodes where it is not. Array, tree and memory blocks may well agree: all of
        them have what was before.

    Example:
        A migration delivers 80000004 with aa_index 00000000, whose list is <0>. A request writes the array back,
        and ibm,dynamic-memory-v2 has 80000004 with aa_index 00000001 again, which leads to <1>.

    Kernel:
        4.16 to 5.14 write the aa_indexes of before a migration back with the first request that succeeds. 5.15 and
        later take those of a migration over, unless a request writes the property at the same moment. What counts
        is where an index leads by the lookup arrays of now, not its number.

    Fix:
        Remove the LMB and add it again: Linux asks the hypervisor anew. Or reboot; kexec keeps what is wrong.
        `drmemctl repair` finds the requests that put it right, if any do.
    """
    delivered = subject.running.delivered
    if delivered is None or delivered.lookup is None:
        return  # without lists, firmware's own property leads nowhere
    associativity = subject.running.associativity or subject.associativity
    reasons = LmbsByReason[LostPlacement](subject)
    lost = sorted(_lost(subject.table, associativity, delivered), key=lambda pair: pair[1].drc_index)
    # In as few runs as can be, however the hypervisor told of them.
    for placement, pairs in groupby(lost, key=lambda pair: pair[0]):
        for run in Runs((run for _, run in pairs), subject.table.lmb_size):
            reasons.add(placement, run)
    flush, written = subject.running.flush, ""
    if flush is not None:
        step = flush.step if len(flush.step) <= _LONGEST_STEP else f"{flush.step[:_LONGEST_STEP]}…"
        written = f": {flush.function} wrote that" + (f" in {step!r}" if step else "")
    yield from reasons.violations(lambda placement, lmbs: _message(placement, lmbs, associativity) + written)


def _lost(
    table: LmbTable, associativity: Associativity, delivered: DeliveredTopology
) -> Iterator[tuple[LostPlacement, Run]]:
    """Yield the assigned LMBs that the property leads elsewhere, and why."""
    if not delivered.places and delivered.lmbs == table and delivered.lookup == associativity.lookup:
        return  # as it was handed out, however many runs that has
    runs, firmware_runs = table.runs, delivered.lmbs.runs
    not_told = Intervals()
    places = Intervals()
    for position, part in enumerate(delivered.places):
        places.add(part.first, part.count, position)
    for start, count, owner, number in side_by_side(spans_of_drc_indexes(runs, is_assigned).disjoint(), places):
        if owner is None:
            continue
        if number is None:
            not_told.add(start, count, owner)
            continue
        placement = _misplaced(associativity, runs[owner], delivered.places[number].domains)
        if placement is not None:
            yield placement, part_of_drc(table, owner, start, count)
    for start, count, position, owner in shared(
        spans_of_drc_indexes(firmware_runs, is_assigned).disjoint(), not_told
    ):
        domains = delivered.domains(firmware_runs.aa_indexes[position], firmware_runs.flags[position])
        placement = _misplaced(associativity, runs[owner], domains)
        if placement is not None:
            yield placement, part_of_drc(table, owner, start, count)


def _misplaced(associativity: Associativity, run: Run, domains: Domains | None) -> LostPlacement | None:
    """Return what is lost; None where the index leads to these domains, or the hypervisor named none."""
    if not domains:
        return None
    row = associativity.row(run.aa_index, run.flags)
    # A connector's list may be longer or shorter than those of the lookup arrays: Linux compares what both have.
    compared = min(len(row or ()), len(domains))
    if row is not None and row[:compared] == domains[:compared]:
        return None
    return LostPlacement(run.aa_index, row, domains)


def _message(lost: LostPlacement, lmbs: AffectedLmbs, associativity: Associativity) -> str:
    leads, has = ("leads", "has it") if lmbs.n_lmbs == 1 else ("lead", "has them")
    row = "nowhere" if lost.row is None else f"to {_place(lost.row, associativity)}"
    delivered = _place(lost.domains, associativity)
    return (
        f"{lmbs.number} {leads} {row} by aa_index {aa_text(lost.aa_index)}, the hypervisor {has} at {delivered},"
        f" first {lmbs.first}"
    )


def _place(domains: Domains, associativity: Associativity) -> str:
    """Return an associativity and its node as words."""
    listed = " ".join(map(str, domains[:_LISTED_DOMAINS])) + (" …" if len(domains) > _LISTED_DOMAINS else "")
    node = associativity.node_of_row(domains)
    return f"<{listed}>" + ("" if node is None else f" (node {node})")
