# SPDX-License-Identifier: MIT
"""The simulation on the page: a card for each step with its outcome, and what the kernel did in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import NamedTuple

from drmemctl.check.engine import all_rules
from drmemctl.check.finding import Finding
from drmemctl.check.pages import Page
from drmemctl.output.screen import Screen
from drmemctl.output.simulation_text import Detail, boot_lines, changes, outcome, shortened, verdict_lines
from drmemctl.output.simulation_trace import trace_lines
from drmemctl.output.text import safe
from drmemctl.simulate.partition import StepResult
from drmemctl.simulate.report_content import SimulatedSteps
from drmemctl.simulate.session import Session, is_failure
from drmemctl.wording import count_of

_STEPS = 500
"""Steps that are shown."""

_LINES = 60
"""Messages of the kernel, and findings, of a step that are shown."""

_EVENTS = 200
"""Calls and writes of a step that are shown."""

_TEXT = 400
"""Characters of a step: values of properties are long."""

_PLAIN = Screen()


class Card(NamedTuple):
    """A step.

    Attributes:
        number: its number, from 1 on.
        step: the step as it was written.
        outcome: what came of it.
        tone: `good`, `bad` for a failure that the steps did not expect, or `quiet`.
        notes: why it is not ok, and what the hypervisor told its user.
        log: what the kernel printed.
        changes: what it changed.
        findings: what is wrong since.
        more: the words about findings that are left out.
        trace: every call and write.

    """

    number: int
    step: str
    outcome: str
    tone: str
    notes: tuple[str, ...]
    log: tuple[str, ...]
    changes: tuple[str, ...]
    findings: tuple[Finding, ...]
    more: str
    trace: tuple[str, ...]


class SimulationPart(NamedTuple):
    """A simulation.

    Attributes:
        head: what runs.
        cards: the steps.
        more: the words about steps that are left out.
        rules: the pages of the rules that are broken in it.
        verdict: whether all agrees in the end, and which steps failed.
        consistent: whether all agrees.
        failed: how many steps failed, in words; empty if none did.

    """

    head: tuple[str, ...]
    cards: tuple[Card, ...]
    more: str
    rules: tuple[Page, ...]
    verdict: tuple[str, ...]
    consistent: bool
    failed: str


def simulation_part(simulated: SimulatedSteps, names: Mapping[str, str]) -> SimulationPart:
    """Return what there is to show of a simulation; `names` says how to call files that steps name."""
    session, verdict = simulated.session, simulated.verdict
    hidden = len(session.done) - _STEPS
    steps = (result.findings for result in session.done[:_STEPS])
    findings = chain(*(part[:_LINES] for part in (session.simulation.boot_faults, *steps)))
    rules = dict.fromkeys(finding.rule for finding in findings)  # in the order in which they are met
    return SimulationPart(
        tuple(_lines(boot_lines(_PLAIN, session))),
        tuple(_card(session, number, names) for number in range(min(len(session.done), _STEPS))),
        f"{count_of(hidden, 'more step')}: drmemctl simulate shows them" if hidden > 0 else "",
        tuple(Page.of(all_rules()[rule]) for rule in rules),
        tuple(_lines(verdict_lines(_PLAIN, verdict, Detail()))),
        verdict.consistent,
        f"{count_of(len(verdict.failed), 'step')} failed" if verdict.failed else "",
    )


def _card(session: Session, position: int, names: Mapping[str, str]) -> Card:
    result = session.done[position]
    omitted = len(result.findings) - _LINES
    notes = [safe(_renamed(result.note, names), 2000)] * bool(result.note)
    tone = "bad" if is_failure(session.done, position) else "warn"
    if result.ok:
        tone = "quiet" if result.parsed.is_expectation else "good"
    further = [f"… {len(result.log) - _LINES:,} more"] if len(result.log) > _LINES else []
    return Card(
        position + 1,
        shortened(_renamed(result.step, names), _TEXT),
        outcome(result),
        tone,
        (*notes, *map(safe, result.events)),
        (*(safe(line, 2000) for line in result.log[:_LINES]), *further),
        tuple(_lines(changes(_PLAIN, result, Detail()))),
        result.findings[:_LINES],
        f"{count_of(omitted, 'more finding')}: drmemctl simulate shows them" if omitted > 0 else "",
        _trace(result),
    )


def _renamed(text: str, names: Mapping[str, str]) -> str:
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, names[name])
    return text


def _lines(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines of `simulate`, which tell of an option where some are left out."""
    return (line.replace("; -v shows", "; drmemctl simulate -v shows") for line in lines)


def _trace(result: StepResult) -> tuple[str, ...]:
    """Return the calls and writes, if there were any: the messages alone are in the log."""
    lines = islice(trace_lines(_PLAIN, result, _EVENTS), 2 * _EVENTS) if result.trace else ()
    return tuple(line.removeprefix("  ") for line in _lines(lines))
