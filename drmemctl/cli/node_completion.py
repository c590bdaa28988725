# SPDX-License-Identifier: MIT
"""What a shell can complete from the TREE on the command line: nodes and properties.

Whoever presses Tab waits and reads no messages: what takes long or goes wrong completes nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from drmemctl.tree.node import Node, Tree

_LARGEST = 8 << 20
_SECONDS = 2
_MOST = 1000


def complete_nodes(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the nodes that a path can go on with, a level at a time."""
    paths: list[str] = []
    with suppress(Exception), _time_limit():
        tree = _tree(ctx)
        if tree is not None:
            paths = _paths(tree.root, incomplete or "/")
    return paths


def complete_properties(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the properties of the node on the command line that begin so."""
    from drmemctl.tree.lookup import find_node

    names: list[str] = []
    with suppress(Exception), _time_limit():
        tree = _tree(ctx)
        if tree is not None:
            node = find_node(tree, ctx.params["path"]).node
            names = [prop.name for prop in islice(node.properties, _MOST)]
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete) and _is_plain(name)]


def _tree(ctx: click.Context) -> Tree | None:
    from drmemctl.tree.source import file_of, load

    source = ctx.params.get("tree")
    if not source or source == "-":  # reading standard input would take it from the shell
        return None
    file = file_of(source)
    if file is not None and os.path.isfile(file) and os.path.getsize(file) > _LARGEST:  # noqa: PTH113, PTH202
        return None
    return load(source)


def _paths(root: Node, begun: str) -> list[str]:
    parent, _, start = begun.rpartition("/")
    node: Node | None = root
    for name in filter(None, parent.split("/")):
        node = None if node is None else node.child(name)
    if node is None:
        return []
    fitting = [child for child in islice(node.children, _MOST) if _fits(child, start)]
    paths = [f"{parent}/{child.name}" for child in fitting]
    if len(fitting) == 1:
        # With what is below it, it is not the only one, and the shell lets the path go on.
        paths += [f"{paths[0]}/{child.name}" for child in islice(fitting[0].children, _MOST) if _fits(child, "")]
    return paths


def _fits(node: Node, start: str) -> bool:
    return node.name.startswith(start) and _is_plain(node.name)


def _is_plain(name: str) -> bool:
    """Whether a shell may see a name: it is text, without blanks and without anything that a shell acts on."""
    return name.isascii() and all(char.isalnum() or char in ",.@_+-#/:" for char in name)


@contextmanager
def _time_limit() -> Iterator[None]:
    """Raise `TimeoutError` after some seconds."""

    def stop(_number: int, _frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
