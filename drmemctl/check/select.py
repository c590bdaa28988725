# SPDX-License-Identifier: MIT
"""The LMBs that a rule is about: which break it, counted in full and listed as far as there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import compress, repeat
from operator import add, mul
from typing import Generic, TypeVar

from drmemctl.check.bounds import MAX_RUNS, MAX_VIOLATIONS
from drmemctl.check.finding import Violation
from drmemctl.check.subject import Subject
from drmemctl.check.survey import per_subject
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.model.run import Run
from drmemctl.wording import count_of

_Reason = TypeVar("_Reason")


class AffectedLmbs:
    """The LMBs that break a rule.

    Attributes:
        subject: whose they are.
        runs: the first `MAX_RUNS` runs of them.
        n_lmbs: how many LMBs they are in all.
        n_runs: in how many runs.
        property: the property of the drmem node that the violation is reported at.

    """

    __slots__ = ("n_lmbs", "n_runs", "property", "runs", "subject")

    def __init__(self, subject: Subject, runs: Iterable[Run] = (), property: str = "") -> None:
        self.subject = subject
        self.property = property
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
    def have(self) -> str:
        """How a message begins with what they have: `1 LMB has`, `4,096 LMBs have`."""
        return f"{self.number} {'has' if self.n_lmbs == 1 else 'have'}"

    @property
    def first(self) -> str:
        """Where the first one is: `0x040000000 (DRC 0x80000004)`."""
        return place(self.subject, self.runs[0])

    def violation(self, message: str) -> Violation:
        """Return the violation about them."""
        if self.n_runs > MAX_RUNS:
            message += f" (of {self.n_runs:,} runs the first {MAX_RUNS:,} are listed)"
        return Violation(message, NODE, self.property, lmbs=tuple(self.runs))


def for_lmbs(subject: Subject, runs: Iterable[Run] = ()) -> AffectedLmbs:
    """Return runs of a tree that break a rule, to be reported at the property that gives its LMBs."""
    return AffectedLmbs(subject, runs, subject.table.property_name)


class LmbsByReason(Generic[_Reason]):
    """The LMBs that break a rule, by the reason why; what is beyond `MAX_VIOLATIONS` reasons counts as one."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._by_reason: dict[_Reason, AffectedLmbs] = {}
        self._beyond = for_lmbs(subject)

    def add(self, reason: _Reason, run: Run) -> None:
        """Count LMBs that break the rule for this reason."""
        lmbs = self._by_reason.get(reason)
        if lmbs is None:
            if len(self._by_reason) >= MAX_VIOLATIONS - 1:
                lmbs = self._beyond
            else:
                lmbs = self._by_reason[reason] = for_lmbs(self._subject)
        lmbs.add(run)

    def violations(self, message: Callable[[_Reason, AffectedLmbs], str]) -> Iterator[Violation]:
        """Yield the violation for each reason, in the order in which they came up, and one for all beyond."""
        for reason, lmbs in self._by_reason.items():
            yield lmbs.violation(message(reason, lmbs))
        if self._beyond:
            yield self._beyond.violation(
                f"{self._beyond.number} in many other ways like these, first {self._beyond.first}"
            )


def place(subject: Subject, run: Run) -> str:
    """Return where a run begins: `0x040000000 (DRC 0x80000004)`."""
    return f"{subject.address(run.base)} (DRC {run.drc_index:#010x})"


@per_subject
def kinds(subject: Subject) -> frozenset[tuple[int, int]]:
    """Return the pairs of aa_index and flags that LMBs have: few, however many runs there are."""
    runs = subject.table.runs
    return frozenset(zip(runs.aa_indexes, runs.flags, strict=True))


def of_kind(subject: Subject, wanted: Callable[[int, int], object]) -> Iterator[Run]:
    """Return the runs for whose aa_index and flags `wanted` is true.

    It is asked once for each pair: no run is looked at where none is wanted, as is the case in nearly all trees.
    """
    pairs = {pair for pair in kinds(subject) if wanted(*pair)}
    if not pairs:
        return iter(())
    return compress(
        subject.runs, map(pairs.__contains__, zip(subject.runs.aa_indexes, subject.runs.flags, strict=True))
    )


@per_subject
def highest_end(subject: Subject) -> int:
    """Return the highest address at which a run ends, were addresses not limited to 64 bits; 0 without any."""
    runs, size = subject.runs, subject.table.lmb_size or 0
    return max(map(add, runs.bases, map(mul, runs.lmbs, repeat(size))), default=0)
