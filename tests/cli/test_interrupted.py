# SPDX-License-Identifier: MIT
"""Interrupts and terminations at any moment, and inputs that change or end while they are read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest

from tests.cli.outputs import AFTER, RACE, REMOVE, TREE
from tests.cli.running import COMMAND, environment, process
from tests.conftest import ROOT, blob
from tests.live_roots import make_root, states
from tests.wide import share

LONG = {
    "check": ["check", "--isolated", "TREES", "-o", "OUT"],
    "check, two processes": ["check", "--isolated", "TREES", "-j", "2", "-o", "OUT"],
    "explore": ["explore", RACE, *["--thread", f"lpm {AFTER}"] * 3, "--thread", REMOVE, "--save-trace", "OUT"],
    "explore, two processes": [
        "explore", RACE, *["--thread", f"lpm {AFTER}"] * 3, "--thread", REMOVE,
        *["--locking", "all", "-j", "2", "--save-trace", "OUT"],
    ],
}  # fmt: skip
"""What takes many seconds and writes a file in the end."""


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trees")
    content = blob("trees/many-dimms")
    for number in range(3000):
        (folder / f"{number}.dtb").write_bytes(content)
    return folder


def started(arguments: list[str]) -> subprocess.Popen[bytes]:
    """Return a process in a group of its own that has come so far as to catch signals."""
    running = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment({}),
        start_new_session=True,
        # Whoever runs the tests in the background of a shell has SIGINT ignored, and so would we.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread here
    )
    deadline = time.monotonic() + 60
    while not catches(running.pid, signal.SIGTERM):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return running


def catches(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("cannot see here which signals a process catches")
    (caught,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> number - 1 & 1)


def ended(running: subprocess.Popen[bytes], number: signal.Signals, *, group: bool) -> tuple[int, bytes]:
    """Send a signal, to the whole group as a terminal does or to the one process; return how it ended."""
    if group:
        os.killpg(running.pid, number)
    else:
        running.send_signal(number)
    with running:
        try:
            _, err = running.communicate(timeout=60)
        finally:
            running.kill()
    return running.returncode, err.strip()


def interrupted(name: str, delays: Sequence[float], trees: Path, folder: Path, number: signal.Signals) -> None:
    """Send a signal to processes that run at the same time, to each after another delay, and see how they end."""
    words = {"TREES": str(trees), "OUT": str(folder / "out")}
    command = [words.get(word, word) for word in LONG[name]]
    running = [(delay, started(command), time.monotonic()) for delay in delays]
    interrupt = number == signal.SIGINT
    expected = (130, b"drmemctl: interrupted") if interrupt else (128 + number, b"")
    for delay, child, start in running:
        time.sleep(max(start + delay - time.monotonic(), 0))
        assert ended(child, number, group=interrupt) == expected, delay
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("delays", "name"), share([*product([(0,), (0.05,), (0.2, 0.4, 0.8)], LONG)], 0, 3))
def test_an_interrupt_at_any_moment(name: str, delays: Sequence[float], trees: Path, tmp_path: Path) -> None:
    interrupted(name, delays, trees, tmp_path, signal.SIGINT)


@pytest.mark.parametrize(("delays", "name"), share([*product([(0,), (0.4, 0.8)], LONG)], 1, 3))
def test_a_termination_leaves_nothing_half_written(
    name: str, delays: Sequence[float], trees: Path, tmp_path: Path
) -> None:
    interrupted(name, delays, trees, tmp_path, signal.SIGTERM)


LOSING = """
import signal, sys, time, weakref
from drmemctl.cli.ending import end_tidily

class Dying:
    pass

def interrupt(*_):
    signal.raise_signal(int(sys.argv[1]))

end_tidily()
dying = Dying()
reference = weakref.ref(dying, interrupt)
del dying
try:
    time.sleep(60)
except BaseException as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, "KeyboardInterrupt \n"), (signal.SIGTERM, "SystemExit 143\n")]
)
def test_what_falls_into_a_callback_that_raises_nothing_is_not_lost(number: int, raised: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LOSING, str(number)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment({}),
        check=False,
        timeout=60,
        # Whoever runs the tests in the background of a shell has SIGINT ignored, and so would we.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (ran.stdout, ran.stderr) == (raised, "")


def test_watching_ends_when_nobody_reads_any_more(tmp_path: Path) -> None:
    name = "captures/6.1-lpm"
    root = make_root(tmp_path / "root", name, states(name)[0])
    with subprocess.Popen(
        [*COMMAND, "watch", "--root", str(root), "--interval", "0.05"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment({}),
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert b'"event": "start"' in running.stdout.readline()
        running.stdout.close()
        drmem = next(root.rglob("ibm,dynamic-memory*"))
        drmem.write_bytes(b"")
        try:
            assert running.wait(timeout=30) == 0
        finally:
            running.kill()
        assert running.stderr.read() == b""


@pytest.mark.parametrize("part", [0.1, 0.5, 0.999])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_pipe_that_ends_too_early(part: float, ending: str, tmp_path: Path) -> None:
    content = Path(TREE).read_bytes() if ending else blob("trees/many-dimms")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(content[: int(len(content) * part)]))
    writer.start()
    done = process("lmb", pipe)
    writer.join()
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.startswith(f"drmemctl: {pipe}: ".encode())
    assert done.stderr.count(b"\n") == 1


def test_a_file_that_is_rewritten_all_the_time(tmp_path: Path) -> None:
    """Whatever was there at the moment is read, or it is refused in one line."""
    path = tmp_path / "tree.dtb"
    contents = [blob("trees/many-dimms"), blob("captures/6.1-lpm"), b"", blob("trees/v2-gap")[:5000]]
    done = threading.Event()

    def rewrite() -> None:
        number = 0
        while not done.is_set():
            path.write_bytes(contents[number % len(contents)])
            number += 1

    path.write_bytes(contents[0])
    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for _ in range(8):
            found = process("lmb", path)
            assert found.returncode in (0, 3)
            assert found.stderr.count(b"\n") == (found.returncode == 3), found.stderr
            assert b"internal error" not in found.stderr
    finally:
        done.set()
        writer.join()


def test_a_directory_whose_files_come_and_go(tmp_path: Path) -> None:
    name = "captures/6.1-lpm"
    base = make_root(tmp_path / "root", name, states(name)[0]) / "proc" / "device-tree"
    below = [path for path in base.rglob("*") if path.is_file() and path.parent != base]
    done = threading.Event()

    def churn() -> None:
        number = 0
        while not done.is_set():
            path = below[number * 7 % len(below)]
            value = path.read_bytes()
            path.unlink()
            path.write_bytes(value)
            number += 1

    writer = threading.Thread(target=churn)
    writer.start()
    try:
        for _ in range(8):
            found = process("show", base)
            assert found.returncode in (0, 3), found.stderr
            assert b"internal error" not in found.stderr
            assert b"Traceback" not in found.stderr
    finally:
        done.set()
        writer.join()


SWALLOWED = """
import os, signal, sys
import drmemctl.cli.app as module
from drmemctl.cli import run

def main(*arguments, **settings):
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
    except BaseException:
        raise RuntimeError("as Python did of what is raised within __set_name__, up to 3.11")

module.app.main = main
signal.signal(signal.SIGINT, signal.default_int_handler)
run()
"""


@pytest.mark.parametrize(
    ("number", "expected"),
    [(signal.SIGINT, (130, b"drmemctl: interrupted\n")), (signal.SIGTERM, (143, b""))],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_that_became_another_exception_still_counts(
    number: signal.Signals, expected: tuple[int, bytes]
) -> None:
    command = [COMMAND[0], "-c", SWALLOWED, str(int(number))]
    done = subprocess.run(command, cwd=ROOT, env=environment({}), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == expected
