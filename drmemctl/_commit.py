# SPDX-License-Identifier: MIT
"""The commit that a development version is of: written by the build, or read from the checkout it runs in.

git itself is not run: `--version` should not take longer for it.
"""

from __future__ import annotations

import os
import re
from importlib import import_module

_BUILT = "drmemctl._build"
"""A module that only built packages have; see `hatch_build.py`."""

_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_SHOWN = 10
_LARGEST = 1 << 24


def commit() -> str:
    """Return the commit as `--version` shows it, empty where nothing tells."""
    try:
        return str(import_module(_BUILT).COMMIT)
    except ImportError:
        return commit_of(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120


def commit_of(checkout: str) -> str:
    """Return the commit that is checked out in a directory, empty if it is no checkout of this project."""
    git = f"{checkout}/.git"
    # Beside an installed package there may be a repository of something else.
    if not os.path.exists(git) or not os.path.exists(f"{checkout}/hatch_build.py"):  # noqa: PTH110
        return ""
    linked = _read(git).partition("gitdir: ")[2].strip()  # a worktree has a file in the place of the directory
    git = os.path.join(checkout, linked) if linked else git  # noqa: PTH118
    head = _read(f"{git}/HEAD").strip()
    _, symbolic, name = head.partition("ref: ")
    commit_id = _resolved(git, name) if symbolic else head
    return commit_id[:_SHOWN] if _ID.match(commit_id) else ""


def _resolved(git: str, name: str) -> str:
    common = os.path.join(git, _read(f"{git}/commondir").strip())  # noqa: PTH118 - git itself without that file
    loose = _read(f"{common}/{name}").strip()
    if loose:
        return loose
    lines = (line.split(" ", 1) for line in _read(f"{common}/packed-refs").splitlines())
    return next((line[0] for line in lines if line[1:] == [name]), "")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123
            return stream.read(_LARGEST)
    except OSError:
        return ""
