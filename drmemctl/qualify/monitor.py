# SPDX-License-Identifier: MIT
"""QEMU's machine protocol (QMP), and why something cannot be asked of a QEMU or of a guest."""

from __future__ import annotations

import json
import socket
from typing import Any

from drmemctl.errors import DrmemctlError

SECONDS = 60.0
"""After so long without an answer QEMU is given up."""

_LONGEST = 1 << 22
"""Characters of a message: the longest answers list devices."""


class OracleError(DrmemctlError):
    """A real kernel or a real QEMU could not be asked."""


class GoneError(OracleError):
    """QEMU has ended."""


def no_answer(error: Exception, command: str) -> OracleError:
    """Return why QEMU gave no answer: it takes too long, or has ended."""
    if isinstance(error, TimeoutError):
        return OracleError(f"QEMU does not answer {command} within {SECONDS:.0f} s")
    return GoneError(f"QEMU ended before it answered {command}")


class Monitor:
    """QEMU's machine protocol.

    Attributes:
        events: what QEMU told of devices so far.

    """

    def __init__(self, connection: socket.socket) -> None:
        self.events: list[dict[str, Any]] = []
        self._socket = connection
        self._socket.settimeout(SECONDS)
        # One stream for both would drop what it has read ahead, such as an event, with the next thing written.
        self._stream = self._socket.makefile("r", encoding="utf-8", errors="replace")
        self._message("its greeting")
        self.ask("qmp_capabilities")

    @classmethod
    def at(cls, path: str) -> Monitor:
        """Return the protocol of a QEMU that listens at a path."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
        except OSError as error:
            connection.close()
            raise OracleError(f"QEMU's monitor cannot be reached: {error.strerror or error}") from None
        return cls(connection)

    def ask(self, command: str, **arguments: Any) -> Any:
        """Do a command; what it returns, or its error. `GoneError` where QEMU has ended."""
        try:
            self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        except OSError as error:
            raise no_answer(error, command) from None
        while "event" in (answer := self._message(command)):
            self._event(answer)
        return answer.get("return", answer.get("error"))

    def _message(self, command: str) -> dict[str, Any]:
        """Return the next message, which may be the answer to a command."""
        try:
            line = self._stream.readline(_LONGEST)
        except (OSError, ValueError) as error:
            raise no_answer(error, command) from None
        if not line.endswith("\n") and len(line) < _LONGEST:
            raise no_answer(ConnectionError(), command)
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise OracleError(f"QEMU answers {command} by {line[:40]!r}")
        return message

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
        except (OSError, ValueError, AttributeError, RecursionError):
            pass  # what was cut off by QEMU's end
        self._stream.close()
        self._socket.close()

    def _event(self, message: dict[str, Any]) -> None:
        data = message.get("data")
        if isinstance(data, dict) and isinstance(data.get("device"), str):
            self.events.append({"event": message["event"], "data": data})
