# SPDX-License-Identifier: MIT
"""QEMU's machine protocol (QMP), and why something cannot be asked of a QEMU or of a guest."""

from __future__ import annotations

import json
import socket
from typing import Any

from drmemctl.errors import DrmemctlError

SECONDS = 60.0
"""After so long without an answer QEMU is given up."""


class OracleError(DrmemctlError):
    """A real kernel or a real QEMU could not be asked."""


class LeftOutError(OracleError):
    """A record that cannot be made by anyone: nothing is wrong if it is not."""


class GoneError(OracleError):
    """QEMU has ended."""


class Monitor:
    """QEMU's machine protocol.

    Attributes:
        events: what QEMU told of devices so far.

    """

    def __init__(self, connection: socket.socket) -> None:
        self.events: list[dict[str, Any]] = []
        self._socket = connection
        self._socket.settimeout(SECONDS)
        self._stream = self._socket.makefile("rw")
        self._stream.readline()
        self.ask("qmp_capabilities")

    @classmethod
    def at(cls, path: str) -> Monitor:
        """Return the protocol of a QEMU that listens at a path."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        return cls(connection)

    def ask(self, command: str, **arguments: Any) -> Any:
        """Do a command; what it returns, or its error. `GoneError` where QEMU has ended."""
        try:
            self._stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            self._stream.flush()
            while "event" in (answer := json.loads(self._stream.readline())):
                self._event(answer)
        except (OSError, ValueError):
            raise GoneError(f"QEMU ended before it answered {command}") from None
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
