# SPDX-License-Identifier: MIT
"""What holds for every command: help, usage errors, exit codes, colour, and outputs that go away."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import click
import pytest

import drmemctl
from drmemctl.cli import app as app_module
from drmemctl.cli.app import COMMANDS, app, main
from drmemctl.errors import SHORTAGE_HINT, InputError
from tests.blobs import Struct, blob
from tests.cli.running import COMMAND, environment, on_terminal, process, run
from tests.conftest import FIXTURES, ROOT

TREE = FIXTURES / "trees" / "v2-gap.dtb.gz"
V1_TREE = FIXTURES / "trees" / "v1-dimm.dtb.gz"
ESCAPE = b"\x1b"


VERSION = re.compile(rf"drmemctl, version {re.escape(drmemctl.__version__)}( \([0-9a-f]{{10}}\))?\n")


def test_the_version_is_the_packages() -> None:
    done = run("--version")
    assert (done.code, done.err) == (0, "")
    assert VERSION.fullmatch(done.out)


def test_the_package_can_be_run_as_a_module() -> None:
    done = process("--version")
    assert done.returncode == 0
    assert VERSION.fullmatch(done.stdout.decode())


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_help_names_every_command_and_the_exit_codes(option: str) -> None:
    outcome = run(option)
    assert outcome.code == 0
    assert [name for name in COMMANDS if f"\n  {name} " not in outcome.out] == []
    assert "Exit codes:" in outcome.out


def test_in_80_columns_the_list_of_commands_says_all_of_what_each_does() -> None:
    with click.Context(app, info_name="drmemctl", terminal_width=80, **app.context_settings) as context:
        text = app.get_help(context).partition("Look at a tree:\n")[2].partition("\n\n  TREE is")[0]
    listed = [line for line in text.splitlines() if line.startswith("  ")]
    assert len(listed) == len(COMMANDS)
    assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []


def test_help_with_words_is_that_of_their_command() -> None:
    assert run("help").out == run("--help").out
    assert run("help", "fleet", "check").out == run("fleet", "check", "--help").out
    assert run("help", "chekc").code == 2
    assert "'check'" in run("help", "chekc").err
    assert run("help", "lmb", "x").code == 2
    assert run("-V").out == run("--version").out


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_a_help_with_an_example(command: str) -> None:
    outcome = run(command, "--help")
    assert outcome.code == 0
    assert f"Usage: drmemctl {command} " in outcome.out
    assert re.search(rf"^ +drmemctl {command} ", outcome.out, re.MULTILINE)


def test_without_arguments_it_shows_its_help_and_is_a_usage_error() -> None:
    outcome = run()
    assert outcome.code == 2
    assert "Usage: drmemctl [OPTIONS] COMMAND" in outcome.out + outcome.err


@pytest.mark.parametrize(
    ("wrong", "right"), [("lmn", "lmb"), ("lmbs", "lmb"), ("converts", "convert"), ("nma", "numa")]
)
def test_an_unknown_command_gets_the_nearest_known_one(wrong: str, right: str) -> None:
    outcome = run(wrong, TREE)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"No such command '{wrong}'. Did you mean '{right}'?" in outcome.err
    assert outcome.err.count("Did you mean") == 1


def test_a_command_like_no_other_gets_no_suggestion() -> None:
    outcome = run("frobnicate")
    assert outcome.code == 2
    assert "Did you mean" not in outcome.err


@pytest.mark.parametrize(
    "arguments", [["--frobnicate"], ["lmb"], ["lmb", str(TREE), "more"], ["lmb", "--no", "x"]]
)
def test_wrong_arguments_are_usage_errors(arguments: list[str]) -> None:
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Usage: drmemctl" in outcome.err


def test_a_failure_is_one_line_without_a_traceback() -> None:
    done = process("lmb", "/no/such/file")
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr == b"drmemctl: /no/such/file: no such file or directory\n"


def test_the_debug_variable_shows_the_traceback_and_keeps_the_exit_code() -> None:
    done = process("lmb", "/no/such/file", DRMEMCTL_DEBUG="1")
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.startswith(b"Traceback (most recent call last):\n")
    assert done.stderr.endswith(b"\ndrmemctl: /no/such/file: no such file or directory\n")


class _Broken:
    """A command group that fails in its own way."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def main(self, *_: Any, **__: Any) -> None:
        raise self._error


NO_ROOM = "drmemctl: this machine: no room for what this takes"
FAILURES = [
    (InputError("odd", source="x", hint="look"), 3, "drmemctl: x: odd; look\n"),
    (MemoryError(), 3, "drmemctl: the input is too large for this machine (MemoryError)\n"),
    (RecursionError("deep"), 3, "drmemctl: the input is too large for this machine (RecursionError)\n"),
    (
        ZeroDivisionError("oops"),
        3,
        "drmemctl: internal error: ZeroDivisionError: oops; DRMEMCTL_DEBUG=1 shows where, please report it\n",
    ),
    (OSError(28, "No space left on device"), 3, None),
    (OSError(24, "Too many open files"), 3, f"{NO_ROOM}: Too many open files; {SHORTAGE_HINT}\n"),
    (RuntimeError("can't start new thread"), 3, f"{NO_ROOM}: can't start new thread; {SHORTAGE_HINT}\n"),
    (KeyboardInterrupt(), 130, "drmemctl: interrupted\n"),
]


@pytest.mark.parametrize(("error", "code", "message"), FAILURES, ids=lambda value: type(value).__name__)
def test_every_failure_has_its_exit_code_and_line(
    error: BaseException,
    code: int,
    message: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(app_module, "app", _Broken(error))
    monkeypatch.delenv("DRMEMCTL_DEBUG", raising=False)
    assert main([]) == code
    out, err = capsys.readouterr()
    expected = "drmemctl: standard output: cannot write the output: No space left on device\n"
    assert (out, err) == ("", expected if message is None else message)


@pytest.fixture(scope="module")
def long_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree of 200,000 LMBs, more than any pipe holds."""
    content = Struct().begin().begin(b"ibm,dynamic-reconfiguration-memory")
    content.prop(b"ibm,lmb-size", struct.pack(">Q", 1 << 28))
    content.prop(b"ibm,dynamic-memory-v2", struct.pack(">I IQIII", 1, 200_000, 0, 0, 0, 8))
    path = tmp_path_factory.mktemp("long") / "long.dtb"
    path.write_bytes(blob(content.end().end().finish()))
    return path


NOT_SHOWN = b"drmemctl: no /chosen is shown, so that nothing tells the affinity form: nodes are unknown\n"


@pytest.mark.parametrize("format", ["text", "json", "csv", "ndjson"])
def test_a_reader_that_goes_away_is_no_error(format: str, long_tree: Path) -> None:
    arguments = ["lmb", str(long_tree), "--expand", "--format", format]
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment({})
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == NOT_SHOWN
        assert running.wait(timeout=60) == 0


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "arguments", [["lmb", TREE], ["lmb", TREE, "--format", "json"], ["--help"], ["lmb", "-h"]]
)
def test_a_full_disk_is_told_in_one_line(arguments: list[str]) -> None:
    with FULL.open("wb") as full:
        done = process(*arguments, stdout=full)
    assert done.returncode == 3
    assert done.stderr == b"drmemctl: standard output: cannot write the output: No space left on device\n"


def test_an_interrupt_ends_it_with_130_and_one_line() -> None:
    # It waits for its standard input, long past its start.
    with subprocess.Popen(
        [*COMMAND, "lmb", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment({}),
        # Whoever runs the tests in the background of a shell has SIGINT ignored, and so would we.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread here
    ) as running:
        wait_until_reading(running.pid)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    # The line break is Click's: on a terminal, ^C stands before it.
    assert (running.returncode, out, err) == (130, b"", b"\ndrmemctl: interrupted\n")


def wait_until_reading(pid: int) -> None:
    """Wait until a process sleeps in a read of its standard input."""
    where = Path(f"/proc/{pid}/syscall")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if where.read_text().split()[:2] == ["0", "0x0"]:
                return
        time.sleep(0.02)
    pytest.skip("cannot see here when the process waits")


def test_without_a_standard_error_the_exit_code_is_the_same() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, "lmb", "/no/such/file"], check=False, cwd=ROOT
    )
    assert done.returncode == 3


@pytest.mark.parametrize("arguments", [["lmb", TREE], ["lmb", V1_TREE, "--expand"], ["--help"]])
@pytest.mark.parametrize("variables", [{}, {"TERM": "xterm-256color"}, {"FORCE_COLOR": ""}])
def test_what_goes_into_a_pipe_has_no_escape(arguments: list[str], variables: dict[str, str]) -> None:
    done = piped(arguments, variables)
    assert ESCAPE not in done.stdout
    assert done.returncode == 0


def piped(arguments: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env=environment({"COLUMNS": "40", **variables}),
    )


COLOURED = {
    "pipe": ([], {}, False, False),
    "pipe, always": (["--color", "always"], {}, False, True),
    "pipe, always, NO_COLOR": (["--color", "always"], {"NO_COLOR": "1"}, False, True),
    "pipe, FORCE_COLOR": ([], {"FORCE_COLOR": "1"}, False, True),
    "terminal": ([], {}, True, True),
    "terminal, never": (["--color", "never"], {}, True, False),
    "terminal, NO_COLOR": ([], {"NO_COLOR": "1"}, True, False),
    "terminal, empty NO_COLOR": ([], {"NO_COLOR": ""}, True, True),
    "terminal, dumb": ([], {"TERM": "dumb"}, True, False),
    "terminal, NO_COLOR, FORCE_COLOR": ([], {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
}


@pytest.mark.parametrize(("options", "variables", "terminal", "coloured"), COLOURED.values(), ids=COLOURED)
def test_when_there_is_colour(
    options: list[str], variables: dict[str, str], terminal: bool, coloured: bool
) -> None:
    arguments = ["lmb", str(TREE), *options]
    shown = on_terminal(*arguments, **variables) if terminal else piped(arguments, variables).stdout
    assert b"drc-invalid reserved" in shown
    assert (b"\x1b[32m" in shown) is coloured
    assert (ESCAPE in shown) is coloured


@pytest.mark.parametrize("format", ["json", "csv", "ndjson"])
def test_data_is_never_coloured(format: str) -> None:
    shown = piped(["lmb", str(TREE), "--format", format, "--color", "always"], {}).stdout
    assert shown
    assert ESCAPE not in shown


def test_a_terminal_too_narrow_for_the_table_still_gets_whole_addresses() -> None:
    shown = on_terminal("lmb", TREE, "--color", "never", COLUMNS="40")
    assert re.search(rb"^0x0*80000000-0x0*8fffffff +1  0x80000008 ", shown, re.MULTILINE)


NASTY = b"\x1b]0;pwn\x07\x1b[2J\x9b31m\r\n\xe2\x80\xae[red]"


def printable(data: bytes) -> bool:
    return all(byte == 0x0A or 0x20 <= byte <= 0x7E for byte in data)


def test_a_hostile_node_name_does_not_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "hostile.dtb"
    path.write_bytes(blob(Struct().begin().begin(NASTY).word(7)))
    done = process("lmb", path)
    assert done.returncode == 3
    assert b"unknown token 0x7" in done.stderr
    assert rb"\x1b]0;pwn\x07\x1b[2J\x9b31m\x0d\x0a" in done.stderr
    assert printable(done.stderr)
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("debug", ["0", "1"])
def test_a_hostile_file_name_does_not_reach_the_terminal(debug: str) -> None:
    done = process("lmb", os.fsdecode(b"/no/" + NASTY), DRMEMCTL_DEBUG=debug)
    assert done.returncode == 3
    assert ESCAPE not in done.stderr
    assert b"\x07" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(rb"drmemctl: /no/\x1b]0;pwn\x07\x1b[2J")


@pytest.mark.parametrize(
    "arguments",
    [
        ["\x1b[31mlmb"],
        ["lmb", "x", "--state", "\x1b[31m"],
        ["lmb", "x", "--drc", "\x1b[31m"],
        ["lmb", "--\x1b[31m"],
    ],
)
def test_hostile_arguments_do_not_reach_the_terminal(arguments: list[str]) -> None:
    done = process(*arguments)
    assert done.returncode == 2
    assert ESCAPE not in done.stderr


def test_all_flags_of_a_hostile_tree_are_names_or_numbers(tmp_path: Path) -> None:
    content = Struct().begin().begin(b"ibm,dynamic-reconfiguration-memory")
    content.prop(b"ibm,lmb-size", b"\x1b[2J\x1b[2J")
    content.prop(b"ibm,dynamic-memory", struct.pack(">I", 1) + b"\x1b[2J" * 6)
    path = tmp_path / "hostile.dtb"
    path.write_bytes(blob(content.end().end().finish()))
    for format in ("text", "json", "csv", "ndjson"):
        done = process("lmb", path, "--format", format)
        assert done.returncode == 0
        assert printable(done.stdout)
        assert printable(done.stderr)
