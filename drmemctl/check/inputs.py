# SPDX-License-Identifier: MIT
"""The inputs of a check: what the TREE arguments stand for, and how all of them are judged, in their order."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from drmemctl.check.engine import Plan, all_rules
from drmemctl.check.report import Report, report
from drmemctl.model.drmem import LmbTable
from drmemctl.read_files import note_name
from drmemctl.tree.discover import InputPath, discover, is_meant
from drmemctl.tree.node import Tree
from drmemctl.tree.plain_input import STDIN


def find_inputs(arguments: Iterable[str]) -> list[InputPath]:
    """Return the inputs that arguments name: trees, all trees below a directory, all matches of a pattern."""
    inputs: list[InputPath] = []
    for argument in arguments:
        for name in matching(argument):
            # Arguments are no paths until somebody says so.
            inputs += discover(name) if os.path.isdir(name) else [InputPath(name)]  # noqa: PTH112
    return inputs


def matching(argument: str) -> list[str]:
    """Return the files that an argument names or matches; a file called `-` is no standard input."""
    from glob import glob, has_magic

    if os.path.lexists(argument) or not has_magic(argument):
        return [argument]
    # A pattern that matches nothing stays what it is: reading it will say that there is no such file.
    matches = glob(argument, recursive=True)  # noqa: PTH207 - Path would rewrite ./ and ../
    names = sorted(name for name in matches if not _may_wait(name)) or [argument]
    return [f"./{name}" if name.partition("::")[0] == STDIN else name for name in names]


def _may_wait(name: str) -> bool:
    """Whether a pattern matched a FIFO, a terminal or the like, which nobody named to be read."""
    try:
        mode = os.stat(name).st_mode  # noqa: PTH116 - as above
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def reports(
    inputs: Sequence[InputPath], plan: Plan, before: Tree | None, jobs: int, array: LmbTable | None = None
) -> Iterator[Report]:
    """Return the report of each input, in order; `jobs` processes make them. `array` is their kernel's."""
    work = partial(_report, plan=plan, before=before, array=array)
    results: Iterable[Report | None] = map(work, inputs)
    if jobs > 1 and len(inputs) > 1:
        from drmemctl.check.pool import ordered_map

        all_rules()  # here once, and not in every process
        results = ordered_map(
            work, inputs, jobs, lost=_lost, here=lambda source: source.path.partition("::")[0] == STDIN
        )
    return (result for result in results if result is not None)


def _report(source: InputPath, plan: Plan, before: Tree | None, array: LmbTable | None) -> Report | None:
    result = report(source.path, plan, before, array)
    return None if result.error and not is_meant(source) else result


def _lost(source: InputPath, how: str) -> Report:
    # Whether it came to reading it, only the process knew.
    note_name(source.path)
    return Report(source.path, error=f"{source.path}: the process that read it {how}")
