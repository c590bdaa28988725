# SPDX-License-Identifier: MIT
"""A simulation as JUnit XML: a test case for each step, failed where the step failed unexpectedly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import chain

from drmemctl.output.findings import finding_line
from drmemctl.output.screen import Screen
from drmemctl.output.simulation_text import outcome, shortened
from drmemctl.output.simulation_words import change_lines, cpu_lines
from drmemctl.output.text import safe
from drmemctl.output.xml import failure, in_xml, junit_case, junit_document, junit_suite, system_out
from drmemctl.simulate.partition import Step, StepResult
from drmemctl.simulate.session import Session

_NAME = 200
_LINES = 200
"""Lines of a step that are shown: a CI server keeps what it is given."""


def junit(session: Session, source: str, steps: Sequence[Step]) -> Iterator[str]:
    """Return the document; steps after an expectation that failed were skipped."""
    failed = set(session.failed)
    simulation = session.simulation
    name = in_xml(f"{source}: Linux {simulation.profile.name} on {simulation.hypervisor}")
    dead = session.start.kernel.dead
    skipped = steps[len(session.done) :]

    def cases() -> Iterator[str]:
        yield junit_case(name, "boot", f'<error type="panic" message="{in_xml(dead)}"/>' if dead else "")
        results = ((result.step, _body(result, failed=n in failed)) for n, result in enumerate(session.done, 1))
        for number, (step, body) in enumerate(chain(results, ((step.text, "<skipped/>") for step in skipped)), 1):
            yield junit_case(name, in_xml(f"{number:03} {shortened(step, _NAME)}"), body)

    counts = (1 + len(steps), len(failed), int(bool(dead)), len(skipped))
    return junit_document("simulate", junit_suite(name, counts, cases()))


def _body(result: StepResult, *, failed: bool) -> str:
    plain = Screen()
    lines = [safe(line, 2000) for line in (*result.log, *result.events)]
    lines += change_lines(plain, result)
    lines += cpu_lines(plain, result.cpus)
    lines += [finding_line(plain, finding) for finding in result.findings]
    omitted = len(lines) - _LINES
    if omitted > 0:
        lines[_LINES:] = [f"{omitted:,} more lines"]
    text = escape("\n".join(lines))
    if not failed:
        return system_out(text)
    word = outcome(result)
    kind = "expectation" if result.parsed.is_expectation else "request"
    message = f"{word}: {result.note}" if result.note else word
    return failure(kind, in_xml(message), text)
