# SPDX-License-Identifier: MIT
"""A QEMU that says nonsense by its machine protocol or about itself, or nothing: told in one line."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from drmemctl.errors import DrmemctlError
from drmemctl.qualify import monitor as module
from drmemctl.qualify.monitor import GoneError, Monitor, OracleError
from drmemctl.qualify.qtest import firmware_blob, version_of
from tests.cases import each
from tests.cli.running import run

GREETING = b'{"QMP": {}}\n'
READY = GREETING + b'{"return": {}}\n'

ANSWERS: dict[str, tuple[bytes, type[DrmemctlError], str]] = {
    "no JSON": (b"Segmentation fault\n", OracleError, "QEMU answers query-status by 'Segmentation fault"),
    "a list": (b"[]\n", OracleError, "QEMU answers query-status by '\\[\\]"),
    "a number": (b"5\n", OracleError, "QEMU answers query-status by '5"),
    "too deep": (b"[" * 100_000 + b"\n", OracleError, "QEMU answers query-status by '\\[\\["),
    "no end": (b"x" * 300, OracleError, "QEMU answers query-status by 'xxx"),
    "cut": (b'{"retu', GoneError, "QEMU ended before it answered query-status"),
    "nothing": (b"", GoneError, "QEMU ended before it answered query-status"),
}


@each("name", ANSWERS)
def test_nonsense_of_the_monitor_is_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, kind, message = ANSWERS[name]
    monkeypatch.setattr(module, "_LONGEST", 200 if name == "no end" else 1 << 20)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(READY + b'{"event": 1, "data": 3}\n' + answer)
        theirs.shutdown(socket.SHUT_WR)
        monitor = Monitor(ours)
        with pytest.raises(kind, match=message) as raised:
            monitor.ask("query-status")
        assert type(raised.value) is kind
        monitor.close()


def test_events_that_come_with_an_answer_are_kept() -> None:
    ours, theirs = socket.socketpair()
    event = b'{"event": "DEVICE_DELETED", "data": {"device": "dimm1"}}\n'
    with ours, theirs:
        theirs.sendall(READY + b'{"return": 1}\n' + event + b'{"return": 2}\n')
        monitor = Monitor(ours)
        assert [monitor.ask("device_del"), monitor.ask("query-status")] == [1, 2]
        assert [told["event"] for told in monitor.events] == ["DEVICE_DELETED"]


def test_a_monitor_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.2)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(READY)
        monitor = Monitor(ours)
        with pytest.raises(OracleError, match="QEMU does not answer query-status within 0 s"):
            monitor.ask("query-status")
        monitor.close()


def test_no_monitor_is_told(tmp_path: Path) -> None:
    with pytest.raises(OracleError, match="QEMU's monitor cannot be reached: No such file"):
        Monitor.at(str(tmp_path / "qmp"))


def script(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o755)
    return path


def test_a_program_that_does_not_say_its_version_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drmemctl.qualify.qtest.SECONDS", 0.2)
    with pytest.raises(OracleError, match="does not end within 0 s"):
        version_of(str(script(tmp_path / "slow", "exec sleep 5")))
    with pytest.raises(OracleError, match="does not say which QEMU it is"):
        version_of(str(script(tmp_path / "other", r"printf '\377 version \377'")))
    for words in ("QEMU version", "version \u00b2", "version x.1"):
        with pytest.raises(OracleError, match="does not say which QEMU it is"):
            version_of(str(script(tmp_path / "odd", f"echo '{words}'")))
    assert version_of(str(script(tmp_path / "debian", "echo 'QEMU emulator version 7.2.22 (Debian 1)'"))) == (
        7,
        2,
        22,
    )


def test_a_program_without_a_machine_is_told_whatever_it_prints(tmp_path: Path) -> None:
    bad = script(tmp_path / "bad", r"printf '\377bad' >&2", "exit 1")
    with pytest.raises(OracleError, match="has no pseries machine: \N{REPLACEMENT CHARACTER}bad"):
        firmware_blob(str(bad), (9, 0), tmp_path)
    with pytest.raises(OracleError, match="has no pseries machine: it ended with exit code 0"):
        firmware_blob(str(script(tmp_path / "mute", "true")), (7, 1), tmp_path)


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    qemu = script(tmp_path / "qemu", "echo QEMU emulator version 7.2.22")
    (tmp_path / "file").touch()
    outcome = run("qualify", "--qemu", qemu, "-o", tmp_path / "file" / "trial")
    assert (outcome.code, outcome.err) == (
        3,
        f"drmemctl: {tmp_path}/file/trial: cannot be written: Not a directory\n",
    )
