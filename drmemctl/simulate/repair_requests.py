# SPDX-License-Identifier: MIT
"""The requests that a repair may consist of: those about the LMBs that violations are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from drmemctl.check.finding import Violation
from drmemctl.formats.dynamic_memory import ASSIGNED, DRC_INVALID, RESERVED
from drmemctl.hypervisor.machine import Device
from drmemctl.hypervisor.qemu import Qemu
from drmemctl.kernel.requests import lmb_words
from drmemctl.model.run import Run
from drmemctl.simulate.partition import Partition

MOST_RANGES = 6
"""Ranges of LMBs that one plan repairs together; more are repaired one after the other."""

_MOST_BLOCKS = 8
"""Offline memory blocks that are put online by a request each."""


@dataclass(frozen=True, slots=True, order=True)
class DrcRange:
    """LMBs: `count` from a DRC index on."""

    first: int
    count: int

    @property
    def end(self) -> int:
        """The DRC index after the last one's."""
        return self.first + self.count

    def overlaps(self, first: int, count: int) -> bool:
        """Whether any of `count` DRC indexes from `first` on is among them."""
        return self.first < first + count and first < self.end


def ranges_of(violations: Iterable[Violation]) -> list[DrcRange]:
    """Return the LMBs that violations are about, those side by side as one range, ascending."""
    runs = sorted({DrcRange(run.drc_index, run.lmbs) for violation in violations for run in violation.lmbs})
    joined: list[DrcRange] = []
    for part in runs:
        if joined and part.first <= joined[-1].end:
            joined[-1] = DrcRange(joined[-1].first, max(joined[-1].end, part.end) - joined[-1].first)
        else:
            joined.append(part)
    return joined


def spans_of(ranges: Sequence[DrcRange]) -> list[DrcRange]:
    """Return the ranges and those from the start of one to the end of a later one, with the LMBs in between."""
    reaching = (DrcRange(first.first, last.end - first.first) for first, last in combinations(ranges, 2))
    return sorted({*ranges, *reaching}, key=lambda span: (span.count, span.first))


class Candidates:
    """Proposes the requests that a search tries on a partition.

    Attributes:
        devices: the DIMMs of QEMU in which the LMBs are, as they were at the start.

    """

    def __init__(self, start: Partition, ranges: Sequence[DrcRange], violations: Sequence[Violation]) -> None:
        self._start = start
        self._ranges = list(ranges)
        self._spans = spans_of(self._ranges[:MOST_RANGES])
        # Ranges that `ranges_of` joined may need different requests: their parts are tried as well.
        parts = {DrcRange(run.drc_index, run.lmbs) for violation in violations for run in violation.lmbs}
        self._spans += sorted(parts - {*self._spans})[:MOST_RANGES]
        self.devices: tuple[Device, ...] = ()
        if isinstance(start.machine, Qemu):
            self.devices = tuple(
                device
                for device in start.machine.devices
                if any(part.overlaps(device.first, device.count) for part in self._ranges)
            )

    def steps(self, partition: Partition) -> Iterator[str]:
        """Yield the steps that are tried on a partition: requests, blocks online, DIMMs, a flush."""
        assigned = free = 0
        for span in self._spans:
            runs = list(_runs_in(partition, span))
            n_assigned = sum(run.lmbs for run in runs if run.flags & ASSIGNED)
            n_free = sum(run.lmbs for run in runs if not run.flags & (ASSIGNED | RESERVED | DRC_INVALID))
            if span in self._ranges:
                assigned, free = assigned + n_assigned, free + n_free
            words = lmb_words(span.first, span.count)
            if n_assigned:
                yield f"dlpar memory remove {words}"
            if n_free:
                yield f"dlpar memory add {words}"
        if len(self._ranges) > 1:
            if assigned:
                yield f"dlpar memory remove count {assigned}"
            if free:
                yield f"dlpar memory add count {free}"
        yield from (f"online {block}" for block in sorted(partition.kernel.blocks.offline)[:_MOST_BLOCKS])
        yield from self._device_steps(partition)
        # The removal of a free LMB changes none and succeeds: then `drmem_update_dt` runs.
        for run in partition.kernel.table.runs:
            if not run.flags & (ASSIGNED | RESERVED | DRC_INVALID):
                yield f"dlpar memory remove indexed-count 1 {run.drc_index:#x}"
                break

    def _device_steps(self, partition: Partition) -> Iterator[str]:
        """Yield `device_del` and `device_add` of QEMU's DIMMs.

        Memory that a guest gave back by itself stays with its DIMM: the guest cannot have it again without these.
        """
        machine = partition.machine
        present = {(device.first, device.count) for device in machine.devices}
        for device in self.devices:
            lmbs = DrcRange(device.first, device.count)
            if (device.first, device.count) in present:
                yield f"unplug {device.first:#x} {device.count}"
            elif not any(lmbs.overlaps(first, count) for first, count in present):
                domains = _delivered_domains(self._start, device.first) or device.domains
                place = f" assoc {','.join(map(str, domains))}" if domains else ""
                yield f"plug {device.first:#x} {device.count}{place}"


def _runs_in(partition: Partition, span: DrcRange) -> Iterator[Run]:
    """Yield the parts of the array's runs that have DRC indexes of a span."""
    table = partition.kernel.table
    for run in table.runs:
        first, end = max(span.first, run.drc_index), min(span.end, run.drc_index + run.lmbs)
        if first < end:
            yield run.part(first - run.drc_index, end - first, table.lmb_size)


def _delivered_domains(partition: Partition, drc_index: int) -> tuple[int, ...]:
    """Return the associativity of an LMB that the hypervisor delivered last; empty where it delivered none."""
    delivered = partition.machine.delivered
    for place in delivered.places:
        if place.first <= drc_index < place.end:
            return place.domains
    for run in delivered.lmbs.runs:
        if run.position_of_drc(drc_index) is not None:
            return delivered.domains(run.aa_index, run.flags) or ()
    return ()
