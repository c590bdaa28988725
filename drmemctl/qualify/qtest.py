# SPDX-License-Identifier: MIT
"""A QEMU pseries machine without a guest: RTAS calls and hot-plug by qtest and QMP, live migration through a file.

qtest calls QEMU's own RTAS functions (hw/ppc/spapr_rtas.c `qtest_rtas_call`), so that a call takes a millisecond,
and no kernel has to be talked into making it. The machine stands still all the while.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from drmemctl.kernel.firmware import PARAMETER_ERROR
from drmemctl.qualify.monitor import SECONDS, GoneError, Monitor, OracleError, no_answer
from drmemctl.wording import how_it_ended

LMB = 1 << 28
FIRST_LMB = 0x80000000
"""QEMU: the DRC index of an LMB is this and the number of the LMB from address 0 on."""

MACHINE = ("-M", "pseries", "-accel", "tcg", "-m", "1G,slots=8,maxmem=4G", "-nodefaults", "-display", "none")

_ARGUMENTS, _ANSWER, _WORK_AREA = 0x100000, 0x101000, 0x110000
_VERSION = re.compile(r"version ([0-9]{1,9}(?:\.[0-9]{1,9})*)")
_LONGEST = 1 << 20
"""Characters of a line of qtest."""

_MOST_CONFIGURE = 200
"""Calls of ibm,configure-connector for one connector: QEMU has a dozen properties for it at most."""

_INCOMING = 100
"""Tenths of a second that a migration of an idle machine may take."""


def address_of(drc_index: int) -> int:
    """Return the address of an LMB."""
    return (drc_index - FIRST_LMB) * LMB


def version_of(qemu: str) -> tuple[int, ...]:
    """Return the version of a QEMU, such as (7, 2, 22)."""
    process = _run(qemu, "--version")
    if process.returncode:
        raise OracleError(f"{qemu} --version {how_it_ended(process.returncode)}")
    version = _VERSION.search(process.stdout)
    if version is None:
        raise OracleError(f"{qemu} does not say which QEMU it is")
    return tuple(map(int, version[1].split(".")))


def firmware_blob(qemu: str, version: tuple[int, ...], place: Path) -> bytes:
    """Return the tree that the machine hands its firmware out with, before any guest said what it supports.

    From 10.0 on only the monitor writes it: the option dumpdtb comes before the machine has made its tree.
    """
    path = place / "machine.dtb"
    path.unlink(missing_ok=True)
    has_command = version >= (7, 2)
    options = ("-S", "-qmp", "stdio") if has_command else ("-machine", f"pseries,dumpdtb={path}")
    commands = (
        (("qmp_capabilities", {}), ("dumpdtb", {"filename": str(path)}), ("quit", {})) if has_command else ()
    )
    text = "".join(
        json.dumps({"execute": command, "arguments": arguments}) + "\n" for command, arguments in commands
    )
    dumping = _run(qemu, *MACHINE, *options, text=text)
    if dumping.returncode or not path.exists():
        reason = dumping.stderr.strip()[-300:] or f"it {how_it_ended(dumping.returncode)}"
        raise OracleError(f"{qemu} has no pseries machine: {reason}")
    return path.read_bytes()


def _run(qemu: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Return how a QEMU ended that is told a text, and what it printed."""
    command = [qemu, *arguments]
    try:
        return subprocess.run(
            command, input=text, check=False, capture_output=True, text=True, errors="replace", timeout=SECONDS
        )
    except OSError as error:
        raise OracleError(f"{qemu} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise OracleError(f"{qemu} {arguments[-1]} does not end within {SECONDS:.0f} s") from None


class QtestMachine:
    """A machine that is asked.

    Attributes:
        monitor: its QMP.

    """

    def __init__(self, qemu: str, place: Path, name: str, more: Sequence[str] = ()) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self._qemu, self._place, self._name = qemu, place, name
        self._errors = place / f"{name}.err"
        paths = [place / f"{name}.{kind}" for kind in ("qtest", "qmp")]
        listening = [_listen(path) for path in paths]
        self._stderr: TextIO = self._errors.open("w", encoding="utf-8")
        servers = ("-qtest", f"unix:{paths[0]}", "-qtest-log", "none", "-qmp", f"unix:{paths[1]}")
        command = [qemu, *MACHINE, "-S", *servers, *more]
        self._process = subprocess.Popen(command, stdout=self._stderr, stderr=self._stderr)
        try:
            qtest, qmp = (_accepted(server) for server in listening)
        except TimeoutError:
            self.stop()
            raise OracleError(f"{qemu} did not start: {self._tail()}") from None
        self._qtest = qtest
        self._stream = qtest.makefile("rw", encoding="utf-8", errors="replace")
        self.monitor = Monitor(qmp)

    def rtas(self, name: str, *arguments: int, returns: int = 1) -> tuple[int, ...]:
        """Make an RTAS call; `GoneError` where QEMU ends in it."""
        data = struct.pack(f">{len(arguments)}I", *(argument & 0xFFFFFFFF for argument in arguments))
        self._do(f"write {_ARGUMENTS:#x} {len(data)} 0x{data.hex()}")
        self._do(f"rtas {name} {len(arguments)} {_ARGUMENTS:#x} {returns} {_ANSWER:#x}")
        answer = self._do(f"read {_ANSWER:#x} {4 * returns}")
        try:
            return struct.unpack(f">{returns}i", bytes.fromhex(answer.split()[1][2:]))
        except (IndexError, ValueError, struct.error):
            raise OracleError(f"QEMU answers a read by qtest by {answer[:40]!r}") from None

    def configure(self, drc_index: int) -> int:
        """Walk ibm,configure-connector to its end; return the last status."""
        self._do(f"write {_WORK_AREA:#x} 8 0x{struct.pack('>II', drc_index, 0).hex()}")
        for _ in range(_MOST_CONFIGURE):
            (status,) = self.rtas("ibm,configure-connector", _WORK_AREA, 0)
            if status <= 0:
                return status
        raise OracleError(f"ibm,configure-connector of {drc_index:#x} does not end")

    def sense(self, drc_index: int) -> tuple[int, ...]:
        """Return the status and the dr-entity-sense; an error leaves 0 for the latter."""
        status, state = self.rtas("get-sensor-state", 9003, drc_index, returns=2)
        return status, (0 if status == PARAMETER_ERROR else state)

    def migrated(self, more: Sequence[str]) -> QtestMachine:
        """Migrate to a new QEMU that is started with the devices that `more` names, and return that."""
        stream = self._place / f"{self._name}.stream"
        self.monitor.ask("migrate", uri=f"exec:cat > {stream}")
        if not _waited(lambda: _status(self.monitor, "query-migrate") in ("completed", "failed")):
            raise OracleError("QEMU's migration does not end")
        self.stop()
        incoming = (*more, "-incoming", f"exec:cat {stream}")
        destination = QtestMachine(self._qemu, self._place, f"{self._name}+", incoming)
        if not _waited(lambda: _status(destination.monitor, "query-status") != "inmigrate"):
            raise OracleError("QEMU's incoming migration does not end")
        return destination

    def stop(self) -> None:
        """End it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(SECONDS)
        self._stderr.close()

    def _do(self, command: str) -> str:
        try:
            self._stream.write(command + "\n")
            self._stream.flush()
            while line := self._stream.readline(_LONGEST):
                if not line.startswith("IRQ"):
                    return line.strip()
        except TimeoutError as error:
            raise no_answer(error, command.split(" 0x", maxsplit=1)[0]) from None
        except OSError:
            pass  # its end is told below
        raise GoneError(f"QEMU ended in {command.split(' 0x', maxsplit=1)[0]}: {self.last_words()}")

    def last_words(self) -> str:
        """Return what it printed when it ended by itself."""
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise OracleError("QEMU closed its connections, but does not end") from None
        return self._tail()

    def _tail(self) -> str:
        lines = self._errors.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in lines if line.startswith(("ERROR", "qemu"))] or lines
        return errors[-1] if errors else ""


def _status(monitor: Monitor, command: str) -> Any:
    answer = monitor.ask(command)
    return answer.get("status") if isinstance(answer, dict) else None


def _waited(has_ended: Callable[[], bool]) -> bool:
    for _ in range(_INCOMING):
        if has_ended():
            return True
        time.sleep(0.1)
    return False


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(1)
    server.settimeout(SECONDS)
    return server


def _accepted(server: socket.socket) -> socket.socket:
    connection, _ = server.accept()
    connection.settimeout(SECONDS)
    server.close()
    return connection
