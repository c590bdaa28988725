# SPDX-License-Identifier: MIT
"""The connectors of LMBs: whether the root lists them, as what, and under which name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import compress, islice

from drmemctl.check.bounds import MAX_RUNS
from drmemctl.check.connectors.listing import Listing, is_memory, listings, raw_strings
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.select import AffectedLmbs, for_lmbs, of_kind
from drmemctl.check.subject import Subject
from drmemctl.check.survey import listed
from drmemctl.check.tables import drc_indexes
from drmemctl.formats.drc import NAMES
from drmemctl.formats.drc_info import DRC_INFO_PROPERTY
from drmemctl.formats.dynamic_memory import DRC_INVALID, RESERVED
from drmemctl.formats.rows import lowered
from drmemctl.formats.strings import to_bytes, to_text
from drmemctl.model.intervals import IndexSet, Intervals
from drmemctl.model.run import Run

_LOW_BITS = 0x0FFFFFFF
_LMB_CLASS = 0x80000000
_LARGEST = 0xFFFFFFFF
_AT_ONCE = 8192
"""Names that are compared at a time: enough for C speed, few enough for the cache."""
_NAME = re.compile(rb"LMB ?(0|[1-9][0-9]{0,9})\Z")


def _has_connector(flags: int) -> bool:
    """Whether LMBs with these flags have a connector: they are neither reserved nor marked as having none."""
    return not flags & (DRC_INVALID | RESERVED)


def _partly_in(subject: Subject, connectors: IndexSet) -> Iterator[tuple[Run, int]]:
    """Yield runs with connectors of which not all are among these, and how many are."""
    if _has_all(connectors, drc_indexes(subject).disjoint()):
        return
    for run in subject.runs:
        if _has_connector(run.flags):
            number = connectors.number_in(run.drc_index, run.lmbs)
            if number != run.lmbs:
                yield run, number


def _has_all(connectors: IndexSet, indexes: Intervals) -> bool:
    """Whether they are all from the first DRC index to the last."""
    if not indexes:
        return True
    first, last = indexes.starts[0], indexes.lasts[-1]
    if last == _LARGEST:
        return False  # They may go on from 0.
    return connectors.number_in(first, last - first + 1) == last - first + 1


def _root(subject: Subject) -> Listing | None:
    """Return what the root lists, if that is something and whole."""
    root = listings(subject).get("/")
    return root if root is not None and root.is_whole else None


def _add_parts(
    lmbs: AffectedLmbs, run: Run, parts: Iterable[tuple[int, int]], number: int, lmb_size: int | None
) -> None:
    """Add `number` LMBs of a run: the parts (DRC index, count) as long as there is room, the rest as one."""
    if lmbs.n_runs < MAX_RUNS and number < run.lmbs:
        for first, count in islice(parts, MAX_RUNS - lmbs.n_runs):
            lmbs.add(run.part((first - run.drc_index) % (1 << 32), count, lmb_size))
            number -= count
    if number > 0:
        lmbs.add(run.part(0, number, lmb_size))


@rule(
    "DRM050",
    Severity.WARNING,
    "LMB whose connector is not listed by the root",
    needs=("lmbs",),
    references=(
        "LoPAR 2.9, Properties for Dynamic Reconfiguration: ibm,drc-indexes, ibm,drc-info",
        "QEMU 776e887f08 (6.0): 4.0 to 5.2 overwrote the root's arrays, LMBs were missing",
        "Linux arch/powerpc/platforms/pseries/dlpar.c dlpar_release_drc: its result is ignored for memory",
    ),
)
def unlisted_lmbs(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs whose DRC index is not among the connectors of the root.

    Why:
        Every LMB that can be added or removed has a connector, which the firmware lists at the root. If the DRC
        index of an LMB is not there, one of the two is wrong, and the firmware may refuse to let go of the
        memory or to give it back.

    Example:
        ibm,dynamic-memory-v2 with a set of DRC index 80000010, and ibm,drc-indexes 00000001 80000004.

    Kernel:
        All kernels use the DRC index from the LMB and never look at the list. A removal takes the memory offline,
        ignores that the firmware refuses, and cannot add it again: it is lost until reboot. drmgr looks at the
        list and does not find the LMB.

    Fix:
        On QEMU use 6.0 or later. Elsewhere report it, with the tree, to whoever makes the firmware, and do not
        remove these LMBs before it is mended.
    """
    root = _root(subject)
    if root is None:
        return
    lmbs = for_lmbs(subject)
    for run, number in _partly_in(subject, root.all):
        parts = root.all.parts(run.drc_index, run.lmbs, inside=False)
        _add_parts(lmbs, run, parts, run.lmbs - number, subject.table.lmb_size)
    if lmbs:
        yield lmbs.violation(
            f"{lmbs.have} a DRC index that the root does not list, the first at {lmbs.first}: once removed it may"
            " not come back"
        )


@rule(
    "DRM053",
    Severity.WARNING,
    "LMB whose connector is of another type",
    needs=("lmbs",),
    references=(
        "LoPAR 2.9, Properties for Dynamic Reconfiguration: ibm,drc-types, MEM for an LMB",
        "QEMU include/hw/ppc/spapr_drc.h: one range of indexes for each type",
    ),
)
def lmbs_of_other_type(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs whose DRC index the root lists as something else than memory.

    Why:
        A DRC index names one connector in the whole machine. If it is that of a host bridge or of persistent
        memory, a request for the LMB acts on that instead.

    Example:
        An LMB with DRC index 90000000, which ibm,drc-types lists as PMEM.

    Kernel:
        All kernels pass the DRC index of the LMB to the firmware. An addition that the firmware grants maps
        memory that is not there; a removal releases the other device under its driver.

    Fix:
        Report it, with the tree, to whoever makes the firmware; if someone edited the tree, correct it there. No
        DLPAR of these LMBs before that.
    """
    root = _root(subject)
    if root is None:
        return
    lmbs = for_lmbs(subject)
    for run, number in _partly_in(subject, root.memory):
        n_devices = root.all.number_in(run.drc_index, run.lmbs) - number
        if n_devices > 0:
            parts = (
                part
                for first, count in root.memory.parts(run.drc_index, run.lmbs, inside=False)
                for part in root.all.parts(first, count, inside=True)
            )
            _add_parts(lmbs, run, parts, n_devices, subject.table.lmb_size)
    if lmbs:
        yield lmbs.violation(
            f"{lmbs.have} the DRC index of another device, the first at {lmbs.first}: a request for it acts on"
            " that device"
        )


@rule(
    "DRM054",
    Severity.INFO,
    "unexpected name of an LMB connector",
    references=(
        "LoPAR 2.9, ibm,drc-names: LMB and a decimal number without leading zeros",
        "powerpc-utils d7e9a49: on PowerVM the number is the low part of the DRC index plus 1",
    ),
)
def odd_names(subject: Subject) -> Iterator[Violation]:
    """Look for LMB connectors whose name is not `LMB n`, or whose number does not follow the DRC index.

    Why:
        Operators and drmgr name LMBs by these names. The number is the low part of the DRC index on QEMU, and one
        more on PowerVM; where some names differ from the others, names and indexes may have been shifted against
        each other, and a request by name goes to another LMB.

    Example:
        ibm,drc-indexes 00000002 80000004 80000005 with ibm,drc-names "LMB 4", "LMB 7".

    Kernel:
        No kernel looks at the names of LMBs.

    Fix:
        Use DRC indexes instead of names (drmgr -c mem -s 0x80000005) until the firmware is mended.
    """
    root = _root(subject)
    if root is None or (root.info is None and _all_usual(root)):
        return
    indexes, names = _named(root)
    shifts = Counter(map(_shift, indexes, names))
    usual = max((shift for shift in shifts if shift is not None), key=shifts.__getitem__, default=None)
    number = shifts.total() - (shifts[usual] if usual is not None else 0)
    if number:
        pairs = zip(indexes, names, strict=True)
        odd = ((index, name) for index, name in pairs if usual is None or _shift(index, name) != usual)
        shown = [f"{to_text(name)!r} for {index:#010x}" for index, name in islice(odd, 5)]
        prop = NAMES if root.arrays is not None else DRC_INFO_PROPERTY
        yield Violation(f"{number:,} of {shifts.total():,} LMB names are odd: {listed(shown, number)}", "/", prop)


def _named(root: Listing) -> tuple[list[int], list[bytes]]:
    """Return DRC indexes and names of LMB connectors, of a sequence the first; none where types are not told."""
    indexes: list[int] = []
    names: list[bytes] = []
    arrays = root.arrays
    if arrays is not None and arrays.names is not None and arrays.types is not None:
        names = list(compress(raw_strings(arrays.names), root.marks))
        indexes = list(root.memory_indexes[: len(names)])
    for entry in root.info.entries if root.info is not None else ():
        if is_memory(entry.type) and entry.n_sequential:
            indexes.append(entry.index_start)
            names.append(to_bytes(entry.name(0)))
    return indexes, names


def _all_usual(root: Listing) -> bool:
    """Whether all names are as the first makes expect: the usual case, told from their text as a whole."""
    indexes, names = root.memory_indexes, _names(root)
    first = names.partition(b"\0")[0]
    shift = _shift(indexes[0], first) if indexes else None
    if shift is None:
        return False
    base, pattern = (indexes[0] & ~_LOW_BITS) - shift, first.rstrip(b"0123456789") + b"%d\0"
    at = 0
    for start in range(0, len(indexes), _AT_ONCE):
        numbers = tuple(lowered(indexes[start : start + _AT_ONCE], base))
        expected = pattern * len(numbers) % numbers
        if not names.startswith(expected, at):
            return False
        at += len(expected)
    return True


def _names(root: Listing) -> bytes:
    """Return the names of LMB connectors in the arrays, each with its NUL."""
    names = None if root.arrays is None else root.arrays.names
    if names is None:
        return b""
    if 0 not in root.marks:
        return names.data[4:]
    return b"\0".join((*compress(raw_strings(names), root.marks), b""))


def _shift(index: int, name: bytes) -> int | None:
    """Return by how much the number in a name is above the low part of the DRC index; None for an odd name."""
    match = _NAME.match(name)
    return None if match is None else int(match[1]) - (index & _LOW_BITS)


@rule(
    "DRM059",
    Severity.INFO,
    "LMB whose DRC index does not follow from its address",
    needs=("lmb-size",),
    references=(
        "QEMU hw/ppc/spapr.c spapr_create_lmb_dr_connectors: 0x80000000 plus address / LMB size",
        "LoPAR 2.9, ibm,drc-indexes: a unique integer index for each connector",
    ),
)
def odd_indexes(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs whose DRC index is not 0x80000000 plus their address in LMBs.

    Why:
        QEMU builds DRC indexes so, and PowerVM does in all trees known. LoPAR leaves it to the firmware, so an
        LMB that breaks it is not wrong. But where only some do, address or DRC index may have been mixed up.

    Example:
        With ibm,lmb-size 00000000 10000000, an LMB at 00000000 40000000 with DRC index 80000007 (80000004 is
        usual).

    Kernel:
        No kernel derives one from the other. Consecutive v2 sets that break it are in danger of being merged.

    Fix:
        Compare with the connector names at the root, or with what the management console says.
    """
    size = subject.table.lmb_size or 1
    connected = of_kind(subject, lambda _, flags: _has_connector(flags))
    odd = for_lmbs(
        subject, (run for run in connected if run.drc_index != _LMB_CLASS | run.base // size & _LOW_BITS)
    )
    if odd:
        yield odd.violation(
            f"{odd.have} a DRC index that is not 0x80000000 + address / LMB size, the first at {odd.first}"
        )
