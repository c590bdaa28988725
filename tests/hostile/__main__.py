# SPDX-License-Identifier: MIT
"""Every command on every hostile input at full size, with a table of what each used: `make hostile`.

`python -m tests.hostile [--size BYTES] [--seconds N] [--rows N] [--jobs N] [--quick | --all] [WORD…]`: only inputs
or commands in whose `input: command` every WORD is found. What takes too long beside others is run again alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.pool import ThreadPool
from pathlib import Path

from drmemctl.qualify.monitor import OracleError
from tests.hostile import debian
from tests.hostile.answers import ANSWERS, STEPS
from tests.hostile.bounded import MIB, Run, Runner, table
from tests.hostile.commands import BASIC, DECODE, FULL, QUICK, READING
from tests.hostile.commands import STEPS as SIMULATE
from tests.hostile.files import FILES
from tests.hostile.trees import TREES

TOO_LARGE = 60 << 20
"""Bytes of an input that is nearly as large as one may be; most of them are refused for what they hold."""

ACCEPTED = 4_100_000
"""Bytes of an input most of which are accepted, if only just."""

ACCEPTED_OF = {
    **dict.fromkeys((name for name in TREES if name.startswith(("v1_", "v2_"))), 24 * 262_000),
    "drc_arrays": 20 << 20,
    **dict.fromkeys(("siblings", "phandles"), 36 * 65_000),
    **dict.fromkeys(("empty_properties", "long_names"), 12 * 261_000),
}
"""The same of inputs of which another limit than that of a value decides."""

ANSWER_SIZE = 4_100_000


@dataclass(frozen=True)
class Case:
    """An input of a size, and the commands that it is given to."""

    name: str
    size: int
    commands: tuple[str, ...]


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Yield the inputs that were asked for, each size by itself."""
    for name in (*TREES, *FILES, *ANSWERS, *STEPS):
        for size in sizes(name, options.size):
            chosen = tuple(
                command
                for command in commands_for(name, size, options)
                if all(word in f"{name}: {command}" for word in options.words)
            )
            if chosen:
                yield Case(name, size, chosen)


def commands_for(name: str, size: int, options: argparse.Namespace) -> tuple[str, ...]:
    """Return what an input of a size is given to.

    Beyond what is accepted the forms of a command differ in nothing: a tree is refused, or what little of it is
    known is shown. So each command is run there once.
    """
    if name in TREES:
        return QUICK if options.quick or (size == TOO_LARGE and not options.all) else FULL
    if name in STEPS:
        return SIMULATE
    return DECODE if name in ANSWERS else READING


def made(name: str, folder: Path, size: int) -> dict[str, str | Path]:
    """Return the files that a command about an input may name."""
    if name in TREES:
        one, other = folder / "in.dtb", folder / "changed.dtb"
        one.write_bytes(TREES[name](size))
        other.write_bytes(TREES[name](size * 99 // 100))
        return {"in": one, "base": BASIC, "changed": other}
    make = (FILES | ANSWERS | STEPS)[name]
    small = name in ANSWERS or name in STEPS
    return {"in": make(folder, min(size, ANSWER_SIZE) if small else size), "base": BASIC}


def sizes(name: str, size: int | None) -> tuple[int, ...]:
    if (name in ANSWERS or name in STEPS) and size is None:
        return (ANSWER_SIZE,)
    return (ACCEPTED_OF.get(name, ACCEPTED), TOO_LARGE) if size is None else (size,)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder that goes again, however deep it has become: too deep for Python 3.11 to remove."""
    path = Path(tempfile.mkdtemp(prefix="drmemctl-hostile-"))
    try:
        yield path
    finally:
        subprocess.run(["rm", "-rf", "--", str(path)], check=True)


def measured(case: Case, seconds: float) -> list[Run]:
    """Return what each command used; may be called by several threads."""
    with scratch_folder() as scratch, Runner(scratch) as runner:
        folder = scratch / case.name
        folder.mkdir()
        names = made(case.name, folder, case.size)
        return [runner.run(command, names, int(2 * seconds)) for command in case.commands]


def again(case: Case, run: Run, seconds: float) -> Run:
    """Return a run, repeated if it took too long: beside others on the same machine each takes longer."""
    if run.seconds <= seconds:
        return run
    return measured(replace(case, commands=(run.command,)), seconds)[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, help="bytes of each input; without it, two sizes")
    parser.add_argument("--seconds", type=float, default=13)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1), help="inputs at the same time")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="each command once")
    extent.add_argument("--all", action="store_true", help="all forms of each command at both sizes: hours")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    chosen = list(cases(options))
    with ThreadPool(options.jobs) as pool:
        found = list(pool.imap(lambda case: _said(case, measured(case, options.seconds), options.seconds), chosen))
    runs: list[tuple[str, Run]] = []
    bad = 0
    say("")
    for case, results in zip(chosen, found, strict=True):
        label = f"{case.name}-{case.size}"
        for run in (again(case, one, options.seconds) for one in results):
            runs.append((label, run))
            if wrong := run.wrong(options.seconds):
                bad += 1
                say(f"{label}: {run.command}: {'; '.join(wrong)}")
    say("\n".join(table(runs).splitlines()[: options.rows + 1]))
    say(f"{len(runs):,} runs, {bad} beyond their bounds")
    if not options.words or "debian" in options.words:
        bad += trees_of_debian()
    return int(bad > 0)


def trees_of_debian() -> int:
    """Give a hundred trees of Debian's to some commands; return how many faults there were, and say them."""
    with scratch_folder() as scratch:
        try:
            faults = list(debian.lines(scratch))
        except OracleError as error:
            say(f"not tested: Debian's device trees ({error})")
            return 0
    say("\n".join([*faults, f"{debian.HOW_MANY} device trees of Debian, {len(faults)} faults"]))
    return len(faults)


def _said(case: Case, runs: list[Run], seconds: float) -> list[Run]:
    """Return the runs, and say that they are done: the whole takes long."""
    wrong = sum(bool(run.wrong(seconds)) for run in runs)
    worst = max(run.seconds for run in runs)
    most = max(run.memory for run in runs) // MIB
    say(
        f"{case.name}-{case.size}: {len(runs)} runs, {worst:.1f} s and {most} MiB at most"
        + (f", {wrong} beyond" if wrong else "")
    )
    return runs


if __name__ == "__main__":
    sys.exit(main())
