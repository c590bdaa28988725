# SPDX-License-Identifier: MIT
"""Actions of a schedule in words."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from drmemctl.output.explore_words import _PLAIN
from tests.conftest import ROOT

WRITES = {"assign", "unassign", "mark", "unmark", "set_aa", "attach", "detach"}
CALLS = {"sense", "set", "configure_connector", "configure_siblings"}
"""Atomic functions that write or call firmware whenever they run: the trace has an event for each."""


def atomic_functions() -> Iterator[str]:
    """Yield the names of the functions that are one action, as actions are called."""
    for path in (ROOT / "drmemctl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any(map(is_atomic, node.decorator_list)):
                yield node.name.strip("_")


def is_atomic(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "atomic"


def test_every_action_that_leaves_no_event_has_words() -> None:
    found = set(atomic_functions())
    assert "next_free" in found
    assert found - set(_PLAIN) == WRITES | CALLS
