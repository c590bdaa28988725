# SPDX-License-Identifier: MIT
"""One run of a guest: boots it, does in QEMU's monitor what it asks for, returns the files that it sends."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

from tests.oracle.packages import QEMU, initramfs

_DIRECTORY, _PROGRAM, _FILE = 0o040755, 0o100755, 0o100644
_SECONDS = 300.0
"""After so long a guest is given up."""

_SENT = re.compile(r"^FILE (\w+)\s+([A-Za-z0-9+/=\s]+?)^END\s*$", re.MULTILINE)


def root_of(busybox: Path, script: str, commands: list[str]) -> bytes:
    """Return the guest's root file system."""
    init = (Path(__file__).parent / "guest-init.sh").read_bytes()
    directories = ("bin", "proc", "sys", "dev", "tmp")
    return initramfs(
        {
            **dict.fromkeys(directories, (_DIRECTORY, b"")),
            "init": (_PROGRAM, init),
            "bin/busybox": (_PROGRAM, busybox.read_bytes()),
            "capture.sh": (_FILE, script.encode()),
            "commands": (_FILE, "".join(f"{line}\n" for line in commands).encode()),
        }
    )


class Monitor:
    """QEMU's machine protocol."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._stream = self._socket.makefile("rw")
        self._stream.readline()
        self._ask({"execute": "qmp_capabilities"})

    def _ask(self, request: dict[str, Any]) -> Any:
        self._stream.write(json.dumps(request) + "\n")
        self._stream.flush()
        while "event" in (answer := json.loads(self._stream.readline())):
            pass
        return answer.get("return", answer.get("error"))

    def do(self, command: str) -> str:
        """Do a command of the human monitor; the answer in one line."""
        request = {"execute": "human-monitor-command", "arguments": {"command-line": command}}
        answer = str(self._ask(request) or "ok")
        return " ".join(answer.split()) or "ok"


def booted(kernel: Path, root: bytes, machine: list[str], place: Path, options: str) -> dict[str, bytes]:
    """Return the files that a guest sends, by name; its console goes to `console.log`."""
    (place / "initrd.gz").write_bytes(root)
    command = [
        *(QEMU, "-nodefaults", "-nographic", "-accel", "tcg", "-kernel", str(kernel)),
        *(
            "-initrd",
            str(place / "initrd.gz"),
            "-append",
            f"console=hvc0 quiet log_buf_len=4M memblock=debug {options}",
        ),
        *("-chardev", "stdio,id=c0", "-device", "spapr-vty,chardev=c0,reg=0x30000000"),
        *("-chardev", f"file,id=c1,path={place / 'sent'}", "-device", "spapr-vty,chardev=c1,reg=0x30001000"),
        *("-qmp", f"unix:{place / 'qmp'},server=on,wait=off", *machine),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as guest:
        timer = threading.Timer(_SECONDS, guest.terminate)
        timer.start()
        try:
            _serve(guest, place)
        finally:
            timer.cancel()
            guest.terminate()
    sent = (place / "sent").read_text(encoding="ascii", errors="replace")
    return {name: base64.b64decode(text) for name, text in _SENT.findall(sent)}


def _serve(guest: subprocess.Popen[bytes], place: Path) -> None:
    """Read the console to its end; do what the guest asks the host for."""
    assert guest.stdout is not None
    assert guest.stdin is not None
    monitor = None
    with (place / "console.log").open("wb") as log:
        for line in guest.stdout:
            log.write(line)
            text = line.decode("utf-8", "replace").strip()
            if text.startswith("ORACLE:"):
                print(text, flush=True)
            if text.startswith("HOST: "):
                monitor = monitor or Monitor(place / "qmp")
                guest.stdin.write(monitor.do(text.removeprefix("HOST: ")).encode() + b"\n")
                guest.stdin.flush()
