# SPDX-License-Identifier: MIT
"""QEMU's gdb stub, as far as a kernel has to be stopped at functions, looked at, changed and let go on.

Source: "GDB Remote Serial Protocol"; QEMU gdbstub.c, target/ppc/gdbstub.c. Registers of a little-endian guest come
in its byte order.
"""

from __future__ import annotations

import select
import socket
from pathlib import Path

from drmemctl.qualify.monitor import SECONDS, GoneError, OracleError

PC, LR = 64, 67
"""Numbers of registers beside r0 to r31, which are 0 to 31."""

_STOPPED = ("T", "S")
"""What a packet begins with that says that the machine stopped."""

_WORD = 8
_PART = 1024
"""Bytes that are asked for at once."""


class GdbStub:
    """A connection to the stub; the machine stands still from its beginning until `go_on`."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            raise OracleError(f"QEMU's gdb stub cannot be reached: {error.strerror}") from None
        self._input = b""
        # Without its description of registers QEMU hands out none of them one by one.
        self._ask("qSupported:xmlRegisters=powerpc")
        self._ask("qXfer:features:read:target.xml:0,ffb")

    def register(self, number: int) -> int:
        """Return a register."""
        return int.from_bytes(bytes.fromhex(self._ask(f"p{number:x}")), "little")

    def set_register(self, number: int, value: int) -> None:
        """Change a register."""
        self._done(f"P{number:x}={(value % (1 << 64)).to_bytes(_WORD, 'little').hex()}")

    def memory(self, address: int, size: int) -> bytes:
        """Return memory at a virtual address."""
        parts = range(address, address + size, _PART)
        return b"".join(
            bytes.fromhex(self._ask(f"m{part:x},{min(_PART, address + size - part):x}")) for part in parts
        )

    def set_memory(self, address: int, data: bytes) -> None:
        """Change memory at a virtual address."""
        for at in range(0, len(data), _PART):
            part = data[at : at + _PART]
            self._done(f"M{address + at:x},{len(part):x}:{part.hex()}")

    def stop_at(self, address: int, *, wanted: bool = True) -> None:
        """Have the machine stop before an instruction, or no more."""
        self._done(f"{'Z' if wanted else 'z'}0,{address:x},4")

    def step(self) -> None:
        """Do one instruction."""
        self._send("s")
        self._answer()

    def go_on(self) -> None:
        """Let the machine run; `stopped` says when it stopped."""
        self._send("c")

    def stopped(self, seconds: float) -> bool:
        """Wait for the machine to stop; whether it did in that time."""
        # What can be read may be no more than the receipt of the command before.
        if b"$" not in self._input and select.select([self._socket], [], [], seconds)[0]:
            self._receive()
        if b"$" not in self._input:
            return False
        self._answer()
        return True

    def interrupt(self) -> None:
        """Stop the machine wherever it is."""
        self._socket.sendall(b"\x03")
        self._answer()

    def close(self) -> None:
        """Let the machine run on, unobserved."""
        self._ask("D")
        self._socket.close()

    def _done(self, command: str) -> None:
        answer = self._ask(command)
        if answer != "OK":
            raise OracleError(f"QEMU's gdb stub does not do {command[:40]}: {answer or 'unknown'}")

    def _ask(self, command: str) -> str:
        """Return the answer to a command that does not let the machine run.

        That it stands still is said on its own when the connection begins, and comes before the answer.
        """
        self._send(command)
        while (answer := self._answer()).startswith(_STOPPED):
            pass
        return answer

    def _send(self, command: str) -> None:
        data = command.encode()
        try:
            self._socket.sendall(b"$%b#%02x" % (data, sum(data) & 0xFF))
        except OSError:
            raise GoneError("QEMU ended while its gdb stub was asked") from None

    def _receive(self) -> None:
        try:
            data = self._socket.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            raise GoneError("QEMU ended while its gdb stub was asked")
        self._input += data

    def _answer(self) -> str:
        """Return the next packet, and acknowledge it."""
        while (end := self._input.find(b"#")) < 0 or len(self._input) < end + 3:
            self._receive()
        packet = self._input[self._input.index(b"$") + 1 : end]
        self._input = self._input[end + 3 :]
        self._socket.sendall(b"+")
        return packet.decode("ascii", "replace")
