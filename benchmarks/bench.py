# SPDX-License-Identifier: MIT
"""Whole-process figures of drmemctl as ratios to other programs, measured in one run: `make bench`.

A ratio is of the best times of the two commands, which take turns, so that a busy moment hits both. Peak
memory is what the kernel accounts to the process at its end. Exit code 1 if a command failed or a limit is
not met.
"""

from __future__ import annotations

import gzip
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.requests import REQUESTS, partition, seconds_per_request

ROOT = Path(__file__).resolve().parent.parent
SMALL_TREE = ROOT / "fixtures" / "kernel-arrays" / "numa2-plug2.dtb.gz"
DRMEMCTL = Path(sys.executable).with_name("drmemctl")
CHECK = [str(DRMEMCTL), "check", "--isolated", "--fail-on", "never"]
MIB = 1 << 20

START_ROUNDS = 20
LARGE_ROUNDS = 5
STARTS: list[tuple[str, list[str], float]] = [
    ("--version", ["--version"], 1.2),
    ("lmb, small tree", ["lmb", str(SMALL_TREE)], 2.0),
]
LARGE = [(count, shape) for shape in ("realistic", "bare", "worst") for count in (262_144, 1_048_576)]
CHECKED_LMBS = 262_144
MANY_TREES = 1_000
REQUEST_SIZES = (4_096, 262_144, 1_048_576)
REQUEST_ROUNDS = 3
GROWTH_LIMIT = 1.5
"""What a request may cost on a larger partition, in times of the smallest one's."""


class CommandError(Exception):
    """A command that was to be measured did not succeed; its last line on stderr says why."""


@dataclass(frozen=True)
class Cost:
    """What one command took.

    Attributes:
        seconds: best wall time, from start to exit.
        peak: highest resident size in bytes.

    """

    seconds: float
    peak: int


@dataclass(frozen=True)
class Figure:
    """One line of the table; `limit` and `measured` in the same unit; no limit is infinite."""

    name: str
    detail: str
    measured: float
    limit: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the figure is within its limit."""
        return self.measured <= self.limit


def run_once(command: list[str], scratch: Path) -> Cost:
    """Run a command to its end, output thrown away."""
    errors = scratch / "stderr"
    write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, str(errors), write, 0o600),
    ]
    begin = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - begin
    if status:
        said = errors.read_text(errors="replace").strip().splitlines()
        raise CommandError(f"exit {os.waitstatus_to_exitcode(status)}: {said[-1] if said else 'no message'}")
    return Cost(seconds, usage.ru_maxrss * 1024)


def measure(ours: list[str], theirs: list[str], rounds: int, scratch: Path) -> tuple[Cost, Cost]:
    """Return the best of `rounds` of both, taking turns."""
    runs = [(run_once(ours, scratch), run_once(theirs, scratch)) for _ in range(rounds)]
    first, second = (
        Cost(min(cost.seconds for cost in costs), max(cost.peak for cost in costs))
        for costs in zip(*runs, strict=True)
    )
    return first, second


def time_figure(name: str, ours: Cost, theirs: Cost, other: str, limit: float) -> Figure:
    """Compare wall times."""
    detail = f"{ours.seconds * 1000:.0f} ms, {other} {theirs.seconds * 1000:.0f} ms"
    return Figure(name, detail, ours.seconds / theirs.seconds, limit, "x")


def memory_figure(name: str, ours: Cost, tree: Path) -> Figure:
    """Compare peak memory with three times the file and 40 MiB."""
    size = tree.stat().st_size
    return Figure(name, f"file {size / MIB:.1f} MiB", ours.peak / MIB, 3 * size / MIB + 40, "MiB")


def start_figures(name: str, arguments: list[str], limit: float, scratch: Path) -> Iterator[Figure]:
    """Yield what starting costs, against a Python that imports click."""
    click = [sys.executable, "-c", "import click"]
    ours, theirs = measure([str(DRMEMCTL), *arguments], click, START_ROUNDS, scratch)
    yield time_figure(name, ours, theirs, "import click", limit)


def large_figures(count: int, shape: str, scratch: Path) -> Iterator[Figure]:
    """Yield what a large tree costs, against fdtdump on the same file."""
    tree = scratch / f"{shape}-{count}.dtb"
    # In a process of its own: peak memory of a child starts at what its parent holds.
    subprocess.run(
        [sys.executable, "-m", "benchmarks.make_trees", str(count), shape, str(tree)], check=True, cwd=ROOT
    )
    fdtdump = shutil.which("fdtdump")
    if fdtdump is None:
        raise CommandError("fdtdump is not installed (package device-tree-compiler)")
    name = f"lmb, {count:,} LMBs, {shape}"
    ours, theirs = measure([str(DRMEMCTL), "lmb", str(tree)], [fdtdump, str(tree)], LARGE_ROUNDS, scratch)
    yield time_figure(name, ours, theirs, "fdtdump", 1.0)
    yield memory_figure(f"{name}: peak", ours, tree)
    if count == CHECKED_LMBS:
        checked, theirs = measure([*CHECK, str(tree)], [fdtdump, str(tree)], LARGE_ROUNDS, scratch)
        yield time_figure(f"check, {count:,} LMBs, {shape}", checked, theirs, "fdtdump", 2.0)
    tree.unlink()


def many_figures(scratch: Path) -> Iterator[Figure]:
    """Yield what each of many small trees costs in one run of check."""
    content = gzip.decompress(SMALL_TREE.read_bytes())
    folder = scratch / "many"
    folder.mkdir()
    for number in range(MANY_TREES):
        (folder / f"{number:04}.dtb").write_bytes(content)
    costs = [run_once([*CHECK, "--jobs", "2", str(folder)], scratch) for _ in range(LARGE_ROUNDS)]
    seconds = min(cost.seconds for cost in costs)
    each = seconds * 1000 / MANY_TREES
    detail = f"{seconds:.2f} s in all, peak {max(cost.peak for cost in costs) / MIB:.0f} MiB"
    yield Figure("check, 1,000 small trees, --jobs 2: each", detail, each, math.inf, "ms")
    shutil.rmtree(folder)


def request_figures() -> Iterator[Figure]:
    """Yield what a simulated DLPAR request costs by the size of the partition."""
    partitions = [partition(count) for count in REQUEST_SIZES]
    # Sizes take turns, so that a busy moment hits them all.
    rounds = [[seconds_per_request(one) for one in partitions] for _ in range(REQUEST_ROUNDS)]
    best = [min(costs) for costs in zip(*rounds, strict=True)]
    for count, cost in zip(REQUEST_SIZES, best, strict=True):
        detail = f"{cost * 1e6:.0f} us a request, best mean of {REQUESTS:,}"
        yield Figure(f"simulate, {count:,} LMBs", detail, cost / best[0], GROWTH_LIMIT, "x")


def report(label: str, figures: Iterator[Figure]) -> bool:
    """Print each figure as it comes; return whether all are within their limits."""
    fine = True
    try:
        for figure in figures:
            verdict = "ok" if figure.met else "NOT MET"
            value = f"{figure.measured:8.2f} {figure.unit:3}  limit {figure.limit:7.2f}  {verdict:7}"
            print(f"{figure.name:40} {value}  {figure.detail}", flush=True)
            fine = fine and figure.met
    except CommandError as error:
        print(f"{label:40} {'-':>8}      failed command: {error}", flush=True)
        return False
    return fine


def main() -> int:
    """Print every figure; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="drmemctl-bench-") as folder:
        scratch = Path(folder)
        results = [
            report(name, start_figures(name, arguments, limit, scratch)) for name, arguments, limit in STARTS
        ]
        results += [
            report(f"lmb, {count:,} LMBs, {shape}", large_figures(count, shape, scratch)) for count, shape in LARGE
        ]
        results.append(report("check, 1,000 small trees", many_figures(scratch)))
    # Last: what this process holds would count as its children's peak.
    results.append(report("simulate", request_figures()))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
