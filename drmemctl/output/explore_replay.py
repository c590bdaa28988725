# SPDX-License-Identifier: MIT
"""What `drmemctl explore --replay` prints: a schedule, action by action, and what is wrong at its end."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.output.explore import columns, mermaid, verdict_record
from drmemctl.output.explore_words import row_words, verdict_words
from drmemctl.output.json import document, schema
from drmemctl.output.screen import Screen
from drmemctl.simulate.interleave.trace import Replay


def show_replay(screen: Screen, kept: Replay, format: str) -> None:
    """Print a schedule."""
    threads = kept.saved.question.threads
    if format == "json":
        screen.write(document(_document(kept)))
    elif format == "mermaid":
        screen.write_all(mermaid(threads, kept.rows, kept.verdicts, kept.saved.policy.name))
    else:
        screen.write_all(columns(screen, threads, kept.rows))
        screen.write_all(_verdicts(screen, kept))


def _verdicts(screen: Screen, kept: Replay) -> Iterator[str]:
    if not kept.ended:
        yield "the schedule ends before the threads do\n"
    for verdict in kept.verdicts:
        yield screen.style(verdict_words(verdict), "red") + "\n"
    if not kept.verdicts:
        yield "consistent\n"


def _document(kept: Replay) -> dict[str, object]:
    return {
        "schema": schema("explore-replay"),
        "kernel": kept.saved.question.kernel.name,
        "locking": kept.saved.policy.name,
        "threads": list(kept.saved.question.threads),
        "consistent": not kept.verdicts,
        "ended": kept.ended,
        "outcomes": list(kept.outcomes),
        "findings": [verdict_record(verdict, raced=None) for verdict in kept.verdicts],
        "actions": [{"thread": row.thread + 1, "does": row_words(row), "log": list(row.log)} for row in kept.rows],
    }
