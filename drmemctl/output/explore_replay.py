# SPDX-License-Identifier: MIT
"""What `drmemctl explore --replay` prints: a schedule, action by action, and what is wrong at its end."""

from __future__ import annotations

from drmemctl.formats.plain import record as plain_record
from drmemctl.output.explore import action_record, columns, mermaid, verdict_record
from drmemctl.output.explore_words import verdict_words
from drmemctl.output.json import document, schema
from drmemctl.output.screen import Screen
from drmemctl.simulate.interleave.trace import Replay


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
