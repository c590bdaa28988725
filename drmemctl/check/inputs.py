# SPDX-License-Identifier: MIT
"""The inputs of a check: what the TREE arguments stand for, and how all of them are judged, in their order."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from drmemctl.check.engine import Plan, all_rules
from drmemctl.check.report import Report, report
from drmemctl.read_files import note_name
from drmemctl.tree.discover import Found, discover, is_meant
from drmemctl.tree.node import Tree
from drmemctl.tree.plain_input import STDIN


def find_inputs(arguments: Iterable[str]) -> list[Found]:
    """Return the inputs that arguments name: trees, all trees below a directory, all matches of a pattern."""
    return [found for argument in arguments for name in _matches(argument) for found in _expanded(name)]


def _matches(argument: str) -> list[str]:
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


def _expanded(name: str) -> list[Found]:
    if not os.path.isdir(name):  # noqa: PTH112 - arguments are no paths until somebody says so
        return [Found(name)]
    return discover(name)


def reports(inputs: Sequence[Found], plan: Plan, before: Tree | None, jobs: int) -> Iterator[Report]:
    """Return the report of each input, in order; `jobs` processes make them."""
    work = partial(_report, plan=plan, before=before)
    return (made for made in _in_order(work, inputs, jobs) if made is not None)


def _in_order(
    work: Callable[[Found], Report | None], inputs: Sequence[Found], jobs: int
) -> Iterable[Report | None]:
    if jobs < 2 or len(inputs) < 2:
        return map(work, inputs)
    from drmemctl.check.pool import ordered_map

    all_rules()  # here once, and not in every process
    return ordered_map(work, inputs, jobs, lost=_lost, here=_is_stdin)


def _report(found: Found, plan: Plan, before: Tree | None) -> Report | None:
    made = report(found.path, plan, before)
    return None if made.error and not is_meant(found) else made


def default_jobs() -> int:
    """Return how many processes there are CPUs for."""
    from drmemctl.check.pool import cpus

    return cpus()


def _is_stdin(found: Found) -> bool:
    """Whether only this process can read it."""
    return found.path.partition("::")[0] == STDIN


def _lost(found: Found, how: str) -> Report:
    # Whether it came to reading it, only the process knew.
    note_name(found.path)
    return Report(found.path, error=f"{found.path}: the process that read it {how}")
