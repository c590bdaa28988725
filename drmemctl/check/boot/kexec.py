# SPDX-License-Identifier: MIT
"""The rule of the family boot about linux,drconf-usable-memory, which kexec makes for a crash kernel.

Those who write it have a counter for every LMB. Linux reads one for every LMB that is assigned and not reserved.
With an unassigned LMB before an assigned one the two count differently from there on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from drmemctl.check.bounds import limited
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.select import AffectedLmbs, place
from drmemctl.check.subject import Subject
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY, UsableRecord, decode_usable_memory
from drmemctl.model.run import Run
from drmemctl.wording import size_text


class CountedLmb(NamedTuple):
    """A record that is not empty, and the LMB that a way of counting gives it to.

    Attributes:
        record: the record, and what it says.
        number: its position among the records.
        lmb: the LMB.
        assigned_before: how many assigned LMBs are before that one.

    """

    record: UsableRecord
    number: int
    lmb: Run
    assigned_before: int


def counted_lmbs(records: Iterable[UsableRecord], runs: Iterable[Run], size: int) -> Iterator[CountedLmb]:
    """Yield each record that is not empty with its LMB, where there is one record for each LMB of `runs`."""
    remaining = iter(runs)
    run = next(remaining, None)
    begin = assigned_before = 0
    for number, record in enumerate(records):
        while run is not None and number >= begin + run.lmbs:
            assigned_before += run.lmbs if run.assigned else 0
            begin += run.lmbs
            run = next(remaining, None)
        if run is None:
            return
        if record.counter:
            position = number - begin
            before = assigned_before + (position if run.assigned else 0)
            yield CountedLmb(record, number, run.part(position, 1, size), before)


@rule(
    "DRM064",
    Severity.ERROR,
    "usable memory that Linux assigns to other LMBs",
    needs=("block-size",),
    references=(
        "Linux arch/powerpc/kexec/file_load_64.c kdump_setup_usable_lmb (5.9): a counter per LMB",
        "kexec-tools fs2dt.c add_dyn_reconf_usable_mem_property: a counter per LMB",
        "Linux arch/powerpc/kernel/prom.c early_init_drmem_lmb, mm/numa.c: a counter per assigned LMB",
    ),
)
def sliding_usable_memory(subject: Subject) -> Iterator[Violation]:
    """Look for a linux,drconf-usable-memory whose ranges Linux takes for those of other LMBs.

    Why:
        The property tells a crash kernel what it may use: for each LMB a counter and so many ranges. Those who
        write it count every LMB, Linux counts those that are assigned and not reserved. From the first other LMB
        on, each counter reaches the wrong LMB: memory comes up on the wrong node, or not at all, so that the dump
        fails.

    Example:
        ibm,dynamic-memory-v2 with four reserved LMBs, then assigned ones; linux,drconf-usable-memory
        0000000000000001 0000000000000000 0000000010000000 …: the first range is meant for the LMB at 0, and Linux
        gives it to the first assigned one.

    Kernel:
        All that know the property, 7.2 included: there memory at 0 came up on the node of the LMB at 0x40000000.

    Fix:
        Have the property made with counters for assigned LMBs only. On most systems crash memory lies below the
        first LMB, and only its node is wrong; check that makedumpfile works.
    """
    prop = None if subject.drmem_node is None else subject.drmem_node.find(DRCONF_USABLE_MEMORY)
    if prop is None or prop.is_cut or len(prop.value) < 4:
        return
    cells = subject.drmem.cells
    records = decode_usable_memory(prop.value, cells.address, cells.size)
    table, size = subject.table, subject.table.lmb_size or 0
    assigned = [run for run in subject.runs if run.assigned]
    n_assigned = sum(run.lmbs for run in assigned)
    if len(records) < n_assigned:
        message = f"{len(records):,} counters for {n_assigned:,} assigned LMBs"
        message += ": Linux reads on past the end of the property"
        yield Violation(message, NODE, DRCONF_USABLE_MEMORY, len(records.data))
    yield from limited(_outside(subject, counted_lmbs(records, assigned, size), size), "counters")
    if len(records) == table.n_lmbs != n_assigned:
        # One counter for each LMB: whoever wrote them meant other LMBs than Linux takes them for.
        lost = AffectedLmbs(
            subject,
            (
                item.lmb
                for item in counted_lmbs(records, subject.runs, size)
                if item.lmb.assigned and item.assigned_before != item.number
            ),
            DRCONF_USABLE_MEMORY,
        )
        if lost:
            yield lost.violation(
                f"{lost.number} meant to be used, first {lost.first}, but Linux takes the counters of others for"
                " them: it does not get that memory"
            )


def _outside(subject: Subject, items: Iterable[CountedLmb], size: int) -> Iterator[Violation]:
    """Yield the records with a range that is not inside the LMB that Linux takes it for."""
    for item in items:
        base = item.lmb.base
        if all(base <= part.base and part.base + part.size <= base + size for part in item.record.ranges):
            continue
        part = item.record.ranges[0]
        message = (
            f"Linux takes counter {item.number} for the LMB at {place(subject, item.lmb)}, but its first range"
            f" is {subject.address(part.base)} with {size_text(part.size)}: that memory comes up on the node of"
            " this LMB"
        )
        yield Violation(message, NODE, DRCONF_USABLE_MEMORY, item.record.offset, (item.lmb,))
