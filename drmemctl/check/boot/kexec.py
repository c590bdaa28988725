# SPDX-License-Identifier: MIT
"""The rule of the family boot about linux,drconf-usable-memory, which kexec makes for a crash kernel.

Those who write it have a counter for every LMB. Linux reads one for every LMB that is assigned and not reserved.
With an unassigned LMB before an assigned one the two count differently from there on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from drmemctl.check.bounds import Found, limited, place
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.usable_memory import (
    DRCONF_USABLE_MEMORY,
    UsableMemory,
    UsableRecord,
    decode_usable_memory,
)
from drmemctl.model.run import Run, is_assigned


class Taken(NamedTuple):
    """A record that is not empty, and the LMB that a way of counting gives it to."""

    record: UsableRecord
    number: int
    lmb: Run
    assigned_before: int


def taken(records: Iterable[UsableRecord], runs: Iterable[Run], size: int) -> Iterator[Taken]:
    """Yield each record that is not empty with its LMB, where there is one record for each LMB of `runs`."""
    rest = iter(runs)
    begin = end = before = 0
    run = Run(0, 0, 0, 0, 0)
    for number, record in enumerate(records):
        while number >= end:
            before += run.lmbs if run.assigned else 0
            following = next(rest, None)
            if following is None:
                return
            run, begin, end = following, end, end + following.lmbs
        if record.counter:
            position = number - begin
            ahead = before + (position if run.assigned else 0)
            yield Taken(record, number, run.part(position, 1, size), ahead)


@rule(
    "DRM064",
    Severity.ERROR,
    "boot",
    "usable memory that Linux gives to other LMBs",
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
    found = _decoded(subject)
    if found is None:
        return
    table = subject.table
    size = table.lmb_size or 0
    assigned = sum(run.lmbs for run in table.runs if run.assigned)
    if len(found) < assigned:
        message = (
            f"{len(found):,} counters for {assigned:,} assigned LMBs: Linux reads on past the end of the property"
        )
        yield Violation(message, NODE, DRCONF_USABLE_MEMORY, len(found.data))
    consumed = taken(found, (run for run in table.runs if run.assigned), size)
    outside = (_outside(item) for item in consumed if not _is_inside(item, size))
    yield from limited(outside, "counters")
    if len(found) == table.n_lmbs != assigned:
        yield from _lost(found, subject, size)


def _decoded(subject: Subject) -> UsableMemory | None:
    node = subject.drmem_node
    prop = None if node is None else node.find(DRCONF_USABLE_MEMORY)
    if prop is None or prop.total is not None or len(prop.value) < 4:
        return None
    cells = subject.drmem.cells
    return decode_usable_memory(prop.value, cells.address, cells.size)


def _is_inside(item: Taken, size: int) -> bool:
    base = item.lmb.base
    return all(base <= part.base and part.base + part.size <= base + size for part in item.record.ranges)


def _outside(item: Taken) -> Violation:
    part = item.record.ranges[0]
    message = (
        f"Linux takes counter {item.number} for the LMB at {place(item.lmb)}, but its first range is"
        f" {part.base:#x} with {part.size:#x} bytes: that memory comes up on the node of this LMB"
    )
    return Violation(message, NODE, DRCONF_USABLE_MEMORY, item.record.offset, (item.lmb,))


def _lost(found: UsableMemory, subject: Subject, size: int) -> Iterator[Violation]:
    """Yield the LMBs that whoever counted all LMBs meant to be used, and that get another counter."""
    slid = Found()
    for item in taken(found, subject.table.runs, size):
        if is_assigned(item.lmb.flags) and item.assigned_before != item.number:
            slid.add(item.lmb)
    if slid:
        message = (
            f"{slid.number} meant to be used, first {slid.first}, but Linux takes the counters of others for them:"
            " it does not get that memory"
        )
        yield slid.violation(message, DRCONF_USABLE_MEMORY)
