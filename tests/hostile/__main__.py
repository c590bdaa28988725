# SPDX-License-Identifier: MIT
"""Every command on every hostile input at full size, with a table of what each used: `make hostile`.

`python -m tests.hostile [--size BYTES] [--seconds N] [--rows N] [--quick] [WORD…]`: only inputs or commands in
whose `input: command` every WORD is found.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.answers import ANSWERS
from tests.hostile.bounded import Run, Runner, table
from tests.hostile.commands import BASIC, DECODE, FULL, QUICK, READING
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

ANSWER_SIZE = 15 << 20


def cases(words: list[str], *, quick: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield each input's name and its commands."""
    for name in (*TREES, *FILES, *ANSWERS):
        commands = (QUICK if quick else FULL) if name in TREES else DECODE if name in ANSWERS else READING
        if chosen := [command for command in commands if all(word in f"{name}: {command}" for word in words)]:
            yield name, chosen


def made(name: str, folder: Path, size: int) -> dict[str, str | Path]:
    """Return the files that a command about an input may name."""
    if name in TREES:
        one, other = folder / "in.dtb", folder / "changed.dtb"
        one.write_bytes(TREES[name](size))
        other.write_bytes(TREES[name](size * 99 // 100))
        return {"in": one, "base": BASIC, "changed": other}
    make = (FILES | ANSWERS)[name]
    return {"in": make(folder, min(size, ANSWER_SIZE) if name in ANSWERS else size), "base": BASIC}


def sizes(name: str, size: int | None) -> tuple[int, ...]:
    return (ACCEPTED_OF.get(name, ACCEPTED), TOO_LARGE) if size is None else (size,)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, help="bytes of each input; without it, two sizes")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    runs: list[tuple[str, Run]] = []
    bad = 0
    with tempfile.TemporaryDirectory() as scratch, Runner(Path(scratch)) as runner:
        for name, commands in cases(options.words, quick=options.quick):
            for size in sizes(name, options.size):
                folder = Path(scratch, f"{name}-{size}")
                folder.mkdir()
                names = made(name, folder, size)
                for command in commands:
                    run = runner.run(command, names, 2 * options.seconds)
                    runs.append((folder.name, run))
                    if wrong := run.wrong(options.seconds):
                        bad += 1
                        say(f"{folder.name}: {command}: {'; '.join(wrong)}")
                shutil.rmtree(folder)
    say("\n".join(table(runs).splitlines()[: options.rows + 1]))
    say(f"{len(runs)} runs, {bad} beyond their bounds")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
