# SPDX-License-Identifier: MIT
"""A simulation as JUnit XML: a test case for each step, failed where the step failed unexpectedly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from drmemctl.output.findings import finding_line
from drmemctl.output.screen import Screen
from drmemctl.output.simulation_text import outcome, shortened
from drmemctl.output.simulation_words import change_lines, cpu_lines
from drmemctl.output.text import safe
from drmemctl.output.xml import in_xml
from drmemctl.simulate.partition import Step, StepResult
from drmemctl.simulate.session import Session

_NAME = 200
_LINES = 200
"""Lines of a step that are shown: a CI server keeps what it is given."""


def junit(session: Session, source: str, steps: Sequence[Step]) -> Iterator[str]:
    """Yield the document; steps after an expectation that failed were skipped."""
    failed = set(session.failed)
    simulation = session.simulation
    name = in_xml(f"{source}: Linux {simulation.profile.name} on {simulation.hypervisor}")
    dead = session.start.kernel.dead
    skipped = steps[len(session.done) :]
    counts = (
        f'tests="{1 + len(steps)}" failures="{len(failed)}" errors="{int(bool(dead))}" skipped="{len(skipped)}"'
    )
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="drmemctl simulate">\n'
    yield f'  <testsuite name="{name}" {counts}>\n'
    error = f'<error type="panic" message="{in_xml(dead)}"/>' if dead else ""
    yield _case(name, "boot", error)
    for number, result in enumerate(session.done, 1):
        yield _case(name, _title(number, result.step), _body(result, failed=number in failed))
    for number, step in enumerate(skipped, len(session.done) + 1):
        yield _case(name, _title(number, step.text), "<skipped/>")
    yield "  </testsuite>\n</testsuites>\n"


def _title(number: int, step: str) -> str:
    return f"{number:03} {shortened(step, _NAME)}"


def _case(suite: str, name: str, body: str) -> str:
    head = f'    <testcase classname="{suite}" name="{in_xml(name)}"'
    return f"{head}>\n      {body}\n    </testcase>\n" if body else f"{head}/>\n"


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
        return f"<system-out>{text}</system-out>" if text else ""
    word = outcome(result)
    kind = "expectation" if result.parsed.is_expectation else "request"
    message = f"{word}: {result.note}" if result.note else word
    return f'<failure type="{kind}" message="{in_xml(message)}">{text}</failure>'
