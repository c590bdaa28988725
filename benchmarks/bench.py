# SPDX-License-Identifier: MIT
"""Whole-process figures of drmemctl as ratios to other programs, measured in one run: `make bench`.

A ratio is of the least CPU times of the two commands, which take turns: on an idle machine that is the time from
start to exit, and a busy one changes it least. Peak memory is what the kernel accounts to the process at its end.
Exit code 1 if a command failed or a limit is not met for which `figures.KNOWN_MISSES` has no reason.
`--write PAGE` writes the figures as a page.
"""

from __future__ import annotations

import argparse
import gzip
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.figures import FAILED, KNOWN_MISSES, NOT_MET, Figure, line_of, verdict
from benchmarks.fleet import MANY
from benchmarks.fleet import figures as fleet_figures
from benchmarks.page import Section, page
from benchmarks.requests import REQUESTS, partition, seconds_per_request, seconds_to_come_and_go

if TYPE_CHECKING:
    from drmemctl.simulate.simulation import Simulation

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
    *((f"{command}, small tree", [command, str(SMALL_TREE)], math.inf) for command in ("show", "numa", "map")),
    ("check, small tree", ["check", "--isolated", str(SMALL_TREE)], math.inf),
    ("diff, small tree", ["diff", str(SMALL_TREE), str(SMALL_TREE)], math.inf),
    ("simulate, a request", ["simulate", str(SMALL_TREE), "dlpar memory remove count 1"], math.inf),
]
MANY_STATES = 3_000_000
LARGE = [(count, shape) for shape in ("realistic", "bare", "v2", "worst") for count in (262_144, 1_048_576)]
CHECKED_LMBS = 262_144
LARGE = [*LARGE, (CHECKED_LMBS, "dlpar"), (CHECKED_LMBS, "sets")]
LARGE_LIMITS = {
    "lmb": {"v2": math.inf, "sets": math.inf},
    "check": {"dlpar": 1.5, "sets": math.inf},
    "diff": {"v2": math.inf, "worst": math.inf, "sets": math.inf},
}
"""What no limit is set for: v2 needs no second for a million LMBs, and no firmware builds `worst` or `sets`."""
JSON_LIMIT = 8.0
"""JSON of a run for each LMB, against fdtdump."""
MANY_TREES = 1_000
REQUEST_SIZES = (4_096, 262_144, 1_048_576)
REQUEST_ROUNDS = 3
PAGE_LIMIT = 2.0
"""Seconds in which a browser shows a report."""

GROWTH_LIMIT = 1.5
RUN_SIZES = (1_000, 126_000)
RUN_SHARE = 0.5
"""A request acts on a run of LMBs at once; the kernel's message about each that goes remains."""
"""What a request may cost on a larger partition, in times of the smallest one's."""


class CommandError(Exception):
    """A command that was to be measured did not succeed; its last line on stderr says why."""


class Cost(NamedTuple):
    """What one command took.

    Attributes:
        seconds: wall time, from start to exit.
        cpu: user and system time in seconds, children included.
        peak: highest resident size in bytes.

    """

    seconds: float
    cpu: float
    peak: int


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
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def measure(ours: list[str], theirs: list[str], rounds: int, scratch: Path) -> tuple[Cost, Cost]:
    """Return the best of `rounds` of both, taking turns."""
    runs = [(run_once(ours, scratch), run_once(theirs, scratch)) for _ in range(rounds)]
    first, second = (
        Cost(
            min(cost.seconds for cost in costs),
            min(cost.cpu for cost in costs),
            max(cost.peak for cost in costs),
        )
        for costs in zip(*runs, strict=True)
    )
    return first, second


def time_figure(name: str, ours: Cost, theirs: Cost, other: str, limit: float) -> Figure:
    """Compare CPU times."""
    detail = f"{ours.cpu * 1000:.0f} ms, {other} {theirs.cpu * 1000:.0f} ms"
    return Figure(name, detail, ours.cpu / theirs.cpu, limit, "x")


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
    yield time_figure(name, ours, theirs, "fdtdump", LARGE_LIMITS["lmb"].get(shape, 1.0))
    yield memory_figure(f"{name}: peak", ours, tree)
    if count == CHECKED_LMBS:
        checked, theirs = measure([*CHECK, str(tree)], [fdtdump, str(tree)], LARGE_ROUNDS, scratch)
        limit = LARGE_LIMITS["check"].get(shape, 2.0)
        yield time_figure(f"check, {count:,} LMBs, {shape}", checked, theirs, "fdtdump", limit)
        if shape == "sets":
            json = [str(DRMEMCTL), "lmb", "--format", "json", str(tree)]
            ours, theirs = measure(json, [fdtdump, str(tree)], LARGE_ROUNDS, scratch)
            yield time_figure(f"lmb --format json, {count:,} LMBs, {shape}", ours, theirs, "fdtdump", JSON_LIMIT)
        every = [str(DRMEMCTL), "lmb", "--expand", str(tree)]
        expanded, theirs = measure(every, [fdtdump, str(tree)], LARGE_ROUNDS, scratch)
        yield time_figure(f"lmb --expand, {count:,} LMBs, {shape}", expanded, theirs, "fdtdump", math.inf)
        if shape not in ("v2", "sets"):
            limit = LARGE_LIMITS["diff"].get(shape, 1.0)
            yield diff_figure(tree, f"diff, {count:,} LMBs, {shape}", limit, scratch)
    tree.unlink()


def diff_figure(tree: Path, name: str, limit: float, scratch: Path) -> Figure:
    """Return what comparing a large tree with a changed one costs, against dtc on both and diff of that."""
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
    from drmemctl.kernel.profiles import LATEST, profile
    from drmemctl.simulate.interleave.answer import Question
    from drmemctl.simulate.interleave.policy import BY_NAME
    from drmemctl.simulate.interleave.search import Bounds, search
    from drmemctl.tree.source import load

    races = ROOT / "fixtures" / "races"
    migration = f"lpm {races / 'after.dts'}"
    cases: list[tuple[str, ...]] = [(migration, f"dlpar memory add count {count}") for count in (1, 2, 3, 4)]
    add, remove = "dlpar memory add count 1", "dlpar memory remove count 1"
    cases += [(migration, add, remove), (migration, add, "kdump"), (migration, add, remove, "kdump")]
    for threads in cases:
        # From 6.10 on user space has nothing to load again for a crash kernel.
        kernel = profile("6.9" if "kdump" in threads else LATEST)
        question = Question(load(str(races / "before.dts")), threads, kernel)
        sizes = []
        for reduce in (True, False):
            begin = time.perf_counter()
            graph = search(question.engine(BY_NAME["kernel"]), Bounds(), reduce=reduce)
            seconds = time.perf_counter() - begin
            sizes.append((len(graph.edges), graph.edges.transitions, graph.schedules(), seconds))
        (states, transitions, schedules, seconds), (all_states, _, all_schedules, _) = sizes
        name = f"explore, {len(threads)} threads, {threads[1].rpartition(' ')[2]} LMBs"
        name += ", kdump" if "kdump" in threads else ""
        detail = f"{states:,} states, {schedules:,} schedules; unreduced {all_states:,} and {all_schedules:.1e}"
        yield Figure(name, detail, states / seconds / 1000, math.inf, "k/s")
    yield state_figure(len(threads), transitions / states)


def state_figure(n_threads: int, ratio: float) -> Figure:
    """Return the memory of one more state: what is kept of very many, with as many transitions as in a search."""
    from drmemctl.simulate.interleave.states import Edges, Numbers, digest_of

    numbers, edges = Numbers(), Edges(n_threads)
    for state in range(MANY_STATES):
        numbers.numbered(digest_of(state.to_bytes(8, "little")))
        edges.add_state(max(0, state - 1), 0)
        for thread in range(int(state * (ratio - 1)) - int((state - 1) * (ratio - 1))):
            edges.add(state, thread, state)
    # Beside these a search has a byte for each state, and caches that do not grow.
    size = 1 + sum(map(sys.getsizeof, (*vars(numbers).values(), *vars(edges).values()))) / MANY_STATES
    detail = f"{MANY_STATES:,} states, {n_threads} threads, {ratio:.2f} transitions from each"
    return Figure("explore, memory of a state", detail, size, math.inf, "B")


def request_figures() -> Iterator[Figure]:
    """Yield what a simulated DLPAR request costs by the size of the partition."""
    partitions = [partition(count) for count in REQUEST_SIZES]
    # Sizes take turns, so that a busy moment hits them all.
    rounds = [[seconds_per_request(one) for one in partitions] for _ in range(REQUEST_ROUNDS)]
    best = [min(costs) for costs in zip(*rounds, strict=True)]
    for count, cost in zip(REQUEST_SIZES, best, strict=True):
        detail = f"{cost * 1e6:.0f} us a request, best mean of {REQUESTS:,}"
        yield Figure(f"simulate, {count:,} LMBs", detail, cost / best[0], GROWTH_LIMIT, "x")
    yield from run_figures(partitions[1])


def run_figures(large: Simulation) -> Iterator[Figure]:
    """Yield what many LMBs in one request cost: no more than the lines that the kernel prints about them."""
    rounds = [[seconds_to_come_and_go(large, count) for count in RUN_SIZES] for _ in range(REQUEST_ROUNDS)]
    few, many = (min(costs) for costs in zip(*rounds, strict=True))
    times = RUN_SIZES[1] / RUN_SIZES[0]
    detail = f"{many * 1e3:.0f} ms, {RUN_SIZES[0]:,} LMBs {few * 1e3:.1f} ms"
    yield Figure(f"simulate, {RUN_SIZES[1]:,} LMBs at once", detail, many / few, times * RUN_SHARE, "x")


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


def report(label: str, figures: Iterator[Figure]) -> tuple[list[Figure], bool]:
    """Print each figure as it comes; return them, and whether none fails."""
    found: list[Figure] = []
    try:
        for figure in figures:
            found.append(figure)
            print(line_of(figure), flush=True)
    except CommandError as error:
        print(f"{label:40} {'-':>10}  failed command: {error}", flush=True)
        return found, False
    return found, all(verdict(figure) != FAILED for figure in found)


def large_parts(scratch: Path) -> Iterator[Figure]:
    """Yield the figures of all large trees."""
    for count, shape in LARGE:
        yield from large_figures(count, shape, scratch)


def start_parts(scratch: Path) -> Iterator[Figure]:
    """Yield the figures of all commands on a small tree."""
    for name, arguments, limit in STARTS:
        yield from start_figures(name, arguments, limit, scratch)


class Part(NamedTuple):
    """A part of a run: its heading, what its figures mean, and what takes them."""

    title: str
    about: str
    figures: Callable[[Path], Iterator[Figure]]


PARTS = (
    Part(
        "Start",
        "A real guest's tree of 16 LMBs, against a Python that imports click, which every command has to.",
        start_parts,
    ),
    Part(
        "Large trees",
        """262,144 LMBs of 256 MiB are 64 TiB. Against `fdtdump` on the same file, which prints its cells; `diff`
against `dtc` on both trees and `diff -u` on what it says. Memory may be three times the file and 40 MiB.""",
        large_parts,
    ),
    Part("Many trees", "1,000 files in one run of `check`: what each of them costs.", many_figures),
    Part(
        "explore",
        """Thousands of states a second, how many states there are with the reduction and without, and what is kept
of each where there are very many. The threads are a migration and DLPAR requests (`fixtures/races`).""",
        lambda _scratch: explore_figures(),
    ),
    Part(
        "report",
        "How long headless Chromium takes to open the page, from reading the file to the end of its scripts.",
        page_figures,
    ),
    Part(
        "Fleets",
        f"""What an input costs in `fleet check`, without the start of the engine: the bundled trees again and
again, {MANY:,} in all, against `check` in one process. `python -m benchmarks.fleet 100000` runs as many.""",
        fleet_figures,
    ),
    # Last: what this process holds would count as its children's peak.
    Part(
        "simulate",
        f"""What a DLPAR request costs, the mean of {REQUESTS:,}, in times of what it costs on the smallest
partition: it must not grow with the number of LMBs. Last, {RUN_SIZES[1]:,} LMBs that come in one request and go in
another, in times of {RUN_SIZES[0]:,}.""",
        lambda _scratch: request_figures(),
    ),
)


def main() -> int:
    """Print every figure; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--write", metavar="PAGE", type=Path, help="write the figures to this file as Markdown")
    options = parser.parse_args()
    sections, fine = [], True
    with tempfile.TemporaryDirectory(prefix="drmemctl-bench-") as folder:
        for part in PARTS:
            found, met = report(part.title, part.figures(Path(folder)))
            sections.append(Section(part.title, part.about, found))
            fine = fine and met
    for figure in (one for section in sections for one in section.figures if verdict(one) == NOT_MET):
        print(f"not met: {figure.name}: {KNOWN_MISSES[figure.name].reason}")
    if options.write is not None:
        options.write.write_text(page(sections), encoding="utf-8")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
