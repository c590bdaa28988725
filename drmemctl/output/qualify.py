# SPDX-License-Identifier: MIT
"""What `drmemctl qualify` prints: each trial, and where something real is not as simulated both sides."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from drmemctl.formats.plain import record as plain_record
from drmemctl.output.json import document, schema
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe
from drmemctl.output.xml import failure, in_xml, junit_case, junit_document, junit_suite
from drmemctl.qualify.trial import TrialResult, file_name
from drmemctl.wording import count_of

_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class QualifyView:
    """What to print.

    Attributes:
        subject: what was put to the test.
        model: what it was held against.
        results: what came of each trial.
        place: where everything is.
        options: the options that name the kernel and the QEMU.

    """

    subject: str
    model: str
    results: Sequence[TrialResult]
    place: str
    options: Sequence[str]

    def command(self, result: TrialResult) -> str:
        """Return the command line that does a trial's fewest steps again."""
        steps = f"{self.place}/{file_name(result.trial.name)}.steps"
        return shlex.join(["drmemctl", "qualify", *self.options, "-f", steps])


def head_of(result: TrialResult) -> str:
    """Return what came of a trial in a line."""
    steps = count_of(len(result.trial.steps), "step")
    if not result.differences:
        return f"{result.trial.name}: {steps}, as simulated"
    first = result.differences[0]
    where = "at boot" if first.step == 0 else f"at step {first.step}: {first.text}"
    return f"{result.trial.name}: {steps}, differs {where}"


def show_qualified(screen: Screen, view: QualifyView, format: str) -> None:
    """Print the results."""
    if format == "json":
        trials = [result.to_json() for result in view.results]
        head = plain_record(view, "subject model place")
        screen.write(document({"schema": schema("qualify"), **head, "trials": trials}))
    elif format == "junit":
        screen.write_all(_junit(view))
    else:
        screen.write_text(_text(screen, view))


def _text(screen: Screen, view: QualifyView) -> Iterator[str]:
    against = f"{view.subject}, held against {view.model}"
    yield screen.style(safe(against), "bold") + f": {count_of(len(view.results), 'trial')}\n"
    for result in view.results:
        yield screen.style(safe(head_of(result), _LONGEST), "red" if result.differences else None) + "\n"
        if result.differences:
            yield from (f"  {line}\n" for line in _difference_lines(view, result))
    wrong = sum(bool(result.differences) for result in view.results)
    yield f"{count_of(wrong, 'trial')} not as simulated\n" if wrong else "all as simulated\n"


def _difference_lines(view: QualifyView, result: TrialResult) -> Iterator[str]:
    for difference in result.shown:
        function = f" [{difference.function}]" if difference.function else ""
        yield f"{safe(difference.text, 200)}: {difference.aspect}{function}"
        yield f"  real       {safe(difference.real, _LONGEST)}"
        yield f"  simulated  {safe(difference.simulated, _LONGEST)}"
    yield f"the fewest steps that show it, of {count_of(len(result.trial.steps), 'step')}:"
    yield from (f"  {safe(step, _LONGEST)}" for step in result.fewest)
    yield f"again: {safe(view.command(result), None)}"


def _junit(view: QualifyView) -> Iterator[str]:
    suite = in_xml(f"{view.subject} against {view.model}")
    failures = sum(bool(result.differences) for result in view.results)
    cases = []
    for result in view.results:
        body = ""
        if result.differences:
            text = escape("\n".join(_difference_lines(view, result)))
            body = failure("difference", in_xml(head_of(result)), text)
        cases.append(junit_case(suite, in_xml(result.trial.name), body))
    return junit_document("qualify", junit_suite(suite, (len(view.results), failures, 0, 0), cases))
