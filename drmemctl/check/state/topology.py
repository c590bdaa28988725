# SPDX-License-Identifier: MIT
"""Rules of the family state about the hypervisor's own topology."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from drmemctl.check.bounds import ByReason, Found
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.runs import columns_of
from drmemctl.check.spans import Spans, shared, side_by_side
from drmemctl.check.subject import Flush, Subject
from drmemctl.formats.dynamic_memory import DRC_INVALID
from drmemctl.hypervisor.topology import DeliveredTopology
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run, is_assigned
from drmemctl.model.runs import Runs

_LISTED_DOMAINS = 8
_LONGEST_STEP = 80
_LARGEST_DRC_INDEX = (1 << 32) - 1

Domains = tuple[int, ...]


class _Lost(NamedTuple):
    """Why an LMB is not where the hypervisor has it: the aa_index, where that leads, and where it should."""

    aa_index: int
    leads_to: Domains | None
    domains: Domains


@rule(
    "DRM088",
    Severity.ERROR,
    "state",
    "property that no longer leads where the hypervisor has an LMB",
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
    """
    delivered = subject.running.delivered
    if delivered is None or delivered.lookup is None:
        return  # without lists, firmware's own property leads nowhere
    associativity = subject.running.associativity or subject.associativity
    reasons = ByReason[_Lost]()
    lost_runs = sorted(_lost(subject.table, associativity, delivered), key=_drc_index)
    for lost, run in _merged(subject.table, lost_runs):
        reasons.under(lost).add(run)
    name = subject.table.property_name
    for lost, found in reasons:
        message = _message(lost, found, associativity)
        yield found.violation(message + _written(subject.running.flush), name)
    yield from reasons.others(name)


def _lost(
    table: LmbTable, associativity: Associativity, delivered: DeliveredTopology
) -> Iterator[tuple[_Lost, Run]]:
    """Yield the assigned LMBs that the property leads elsewhere, and why."""
    if not delivered.places and delivered.lmbs == table and delivered.lookup == associativity.lookup:
        return  # as it was handed out, however many runs that has
    runs, theirs = table.runs, delivered.lmbs.runs
    rest = Spans()
    for start, count, owner, told in side_by_side(_assigned(runs), _told(delivered)):
        if owner is None:
            continue
        if told is None:
            rest.add(start, count, owner)
            continue
        lost = _why(associativity, runs.aa_indexes[owner], runs.flags[owner], delivered.places[told].domains)
        if lost is not None:
            yield lost, _piece(table, owner, start, count)
    for start, count, place, owner in shared(_assigned(theirs), rest):
        domains = delivered.domains(theirs.aa_indexes[place], theirs.flags[place])
        lost = _why(associativity, runs.aa_indexes[owner], runs.flags[owner], domains)
        if lost is not None:
            yield lost, _piece(table, owner, start, count)


def _drc_index(lost_run: tuple[_Lost, Run]) -> int:
    return lost_run[1].drc_index


def _merged(table: LmbTable, lost_runs: Iterable[tuple[_Lost, Run]]) -> Iterator[tuple[_Lost, Run]]:
    """Yield LMBs in as few runs as can be, however the hypervisor told of them."""
    for why, parts in groupby(lost_runs, key=lambda pair: pair[0]):
        yield from ((why, run) for run in Runs((run for _, run in parts), table.lmb_size))


def _assigned(runs: Runs) -> Spans:
    """Return the DRC indexes of assigned LMBs; the owner is the run's position."""
    columns = columns_of(
        runs,
        lambda flags: is_assigned(flags) and not flags & DRC_INVALID,
        *(runs.drc_indexes, runs.lmbs, range(len(runs))),
    )
    return Spans.of(*columns, largest=_LARGEST_DRC_INDEX).disjoint()


def _told(delivered: DeliveredTopology) -> Spans:
    spans = Spans()
    for number, part in enumerate(delivered.places):
        spans.add(part.first, part.count, number)
    return spans


def _piece(table: LmbTable, owner: int, drc_index: int, count: int) -> Run:
    run = table.runs[owner]
    return run.part(drc_index - run.drc_index, count, table.lmb_size)


def _why(associativity: Associativity, aa_index: int, flags: int, domains: Domains | None) -> _Lost | None:
    """Return what is lost; None where the index leads to these domains, or the hypervisor named none."""
    if not domains:
        return None
    row = associativity.row(aa_index, flags)
    # A connector's list may be longer or shorter than those of the lookup arrays: Linux compares what both have.
    compared = min(len(row or ()), len(domains))
    if row is not None and row[:compared] == domains[:compared]:
        return None
    return _Lost(aa_index, row, domains)


def _message(lost: _Lost, found: Found, associativity: Associativity) -> str:
    leads, has = ("leads", "has it") if found.n_lmbs == 1 else ("lead", "has them")
    where = "nowhere" if lost.leads_to is None else f"to {_place(lost.leads_to, associativity)}"
    told = _place(lost.domains, associativity)
    here = f"{found.number} {leads} {where} by aa_index {lost.aa_index:#x}"
    return f"{here}, the hypervisor {has} at {told}, first {found.first}"


def _place(domains: Domains, associativity: Associativity) -> str:
    """Return an associativity and its node as words."""
    listed = " ".join(map(str, domains[:_LISTED_DOMAINS])) + (" …" if len(domains) > _LISTED_DOMAINS else "")
    node = associativity.node_of_row(domains)
    return f"<{listed}>" + ("" if node is None else f" (node {node})")


def _written(flush: Flush | None) -> str:
    if flush is None:
        return ""
    step = flush.step if len(flush.step) <= _LONGEST_STEP else f"{flush.step[:_LONGEST_STEP]}…"
    return f": {flush.function} wrote that" + (f" in {step!r}" if step else "")
