# SPDX-License-Identifier: MIT
"""Which connectors a tree has, and what is attached to them at boot."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby, islice, starmap
from itertools import count as counting

from drmemctl.formats.drc import INDEXES, MY_DRC_INDEX, decode_drc_indexes
from drmemctl.formats.drc_info import DRC_INFO_PROPERTY, decode_drc_info
from drmemctl.formats.dynamic_memory import ASSIGNED, DRC_INVALID, HOTREMOVABLE, KERNEL_TOUCHED, NODE, RESERVED, V2
from drmemctl.hypervisor.connectors import ConnectorRun, kind_of
from drmemctl.hypervisor.machine import Device
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.model.dumped import array_in
from drmemctl.model.intervals import IndexSet, split, stretches
from drmemctl.model.processors import CPUS
from drmemctl.model.run import DRC_INDEXES, Run
from drmemctl.tree.node import Tree

_LMB = 0x8
"""Upper four bits of an LMB's DRC index."""

_CPU = 0x1
"""Upper four bits of a CPU's DRC index."""

_MOST_CPUS = 1 << 14
"""More CPUs than Linux has numbers for: a property of some bytes can list four thousand million."""

_FIRST_OTHER = 1 << 20
"""Number of the first device that is no DIMM: above those of as many DIMMs as any tree has."""

Interval = tuple[int, int]


def drc_intervals(tree: Tree) -> list[Interval]:
    """Return the DRC indexes of a tree as ascending (first, end), with those of CPUs in `ibm,drc-info`."""
    indexes: set[int] = set()
    for _, node in tree.walk():
        data = node.get(INDEXES)
        if data is not None:
            indexes.update(decode_drc_indexes(data).cells)
    drc_info = tree.get(CPUS, DRC_INFO_PROPERTY)
    entries = () if drc_info is None else decode_drc_info(drc_info).entries
    connectors = (entry.index(position) for entry in entries for position in range(entry.n_sequential))
    indexes.update(index for index in islice(connectors, _MOST_CPUS) if index >> 28 == _CPU)
    # The upper four bits are the connector's type: no interval has several.
    by_type = groupby(sorted(indexes), key=lambda index: index >> 28)
    return [interval for _, same_type in by_type for interval in stretches(same_type)]


def present_drcs(tree: Tree) -> set[int]:
    """Return the DRC indexes of the nodes that are there."""
    properties = (node.get(MY_DRC_INDEX) for _, node in tree.walk())
    return {int.from_bytes(data[:4], "big") for data in properties if data is not None and len(data) >= 4}


def lmb_entries(tree: Tree) -> list[Run]:
    """Return the LMB entries with valid DRC indexes as the property has them: QEMU makes a set of each DIMM.

    Of a dump those are assigned whose connectors the kernel had taken.
    """
    if tree.find(NODE) is None:
        return []
    drmem = Drmem.from_tree(tree)
    runs: Iterable[Run] = drmem.table.runs
    if drmem.entries is not None and drmem.entries.property == V2:
        runs = starmap(Run, drmem.entries)
    array = array_in(tree)
    if array is not None:
        runs = _as_dumped(runs, array)
    return [run for run in runs if run.lmbs and not run.flags & DRC_INVALID]


def _as_dumped(entries: Iterable[Run], array: LmbTable) -> Iterator[Run]:
    """Yield the entries in parts, each assigned or free as the LMBs of the kernel's array are.

    The kernel sets ASSIGNED once it has the connector (dlpar_acquire_drc, dlpar_add_lmb). When it removes an LMB
    it takes that away first, and has the LMB marked until the connector is given back (dlpar_remove_lmb,
    dlpar_release_drc). A value of the property that came from elsewhere does neither.
    """
    listed = [run for run in array.runs if not run.flags & DRC_INVALID]
    listed_indexes, acquired = (
        IndexSet(interval for run in runs for interval in split(run.drc_index, run.lmbs))
        for runs in (listed, [run for run in listed if run.flags & (ASSIGNED | KERNEL_TOUCHED)])
    )
    for entry in entries:
        unnamed = listed_indexes.parts(entry.drc_index, entry.lmbs, inside=False)
        parts = [(first, lmbs, entry.flags & ASSIGNED) for first, lmbs in unnamed]
        for start, count in listed_indexes.parts(entry.drc_index, entry.lmbs, inside=True):
            parts += [(first, lmbs, ASSIGNED) for first, lmbs in acquired.parts(start, count, inside=True)]
            parts += [(first, lmbs, 0) for first, lmbs in acquired.parts(start, count, inside=False)]
        for first, lmbs, assigned in sorted(parts):
            part = entry.part((first - entry.drc_index) % DRC_INDEXES, lmbs, array.lmb_size)
            yield part._replace(flags=part.flags & ~ASSIGNED | assigned)


def assigned_devices(tree: Tree, entries: Iterable[Run]) -> Iterator[Device]:
    """Yield a device for each assigned entry."""
    associativity = Associativity.as_booted(tree)
    numbers = counting(1)
    for run in entries:
        if run.flags & ASSIGNED:
            number = next(numbers)
            domains = associativity.row(run.aa_index) or associativity.row(0) or ()
            yield Device(number, f"dimm{number}", run.drc_index, run.lmbs, domains, presumed=True)


def devices_given_back(
    tree: Tree, entries: Iterable[Run], intervals: Sequence[Interval], first: int
) -> Iterator[Device]:
    """Yield a device, numbered from `first` on, for each entry whose memory the guest gave back by itself.

    QEMU gives flag 0x100 to LMBs of its DIMMs only, and together with 0x8, which the guest takes away when it
    removes one. Without a request to unplug QEMU keeps the DIMM and the connector as it is. The associativity of
    the DIMM is in no property any more: that of row 0 stands for it.
    """
    domains = Associativity.as_booted(tree).row(0) or ()
    numbers = counting(first)
    for run in entries:
        end = run.drc_index + run.lmbs
        exists = any(low <= run.drc_index and end <= high for low, high in intervals)
        if exists and run.flags & HOTREMOVABLE and not run.flags & (ASSIGNED | RESERVED):
            number = next(numbers)
            name = f"dimm{number}"
            yield Device(number, name, run.drc_index, run.lmbs, domains, presumed=True, given_back=True)


def other_runs(tree: Tree, intervals: Iterable[Interval]) -> Iterator[ConnectorRun]:
    """Yield the connectors that are not for LMBs: with a device where the tree has a node for them."""
    present = present_drcs(tree)
    numbers = counting(_FIRST_OTHER)
    for first, end in intervals:
        if first >> 28 == _LMB:
            continue
        kind = kind_of(first)
        for index in range(first, end):
            is_present = index in present
            yield ConnectorRun(
                index, 1, kind.ready if is_present else kind.empty, next(numbers) if is_present else 0
            )


def lmb_intervals(intervals: Iterable[Interval], entries: Iterable[Run]) -> list[Interval]:
    """Return the DRC indexes of LMBs that have connectors.

    QEMU 4.0 to 5.2 lost them from the root's list; PowerVM may give them as `ibm,drc-info`: then every LMB of the
    drmem node that has a valid DRC index is taken to have one.
    """
    listed = [interval for interval in intervals if interval[0] >> 28 == _LMB]
    return listed or list(IndexSet((run.drc_index, run.drc_index + run.lmbs) for run in entries))


def lmb_runs(intervals: Iterable[Interval], devices: Iterable[Device]) -> Iterator[ConnectorRun]:
    """Yield the connectors of LMBs: configured where a device is, unusable elsewhere."""
    kind = kind_of(_LMB << 28)
    by_drc = sorted(devices, key=lambda device: device.first)
    # The highest end of each device and those before it: where it is too low, none of them reaches an interval.
    reach = list(accumulate((device.end for device in by_drc), max))
    starts = [device.first for device in by_drc]
    for first, end in intervals:
        at = first
        for number in range(bisect_right(reach, first), bisect_left(starts, end)):
            if at == end:
                break
            device = by_drc[number]
            low, high = max(at, device.first), min(end, device.end)
            if low < high:
                if at < low:
                    yield ConnectorRun(at, low - at, kind.empty)
                yield ConnectorRun(low, high - low, kind.ready, device.number)
                at = high
        if at < end:
            yield ConnectorRun(at, end - at, kind.empty)
