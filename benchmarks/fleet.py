# SPDX-License-Identifier: MIT
"""What `fleet check` costs for each input: `python -m benchmarks.fleet NUMBER`, and a part of `make bench`.

The inputs are the bundled trees, again and again, each with a partition's name of its own. A run is a process of
its own whose children are the workers; what the engine takes to start is measured with a few inputs and left out.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import Figure, line_of

ROOT = Path(__file__).resolve().parent.parent
MIB = 1 << 20
FEW, MANY = 64, 3_000
WORKER_LIMIT, CLIENT_LIMIT, MEMORY_LIMIT, RESUME_LIMIT = 1.5, 0.3, 150.0, 2.0
RESUMED = 50_000
_NAME = "lpar0000000"
_PER_FOLDER = 1_000

_RUN = """
import json, resource, sys, time
from drmemctl.cli.app import main
if __name__ == "__main__":
    begin = time.perf_counter()
    code = main(sys.argv[1:])
    seconds = time.perf_counter() - begin
    own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = [usage.ru_utime + usage.ru_stime for usage in (own, workers)]
    print(json.dumps([code, seconds, *cpu, own.ru_maxrss << 10, workers.ru_maxrss << 10]), file=sys.stderr)
"""


class Cost(NamedTuple):
    """What a run took: seconds, of those of CPU, and the most bytes, of the client and of a worker."""

    seconds: float
    client: float
    workers: float
    client_peak: int
    worker_peak: int


def make_inputs(folder: Path, number: int) -> None:
    """Write so many compressed trees, a thousand in each directory."""
    from drmemctl.tree.node import Property
    from drmemctl.tree.source import load
    from drmemctl.tree.writer import write_fdt

    blobs = []
    for path in sorted((ROOT / "fixtures").rglob("*.dtb.gz")):
        tree = load(str(path))
        if path.stat().st_size < 1 << 16:
            named = replace(
                tree.root,
                properties=(*tree.root.properties, Property("ibm,partition-name", f"{_NAME}\0".encode())),
            )
            blobs.append(write_fdt(tree.with_root(named)))
    for at in range(number):
        place = folder / f"{at // _PER_FOLDER:04}"
        if at % _PER_FOLDER == 0:
            place.mkdir(parents=True)
        name = f"lpar{at:07}"
        data = blobs[at % len(blobs)].replace(_NAME.encode(), name.encode())
        (place / f"{name}.dtb.gz").write_bytes(gzip.compress(data, 1, mtime=0))


def run(*arguments: str | Path) -> Cost:
    """Run a command line of drmemctl, and return what it took."""
    # A file, since each worker imports what its client was started as.
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "run.py"
        script.write_text(_RUN)
        command = [sys.executable, str(script), *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    code, *cost = json.loads(done.stderr.splitlines()[-1])
    if code not in (0, 1, 3):
        raise RuntimeError(done.stderr)
    return Cost(*cost)


def figures(scratch: Path) -> Iterator[Figure]:
    """Yield what an input costs workers and client, the memory of a worker, and what nothing to do costs."""
    inputs, few = scratch / "fleet-many", scratch / "fleet-few"
    make_inputs(inputs, MANY)
    make_inputs(few, FEW)
    yield from measured(inputs, few, MANY, scratch)


def measured(inputs: Path, few: Path, number: int, scratch: Path) -> Iterator[Figure]:
    """Yield the figures of so many inputs; `few` has `FEW` of them."""
    plain = run(
        "check", "--isolated", "-j1", "--fail-on", "never", "--format", "json", "-o", scratch / "c.json", few
    )
    judging = run(
        "check", "--isolated", "-j1", "--fail-on", "never", "--format", "json", "-o", scratch / "c.json", inputs
    )
    check = (judging.client - plain.client) / (number - FEW)
    start = run("fleet", "check", few, "-o", scratch / "fleet-few-set", "-j", "1")
    one = run("fleet", "check", inputs, "-o", scratch / "fleet-one", "-j", "1")
    worker, client = (one.workers - start.workers) / (number - FEW), (one.client - start.client) / (number - FEW)
    detail = f"{worker * 1e3:.2f} ms, check {check * 1e3:.2f} ms, of {number:,} inputs"
    yield Figure("fleet check, an input: CPU of workers", detail, worker / check, WORKER_LIMIT, "x")
    detail = f"{one.client:.1f} s in all, {start.client:.1f} s of {FEW}, peak {one.client_peak / MIB:.0f} MiB"
    yield Figure("fleet check, an input: CPU of the client", detail, client * 1e3, CLIENT_LIMIT, "ms")
    detail = f"{start.worker_peak / MIB:.0f} MiB after {FEW} inputs, {number:,} to go"
    yield Figure("fleet check: peak of a worker", detail, one.worker_peak / MIB, MEMORY_LIMIT, "MiB")
    again = run("fleet", "check", inputs, "-o", scratch / "fleet-one", "-j", "1")
    nothing = run("fleet", "check", few, "-o", scratch / "fleet-few-set", "-j", "1")
    resumed = (again.client - nothing.client) / (number - FEW) * RESUMED
    detail = f"of CPU; {again.client:.2f} s for {number:,}, {nothing.client:.2f} s for {FEW}"
    yield Figure(f"fleet check, {RESUMED:,} inputs again", detail, resumed, RESUME_LIMIT, "s")
    start_of_two = run("fleet", "check", few, "-o", scratch / "fleet-few-two", "-j", "2")
    two = run("fleet", "check", inputs, "-o", scratch / "fleet-two", "-j", "2")
    faster = (one.seconds - start.seconds) / (two.seconds - start_of_two.seconds)
    detail = (
        f"{one.seconds:.1f} s with one, of {FEW} {start.seconds:.1f} s; {two.seconds:.1f} s with two, of {FEW}"
        f" {start_of_two.seconds:.1f} s; load {os.getloadavg()[0]:.1f}"
    )
    yield Figure("fleet check, two workers: times as fast", detail, faster, math.inf, "x")


def main() -> None:
    """Make as many inputs as are asked for, and print what they cost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("number", type=int)
    parser.add_argument("-j", "--jobs", default="2")
    parser.add_argument("--folder", type=Path, help="where the inputs are, or are to be made")
    parser.add_argument("--figures", action="store_true", help="print what `make bench` does, of so many inputs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drmemctl-fleet-") as folder:
        scratch = Path(folder)
        inputs = options.folder or scratch / "inputs"
        if not inputs.exists():
            begin = time.perf_counter()
            make_inputs(inputs, options.number)
            print(f"{options.number:,} inputs made in {time.perf_counter() - begin:.0f} s", flush=True)
        if options.figures:
            few = scratch / "fleet-few"
            make_inputs(few, FEW)
            for figure in measured(inputs, few, options.number, scratch):
                print(line_of(figure), flush=True)
            return
        for name in ("first", "again"):
            cost = run("fleet", "check", inputs, "-o", scratch / "set", "-j", options.jobs)
            print(
                f"{name}: {cost.seconds:.1f} s, CPU: client {cost.client:.1f} s, workers {cost.workers:.1f} s;"
                f" peak: client {cost.client_peak / MIB:.0f} MiB, worker {cost.worker_peak / MIB:.0f} MiB",
                flush=True,
            )
        size = sum(path.stat().st_size for path in (scratch / "set").rglob("*.parquet"))
        print(f"data set: {size / MIB:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
