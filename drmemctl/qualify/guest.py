# SPDX-License-Identifier: MIT
"""One run of a guest: boots it, does in QEMU's monitor what it asks for, returns the files that it sends."""

from __future__ import annotations

import base64
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from drmemctl.qualify.monitor import Monitor, OracleError

QEMU = "qemu-system-ppc64"

_SENT = re.compile(r"^FILE (\w+)\s+([A-Za-z0-9+/=\s]+?)^END\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Guest:
    """A guest to be booted.

    Attributes:
        kernel: its vmlinux.
        root: the archive that it boots from.
        machine: arguments of QEMU.
        cmdline: its command line.
        seconds: after so long it is given up.
        qemu: the QEMU that it runs in.

    """

    kernel: Path
    root: bytes
    machine: list[str]
    cmdline: str
    seconds: float = 300.0
    qemu: str = QEMU


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
            timer = threading.Timer(guest.seconds, qemu.kill)
            timer.start()
            try:
                events = _serve(qemu, work / "qmp", place / "console.log", host)
            finally:
                timer.cancel()
                qemu.kill()
        sent = (work / "sent").read_text(encoding="ascii", errors="replace") if (work / "sent").exists() else ""
    return Sent({name: _decoded(name, text) for name, text in _SENT.findall(sent)}, events)


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError as error:
        raise OracleError(f"the guest sent {name}, which is no base64: {error}") from None


def _command(guest: Guest, work: Path) -> list[str]:
    return [
        *(guest.qemu, "-nodefaults", "-nographic", "-accel", "tcg", "-kernel", str(guest.kernel)),
        *("-initrd", str(work / "initrd.gz"), "-append", guest.cmdline),
        *("-chardev", "stdio,id=c0", "-device", "spapr-vty,chardev=c0,reg=0x30000000"),
        *("-chardev", f"file,id=c1,path={work / 'sent'}", "-device", "spapr-vty,chardev=c1,reg=0x30001000"),
        *("-qmp", f"unix:{work / 'qmp'},server=on,wait=off", *guest.machine),
    ]


def _serve(
    qemu: subprocess.Popen[bytes], qmp: Path, console: Path, host: Callable[[Monitor, str], str]
) -> list[dict[str, Any]]:
    """Read the console to its end; do what the guest asks the host for. Return QEMU's events."""
    printed, typed = cast("IO[bytes]", qemu.stdout), cast("IO[bytes]", qemu.stdin)
    monitor = None
    with console.open("wb") as log:
        for line in printed:
            log.write(line)
            text = line.decode("utf-8", "replace").strip()
            if text.startswith("HOST: "):
                monitor = monitor or Monitor.at(str(qmp))
                typed.write(host(monitor, text.removeprefix("HOST: ")).encode() + b"\n")
                typed.flush()
    if monitor is None:
        return []
    monitor.close()
    return monitor.events
