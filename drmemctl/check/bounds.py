# SPDX-License-Identifier: MIT
"""Keeping what rules say short, however much of a tree breaks them: all is counted, the first of it listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from drmemctl.check.finding import Violation
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.model.run import Run
from drmemctl.wording import count_of

_Reason = TypeVar("_Reason")

MAX_VIOLATIONS = 20
"""Violations of one rule in one state."""

MAX_RUNS = 1000
"""Runs listed with a violation."""


class Found:
    """The LMBs that break a rule.

    Attributes:
        runs: the first `MAX_RUNS` runs of them.
        n_lmbs: how many LMBs they are in all.
        n_runs: in how many runs.

    """

    __slots__ = ("n_lmbs", "n_runs", "runs")

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        self.runs: list[Run] = []
        self.n_lmbs = 0
        self.n_runs = 0
        for run in runs:
            self.add(run)

    def add(self, run: Run) -> None:
        """Count a run, and list it if there is room."""
        self.n_lmbs += run.lmbs
        self.n_runs += 1
        if self.n_runs <= MAX_RUNS:
            self.runs.append(run)

    def __bool__(self) -> bool:
        return self.n_runs > 0

    @property
    def number(self) -> str:
        """How a message names them: `1 LMB`, `4,096 LMBs`."""
        return count_of(self.n_lmbs, "LMB")

    @property
    def are(self) -> str:
        """How a message begins with them: `1 LMB is`, `4,096 LMBs are`."""
        return f"{self.number} {'is' if self.n_lmbs == 1 else 'are'}"

    @property
    def first(self) -> str:
        """Where the first one is: `0x40000000 (DRC 0x80000004)`."""
        return place(self.runs[0])

    def violation(self, message: str, property: str) -> Violation:
        """Return the violation about them: a property of the drmem node."""
        if self.n_runs > MAX_RUNS:
            message += f" (of {self.n_runs:,} runs the first {MAX_RUNS:,} are listed)"
        return Violation(message, NODE, property, lmbs=tuple(self.runs))


def place(run: Run) -> str:
    """Return where a run begins: `0x40000000 (DRC 0x80000004)`."""
    return f"{run.base:#x} (DRC {run.drc_index:#x})"


class ByReason(Generic[_Reason]):
    """The LMBs that break a rule, by the reason why; what is beyond `MAX_VIOLATIONS` reasons counts as one."""

    def __init__(self) -> None:
        self._found: dict[_Reason, Found] = {}
        self._others = Found()

    def under(self, reason: _Reason) -> Found:
        """Return where to count LMBs that break the rule for this reason."""
        found = self._found.get(reason)
        if found is None:
            if len(self._found) >= MAX_VIOLATIONS - 1:
                return self._others
            found = self._found[reason] = Found()
        return found

    def __iter__(self) -> Iterator[tuple[_Reason, Found]]:
        """Yield (reason, LMBs), in the order in which the reasons came up; not those in `others`."""
        return iter(self._found.items())

    def others(self, property: str) -> Iterator[Violation]:
        """Yield the violation about LMBs that break the rule for yet other reasons, if there are any."""
        if self._others:
            message = f"{self._others.number} in many other ways like these, first {self._others.first}"
            yield self._others.violation(message, property)


def limited(violations: Iterable[Violation], things: str) -> Iterator[Violation]:
    """Yield the first violations; where there are more, the last one says how many more `things` there are."""

    def others(rest: int, first: Violation) -> Violation:
        return Violation(f"{rest:,} more {things} like these", first.path, first.property)

    return first_of(violations, others)


def first_of(
    violations: Iterable[Violation], others: Callable[[int, Violation], Violation]
) -> Iterator[Violation]:
    """Yield at most `MAX_VIOLATIONS`; the last of more is `others` of how many are left, and of the first left."""
    rest = 0
    first = Violation("")
    for number, violation in enumerate(violations, 1):
        if number < MAX_VIOLATIONS:
            yield violation
        else:
            first = first if rest else violation
            rest += 1
    if rest:
        yield first if rest == 1 else others(rest, first)
