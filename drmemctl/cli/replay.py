# SPDX-License-Identifier: MIT
"""Replaying a saved schedule: `--replay` of explore and simulate."""

from __future__ import annotations

import click

from drmemctl.cli.common import FILE, Decorator, open_tree
from drmemctl.cli.option import RenamedOption
from drmemctl.output.screen import Screen

_EXIT_INCONSISTENT = 1


def replay_option() -> Decorator:
    """Return `--replay`, which hands the command the file of a schedule or None."""
    return click.option(
        "--replay",
        cls=RenamedOption,
        former=("--schedule",),
        metavar="FILE",
        type=FILE,
        help="Replay a schedule that explore --save-trace wrote, action by action.",
    )


def replay_schedule(tree: str, path: str, screen: Screen, format: str) -> int:
    """Replay a schedule on a tree, print it, and return the exit code: 1 if it ends inconsistent."""
    from drmemctl.output.explore import show_replay
    from drmemctl.simulate.interleave.answer import Question
    from drmemctl.simulate.interleave.trace import read_schedule, replay
    from drmemctl.tree.limits import LIMITS
    from drmemctl.tree.plain_input import read_input

    text = read_input(path, LIMITS.max_value_by_lmb).decode("utf-8-sig", "replace")
    replayed = replay(read_schedule(text, path, Question(open_tree(tree), ())))
    show_replay(screen, replayed, format)
    return _EXIT_INCONSISTENT if replayed.verdicts else 0
