# SPDX-License-Identifier: MIT
"""One run of a guest: boots it, does in QEMU's monitor what it asks for, returns the files that it sends."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.oracle.packages import QEMU

_SENT = re.compile(r"^FILE (\w+)\s+([A-Za-z0-9+/=\s]+?)^END\s*$", re.MULTILINE)


class Monitor:
    """QEMU's machine protocol.

    Attributes:
        events: what QEMU told of devices so far.

    """

    def __init__(self, path: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._stream = self._socket.makefile("rw")
        self._stream.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: Any) -> Any:
        """Do a command; what it returns, or its error."""
        self._stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._stream.flush()
        while "event" in (answer := json.loads(self._stream.readline())):
            self._event(answer)
        return answer.get("return", answer.get("error"))

    def do(self, command: str) -> str:
        """Do a command of the human monitor; the answer in one line."""
        answer = str(self.ask("human-monitor-command", **{"command-line": command}) or "ok")
        return " ".join(answer.split()) or "ok"

    def close(self) -> None:
        """Take in the events that are left, once QEMU has ended."""
        self._socket.settimeout(5)
        try:
            for line in self._stream:
                self._event(json.loads(line))
        except (OSError, ValueError):
            pass  # what was cut off by QEMU's end
        self._socket.close()

    def _event(self, message: dict[str, Any]) -> None:
        if "device" in message.get("data", {}):
            self.events.append({"event": message["event"], "data": message["data"]})


@dataclass(frozen=True)
class Guest:
    """A guest to be booted.

    Attributes:
        kernel: its vmlinux.
        root: the archive that it boots from.
        machine: arguments of QEMU.
        cmdline: its command line.
        seconds: after so long it is given up.

    """

    kernel: Path
    root: bytes
    machine: list[str]
    cmdline: str
    seconds: float = 300.0


@dataclass(frozen=True)
class Sent:
    """What came out of a run: the files that the guest sent, by name, and QEMU's events."""

    files: dict[str, bytes]
    events: list[dict[str, Any]]


def booted(guest: Guest, place: Path, host: Callable[[Monitor, str], str] = Monitor.do) -> Sent:
    """Run a guest to its end; its console goes to `console.log`, and `host` does what it asks the host for."""
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:  # its path is short: that of a socket has to be
        work = Path(name)
        (work / "initrd.gz").write_bytes(guest.root)
        with subprocess.Popen(
            _command(guest, work), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as qemu:
            timer = threading.Timer(guest.seconds, qemu.terminate)
            timer.start()
            try:
                events = _serve(qemu, work / "qmp", place / "console.log", host)
            finally:
                timer.cancel()
                qemu.terminate()
        sent = (work / "sent").read_text(encoding="ascii", errors="replace") if (work / "sent").exists() else ""
    return Sent({name: base64.b64decode(text) for name, text in _SENT.findall(sent)}, events)


def _command(guest: Guest, work: Path) -> list[str]:
    return [
        *(QEMU, "-nodefaults", "-nographic", "-accel", "tcg", "-kernel", str(guest.kernel)),
        *("-initrd", str(work / "initrd.gz"), "-append", guest.cmdline),
        *("-chardev", "stdio,id=c0", "-device", "spapr-vty,chardev=c0,reg=0x30000000"),
        *("-chardev", f"file,id=c1,path={work / 'sent'}", "-device", "spapr-vty,chardev=c1,reg=0x30001000"),
        *("-qmp", f"unix:{work / 'qmp'},server=on,wait=off", *guest.machine),
    ]


def _serve(
    qemu: subprocess.Popen[bytes], qmp: Path, console: Path, host: Callable[[Monitor, str], str]
) -> list[dict[str, Any]]:
    """Read the console to its end; do what the guest asks the host for. Return QEMU's events."""
    assert qemu.stdout is not None
    assert qemu.stdin is not None
    monitor = None
    with console.open("wb") as log:
        for line in qemu.stdout:
            log.write(line)
            text = line.decode("utf-8", "replace").strip()
            if text.startswith("HOST: "):
                monitor = monitor or Monitor(qmp)
                qemu.stdin.write(host(monitor, text.removeprefix("HOST: ")).encode() + b"\n")
                qemu.stdin.flush()
    if monitor is None:
        return []
    monitor.close()
    return monitor.events
