# SPDX-License-Identifier: MIT
"""The files and trees that steps name, and how they are read."""

from __future__ import annotations

import os
import stat
from codecs import BOM_UTF8
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from drmemctl.errors import InputError
from drmemctl.kernel.boot import check_runs
from drmemctl.tree.node import Tree

_BEGINNING = 4096
"""Bytes of a file that are looked at, blanks and all."""


def read_file(name: str) -> bytes:
    """Return the content of a file that a step names; `InputError` if it cannot be read."""
    from drmemctl.tree.limits import LIMITS
    from drmemctl.tree.plain_input import read_input

    _check_no_device(name)
    return read_input(name, LIMITS.max_value_by_lmb)


def read_tree(name: str) -> Tree:
    """Return a tree that a step names."""
    from drmemctl.model.sizes import within_bounds
    from drmemctl.tree.source import load

    _check_no_device(name)
    return check_runs(within_bounds(load(name)))


def _check_no_device(name: str) -> None:
    """Raise `InputError` for a FIFO or a device: whoever wrote the steps would keep us waiting, or touch that."""
    with suppress(OSError, ValueError):  # whoever reads it says why
        mode = os.stat(name.partition("::")[0]).st_mode  # noqa: PTH116
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            hint = "a step names files and directories, - for standard input"
            raise InputError("this is no regular file", source=name, hint=hint)


def is_json_object(name: str) -> bool:
    """Whether a file begins as a JSON object does: then it is no tree."""
    path = Path(name)
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(_BEGINNING).removeprefix(BOM_UTF8).lstrip()[:1] == b"{"
    except OSError:
        return False  # whoever reads it says why


@dataclass(frozen=True, slots=True)
class Files:
    """How a step's files and trees are read.

    Attributes:
        file: returns the content of the file of that name.
        tree: returns the device tree of the input of that name.
        is_record: returns whether the file of that name is a record, and no tree.

    """

    file: Callable[[str], bytes] = read_file
    tree: Callable[[str], Tree] = read_tree
    is_record: Callable[[str], bool] = is_json_object
