# SPDX-License-Identifier: MIT
"""Targets one after the other, each for some time, and what came of it as a table."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fuzz import LONGEST, MOST_MIB
from fuzz.targets import TARGETS
from tests.conftest import ROOT

KEPT = ROOT / ".fuzz"
"""Inputs that reached something new, from one run to the next, and finds."""

_SLOWER = 5
"""How much longer an input takes while its coverage is recorded."""

_STARTING = 120
"""Seconds for importing everything and going through the corpus, beyond the time to fuzz."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a target.

    Attributes:
        executed: inputs that were run.
        before: edges that the corpus reached at the beginning; None where it did not come so far.
        after: edges that were reached at the end.
        peak: MiB of memory.
        find: the input that failed, if one did.
        words: the end of what the process said.
        ended: whether it ended as it should.

    """

    executed: int
    before: int | None
    after: int
    peak: int
    find: Path | None
    words: str
    ended: bool


def fuzz(name: str, seconds: int) -> Outcome:
    """Fuzz a target for some seconds, or until it fails."""
    corpus, finds = KEPT / name, KEPT / "finds"
    for folder in (corpus, finds):
        folder.mkdir(parents=True, exist_ok=True)
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as seeds:
        for seed in target.seeds():
            (Path(seeds) / sha256(seed).hexdigest()[:16]).write_bytes(seed)
        options = {
            "max_total_time": seconds,
            "timeout": LONGEST * _SLOWER,
            "rss_limit_mb": MOST_MIB,
            "max_len": target.longest,
            "print_final_stats": 1,
            "artifact_prefix": f"{finds}/{name}-",
        }
        command = [sys.executable, "-m", "fuzz.engine", name, str(corpus), seeds]
        command += [f"-{option}={value}" for option, value in options.items()]
        begun = time.time()
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                check=False, cwd=ROOT, timeout=seconds + _STARTING,
            )  # fmt: skip
            said, ended = done.stdout.decode(errors="replace"), done.returncode == 0
        except subprocess.TimeoutExpired as error:
            said, ended = (error.stdout or b"").decode(errors="replace") + "\nit did not end\n", False
    new = [path for path in finds.glob(f"{name}-*") if path.stat().st_mtime >= begun - 1]
    return outcome_of(said, max(new, key=lambda path: path.stat().st_mtime, default=None), ended=ended)


def outcome_of(said: str, find: Path | None, *, ended: bool) -> Outcome:
    """Return what libFuzzer's lines and the file that it left say."""
    edges = [int(number) for number in re.findall(r"^#\d+.* cov: (\d+)", said, re.MULTILINE)]
    first = re.search(r"^#\d+\s+INITED cov: (\d+)", said, re.MULTILINE)
    return Outcome(
        _statistic("number_of_executed_units", said),
        int(first[1]) if first else None,
        edges[-1] if edges else 0,
        _statistic("peak_rss_mb", said),
        find,
        said[-6000:],
        ended,
    )


def _statistic(name: str, said: str) -> int:
    found = re.search(rf"^stat::{name}:\s+(\d+)", said, re.MULTILINE)
    return int(found[1]) if found else 0


def fuzz_all(names: list[str], seconds: int) -> int:
    """Fuzz targets and print a line for each; return 1 if anything was found."""
    line = "{:<12} {:>9} {:>6} {:>5} {:>5}  {}"
    print(line.format("target", "executed", "edges", "new", "MiB", "found"), flush=True)
    failed = False
    for name in names:
        outcome = fuzz(name, seconds)
        new = "-" if outcome.before is None else str(outcome.after - outcome.before)
        found = outcome.find.name if outcome.find else "" if outcome.ended else "failed without an input"
        shown = (f"{outcome.executed:,}", f"{outcome.after:,}", new, outcome.peak, found)
        print(line.format(name, *shown).rstrip(), flush=True)
        if not outcome.ended:
            failed = True
            print(outcome.words, file=sys.stderr)
        if outcome.find:
            print(f"again: {sys.executable} -m fuzz {name} {outcome.find}", file=sys.stderr, flush=True)
    return int(failed)
