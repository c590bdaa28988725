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
PAGE_LIMIT = 2.0
"""Seconds in which a browser shows a report."""

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
        yield diff_figure(tree, f"diff, {count:,} LMBs, {shape}", math.inf if shape == "worst" else 1.0, scratch)
    tree.unlink()


def diff_figure(tree: Path, name: str, limit: float, scratch: Path) -> Figure:
    """Return what comparing a large tree with a changed one costs, against dtc on both and diff on what it says.

    There is no limit for `worst`, which no firmware builds: reading its half a million runs is what takes time.
    """
    changed = tree.with_name("changed.dtb")
    subprocess.run(
        [sys.executable, "-m", "benchmarks.make_changed", str(tree), str(changed)], check=True, cwd=ROOT
    )
    # Both say by an exit code of 1 that there is a difference.
    ours = f"{DRMEMCTL} diff {tree} {changed}; test $? = 1"
    source = "dtc -q -I dtb -O dts"
    theirs = f"{source} -o a.dts {tree} && {source} -o b.dts {changed} && diff -u a.dts b.dts; test $? = 1"
    one, other = measure(
        ["/bin/sh", "-c", ours], ["/bin/sh", "-c", f"cd {scratch} && {theirs}"], LARGE_ROUNDS, scratch
    )
    for path in (changed, scratch / "a.dts", scratch / "b.dts"):
        path.unlink(missing_ok=True)
    return time_figure(name, one, other, "dtc twice + diff", limit)


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


def explore_figures() -> Iterator[Figure]:
    """Yield how fast states are explored, and how many there are with more threads and longer ones."""
    from drmemctl.explore.answer import Question
    from drmemctl.explore.policy import BY_NAME
    from drmemctl.explore.search import Bounds, search
    from drmemctl.tree.source import load

    races = ROOT / "fixtures" / "races"
    migration = f"lpm {races / 'after.dts'}"
    cases: list[tuple[str, ...]] = [(migration, f"dlpar memory add count {count}") for count in (1, 2, 3, 4)]
    add, remove = "dlpar memory add count 1", "dlpar memory remove count 1"
    cases += [(migration, add, remove), (migration, add, "kdump"), (migration, add, remove, "kdump")]
    for threads in cases:
        question = Question(load(str(races / "before.dts")), threads)
        sizes = []
        for reduce in (True, False):
            begin = time.perf_counter()
            graph = search(question.engine(BY_NAME["kernel"]), Bounds(), reduce=reduce)
            sizes.append((len(graph.edges), graph.schedules(), time.perf_counter() - begin))
        (states, schedules, seconds), (all_states, all_schedules, _) = sizes
        name = f"explore, {len(threads)} threads, {threads[1].rpartition(' ')[2]} LMBs"
        detail = f"{states:,} states, {schedules:,} schedules; unreduced {all_states:,} and {all_schedules:.1e}"
        yield Figure(name, detail, states / seconds / 1000, math.inf, "k/s")


def request_figures() -> Iterator[Figure]:
    """Yield what a simulated DLPAR request costs by the size of the partition."""
    partitions = [partition(count) for count in REQUEST_SIZES]
    # Sizes take turns, so that a busy moment hits them all.
    rounds = [[seconds_per_request(one) for one in partitions] for _ in range(REQUEST_ROUNDS)]
    best = [min(costs) for costs in zip(*rounds, strict=True)]
    for count, cost in zip(REQUEST_SIZES, best, strict=True):
        detail = f"{cost * 1e6:.0f} us a request, best mean of {REQUESTS:,}"
        yield Figure(f"simulate, {count:,} LMBs", detail, cost / best[0], GROWTH_LIMIT, "x")


def page_figures(scratch: Path) -> Iterator[Figure]:
    """Yield how long a browser takes to open the report of a partition in which no two neighbours are alike."""
    from tests.browser import Browser

    tree, page = scratch / "worst.dtb", scratch / "worst.html"
    subprocess.run(
        [sys.executable, "-m", "benchmarks.make_trees", str(CHECKED_LMBS), "worst", str(tree)],
        check=True,
        cwd=ROOT,
    )
    cost = run_once([str(DRMEMCTL), "report", str(tree), "-o", str(page)], scratch)
    try:
        browser = Browser(scratch / "profile")
    except LookupError as error:
        raise CommandError(str(error)) from error
    seconds = []
    for _ in range(LARGE_ROUNDS):
        browser.open(page)
        seconds.append(browser.run("return performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000)
    browser.driver.quit()
    detail = f"{page.stat().st_size / MIB:.1f} MiB, made in {cost.seconds:.1f} s, peak {cost.peak / MIB:.0f} MiB"
    yield Figure(f"report, {CHECKED_LMBS:,} LMBs, worst: opens", detail, min(seconds), PAGE_LIMIT, "s")


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
        results.append(report("explore", explore_figures()))
        results.append(report("report", page_figures(scratch)))
    # Last: what this process holds would count as its children's peak.
    results.append(report("simulate", request_figures()))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
