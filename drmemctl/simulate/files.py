# SPDX-License-Identifier: MIT
"""The files and trees that steps name, and how they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drmemctl.kernel.boot import check_runs
from drmemctl.tree.node import Tree


def read_file(name: str) -> bytes:
    """Return the content of a file that a step names; `InputError` if it cannot be read."""
    from drmemctl.tree.limits import LIMITS
    from drmemctl.tree.plain_input import read_input

    return read_input(name, LIMITS.max_value_by_lmb)


def read_tree(name: str) -> Tree:
    """Return a tree that a step names."""
    from drmemctl.model.sizes import within_bounds
    from drmemctl.tree.source import load

    return check_runs(within_bounds(load(name)))


@dataclass(frozen=True, slots=True)
class Files:
    """How a step's files and trees are read.

    Attributes:
        file: returns the content of the file of that name.
        tree: returns the device tree of the input of that name.

    """

    file: Callable[[str], bytes] = read_file
    tree: Callable[[str], Tree] = read_tree
