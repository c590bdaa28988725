# SPDX-License-Identifier: MIT
"""Outputs that go away, are full, closed, read-only or no files, for every command that prints or writes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest

from tests.cli.outputs import AFTER, BOOTED, FAULTY, PRINTING, RACE, REMOVE, TREE, writing
from tests.cli.outputs import shell as run_in_shell
from tests.cli.running import COMMAND, environment, process
from tests.conftest import ROOT, gunzip
from tests.wide import share


def each_printing(number: int) -> pytest.MarkDecorator:
    """Run a test with its share of what prints."""
    names = share([*PRINTING], number, 3)
    return pytest.mark.parametrize(("code", "arguments"), [PRINTING[name] for name in names], ids=names)


each_writing = pytest.mark.parametrize(
    "name",
    ["convert", "check", "simulate", "simulate array", "kexec", "explore", "decode", "capture"],
)


@each_printing(0)
def test_a_reader_who_has_gone_before_the_start_is_no_error(code: int, arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = process(*arguments, stdout=pipe)
    assert (done.returncode, done.stderr) == (code, b"")


@each_printing(1)
def test_a_reader_who_takes_one_line(code: int, arguments: list[str]) -> None:
    read, write = os.pipe()
    with ThreadPoolExecutor(1) as pool:
        line = pool.submit(first_line, read)
        done = process(*arguments, stdout=write)
        os.close(write)
    assert (done.returncode, done.stderr) == (code, b"")
    assert line.result().count(b"\n") == 1


def first_line(pipe: int) -> bytes:
    """Take as `head -n 1` does what is there until there is a line, and no more."""
    with open(pipe, "rb") as stream:
        return stream.readline()


@each_printing(2)
def test_a_full_disk_behind_standard_output(code: int, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = process(*arguments, stdout=full)
    message = b"drmemctl: standard output: cannot write the output: No space left on device\n"
    assert (done.returncode, done.stderr) == (3, message)


@each_printing(3)
def test_a_closed_standard_output_leaves_the_exit_code(code: int, arguments: list[str]) -> None:
    # Python itself opens what is left; each command is started by itself here, with nothing loaded before.
    done = run_in_shell('exec "$@" <&- >&-', *arguments)
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.parametrize("arguments", [["check", "."], ["check", TREE, "--format", "sarif"]])
def test_a_working_directory_that_is_gone_is_named(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    done = run_in_shell(f'cd {tmp_path}/gone && rmdir ../gone && exec "$@"', *arguments)
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.startswith(b"drmemctl: the working directory is gone")


@pytest.mark.parametrize("arguments", [["lmb"], ["nope"], ["lmb", "/no/such/file"], ["show", "-x"]])
def test_without_standard_error_nothing_gets_among_the_data(arguments: list[str]) -> None:
    expected = process(*arguments)
    assert expected.stderr
    done = run_in_shell('exec "$@" 2>&-', *arguments)
    assert (done.returncode, done.stdout) == (expected.returncode, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ["lmb", "-"],
        ["decode", "update-nodes", "-"],
        ["simulate", TREE, "-f", "-"],
        ["simulate", TREE, "-i"],
        ["check", "-"],
    ],
)
def test_a_closed_standard_input_is_told(arguments: list[str]) -> None:
    done = run_in_shell('exec "$@" <&-', *arguments)
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"standard input" in done.stderr or b"<stdin>" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return writing(tmp_path_factory.mktemp("inputs"))


def target(name: str, folder: Path, stem: str = "out") -> str:
    """Return a file's name in a folder, which a command takes."""
    return str(folder / (stem + (".tar" if name == "capture" else ".dtb")))


def refused(arguments: list[str], reason: str) -> None:
    done = process(*arguments)
    assert done.returncode == 3, done.stderr
    told = done.stderr.decode().splitlines()[-1]
    assert told.startswith(f"drmemctl: {arguments[-1]}: ")
    assert reason in told
    assert "Traceback" not in done.stderr.decode()


@each_writing
def test_what_is_no_file_to_write_to(name: str, lines: dict[str, list[str]], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    refused([*lines[name], target(name, tmp_path / "none")], "No such file or directory; the directory must exist")
    refused([*lines[name], target(name, tmp_path / "file")], "Not a directory; the directory must exist")
    if name != "capture":  # which wants a suffix
        refused([*lines[name], "/dev/full"], "No space left on device")
        done = process(*lines[name], tmp_path)
        assert done.returncode in (2, 3)
        assert b"is a directory" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@each_writing
def test_a_dash_is_standard_output_or_refused_and_never_a_file(
    name: str, lines: dict[str, list[str]], tmp_path: Path
) -> None:
    done = run_in_shell(f'cd "{tmp_path}" && exec "$@"', *lines[name], "-")
    if name in ("convert", "check", "decode"):
        assert done.returncode in (0, 1)
        assert done.stdout
    else:
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"name a file" in done.stderr or b"should end in one of" in done.stderr
    assert not (tmp_path / "-").exists()


@each_writing
def test_a_link_is_followed_and_a_pipe_is_written_to(
    name: str, lines: dict[str, list[str]], tmp_path: Path
) -> None:
    link, real = Path(target(name, tmp_path, "link")), tmp_path / "real"
    real.write_bytes(b"old")
    link.symlink_to(real)
    assert process(*lines[name], link).returncode in (0, 1)
    assert link.is_symlink()
    written = real.read_bytes()
    assert written != b"old"
    pipe = Path(target(name, tmp_path, "pipe"))
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        done = process(*lines[name], pipe)
        assert done.returncode in (0, 1)
        assert reader.stdout is not None
        got = reader.stdout.read()
    assert len(got) == len(written)  # a capture says when it was taken
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([link.name, pipe.name, "real"])


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield where a file system of 64 KiB is mounted."""
    where = tmp_path_factory.mktemp("disk")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(where)], capture_output=True, check=False, text=True
    )
    if done.returncode:
        pytest.skip(f"a file system of its own takes root: {done.stderr.strip()}")
    yield where
    subprocess.run(["umount", str(where)], check=True)


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(bytes(4096)):
            pass


@pytest.fixture(params=["full", "read-only"])
def bad_disk(small_disk: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Path, str]]:
    """Yield a disk on which nothing can be written, with a file `old`, and what the system says of it."""
    (small_disk / "old").write_bytes(b"old")
    if request.param == "full":
        fill(small_disk)
        yield small_disk, "No space left on device"
    else:
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        yield small_disk, "Read-only file system"
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    (small_disk / "filler").unlink(missing_ok=True)


@each_writing
def test_a_disk_that_is_full_or_read_only_keeps_what_it_had(
    name: str, lines: dict[str, list[str]], bad_disk: tuple[Path, str], tmp_path: Path
) -> None:
    disk, reason = bad_disk
    before = {path.name: path.read_bytes() for path in disk.iterdir()}
    refused([*lines[name], target(name, disk)], reason)
    link = Path(target(name, tmp_path, "link"))
    link.symlink_to(disk / "old")
    refused([*lines[name], str(link)], reason)
    assert {path.name: path.read_bytes() for path in disk.iterdir()} == before


def test_a_disk_that_is_full_behind_standard_output(small_disk: Path) -> None:
    fill(small_disk)
    with (small_disk / "out").open("wb") as out:
        done = process("lmb", TREE, "--expand", stdout=out)
    (small_disk / "filler").unlink()
    assert done.returncode == 3
    assert done.stderr == b"drmemctl: standard output: cannot write the output: No space left on device\n"


LARGE = {
    "report": ["report", BOOTED, "-o", "-"],
    "report, by its name": ["report", BOOTED, "-o", "/dev/stdout"],
    "convert": ["convert", BOOTED, "-o", "-"],
    "dts": ["convert", BOOTED, "-o", "-", "--format", "dts"],
    "lmb": ["lmb", TREE, "--expand"],
    "rules": ["rules"],
    "simulate --help": ["simulate", "--help"],
    "capture --script": ["capture", "--script"],
    "completion": ["completion", "zsh"],
    "prop": ["prop", BOOTED, "/rtas"],
}
"""What prints more than fits, through each of the ways in which something is printed."""


@pytest.mark.parametrize(("name", "unbuffered"), share([*product(LARGE, ["", "1"])], 0, 3))
def test_a_write_that_is_short_is_an_error_in_every_mode(name: str, unbuffered: str, tmp_path: Path) -> None:
    # As a disk that fills up: the first write is short, and only the second fails.
    most, arguments = 1000, LARGE[name]
    whole = process(*arguments).stdout
    assert len(whole) > most
    script = f'ulimit -f 1; trap "" XFSZ; PYTHONUNBUFFERED={unbuffered}; export PYTHONUNBUFFERED; exec "$@" > out'
    done = run_in_shell(
        f"cd {tmp_path} && {script}",
        *[str(ROOT / word) if "/" in word[1:] and (ROOT / word).exists() else word for word in arguments],
    )
    assert done.returncode == 3
    assert done.stderr.endswith(b": File too large\n")
    assert whole.startswith((tmp_path / "out").read_bytes())


@pytest.mark.parametrize(("name", "unbuffered"), share([*product(LARGE, ["", "1"])], 1, 3))
def test_a_pipe_that_does_not_wait_gets_all(name: str, unbuffered: str) -> None:
    arguments = LARGE[name]
    whole = process(*arguments).stdout
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(write, False)
    running = subprocess.Popen(
        [*COMMAND, *arguments], stdout=write, stderr=subprocess.PIPE, cwd=ROOT,
        env=environment({"PYTHONUNBUFFERED": unbuffered}),
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read, "rb") as stream, running:
        until_it_waits(stream.fileno(), running)
        assert stream.read() == whole
        assert running.stderr is not None
        assert (running.stderr.read(), running.wait(timeout=60)) == (b"", 0)


def until_it_waits(pipe: int, running: subprocess.Popen[bytes]) -> None:
    """Return when what writes to a pipe that nobody reads has ended, or writes no more since the pipe is full."""
    before, there = -1, 0
    while running.poll() is None and (not there or there != before):
        time.sleep(0.03)
        before, there = there, struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["lmb", "/no/such"], 3), (["nope"], 2), (["check", "--isolated", FAULTY, "-o", "OUT"], 1)],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_standard_error_leaves_the_exit_code(
    arguments: list[str], code: int, unbuffered: str, tmp_path: Path
) -> None:
    words = [word.replace("OUT", str(tmp_path / "out")) for word in arguments]
    done = run_in_shell(f'PYTHONUNBUFFERED={unbuffered}; export PYTHONUNBUFFERED; exec "$@" 2>/dev/full', *words)
    assert (done.returncode, done.stdout) == (code, b"")


INPUTS = {
    "convert": ["convert", "TREE", "-o", "TREE"],
    "check": ["check", "--isolated", "TREE", "-o", "TREE"],
    "check, baseline": ["check", "--isolated", TREE, "--baseline", "TREE", "-o", "TREE"],
    "check, before": ["check", "--isolated", TREE, "--before", "TREE", "-o", "TREE"],
    "simulate": ["simulate", "TREE", REMOVE, "-o", "TREE"],
    "simulate, array": ["simulate", "TREE", REMOVE, "--save-array", "TREE"],
    "simulate, lpm": ["simulate", TREE, "lpm TREE", "-o", "TREE"],
    "kexec": ["kexec", "TREE", "--crashkernel", "256M", "-o", "TREE"],
    "explore": ["explore", "TREE", "--thread", f"lpm {AFTER}", "--thread", REMOVE, "--save-trace", "TREE"],
    "explore, lpm": ["explore", RACE, "--thread", "lpm TREE", "--thread", REMOVE, "--save-trace", "TREE"],
}


@pytest.mark.parametrize("arguments", INPUTS.values(), ids=INPUTS)
def test_an_input_is_never_replaced_by_accident(arguments: list[str], tmp_path: Path) -> None:
    tree = tmp_path / "tree.dtb"
    source = {"explore": Path(AFTER if "lpm TREE" in arguments else RACE)}.get(arguments[0], Path(BOOTED))
    shutil.copy(source, tree)
    if source.suffix == ".gz":
        tree.write_bytes(gunzip(source))
    if "--baseline" in arguments:
        process("check", "--isolated", FAULTY, "--write-baseline", tree)
    before = tree.read_bytes()
    done = process(*[word.replace("TREE", str(tree)) if "TREE" in word else word for word in arguments])
    assert done.returncode == 3
    told = done.stderr.decode().splitlines()[-1]
    assert told.startswith(f"drmemctl: {tree}: this is an input; ")
    assert ("--force" in told) == (arguments[0] in ("convert", "simulate"))
    assert tree.read_bytes() == before
