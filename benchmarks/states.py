# SPDX-License-Identifier: MIT
"""What a search of very many states takes: `python -m benchmarks.states NUMBER`.

Seven threads race on a small partition: there are more than a hundred million states, and the search ends at the
number asked for. It prints a line each million states, then what the search and counting its schedules took.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path

from drmemctl.kernel.profiles import profile
from drmemctl.simulate.interleave.answer import Question
from drmemctl.simulate.interleave.policy import BY_NAME
from drmemctl.simulate.interleave.search import Bounds, search
from drmemctl.tree.source import load

RACES = Path(__file__).resolve().parent.parent / "fixtures" / "races"
KERNEL = "6.9"
"""The newest on which user space loads the crash kernel again: one thread more that waits for others."""

REQUESTS = ("add count 4", "remove count 2", "add count 2", "remove count 1", "add count 1")
THREADS = (f"lpm {RACES / 'after.dts'}", *(f"dlpar memory {request}" for request in REQUESTS), "kdump")

_TOLD_EVERY = 1_000_000
_MB = 1_000_000


def resident() -> float:
    """Return the megabytes that this process has in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / _MB


def peak() -> float:
    """Return the most megabytes that this process had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MB


def main() -> None:
    """Search as many states as are asked for, and print what that took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.states", description=__doc__)
    parser.add_argument("number", type=int)
    number = parser.parse_args().number
    engine = Question(load(str(RACES / "before.dts")), THREADS, profile(KERNEL)).engine(BY_NAME["kernel"])
    begin, next_line = time.perf_counter(), _TOLD_EVERY

    def tell(states: int, ends: int) -> None:
        nonlocal next_line
        if states >= next_line:
            next_line += _TOLD_EVERY
            seconds = time.perf_counter() - begin
            print(f"{states:,} states, {ends:,} ends, {seconds:.0f} s, {resident():,.0f} MB", flush=True)

    graph = search(engine, Bounds(states=number), tell=tell)
    edges, seconds = graph.edges, time.perf_counter() - begin
    print(
        f"{len(edges):,} states, {edges.transitions:,} transitions, {len(graph.ends):,} ends in {seconds:,.0f} s"
        f" ({time.process_time():,.0f} s of CPU): peak {peak():,.0f} MB, {peak() * _MB / len(edges):.0f} B a state"
    )
    schedules = graph.schedules()
    print(f"{schedules:.1e} schedules after {time.perf_counter() - begin - seconds:,.0f} s: peak {peak():,.0f} MB")


if __name__ == "__main__":
    main()
