# SPDX-License-Identifier: MIT
"""Every command on every hostile input: what it may print, how it may end, how much time and memory it may take.

The inputs have a 128th of the size that is just accepted, and so has what a command may use beyond what it
starts with: what grows faster than its input is found here as well. `make hostile` has the full sizes. Without
`WIDE=1` an input meets part of the commands (`tests.wide`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import FIXTURES
from tests.hostile import bounded
from tests.hostile.__main__ import ACCEPTED, ACCEPTED_OF
from tests.hostile.answers import ANSWERS, STEPS
from tests.hostile.bounded import MEMORY, MIB, Run, Runner
from tests.hostile.commands import BASIC, DECODE, QUICK, READING
from tests.hostile.commands import STEPS as SIMULATE
from tests.hostile.files import FILES
from tests.hostile.trees import TREES
from tests.wide import share

PART = 128
FREE = 16 * MIB
"""What need not be in proportion: buffers."""

SECONDS = 4
"""CPU seconds of a command: on a busy machine, the 128th of some seconds is not worth measuring."""


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with Runner(tmp_path_factory.mktemp("runs")) as started:
        yield started


@pytest.fixture(scope="module")
def memory(runner: Runner) -> int:
    """What a command may use here: what it starts with, and its share of the rest."""
    start = runner.run("show {in}", {"in": FIXTURES.parent / BASIC}, SECONDS)
    assert start.code == 0
    assert start.memory < 80 * MIB
    return start.memory + FREE + (MEMORY - start.memory) // PART


def judged(runs: list[Run], memory: int) -> None:
    wrong = {run.command: said for run in runs if (said := run.wrong(SECONDS, memory))}
    assert wrong == {}


@pytest.mark.parametrize("name", TREES)
def test_every_command_on_a_hostile_tree(name: str, runner: Runner, memory: int, tmp_path: Path) -> None:
    path = tmp_path / "in.dtb"
    path.write_bytes(TREES[name](ACCEPTED_OF.get(name, ACCEPTED) // PART))
    # What is made of one set is as large as it may be, however small the set is.
    bound = MEMORY if name == "v2_four_million" else memory
    commands = share(QUICK, list(TREES).index(name), 3)
    judged([runner.run(command, {"in": path, "base": BASIC}, 2 * SECONDS) for command in commands], bound)


@pytest.mark.parametrize("name", FILES)
def test_hostile_input_of_other_kinds(name: str, runner: Runner, memory: int, tmp_path: Path) -> None:
    path = FILES[name](tmp_path, ACCEPTED // PART)
    # Unpacked, a bomb is as large as it can be whatever its own size is.
    whole = ("directory_kinds", "xz_dictionary", "zstd_window", "dump_log")
    bound = MEMORY if "bomb" in name or name in whole else memory
    commands = share(READING, list(FILES).index(name), 2)
    judged([runner.run(command, {"in": path, "base": BASIC}, 2 * SECONDS) for command in commands], bound)


@pytest.mark.parametrize("name", ANSWERS)
def test_hostile_answers_of_rtas(name: str, runner: Runner, memory: int, tmp_path: Path) -> None:
    path = ANSWERS[name](tmp_path, ACCEPTED // PART)
    judged([runner.run(command, {"in": path, "base": BASIC}, 2 * SECONDS) for command in DECODE], memory)


@pytest.mark.parametrize("name", STEPS)
def test_hostile_files_of_steps(name: str, runner: Runner, memory: int, tmp_path: Path) -> None:
    # Too many are refused at once; a 128th of them is not too many, and each is a reboot.
    whole = name == "steps_too_many"
    path = STEPS[name](tmp_path, ACCEPTED if whole else ACCEPTED // PART)
    runs = [runner.run(command, {"in": path, "base": BASIC}, 2 * SECONDS) for command in SIMULATE]
    judged(runs, MEMORY if whole else memory)
    assert not whole or {run.code for run in runs} == {3}


def test_as_many_reboots_as_are_simulated(runner: Runner, memory: int, tmp_path: Path) -> None:
    path = STEPS["steps_too_many"](tmp_path, ACCEPTED // PART)
    judged([runner.run("simulate {base} -f {in}", {"in": path, "base": BASIC}, 2 * SECONDS)], memory)


TWO_NUMBERS = [
    # Each of these took ten times as long and more when it was looked at again for every other one.
    ("memory_nodes", 1_400_000, "kexec {in} --crashkernel 512M@128M -o {out}.dtb", 0),
    ("lookup_wide", 2_000_000, "diff {in} {base}", 1),
    ("v1_half_limited", 24 * 30_000, "simulate {in} 'dlpar memory add count 1'", 1),
    ("cpus", 1_400_000, "diff {in} {base} --format unified", 1),
    ("empty_properties", 12 * 40_000, "tree {in} --all", 0),
    ("empty_properties", 12 * 40_000, "prop {in} /many", 0),
    # Each of these took a gigabyte at 60 MiB.
    ("drc_info", 16 << 20, "tree {in}", 0),
    ("long_reg", 24 << 20, "tree {in}", 0),
    ("long_associativity", 24 << 20, "tree {in}", 0),
    # So much is refused, and at once.
    ("v1_one_by_one", 24 * 65_537, "simulate {in} 'dlpar memory add count 1'", 3),
    ("v1_one_by_one", 24 * 65_537, "simulate {base} 'lpm {in}'", 3),
    ("v1_one_by_one", 24 * 65_537, "explore {in} --thread 'dlpar memory add count 1' --max-states 50", 3),
    ("v2_random", 24 * 200_000, "blocks {in}", 3),
    ("v2_random", 24 * 140_000, "report {in} {changed} -o {out}.html", 3),
    ("phandles", 36 * 10_000, "simulate {in} 'lpm {base}' --kernel 6.1", 3),
    ("lookup_wide", 24 * 10_000, "lmb {in} --format json", 3),
    ("lookup_wide", 24 * 10_000, "diff {in} {base} --format json", 3),
    ("v1_random", 24 * 140_000, "diff {in} {changed}", 3),
]


@pytest.mark.parametrize(("name", "size", "command", "code"), share(TWO_NUMBERS, 0, 3))
def test_what_depends_on_two_numbers(
    name: str, size: int, command: str, code: int, runner: Runner, tmp_path: Path
) -> None:
    """Of these, a 128th of the size costs next to nothing: what grows with the square shows only here."""
    path, changed = tmp_path / "in.dtb", tmp_path / "changed.dtb"
    path.write_bytes(TREES[name](size))
    changed.write_bytes(TREES[name](size * 99 // 100))
    run = runner.run(command, {"in": path, "base": BASIC, "changed": changed}, 2 * SECONDS)
    assert run.wrong(SECONDS, 5 * MEMORY // 8) == []
    assert run.code == code


@pytest.mark.parametrize(("size", "codes"), [(1_000_000, {1}), (4_300_000, {3})])
def test_work_areas_full_of_noise(size: int, codes: set[int], runner: Runner, tmp_path: Path) -> None:
    """Every word of some areas is a field of its own: 16 MiB of them took 15 s to show."""
    path = ANSWERS["answer_noise"](tmp_path, size)
    runs = [runner.run(f"decode update-nodes {{in}} --format {one}", {"in": path}, 8) for one in ("text", "json")]
    judged(runs, MEMORY // 2)
    assert {run.code for run in runs} == codes


@pytest.mark.parametrize("command", ["check {in}", "lmb {in}"])
def test_the_largest_sound_dump_is_read(command: str, runner: Runner, tmp_path: Path) -> None:
    """1,048,576 LMBs in version 1 cells, 24 MiB: as many as 256 TiB have."""
    path = tmp_path / "in.dtb"
    path.write_bytes(TREES["v1_long"](24 << 20))
    run = runner.run(command, {"in": path}, 20)
    assert run.wrong(10) == []
    assert run.code in (0, 1)


def test_more_runs_than_are_listed_are_refused(runner: Runner, tmp_path: Path) -> None:
    path = tmp_path / "in.dtb"
    path.write_bytes(TREES["v1_one_by_one"](24 * 1_050_000))
    run = runner.run("lmb {in}", {"in": path}, 20)
    assert run.wrong(SECONDS) == []
    assert (run.code, run.output) == (3, 0)


def test_a_run_beyond_its_bounds_is_seen(runner: Runner, tmp_path: Path) -> None:
    path = tmp_path / "in.dtb"
    path.write_bytes(TREES["v2_four_million"](0))
    run = runner.run("lmb {in} --expand --format ndjson --limit 5000000", {"in": path}, 0)
    assert run.code == -24, "SIGXCPU"
    assert run.wrong(1)[0] == "exit code -24"
    assert runner.run("lmb {in}", {"in": path}, 5).wrong(5, memory=MIB) != []


@pytest.mark.parametrize("before", range(-8, 2))
def test_colours_and_controls_are_told_apart_where_a_piece_ends(
    before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colour of which only the beginning was in a piece was taken for a control sequence."""
    path, piece = tmp_path / "out", 64
    monkeypatch.setattr(bounded, "_PIECE", piece)
    path.write_bytes(b"x" * (piece + before) + b"\x1b[32m" + b"y" * 100)
    assert bounded._faults(path, "stdout") == []
    path.write_bytes(b"x" * (piece + before) + b"\x1b]0;" + b"y" * 100)
    assert bounded._faults(path, "stdout") != []
