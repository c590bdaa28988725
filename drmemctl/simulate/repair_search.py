# SPDX-License-Identifier: MIT
"""The search for the fewest requests that put a partition right: breadth first, each request simulated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from drmemctl.check.changes import new_violations
from drmemctl.check.finding import Severity, Violation
from drmemctl.formats.dynamic_memory import ASSIGNED
from drmemctl.kernel.state import KernelState
from drmemctl.model.drmem import LmbTable
from drmemctl.model.intervals import Intervals, side_by_side
from drmemctl.model.run import state_of
from drmemctl.simulate.files import Files
from drmemctl.simulate.findings import Judged, Moments
from drmemctl.simulate.interleave.keys import Keys
from drmemctl.simulate.partition import Partition, StepResult
from drmemctl.simulate.repair_requests import MOST_RANGES, Candidates, DrcRange, ranges_of
from drmemctl.simulate.run import carry_out
from drmemctl.simulate.steps.language import parse_step
from drmemctl.wording import count_of

CONSISTENT, REBOOT, NONE = "consistent", "reboot", "none"

_MOST_REQUESTS = 6
"""Requests of a plan for ranges that are repaired together."""

_MOST_TRIED = 800
"""Requests that are simulated in one search."""

_MOST_TRIED_OF_RANGE = 150
"""Requests that are simulated to see whether a range can be repaired at all."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What is so after a request of a plan failed because one of its LMBs could not be taken offline.

    Attributes:
        errno: the name of the error number.
        as_before: whether all is as before the request.
        contradictions: who does not agree then.

    """

    errno: str | None
    as_before: bool
    contradictions: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request of a plan.

    Attributes:
        result: what came of it when it was simulated.
        failure: what is so if it fails, None where nothing in it can be pinned.

    """

    result: StepResult
    failure: Failure | None

    @property
    def step(self) -> str:
        """The request as the step language has it."""
        return self.result.step


@dataclass(slots=True)
class Search:
    """A search for the fewest requests.

    Attributes:
        start: the partition to repair.
        goal: what is to be reached.
        tried: how many requests were simulated.
        shortest: whether nothing shorter can have been missed.
        hopeless: LMBs that nothing helps.

    """

    start: Partition
    goal: str
    tried: int = 0
    shortest: bool = True
    hopeless: list[DrcRange] = field(default_factory=list)
    _most: int = _MOST_TRIED
    _moments: Moments = field(default_factory=lambda: Moments(after_steps=False))
    _files: Files = field(default_factory=Files)
    _required: Intervals = field(default_factory=Intervals)
    _most_assigned: int = 0

    def __post_init__(self) -> None:
        """Note what has to be there at the end."""
        kernel = self.start.kernel
        self._required = _required_blocks(kernel)
        ranges = ranges_of(self.contradictions(self.start)) if not kernel.dead else []
        self._most_assigned = n_assigned(self.start) + sum(part.count for part in ranges)

    def contradictions(self, partition: Partition) -> list[Violation]:
        """Return who does not agree, as far as the goal is about it."""
        violations = self._judged(partition).contradictions()
        if self.goal == CONSISTENT:
            return violations
        return [violation for violation in violations if violation.rule == self.goal]

    def _judged(self, partition: Partition) -> Judged:
        return self._moments.present(partition)

    def plan(self, contradictions: Sequence[Violation]) -> list[StepResult] | None:
        """Return the results of the requests that lead to the goal, None where none are found."""
        ranges = ranges_of(contradictions)
        if len(ranges) <= MOST_RANGES:
            alone = [violation for violation in contradictions if not violation.lmbs]
            if alone or all(self._can_be_repaired(part, contradictions) for part in ranges):
                return self._shortest_path(self.start, ranges, contradictions, whole=True)
            return None
        self.shortest = False
        path: list[StepResult] = []
        partition = self.start
        for part in ranges:
            about = [violation for violation in contradictions if _is_about(violation, part)]
            steps = self._shortest_path(partition, [part], about, whole=False)
            if steps is None:
                return None
            path += steps
            partition = path[-1].after if path else partition
        return path if self._reached(partition) else None

    def _can_be_repaired(self, part: DrcRange, contradictions: Sequence[Violation]) -> bool:
        """Whether anything helps one range: where nothing does, all need not be tried together."""
        most, self._most = self._most, self.tried + _MOST_TRIED_OF_RANGE
        about = [violation for violation in contradictions if _is_about(violation, part)]
        path = self._shortest_path(self.start, [part], about, whole=False)
        gave_up, self._most = self.tried >= self._most, most
        if path is None and not gave_up:
            self.hopeless.append(part)
        return path is not None or gave_up

    def _reached(self, partition: Partition) -> bool:
        """Whether a partition is as it is to be, with no error that was not there at the start."""
        if partition.kernel.dead or self.contradictions(partition) or not self._keeps(partition):
            return False
        judged, start = self._judged(partition), self._judged(self.start)
        new = new_violations(judged.violations, start.violations, judged.subject)
        return not any(violation.severity is Severity.ERROR for violation in new)

    def _keeps(self, partition: Partition) -> bool:
        """Whether the memory of the start is there: to give it away is no repair, and nor is to take more."""
        parts = side_by_side(self._required, _all_blocks(partition.kernel))
        if any(required is not None and covered is None for _, _, required, covered in parts):
            return False
        return n_assigned(partition) <= self._most_assigned

    def _shortest_path(
        self, start: Partition, ranges: Sequence[DrcRange], about: Sequence[Violation], *, whole: bool
    ) -> list[StepResult] | None:
        """Return the fewest requests; with `whole` to the goal, else until nobody disagrees about the ranges."""
        candidates = Candidates(start, ranges, about)
        keys, order = Keys(start.kernel.tree), count()
        queue: list[tuple[int, int, int, Partition, tuple[StepResult, ...]]] = [(0, 0, next(order), start, ())]
        settled = set()
        while queue:
            _, taken, _, partition, path = heappop(queue)
            key = keys.of(partition)
            if key in settled:
                continue
            settled.add(key)
            if self._reached(partition) if whole else self._settled(partition, ranges):
                return list(path)
            if len(path) == _MOST_REQUESTS:
                continue
            for text in dict.fromkeys(candidates.of(partition)):
                if self.tried >= self._most:
                    self.shortest = False
                    return None
                result = self._tried(text, partition)
                if result is not None:
                    away = taken + max(0, n_assigned(partition) - n_assigned(result.after))
                    heappush(queue, (len(path) + 1, away, next(order), result.after, (*path, result)))
        return None

    def _settled(self, partition: Partition, ranges: Sequence[DrcRange]) -> bool:
        """Whether nobody disagrees about some LMBs any more, and their memory is there."""
        violations = self.contradictions(partition)
        is_open = any(_is_about(violation, part) for violation in violations for part in ranges)
        return self._keeps(partition) and not is_open

    def _tried(self, text: str, partition: Partition) -> StepResult | None:
        """Return the result of a request, None for one that fails, or in which something goes wrong."""
        self.tried += 1
        result = self._done(text, partition)
        after = result.after
        sound = result.ok and not result.kernel_faults and not after.kernel.dead and not after.machine.aborted
        return result if sound else None

    def _done(self, text: str, partition: Partition) -> StepResult:
        step = parse_step(text)
        if step is None:
            raise ValueError(text)
        return carry_out(step, partition, self._files, self._moments)

    def said(self) -> Iterator[str]:
        """Yield what came of the search."""
        for part in self.hopeless:
            lmbs = f"{count_of(part.count, 'LMB')} from {part.first:#x} on"
            yield f"{lmbs}: no plan of up to {_MOST_REQUESTS} requests about them puts them right"
        if self.shortest and not self.hopeless:
            yield f"no plan of up to {_MOST_REQUESTS} requests leads there"
        if not self.shortest:
            yield f"the search was given up after {self.tried:,} requests"

    def leads_there(self, steps: Iterable[str]) -> bool:
        """Whether steps, one after the other, lead to the goal, and none of them fails."""
        partition = self.start
        for text in steps:
            result = self._tried(text, partition)
            if result is None:
                return False
            partition = result.after
        return self._reached(partition)

    def planned(self, start: Partition, path: Sequence[StepResult]) -> Iterator[PlannedRequest]:
        """Yield the requests of a plan, each with what is so if it fails."""
        partition = start
        for result in path:
            yield PlannedRequest(result, self._failure(result, partition))
            partition = result.after

    def _failure(self, result: StepResult, partition: Partition) -> Failure | None:
        """Return what is so if the last LMB that a request takes cannot be taken offline."""
        kernel = partition.kernel
        gone = [change for change in result.changed_blocks if change.new is None]
        if not gone or not kernel.block_size:
            return None
        drc_index = _last_assigned_at(kernel.table, (gone[-1].first + gone[-1].count - 1) * kernel.block_size)
        if drc_index is None:
            return None
        pinned = self._done(f"unmovable {drc_index:#x}", partition).after
        failed = self._done(result.step, pinned)
        if failed.ok:
            return None
        keys = Keys(pinned.kernel.tree)
        as_before = keys.of(failed.after) == keys.of(pinned)
        return Failure(failed.errno, as_before, tuple(self.contradictions(failed.after)))

    def after_reboot(self, partition: Partition) -> tuple[str, tuple[str, ...]]:
        """Return the verdict where no request helps, and what is to be said of a reboot."""
        result = self._done("reboot", partition)
        if not result.ok:
            return NONE, (f"not by a reboot either: the kernel does not come up: {result.note}",)
        remaining = self.contradictions(result.after)
        if remaining:
            words = (f"also after a reboot {violation.rule}: {violation.message}" for violation in remaining[:3])
            return NONE, tuple(words)
        return REBOOT, ()


def n_assigned(partition: Partition) -> int:
    """Return how many LMBs are assigned."""
    return sum(run.lmbs for run in partition.kernel.table.runs if run.flags & ASSIGNED)


def _last_assigned_at(table: LmbTable, address: int) -> int | None:
    """Return the DRC index of the last LMB that is assigned and at an address."""
    for run in reversed(list(table.runs)):
        position = run.position_of_address(address, table.lmb_size) if run.flags & ASSIGNED else None
        if position is not None:
            return run.drc_index + position
    return None


def _all_blocks(kernel: KernelState) -> Intervals:
    """Return the memory blocks."""
    blocks = Intervals()
    for run in kernel.blocks.runs:
        blocks.add(run.first, run.count, 0)
    return blocks


def _required_blocks(kernel: KernelState) -> Intervals:
    """Return the memory blocks that a repair keeps: all but those at LMBs that are free."""
    free = Intervals()
    for run in kernel.table.runs if kernel.block_size else ():
        if state_of(run.flags) == "free":
            first = run.base // kernel.block_size
            end = -(-(run.base + run.lmbs * (kernel.table.lmb_size or 0)) // kernel.block_size)
            free.add(first, end - first, 0)
    required = Intervals()
    for first, n_blocks, block, unused in side_by_side(_all_blocks(kernel), free.disjoint()):
        if block is not None and unused is None:
            required.add(first, n_blocks, 0)
    return required


def _is_about(violation: Violation, part: DrcRange) -> bool:
    return any(part.meets(run.drc_index, run.lmbs) for run in violation.lmbs)
