# SPDX-License-Identifier: MIT
"""The figures of a run as a page for the documentation."""

from __future__ import annotations

import math
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import KNOWN_MISSES, NOT_MET, OK, Figure, value_text, verdict


class Section(NamedTuple):
    """Figures that belong together.

    Attributes:
        title: the heading.
        about: what the figures mean.
        figures: in the order in which they were taken.

    """

    title: str
    about: str
    figures: Sequence[Figure]


_HEAD = """# Performance

These are figures of whole processes, from start to exit: what someone waits for who types a command. `make bench`
takes them, and fails if one is beyond its limit without a reason at the end of this page.
`python -m benchmarks.bench --write docs/performance.md` writes this page.

Times are compared with another program on the same input in the same run (`x`), since a time alone says more of
the machine than of the program: the least CPU time of each, which take turns. Trees larger than any machine at
hand are built by `benchmarks/make_trees.py`, in QEMU's form:

- *realistic*: `ibm,dynamic-memory` (v1), boot memory, up to a hundred DIMMs on eight nodes, the root's drc arrays
- *bare*: the same without the drc arrays
- *v2*: the same as realistic, with `ibm,dynamic-memory-v2`
- *worst*: v1 in which no two neighbours are alike, so that nothing can be taken together; no firmware builds it
"""


def page(sections: Sequence[Section]) -> str:
    """Return the page."""
    parts = [f"## {one.title}\n\n{one.about}\n\n" + "\n".join(_table(one.figures)) + "\n" for one in sections]
    every = [one for section in sections for one in section.figures]
    return "\n".join([_HEAD, _machine(), *parts, _not_met(every)])


def _table(figures: Sequence[Figure]) -> Iterator[str]:
    yield "| what | measured | limit | | |"
    yield "|---|---:|---:|---|---|"
    for one in figures:
        limit = "" if math.isinf(one.limit) else value_text(one.limit, one.unit)
        said = "" if math.isinf(one.limit) else verdict(one)
        yield f"| {one.name} | {value_text(one.measured, one.unit)} | {limit} | {said} | {one.detail} |"


def _not_met(figures: Sequence[Figure]) -> str:
    missed = [one for one in figures if verdict(one) != OK]
    if not missed:
        return "All limits are met.\n"
    lines = ["## Not met", ""]
    for one in missed:
        reason = KNOWN_MISSES[one.name].reason if verdict(one) == NOT_MET else "not expected"
        asked = f"{value_text(one.measured, one.unit)} where {value_text(one.limit, one.unit)} is asked for"
        lines.append(f"- {one.name}: {asked}: {reason}.")
    return "\n".join(lines) + "\n"


def _machine() -> str:
    rows = {
        "drmemctl": _commit(),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "click": version("click"),
        "dtc": _first_line(["dtc", "--version"]).removeprefix("Version: DTC "),
        "processor": f"{_processor()}, {_cpus()} CPUs",
        "system": f"{platform.system()} {platform.release()}",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]) + "\n"


def _commit() -> str:
    described = _first_line(["git", "describe", "--always", "--dirty"])
    return f"{version('drmemctl')} ({described})" if described else version("drmemctl")


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    except OSError:
        return ""
    return done.stdout.partition("\n")[0]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "cpu\t")))
    return next(named, platform.machine() or sys.platform)


def _cpus() -> int:
    from drmemctl.check.cpus import n_cpus

    return n_cpus()
