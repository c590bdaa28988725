# SPDX-License-Identifier: MIT
"""Steps done to something real and to its simulation, where the two differ, and the fewest that show it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from drmemctl.formats.plain import record
from drmemctl.simulate.shrink import shrunk


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that the real one did otherwise than the simulation.

    Attributes:
        step: the number of the step, 0 for the boot.
        text: the step.
        aspect: of a QEMU `answer`, of a kernel what `step_differences` yields, of both `events`.
        real: what the real one did.
        simulated: what the simulation did.
        function: the kernel function that it happened in, by the simulation; empty where that does not tell.

    """

    step: int
    text: str
    aspect: str
    real: str
    simulated: str
    function: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return record(self, "step text aspect real simulated function")


class TrialSubject(Protocol):
    """A kernel or a QEMU that steps are done to."""

    def differences(self, steps: Sequence[str], place: str) -> list[Difference]:
        """Do steps to a new one, and keep what came of it under a name."""
        ...


@dataclass(frozen=True, slots=True)
class Trial:
    """Steps to be tried, with a name."""

    name: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What came of a trial.

    Attributes:
        trial: its steps.
        differences: what was otherwise than simulated.
        fewest: the fewest steps found that show a difference; empty where there is none.
        shown: the differences that those show.

    """

    trial: Trial
    differences: tuple[Difference, ...] = ()
    fewest: tuple[str, ...] = ()
    shown: tuple[Difference, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "name": self.trial.name,
            "steps": list(self.trial.steps),
            "differences": [difference.to_json() for difference in self.differences],
            "fewest": list(self.fewest),
            "shown": [difference.to_json() for difference in self.shown],
        }


def file_name(name: str) -> str:
    """Return a trial's name as files have it."""
    return re.sub(r"[^0-9A-Za-z]+", "-", name)


def tried(subject: TrialSubject, trials: Iterable[Trial], tries: int | None = None) -> Iterator[TrialResult]:
    """Yield what comes of each trial; where something differs, with the fewest steps that so many tries find."""
    for trial in trials:
        differences = subject.differences(trial.steps, trial.name)
        yield _with_fewest(subject, trial, differences, tries) if differences else TrialResult(trial)


def _with_fewest(
    subject: TrialSubject, trial: Trial, differences: Sequence[Difference], tries: int | None
) -> TrialResult:
    """Return the result of a trial in which something differs."""
    shown = differences

    def differs(steps: Sequence[str]) -> bool:
        nonlocal shown
        # A boot alone is no trial: a difference at boot is shown with any one step.
        fewer = subject.differences(steps, f"{trial.name}, fewer") if steps else []
        shown = fewer or shown
        return bool(fewer)

    fewest = shrunk(trial.steps[: differences[0].step or None], differs, tries)
    return TrialResult(trial, tuple(differences), fewest, tuple(shown))
