# SPDX-License-Identifier: MIT
"""No command writes over a file that it has read, whatever way that came to be read."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from drmemctl import read_files
from drmemctl.errors import WriteError
from drmemctl.output.files import write_atomically
from drmemctl.tree.source import load
from tests.cli.outputs import AFTER, BOOTED, FAULTY, RACE, REMOVE
from tests.cli.running import process
from tests.conftest import gunzip
from tests.live_roots import write_tree
from tests.wide import share

COMPATIBLE = "tree/compatible"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory to be in, with a tree as a directory, the same in a file, and links to its properties."""
    write_tree(tmp_path / "tree", load(BOOTED).root)
    write_tree(tmp_path / "race", load(RACE).root)
    write_tree(tmp_path / "after", load(AFTER).root)
    (tmp_path / "tree.dtb").write_bytes(gunzip(Path(BOOTED)))
    (tmp_path / "record.json").write_text("[]")
    (tmp_path / "events.json").write_text('{"events": []}')
    (tmp_path / "value.bin").write_bytes(b"\0\0\0\1")
    (tmp_path / "some.steps").write_text(REMOVE + "\n")
    (tmp_path / "link").symlink_to(COMPATIBLE)
    (tmp_path / "hard").hardlink_to(tmp_path / COMPATIBLE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def run(arguments: list[str], stdin: str = os.devnull) -> subprocess.CompletedProcess[bytes]:
    with Path(stdin).open("rb") as stream:
        return process(*arguments, stdin=stream, cwd=Path.cwd())


PROPERTIES = {
    "convert": ["convert", "tree", "--format", "dtb", "-o"],
    "report": ["report", "tree", "-o"],
    "report, second tree": ["report", "tree.dtb", "tree", "-o"],
    "report, steps": ["report", "tree.dtb", "--step", "lpm tree", "-o"],
    "kexec": ["kexec", "tree", "--crashkernel", "256M", "-o"],
    "check": ["check", "--isolated", "tree", "-o"],
    "check, processes": ["check", "--isolated", "-j", "2", "tree", "tree.dtb", "race", "-o"],
    "check, baseline": ["check", "--isolated", "tree", "--write-baseline"],
    "check, before": ["check", "--isolated", "tree.dtb", "--before", "tree", "-o"],
    "simulate": ["simulate", "tree", REMOVE, "-o"],
    "simulate, array": ["simulate", "tree", REMOVE, "--save-array"],
    "simulate, lpm": ["simulate", "tree.dtb", "lpm tree", "-o"],
    "simulate, prrn": ["simulate", "tree.dtb", "prrn tree", "--save-array"],
}


@pytest.mark.parametrize(("command", "name"), share([*product(PROPERTIES, [COMPATIBLE, "link", "hard"])], 0, 3))
def test_a_property_of_a_directory(command: str, name: str, folder: Path) -> None:
    before, arguments = contents(folder), PROPERTIES[command]
    done = run([*arguments, name])
    assert done.returncode == 3
    told = done.stderr.decode().splitlines()[-1]
    assert told.startswith(f"drmemctl: {name}: this is an input; ")
    assert ("--force" in told) == (arguments[0] in ("convert", "simulate"))
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("thread", "output"), [("lpm after", "after/compatible"), ("lpm after", "race/compatible")]
)
@pytest.mark.parametrize("jobs", [[], ["--locking", "all", "-j", "2"]], ids=["one", "processes"])
def test_a_property_of_a_tree_that_a_thread_names(thread: str, output: str, jobs: list[str], folder: Path) -> None:
    for name in ("race", "after"):
        (folder / name / "compatible").write_bytes(b"IBM,x\0")
    before = contents(folder)
    done = run(["explore", "race", "--thread", thread, "--thread", REMOVE, *jobs, "--save-trace", output])
    assert done.returncode == 3
    assert b"this is an input" in done.stderr
    assert contents(folder) == before


STANDARD = {
    "convert": (["convert", "-", "-o", "tree.dtb"], "tree.dtb"),
    "kexec": (["kexec", "-", "--crashkernel", "256M", "-o", "tree.dtb"], "tree.dtb"),
    "report": (["report", "-", "-o", "tree.dtb"], "tree.dtb"),
    "check": (["check", "--isolated", "-", "-o", "tree.dtb"], "tree.dtb"),
    "simulate": (["simulate", "-", REMOVE, "-o", "tree.dtb"], "tree.dtb"),
    "steps": (["simulate", "tree", "-f", "-", "--save-array", "some.steps"], "some.steps"),
    "prompt": (["simulate", "tree", "-i", "--save-array", "some.steps"], "some.steps"),
    "by its name": (["convert", "/dev/stdin", "-o", "tree.dtb"], "tree.dtb"),
    "by its number": (["report", "/proc/self/fd/0", "-o", "tree.dtb"], "tree.dtb"),
}


@pytest.mark.parametrize(("arguments", "name"), STANDARD.values(), ids=STANDARD)
def test_standard_input_from_a_file(arguments: list[str], name: str, folder: Path) -> None:
    before = contents(folder)
    done = run(arguments, stdin=name)
    assert done.returncode == 3
    assert f"drmemctl: {name}: this is an input; " in done.stderr.decode()
    assert contents(folder) == before


STEPS = {
    "firmware": ("firmware /chosen x @value.bin", "value.bin"),
    "migrate": ("migrate record.json", "record.json"),
    "prrn": ("prrn events.json", "events.json"),
}


@pytest.mark.parametrize(("step", "name"), STEPS.values(), ids=STEPS)
def test_a_file_that_a_step_names(step: str, name: str, folder: Path) -> None:
    before = contents(folder)
    (folder / "hard-step").hardlink_to(folder / name)
    for output in (name, "hard-step"):
        done = run(["simulate", "tree", step, "-o", output])
        assert (done.returncode, b"this is an input" in done.stderr) == (3, True)
    (folder / "hard-step").unlink()
    assert contents(folder) == before


@pytest.mark.parametrize("settings", ["drmemctl.toml", "pyproject.toml"])
@pytest.mark.parametrize("option", ["-o", "--write-baseline"])
@pytest.mark.parametrize("text", ["[tool.drmemctl]\nfail-on = 'never'\n", "[tool.other]\nabout = 'drmemctl'\n"])
def test_settings_that_were_found(settings: str, option: str, text: str, folder: Path) -> None:
    if "other" in text and settings == "drmemctl.toml":
        text = ""
    (folder / settings).write_text(text)
    done = run(["check", FAULTY, option, settings])
    assert (done.returncode, (folder / settings).read_text()) == (3, text)
    assert f"drmemctl: {settings}: this is an input; name another file" in done.stderr.decode()


def test_a_baseline_that_the_settings_name(folder: Path) -> None:
    run(["check", "--isolated", FAULTY, "--write-baseline", "known.json"])
    known = (folder / "known.json").read_text()
    assert json.loads(known)["findings"]
    (folder / "drmemctl.toml").write_text("baseline = 'known.json'\n")
    done = run(["check", FAULTY, "-o", "known.json"])
    assert (done.returncode, (folder / "known.json").read_text()) == (3, known)
    # To write it anew is what it is for.
    assert run(["check", FAULTY, "--write-baseline", "known.json"]).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["lmb", "tree.dtb"], "tree.dtb"),
        (["convert", "tree.dtb", "-o", "-"], "tree.dtb"),
        (["convert", "tree.dtb", "--format", "dts", "-o", "/dev/stdout"], "tree.dtb"),
        (["report", "tree", "-o", "-"], COMPATIBLE),
    ],
)
def test_standard_output_that_goes_on_behind_the_input(arguments: list[str], name: str, folder: Path) -> None:
    before = contents(folder)
    with (folder / name).open("ab") as out:
        done = process(
            *[str(folder / word) if word.startswith("tree") else word for word in arguments], stdout=out
        )
    assert done.returncode == 3
    assert b": this is an input; " in done.stderr
    assert contents(folder) == before


def test_an_output_beside_the_inputs_is_no_input(folder: Path) -> None:
    for _ in range(2):  # the second time it is there already, and looked at
        done = run(["check", "--isolated", ".", "--format", "json", "-o", "all.json"])
        assert done.returncode in (0, 1), done.stderr
    assert json.loads((folder / "all.json").read_text())["findings"] is not None


@pytest.fixture
def kept() -> Iterator[None]:
    with read_files.kept():
        yield


def test_what_is_read_while_the_output_is_made_counts(tmp_path: Path, kept: None) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def pieces() -> Iterator[bytes]:
        yield b"new"
        read_files.note_name(str(path))

    with pytest.raises(WriteError, match="this is an input"):
        write_atomically(path, pieces())
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"old", [path])


def test_nothing_is_kept_outside_a_command_and_nothing_after_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    read_files.note_name(str(path))
    assert not read_files.was_read(path.stat())
    with read_files.kept():
        read_files.note_name(str(path))
        assert read_files.was_read(path.stat())
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
