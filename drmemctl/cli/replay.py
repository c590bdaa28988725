# SPDX-License-Identifier: MIT
"""Replaying a saved schedule, for `explore --replay` and `simulate --schedule`."""

from __future__ import annotations

from drmemctl.cli.common import open_tree
from drmemctl.output.screen import Screen

_EXIT_INCONSISTENT = 1


def replay_schedule(tree: str, path: str, screen: Screen, format: str) -> int:
    """Replay a schedule on a tree, print it, and return the exit code: 1 if it ends inconsistent."""
    from drmemctl.output.explore_replay import show_replay
    from drmemctl.simulate.files import read_file
    from drmemctl.simulate.interleave.answer import Question
    from drmemctl.simulate.interleave.trace import read_schedule, replay

    text = read_file(path).decode("utf-8", "replace")
    replayed = replay(read_schedule(text, path, Question(open_tree(tree), ())))
    show_replay(screen, replayed, format)
    return _EXIT_INCONSISTENT if replayed.verdicts else 0
