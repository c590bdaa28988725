# SPDX-License-Identifier: MIT
"""What `drmemctl explore` prints: policies in a table, then how each bad end comes about, a column a thread.

With `--replay` it is a schedule, action by action, and what is wrong at its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

from drmemctl.check.finding import Finding
from drmemctl.formats.plain import record as plain_record
from drmemctl.kernel.trace import RtasCall
from drmemctl.output.explore_words import outcome_words, row_words, verdict_words
from drmemctl.output.json import document, record, schema
from drmemctl.output.lmb_words import run_facts
from drmemctl.output.screen import Screen
from drmemctl.output.simulation_text import hypervisor_words, kernel_words
from drmemctl.output.table import Column, show_table
from drmemctl.output.text import safe
from drmemctl.output.wrap import wrapped
from drmemctl.simulate.interleave.answer import PolicyAnswer, Question
from drmemctl.simulate.interleave.schedule import switches
from drmemctl.simulate.interleave.trace import Replay, TracedAction, TracedEnd
from drmemctl.wording import count_of

COLUMNS = (
    Column("locking", help="the policy that keeps threads apart"),
    Column("schedules", help="orders of the threads' actions that were looked at", right=True),
    Column("states", help="states of the kernel and the hypervisor in between", right=True),
    Column("ends", help="different ends that they lead to", right=True),
    Column("inconsistent", help="of these, ends at which something does not agree", right=True),
    Column("by race", help="of these, ends with something that no order of whole threads leads to", right=True),
    Column("worst", help="the gravest that an end has", prose=True),
)
_NARROWEST, _WIDEST = 36, 64
"""Columns of a thread on a terminal: at least what the longest word of an action takes, further in by four."""
_APART = 3
_NO_TIME = "how it comes about: no time was left for that\n"


@dataclass(frozen=True, slots=True)
class ExploreView:
    """What to print.

    Attributes:
        question: what was explored.
        answers: what came out.
        ends: of each answer the inconsistent ends to show; their actions are traced as they are shown.
        at_start: what is wrong before any thread begins, the worst first; None where there was no time for it.

    """

    question: Question
    answers: Sequence[PolicyAnswer]
    ends: Sequence[Iterable[TracedEnd]]
    at_start: Sequence[Finding] | None


def show_explored(screen: Screen, view: ExploreView, format: str) -> None:
    """Print the answers."""
    if format == "json":
        facts = {
            "schema": schema("explore"),
            **plain_record(view.question, "kernel=kernel.name hypervisor threads"),
            "consistent": not any(answer.bad for answer in view.answers),
            "complete": all(answer.complete for answer in view.answers),
            "start_findings": None
            if view.at_start is None
            else [verdict_record(verdict, raced=None) for verdict in view.at_start],
            "policies": list(map(_answer, view.answers, view.ends)),
        }
        screen.write(document(facts))
    elif format == "mermaid":
        traces = (
            mermaid(view.question.threads, actions, end.verdicts, answer.policy.name)
            for answer, ends in zip(view.answers, view.ends, strict=True)
            for end, actions in ends
        )
        screen.write_all(chain.from_iterable(traces))
    else:
        show_table(screen, COLUMNS, map(_row, view.answers))
        text = f"{kernel_words(view.question.kernel.name)} on {hypervisor_words(view.question.hypervisor)}"
        screen.write_text((screen.style(safe(text), "dim") + "\n",))
        screen.write_text(_details(screen, view))


def _row(answer: PolicyAnswer) -> list[str]:
    counts = (answer.schedules, answer.states, answer.ends, len(answer.bad), len(answer.races))
    more = "" if answer.complete else "+"
    worst = "-" if answer.worst is None else f"{answer.worst.rule} {answer.worst.title}".strip()
    return [answer.policy.name, *(f"{count:,}{more}" for count in counts), worst]


def _details(screen: Screen, view: ExploreView) -> Iterator[str]:
    for answer, ends in zip(view.answers, view.ends, strict=True):
        if not answer.complete:
            missed = f"not looked at: {', '.join(answer.missed)}\n" if answer.missed else ""
            warning = f"\n{answer.policy.name}: NOT COMPLETE: {answer.why}; there may be other ends\n{missed}"
            yield screen.style(warning, "bold red")
        number = 0
        for number, traced in enumerate(ends, 1):
            yield from trace_lines(screen, view.question.threads, f"{answer.policy.name}, end {number}", traced)
        hidden = len(answer.bad) - number
        if hidden:
            pronoun = "it" if hidden == 1 else "them"
            yield f"\n{answer.policy.name}: {count_of(hidden, 'more inconsistent end')}; --all shows {pronoun}\n"


def trace_lines(screen: Screen, threads: Sequence[str], title: str, traced: TracedEnd) -> Iterator[str]:
    """Yield how an end comes about, and what is wrong with it."""
    end, actions = traced
    size = f"{count_of(len(end.schedule), 'action')}, {count_of(switches(end.schedule), 'switch', 'switches')}"
    yield screen.style(f"\n{title}: {size}\n", "bold")
    yield from columns(screen, threads, actions) if actions else (_NO_TIME,)
    said = (
        f"{number} {outcome_words(outcome, endless=threads[number - 1].strip() == 'kdump')}"
        for number, outcome in enumerate(end.outcomes, 1)
    )
    yield f"outcome: {', '.join(said)}\n"
    for verdict in end.verdicts:
        why = "" if verdict in end.raced else " (also without any overlap)"
        yield screen.style(f"{verdict_words(verdict)}{why}\n", "red" if not why else "yellow")


def columns(screen: Screen, threads: Sequence[str], trace: Sequence[TracedAction]) -> Iterator[str]:
    """Yield a trace as lines, a column for each thread."""
    wide = _WIDEST
    if screen.terminal:
        wide = min(wide, max(_NARROWEST, screen.width // len(threads) - _APART))
    # On a narrow terminal columns overlap: a line has one action.
    apart = wide + _APART
    if screen.terminal and len(threads) > 1:
        apart = max(1, min(apart, (screen.width - wide) // (len(threads) - 1)))
    starts = range(0, len(threads) * apart, apart)
    yield from _titles(screen, threads, wide, starts)
    for row in filter(lambda action: action.counts, trace):
        style = "red" if row.lost else None
        said = [*((text, style) for text in row_words(row)), *((f"  {safe(line)}", "dim") for line in row.log)]
        for text, how in said:
            for part in wrapped(text, wide) if screen.terminal else (text,):
                yield _line(screen, starts[row.thread], part, how)


def _titles(screen: Screen, threads: Sequence[str], wide: int, starts: Sequence[int]) -> Iterator[str]:
    """Yield the steps of the threads, beside one another; where columns overlap, one below the other."""
    titles = [wrapped(safe(f"{number} {text}"), wide) for number, text in enumerate(threads, 1)]
    if len(threads) > 1 and starts[1] < wide + _APART:
        for start, parts in zip(starts, titles, strict=True):
            yield from (_line(screen, start, part, "bold") for part in parts)
        return
    for heads in zip_longest(*titles, fillvalue=""):
        yield _line(screen, 0, (" " * _APART).join(head.ljust(wide) for head in heads), "bold")


def _line(screen: Screen, start: int, text: str, style: str | None) -> str:
    return screen.style((" " * start + text).rstrip(), style) + "\n"


def _answer(answer: PolicyAnswer, ends: Iterable[TracedEnd]) -> dict[str, Any]:
    return {
        **record(answer, "locking=policy.name schedules states actions ends"),
        "inconsistent": len(answer.bad),
        "by_race": len(answer.races),
        "worst": None if answer.worst is None else verdict_record(answer.worst, raced=None),
        **record(answer, "complete why? not_looked_at=missed"),
        "bad_ends": [
            {
                "outcomes": list(end.outcomes),
                "findings": [verdict_record(verdict, raced=verdict in end.raced) for verdict in end.verdicts],
                "schedule": [number + 1 for number in end.schedule],
                "actions": list(map(action_record, actions)),
            }
            for end, actions in ends
        ],
    }


def action_record(row: TracedAction) -> dict[str, Any]:
    """Return an action as JSON has it."""
    return {"thread": row.thread + 1, "does": row_words(row), "log": list(row.log)}


def verdict_record(verdict: Finding, *, raced: bool | None) -> dict[str, Any]:
    """Return what is wrong as JSON has it."""
    lmbs = {"lmbs": [run_facts(run) for run in verdict.lmbs]}
    return {
        **plain_record(verdict, "rule? severity message"),
        **lmbs,
        **({} if raced is None else {"race": raced}),
    }


def mermaid(
    threads: Sequence[str], trace: Sequence[TracedAction], verdicts: Sequence[Finding], title: str
) -> Iterator[str]:
    """Yield a trace as a Mermaid sequence diagram: calls to firmware as arrows, the rest as notes."""
    yield f"sequenceDiagram\n    %% locking: {title}\n"
    for number, text in enumerate(threads, 1):
        yield f"    participant T{number} as {_quoted(text)}\n"
    yield "    participant K as kernel's array, tree, memory\n    participant F as firmware\n"
    for row in filter(lambda action: action.counts, trace):
        target = "F" if any(isinstance(event, RtasCall) for event in row.events) else "K"
        for text in row_words(row):
            yield f"    T{row.thread + 1}->>{target}: {_quoted(text)}\n"
    last = f"T1,T{len(threads)}" if len(threads) > 1 else "T1"
    for verdict in verdicts:
        yield f"    Note over {last}: {_quoted(verdict_words(verdict))}\n"


def _quoted(text: str) -> str:
    """Return text without what Mermaid takes for its own."""
    return safe(text).replace("#", "#35;").replace(";", "#59;")


def show_replay(screen: Screen, replayed: Replay, format: str) -> None:
    """Print a schedule."""
    threads = replayed.saved.question.threads
    if format == "json":
        question = "kernel=question.kernel.name locking=policy.name threads=question.threads"
        facts = {
            "schema": schema("explore-replay"),
            **plain_record(replayed.saved, question),
            "consistent": not replayed.verdicts,
            **plain_record(replayed, "ended outcomes"),
            "findings": [verdict_record(verdict, raced=None) for verdict in replayed.verdicts],
            "actions": list(map(action_record, replayed.rows)),
        }
        screen.write(document(facts))
    elif format == "mermaid":
        screen.write_all(mermaid(threads, replayed.rows, replayed.verdicts, replayed.saved.policy.name))
    else:
        screen.write_all(columns(screen, threads, replayed.rows))
        ending = [] if replayed.ended else ["the schedule ends before the threads do\n"]
        ending += [screen.style(verdict_words(verdict), "red") + "\n" for verdict in replayed.verdicts]
        screen.write_text(ending if replayed.verdicts else [*ending, "consistent\n"])
