# SPDX-License-Identifier: MIT
"""A gdb stub that says nonsense, nothing, or no end of it: told in one line, after a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from drmemctl.qualify.gdb_stub import PC, GdbStub
from drmemctl.qualify.monitor import GoneError, OracleError
from drmemctl.qualify.recorder import Host
from drmemctl.qualify.scripted_rtas import NEEDED
from tests.cases import each
from tests.qualify.fake_stub import AREA, ENTRIES, FakeStub, elf_with_symbols

PATIENCE = 0.4


def packet(text: bytes) -> bytes:
    return b"$%b#%02x" % (text, sum(text) & 0xFF)


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drmemctl.qualify.gdb_stub.SECONDS", PATIENCE)


def stub_that(path: Path, command: str, nonsense: Callable[[str], bytes] | bytes) -> GdbStub:
    """Return a connection to a stub that has nonsense for a command."""

    def answer(asked: str) -> bytes | None:
        if not asked.startswith(command):
            return None
        return nonsense if isinstance(nonsense, bytes) else nonsense(asked)

    FakeStub(path / "gdb", nonsense=answer)
    return GdbStub(path / "gdb")


NONSENSE: dict[str, tuple[bytes, str]] = {
    "an error": (packet(b"E14"), "QEMU's gdb stub answers p40 by 'E14'"),
    "nothing": (packet(b""), "QEMU's gdb stub answers p40 by ''"),
    "too little": (packet(b"0011"), "QEMU's gdb stub answers p40 by '0011'"),
    "too much": (packet(b"00" * 900), "QEMU's gdb stub answers p40 by '0000"),
    "no text": (packet(b"\xff\x1b[31m"), r"QEMU's gdb stub answers p40 by '\ufffd\x1b[31m'"),
    "stops": (packet(b"T05thread:01;") * 99, "QEMU's gdb stub answers p40 by 'T05thread:01;'"),
    "no end": (b"$" + bytes(1 << 18), "QEMU's gdb stub sends a packet of more than 64 KiB"),
    "no beginning": (b"+" * (1 << 18), "QEMU's gdb stub sends a packet of more than 64 KiB"),
    "half a checksum": (b"$OK#9", "QEMU's gdb stub does not answer within 0 s"),
    "silence": (b"", "QEMU's gdb stub does not answer within 0 s"),
}


@each("name", NONSENSE)
def test_nonsense_is_told(name: str, tmp_path: Path) -> None:
    nonsense, message = NONSENSE[name]
    stub = stub_that(tmp_path, "p", nonsense)
    began = time.monotonic()
    with pytest.raises(OracleError) as raised:
        stub.register(PC)
    assert message.replace(r"\ufffd", "\ufffd") in str(raised.value)
    assert time.monotonic() - began < 5
    stub.kill()


def test_an_answer_that_never_comes_is_not_waited_for_piece_by_piece() -> None:
    stub = GdbStub.__new__(GdbStub)
    stub._input = b""

    class Drip:
        def __init__(self) -> None:
            self.timeouts: list[float] = []

        def settimeout(self, seconds: float) -> None:
            self.timeouts.append(seconds)

        def recv(self, size: int) -> bytes:
            del size
            if self.timeouts[-1] < PATIENCE / 8:
                raise TimeoutError
            time.sleep(PATIENCE / 8)
            return b"+"

    stub._socket = Drip()  # type: ignore[assignment]
    with pytest.raises(OracleError, match="does not answer"):
        stub._answer()


def test_commands_that_do_no_more_than_say_ok_are_held_to_it(tmp_path: Path) -> None:
    stub = stub_that(tmp_path, "Z", packet(b""))
    with pytest.raises(OracleError, match="answers Z0,1000,4 by ''"):
        stub.stop_at(0x1000)
    stub.kill()


def test_a_stub_that_ends_is_told(tmp_path: Path) -> None:
    def end(command: str) -> bytes:
        raise OSError(command)

    stub = stub_that(tmp_path, "m", end)
    with pytest.raises(GoneError, match="QEMU ended while its gdb stub was asked"):
        stub.memory(AREA, 4096)
    stub.kill()


def test_no_stub_is_told(tmp_path: Path) -> None:
    with pytest.raises(OracleError, match="cannot be reached: No such file"):
        GdbStub(tmp_path / "nothing")
    with pytest.raises(OracleError, match="cannot be reached: AF_UNIX path too long"):
        GdbStub(tmp_path / ("x" * 200))


class Monitor:
    """QEMU's monitor, which starts a stub with some nonsense."""

    def __init__(self, nonsense: Callable[[str], bytes | None]) -> None:
        self._nonsense = nonsense

    def do(self, command: str) -> str:
        path = Path(command.removeprefix("gdbserver unix:").split(",")[0])
        self.stub = FakeStub(path, nonsense=self._nonsense)
        return "ok"


def test_a_migration_that_fails_ends_the_guest_and_is_told(tmp_path: Path) -> None:
    """The kernel stands still, and the guest's script with it: nobody would say that the migration is over."""
    vmlinux = tmp_path / "vmlinux"
    vmlinux.write_bytes(elf_with_symbols(of={name: ENTRIES[name] for name in NEEDED if name in ENTRIES}))
    monitor = Monitor(lambda command: packet(b"E14") if command.startswith("m") else None)
    host = Host(vmlinux, [[]])
    assert host.do(monitor, "migrate 1") == "ok"  # type: ignore[arg-type]
    monitor.stub.wait()
    assert monitor.stub.commands[-1] == "k"
    with pytest.raises(OracleError, match=r"QEMU's gdb stub answers m[0-9a-f]+,20 by 'E14'"):
        host.end()
    host.end()


@each(
    "request_text",
    ["", "plug", "plug x 2 node 1", "plug 0x80000008", "migrate", "migrate x", "migrate 7", "a b c"],
)
def test_a_request_that_is_none_is_told(request_text: str, tmp_path: Path) -> None:
    with pytest.raises(OracleError, match="see its console"):
        Host(tmp_path / "vmlinux", [[]]).do(None, request_text)  # type: ignore[arg-type]
