# SPDX-License-Identifier: MIT
"""Steps done to something real and to its simulation, where the two differ, and the fewest that show it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from drmemctl.formats.plain import record

MOST_TRIES = 40
"""Tries to find fewer steps, unless the user says otherwise."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that the real one did otherwise than the simulation.

    Attributes:
        step: the number of the step, 0 for the boot.
        text: the step.
        aspect: `answer`, `events`, `errno`, `log`, `blocks`, or a property's name.
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
    shown: tuple[Difference, ...] = field(default=())

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


def tried(subject: TrialSubject, trials: Iterable[Trial], tries: int = MOST_TRIES) -> Iterator[TrialResult]:
    """Yield what comes of each trial; where something differs, with the fewest steps that so many tries find."""
    for trial in trials:
        differences = subject.differences(trial.steps, trial.name)
        if not differences:
            yield TrialResult(trial)
            continue
        shown = differences
        last = differences[0].step

        def differs(steps: Sequence[str], name: str = f"{trial.name}, fewer") -> bool:
            nonlocal shown
            now = subject.differences(steps, name)
            if now:
                shown = now
            return bool(now)

        fewest = shrunk(trial.steps[: last or len(trial.steps)], differs, tries)
        yield TrialResult(trial, tuple(differences), tuple(fewest), tuple(shown))


def shrunk(steps: Sequence[str], fails: Callable[[Sequence[str]], bool], tries: int) -> list[str]:
    """Return a part of the steps that still fails, of which no step can be left out, or fewer after so many tries.

    Source of the idea: A. Zeller, R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE 2002.
    """
    remaining, parts = list(steps), 2
    while len(remaining) > 1 and tries > 0:
        size = -(-len(remaining) // parts)
        for first in range(0, len(remaining), size):
            fewer = remaining[:first] + remaining[first + size :]
            tries -= 1
            if fails(fewer):
                remaining, parts = fewer, max(parts - 1, 2)
                break
            if tries <= 0:
                return remaining
        else:
            if parts >= len(remaining):
                return remaining
            parts = min(2 * parts, len(remaining))
    return remaining
