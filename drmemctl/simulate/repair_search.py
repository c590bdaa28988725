# SPDX-License-Identifier: MIT
"""The search for the fewest requests that repair a partition: breadth first, each request simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count

from drmemctl.check.changes import new_violations
from drmemctl.check.finding import Severity, Violation
from drmemctl.formats.dynamic_memory import ASSIGNED
from drmemctl.kernel.state import KernelState
from drmemctl.model.drmem import LmbTable
from drmemctl.model.intervals import Intervals, side_by_side
from drmemctl.model.run import state_of
from drmemctl.simulate.carry_out import carry_out
from drmemctl.simulate.files import Files
from drmemctl.simulate.findings import PartitionJudge
from drmemctl.simulate.interleave.keys import Keys
from drmemctl.simulate.partition import Partition, StepResult
from drmemctl.simulate.repair_requests import MOST_RANGES, Candidates, DrcRange, ranges_of
from drmemctl.simulate.steps.language import parse_script
from drmemctl.wording import count_of

CONSISTENT, REBOOT, NONE = "consistent", "reboot", "none"

_MOST_REQUESTS = 6
"""Requests of a plan for ranges that are repaired together."""

_MOST_TRIED = 800
"""Requests that are simulated in one search."""

_MOST_TRIED_OF_RANGE = 150
"""Requests that are simulated to see whether a range can be repaired at all."""

IsGoal = Callable[[Partition], bool]
"""Whether a partition is what a search looks for."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The state after a request of a plan failed because one of its LMBs could not be taken offline.

    Attributes:
        errno: the name of the error number.
        as_before: whether the rollback left everything as it was before the request.
        contradictions: the violations then.

    """

    errno: str | None
    as_before: bool
    contradictions: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request of a plan.

    Attributes:
        result: its result in the simulation.
        failure: the state if it fails, None where it removes no memory that could be pinned.

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
        goal: `consistent`, or the rule that is to find nothing any more.
        tried: number of requests simulated.
        shortest: whether the search was complete, so that no shorter plan exists.
        hopeless: ranges that no plan repairs.

    """

    start: Partition
    goal: str
    tried: int = 0
    shortest: bool = True
    hopeless: list[DrcRange] = field(default_factory=list)
    _judge: PartitionJudge = field(default_factory=lambda: PartitionJudge(after_steps=False))
    _files: Files = field(default_factory=Files)
    _required: Intervals = field(default_factory=Intervals)
    _most_assigned: int = 0

    def __post_init__(self) -> None:
        """Note the memory that has to be there at the end."""
        kernel = self.start.kernel
        self._required = _required_blocks(kernel)
        ranges = ranges_of(self.contradictions(self.start)) if not kernel.dead else []
        self._most_assigned = n_assigned(self.start) + sum(part.count for part in ranges)

    def contradictions(self, partition: Partition) -> list[Violation]:
        """Return the violations that the goal is about."""
        violations = self._judge.judged(partition).contradictions()
        if self.goal == CONSISTENT:
            return violations
        return [violation for violation in violations if violation.rule == self.goal]

    def plan(self, contradictions: Sequence[Violation]) -> list[StepResult] | None:
        """Return the results of the requests that lead to the goal, None where none are found."""
        ranges = ranges_of(contradictions)
        if len(ranges) <= MOST_RANGES:
            without_lmbs = [violation for violation in contradictions if not violation.lmbs]
            if without_lmbs or all(self._can_be_repaired(lmbs, contradictions) for lmbs in ranges):
                return self._shortest_path(self.start, ranges, contradictions, self._reached)
            return None
        return self._path_range_by_range(ranges, contradictions)

    def _path_range_by_range(
        self, ranges: Sequence[DrcRange], contradictions: Sequence[Violation]
    ) -> list[StepResult] | None:
        """Return a path that repairs one range after the other, which need not be the shortest."""
        self.shortest = False
        path: list[StepResult] = []
        partition = self.start
        for lmbs in ranges:
            about = [violation for violation in contradictions if _is_about(violation, lmbs)]
            steps = self._shortest_path(partition, [lmbs], about, partial(self._settled, lmbs))
            if steps is None:
                return None
            path += steps
            partition = path[-1].after if path else partition
        return path if self._reached(partition) else None

    def _can_be_repaired(self, lmbs: DrcRange, contradictions: Sequence[Violation]) -> bool:
        """Whether a range alone can be repaired, as far as `_MOST_TRIED_OF_RANGE` requests show.

        Where one cannot, no plan repairs all of them, and the longer search is not begun.
        """
        most_tried = self.tried + _MOST_TRIED_OF_RANGE
        about = [violation for violation in contradictions if _is_about(violation, lmbs)]
        settled = partial(self._settled, lmbs)
        path = self._shortest_path(self.start, [lmbs], about, settled, most_tried=most_tried)
        gave_up = self.tried >= most_tried
        if path is None and not gave_up:
            self.hopeless.append(lmbs)
        return path is not None or gave_up

    def _reached(self, partition: Partition) -> bool:
        """Whether a partition meets the goal, with no error that was not there at the start."""
        if partition.kernel.dead or self.contradictions(partition) or not self._keeps_memory(partition):
            return False
        judged, start = self._judge.judged(partition), self._judge.judged(self.start)
        new = new_violations(judged.violations, start.violations, judged.subject)
        return not any(violation.severity is Severity.ERROR for violation in new)

    def _keeps_memory(self, partition: Partition) -> bool:
        """Whether the memory of the start is there, and no more: giving memory away is no repair."""
        parts = side_by_side(self._required, partition.kernel.blocks.ranges())
        if any(required is not None and covered is None for _, _, required, covered in parts):
            return False
        return n_assigned(partition) <= self._most_assigned

    def _shortest_path(
        self,
        start: Partition,
        ranges: Sequence[DrcRange],
        about: Sequence[Violation],
        is_goal: IsGoal,
        *,
        most_tried: int = _MOST_TRIED,
    ) -> list[StepResult] | None:
        """Return the fewest requests about some ranges after which `is_goal` holds, None where none are found.

        The queue orders by requests, then by LMBs that these remove (Dijkstra's algorithm); the number that each
        entry was given keeps partitions from being compared.
        """
        candidates = Candidates(start, ranges, about)
        keys, order = Keys(start.kernel.tree), count()
        queue: list[tuple[int, int, int, Partition, tuple[StepResult, ...]]] = [(0, 0, next(order), start, ())]
        visited = set()
        while queue:
            _, lmbs_removed, _, partition, path = heappop(queue)
            key = keys.of(partition)
            if key in visited:
                continue
            visited.add(key)
            if is_goal(partition):
                return list(path)
            if len(path) == _MOST_REQUESTS:
                continue
            for text in dict.fromkeys(candidates.steps(partition)):
                if self.tried >= most_tried:
                    self.shortest = False
                    return None
                result = self._attempt(text, partition)
                if result is not None:
                    removed = max(0, n_assigned(partition) - n_assigned(result.after))
                    place = (len(path) + 1, lmbs_removed + removed, next(order))
                    heappush(queue, (*place, result.after, (*path, result)))
        return None

    def _settled(self, lmbs: DrcRange, partition: Partition) -> bool:
        """Whether no violation is about a range any more, and the memory of the start is there."""
        is_open = any(_is_about(violation, lmbs) for violation in self.contradictions(partition))
        return self._keeps_memory(partition) and not is_open

    def _attempt(self, text: str, partition: Partition) -> StepResult | None:
        """Return the result of a request, None for one that fails, or in which the kernel does wrong or dies."""
        self.tried += 1
        result = self._carry_out(text, partition)
        after = result.after
        sound = result.ok and not result.kernel_faults and not after.kernel.dead and not after.machine.aborted
        return result if sound else None

    def _carry_out(self, text: str, partition: Partition) -> StepResult:
        return carry_out(next(parse_script(text)), partition, self._files, self._judge)

    def failure_reasons(self) -> Iterator[str]:
        """Yield why the search found no plan."""
        for lmbs in self.hopeless:
            name = f"{count_of(lmbs.count, 'LMB')} from {lmbs.first:#010x} on"
            yield f"{name}: no plan of up to {_MOST_REQUESTS} requests about them puts them right"
        if self.shortest and not self.hopeless:
            yield f"no plan of up to {_MOST_REQUESTS} requests leads there"
        if not self.shortest:
            yield f"the search was given up after {self.tried:,} requests"

    def reaches_goal(self, steps: Iterable[str]) -> bool:
        """Whether steps, carried out from the start, lead to the goal, and none of them fails."""
        partition = self.start
        for text in steps:
            result = self._attempt(text, partition)
            if result is None:
                return False
            partition = result.after
        return self._reached(partition)

    def planned(self, path: Sequence[StepResult]) -> Iterator[PlannedRequest]:
        """Yield the requests of a plan, each with the state if it fails."""
        partition = self.start
        for result in path:
            yield PlannedRequest(result, self._failure(result, partition))
            partition = result.after

    def _failure(self, result: StepResult, partition: Partition) -> Failure | None:
        """Return the state if the last LMB that a request removes cannot be taken offline.

        The last one, so that the kernel has to roll back the most.
        """
        kernel = partition.kernel
        removed = [change for change in result.changed_blocks if change.new is None]
        if not removed or not kernel.block_size:
            return None
        last_block = removed[-1].first + removed[-1].count - 1
        drc_index = _last_assigned_at(kernel.table, last_block * kernel.block_size)
        if drc_index is None:
            return None
        pinned = self._carry_out(f"unmovable {drc_index:#x}", partition).after
        failed = self._carry_out(result.step, pinned)
        if failed.ok:
            return None
        keys = Keys(pinned.kernel.tree)
        as_before = keys.of(failed.after) == keys.of(pinned)
        return Failure(failed.errno, as_before, tuple(self.contradictions(failed.after)))

    def after_reboot(self) -> tuple[str, tuple[str, ...]]:
        """Return the verdict where no request helps, and why a reboot does not help either."""
        result = self._carry_out("reboot", self.start)
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


def _required_blocks(kernel: KernelState) -> Intervals:
    """Return the memory blocks that a repair has to keep: all but those at free LMBs."""
    free = Intervals()
    for run in kernel.table.runs if kernel.block_size else ():
        if state_of(run.flags) == "free":
            first = run.base // kernel.block_size
            end = -(-(run.base + run.lmbs * (kernel.table.lmb_size or 0)) // kernel.block_size)
            free.add(first, end - first, 0)
    required = Intervals()
    for first, n_blocks, block, unused in side_by_side(kernel.blocks.ranges(), free.disjoint()):
        if block is not None and unused is None:
            required.add(first, n_blocks, 0)
    return required


def _is_about(violation: Violation, lmbs: DrcRange) -> bool:
    return any(lmbs.overlaps(run.drc_index, run.lmbs) for run in violation.lmbs)
