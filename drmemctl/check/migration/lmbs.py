# SPDX-License-Identifier: MIT
"""Rules of the family migration about the LMBs themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.select import AffectedLmbs, LmbsByReason, for_lmbs
from drmemctl.check.subject import Subject
from drmemctl.check.tables import by_drc_index, in_both_by_drc_index
from drmemctl.formats.cells import LMB_SIZE
from drmemctl.formats.dynamic_memory import ASSIGNED, DRC_INVALID, NODE, RESERVED, V1, V2, decode_entries, rows_v1
from drmemctl.formats.lists import COUNT_SIZE
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run

_LOPAR = "LoPAR 2.9, ibm,update-properties: of ibm,dynamic-memory only the associativity indexes change"
_STATE = ASSIGNED | RESERVED


def tables(subject: Subject) -> tuple[LmbTable, LmbTable]:
    """Return the LMBs before and after."""
    assert subject.before is not None  # noqa: S101 - the need "lmbs-before"
    return subject.before.table, subject.table


def _changed(subject: Subject, differs: Callable[[Run, Run], int]) -> AffectedLmbs:
    """Return the LMBs as they are now for which `differs`, given them before and now, is not 0."""
    before, after = tables(subject)
    pairs = in_both_by_drc_index(before, after) if before != after else ()
    return for_lmbs(subject, (new for old, new in pairs if differs(old, new)))


@rule(
    "DRM070",
    Severity.ERROR,
    "LMB size changed",
    needs=("before", "lmbs", "lmbs-before"),
    references=(_LOPAR, "Linux arch/powerpc/mm/drmem.c init_drmem_lmb_size: never read again"),
)
def changed_lmb_size(subject: Subject) -> Iterator[Violation]:
    """Look for another ibm,lmb-size than before.

    Why:
        Linux keeps the LMB size and the memory block size that it booted with. Every address that it computes from
        a set of the new property is wrong, and what it writes, others read with the new size.

    Example:
        ibm,lmb-size 0000000010000000 before and 0000000020000000 after.

    Kernel:
        All.

    Fix:
        Migrate only between systems with the same LMB size; the management console checks that. Reboot the
        partition if it happened.
    """
    before, after = tables(subject)
    if before.lmb_size != after.lmb_size:
        old, new = (f"{size:#x}" if size is not None else "none" for size in (before.lmb_size, after.lmb_size))
        yield Violation(f"it was {old} and is {new}: Linux goes on with {old}", NODE, LMB_SIZE, 0)


@rule(
    "DRM071",
    Severity.ERROR,
    "LMBs that disappeared, appeared or moved",
    needs=("before", "lmbs", "lmbs-before"),
    references=(_LOPAR, "Linux arch/powerpc/mm/drmem.c drmem_update_lmbs: aa_index only"),
)
def changed_lmbs(subject: Subject) -> Iterator[Violation]:
    """Look for DRC indexes that only one of the trees has, and for LMBs at another address than before.

    Why:
        Linux keeps the LMBs that it booted with. It writes the old ones back over the new ones, never uses new
        ones, and removes memory at old addresses.

    Example:
        00000002 0000000040000000 80000004 … before, 00000001 0000000040000000 80000004 … after.

    Kernel:
        All since 4.16: the next successful request puts the whole old array into the property.

    Fix:
        A fault of the destination's firmware; report it with both trees. Reboot the partition to have Linux take
        what is there.
    """
    before, after = tables(subject)
    if before == after:
        return
    reasons = LmbsByReason[str](subject)
    for old, new in by_drc_index(before, after):
        if new is None and old is not None:
            reasons.add("gone: Linux writes them back into the property", old)
        elif old is None and new is not None:
            reasons.add("new: Linux does not take them before it boots again", new)
        elif old is not None and new is not None and old.base != new.base:
            reasons.add("at another address: Linux goes on with the old one", new)
    yield from reasons.violations(lambda reason, lmbs: f"{lmbs.are} {reason}, first {lmbs.first}")


@rule(
    "DRM072",
    Severity.ERROR,
    "LMB state changed",
    needs=("before", "lmbs", "lmbs-before"),
    references=(
        _LOPAR,
        "Linux arch/powerpc/mm/drmem.c drmem_update_lmbs: aa_index only",
        "Linux e978a3ccaa71 (5.9): pseries_update_drconf_memory removed",
    ),
)
def changed_state(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs that were assigned or reserved before and are not now, or the other way round.

    Why:
        Linux keeps the state that it knew. It goes on to use memory that the hypervisor took, or does not see
        memory that it gave, until the partition boots again; the next successful request writes the old state
        back.

    Example:
        80000005 with flags 00000008 before and 00000000 after.

    Kernel:
        5.9 and later ignore it. 4.16 to 5.8 act on v1 only, and only on the first LMB that differs by position.

    Fix:
        A migration moves the partition as it is: report it with both trees. If someone ran DLPAR in between, the
        trees are no pair of before and after.
    """
    lmbs = _changed(subject, lambda old, new: (old.flags ^ new.flags) & _STATE)
    if lmbs:
        yield lmbs.violation(
            f"{lmbs.are} in another state, first {lmbs.first} with flags {lmbs.runs[0].flags:#x}: Linux goes on"
            " with the old one"
        )


@rule(
    "DRM073",
    Severity.ERROR,
    "ibm,dynamic-memory too short for the kernel's array",
    needs=("lmbs",),
    references=(
        "Linux arch/powerpc/mm/drmem.c drmem_update_dt_v1: old length, new count",
        "linuxppc-dev 2019, N. Lynch on v2 to v1 migrations",
    ),
)
def short_v1(subject: Subject) -> Iterator[Violation]:
    """Look for a v1 property with room for fewer LMBs than the array of the running kernel has.

    Why:
        When Linux writes v1 it allocates as many bytes as the property in the tree has, and then writes its whole
        array. If a migration brought a shorter property, it writes past the end of that memory.

    Example:
        ibm,dynamic-memory-v2 with 32 LMBs before, ibm,dynamic-memory 0000000c … (12 LMBs) after.

    Kernel:
        All since 4.16 (seen on 5.10 and 6.1): the next successful request corrupts the kernel's heap.

    Fix:
        No DLPAR of memory before the next reboot. The destination has to list every LMB of the source.
    """
    node = subject.drmem_node
    prop = None if node is None else node.find(V1)
    n_lmbs = _array_size(subject)
    if prop is None or n_lmbs is None:
        return
    length = prop.total or len(prop.value)
    needed = COUNT_SIZE + rows_v1().size * n_lmbs
    if length < needed:
        message = (
            f"{length:,} bytes, and Linux will write {needed:,} for the {n_lmbs:,} LMBs of its array: the next"
            " successful DLPAR request corrupts its heap"
        )
        yield Violation(message, NODE, V1, length)


def _array_size(subject: Subject) -> int | None:
    """Return how many LMBs the kernel's array has, as far as can be known: it is made at boot and stays."""
    if subject.running.array is not None:
        return subject.running.array.n_lmbs
    if subject.before is not None and subject.before.has_lmbs:
        return subject.before.table.n_lmbs
    v2 = None if subject.drmem_node is None else subject.drmem_node.find(V2)
    if v2 is None:
        return None
    entries = decode_entries(V2, v2.value, subject.drmem.cells.address, v2.total)
    return sum(entries.columns(0, entries.present).lmbs)


@rule(
    "DRM074",
    Severity.WARNING,
    "switch between v1 and v2",
    needs=("before", "lmbs", "lmbs-before"),
    references=(
        "Linux 0aa82c482ab2 (5.3, 5.2.3, 4.19.61), an oops in pseries_memory_notifier: old property missing",
        "linuxppc-dev 2019, N. Lynch and T. Datwyler on v2 to v1 migrations",
    ),
)
def changed_format(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs in ibm,dynamic-memory that were in ibm,dynamic-memory-v2 before, or the other way round.

    Why:
        What the partition and the firmware agreed on at boot stays valid over a migration, but older firmware
        knows v1 only. The new property then comes as one that was not there before.

    Example:
        ibm,dynamic-memory-v2 before, ibm,dynamic-memory after.

    Kernel:
        Up to 5.2: oops when v1 comes, since there is no old property (seen on 5.0.1). 5.3 and later take it, keep
        the old property where it is not deleted (DRM023), prefer v1, and write v1; if it is shorter than their
        array, see DRM073.

    Fix:
        None, unless one of these rules speaks; a reboot leaves a single property.
    """
    old, new = (table.property_name for table in tables(subject))
    if old != new:
        message = f"{new}, where {old} was before: Linux up to 5.2 dies of that, later ones go on with both"
        yield Violation(message if new == V1 else f"{new}, where {old} was before", NODE, new)


@rule(
    "DRM079",
    Severity.WARNING,
    "changed flags or order that Linux ignores",
    needs=("before", "lmbs", "lmbs-before"),
    references=(_LOPAR, "Linux d144f4d5a8a8 (5.15): drmem_update_lmbs takes the aa_index by DRC index"),
)
def changed_flags(subject: Subject) -> Iterator[Violation]:
    """Look for other flags than assigned and reserved that changed, and for LMBs in another order.

    Why:
        Linux keeps flags and order of its array. The next successful request puts them back into the property,
        where the hypervisor had others.

    Example:
        80000004 with flags 00000108 before and 00000008 after.

    Kernel:
        All since 4.16. With v1, 4.16 to 5.8 compare the LMBs by position: another order looks to them like LMBs
        that came and went.

    Fix:
        None is needed for flags of LMBs; another order is a fault of the firmware.
    """
    lmbs = _changed(subject, lambda old, new: (old.flags ^ new.flags) & ~_STATE)
    if lmbs:
        yield lmbs.violation(
            f"{lmbs.number} with other flags than before, first {lmbs.first}: {lmbs.runs[0].flags:#x}; the next"
            " flush puts the old ones back"
        )
    both = tables(subject)
    if both[0] == both[1]:
        return
    # Positions of runs by their first DRC index: the first run that comes after another which it came before.
    old, new = (
        {run.drc_index: position for position, run in enumerate(table.runs) if not run.flags & DRC_INVALID}
        for table in both
    )
    pairs = pairwise(drc_index for drc_index in new if drc_index in old)
    moved = next((second for first, second in pairs if old[first] > old[second]), None)
    if moved is not None:
        run = subject.runs[new[moved]]
        yield for_lmbs(subject, [run]).violation(
            f"the LMBs are in another order than before, from {subject.address(run.base)} on; the next flush puts"
            " the old one back"
        )
