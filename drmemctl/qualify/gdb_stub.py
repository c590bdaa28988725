# SPDX-License-Identifier: MIT
"""QEMU's gdb stub, as far as a kernel has to be stopped at functions, looked at, changed and let go on.

Source: "GDB Remote Serial Protocol"; QEMU gdbstub.c, target/ppc/gdbstub.c. Registers of a little-endian guest come
in its byte order.
"""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from pathlib import Path
from time import monotonic

from drmemctl.qualify.monitor import SECONDS, GoneError, OracleError

PC, LR = 64, 67
"""Numbers of registers beside r0 to r31, which are 0 to 31."""

_STOPPED = ("T", "S")
"""What a packet begins with that says that the machine stopped."""

_WORD = 8
_PART = 1024
"""Bytes that are asked for at once."""

_CHECKSUM = 2
"""Digits behind a packet."""

_LARGEST = 1 << 16
"""Bytes of a packet; QEMU's have 4096 at the most (MAX_PACKET_LENGTH)."""

_MOST_STOPS = 16
"""Reports of a stop that may come before an answer; there is one, or one of a breakpoint besides."""


class GdbStub:
    """A connection to the stub; the machine stands still from its beginning until `go_on`."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise OracleError(f"QEMU's gdb stub cannot be reached: {error.strerror or error}") from None
        self._input = b""

    def begin(self) -> None:
        """Ask for the description of registers, without which QEMU hands out none of them one by one."""
        self._ask("qSupported:xmlRegisters=powerpc")
        self._ask("qXfer:features:read:target.xml:0,ffb")

    def register(self, number: int) -> int:
        """Return a register."""
        return int.from_bytes(self._bytes(f"p{number:x}", _WORD), "little")

    def set_register(self, number: int, value: int) -> None:
        """Change a register."""
        self._done(f"P{number:x}={(value % (1 << 64)).to_bytes(_WORD, 'little').hex()}")

    def memory(self, address: int, size: int) -> bytes:
        """Return memory at a virtual address."""
        pieces = [(at, min(_PART, address + size - at)) for at in range(address, address + size, _PART)]
        return b"".join(self._bytes(f"m{at:x},{length:x}", length) for at, length in pieces)

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
        self._stop()

    def go_on(self) -> None:
        """Let the machine run; `stopped` says when it stopped."""
        self._send("c")

    def stopped(self, seconds: float) -> bool:
        """Wait for the machine to stop; whether it did in that time."""
        # What can be read may be no more than the receipt of the command before.
        if b"$" not in self._input and select.select([self._socket], [], [], seconds)[0]:
            self._receive(SECONDS)
        if b"$" not in self._input:
            return False
        self._stop()
        return True

    def interrupt(self) -> None:
        """Stop the machine wherever it is."""
        self._write(b"\x03")
        self._stop()

    def close(self) -> None:
        """Let the machine run on, unobserved."""
        self._done("D")
        self._socket.close()

    def kill(self) -> None:
        """End QEMU, if it understands that much."""
        with suppress(OracleError):  # there may be no QEMU any more
            self._send("k")
        self._socket.close()

    def _done(self, command: str) -> None:
        if (answer := self._ask(command)) != "OK":
            raise _wrong(command, answer)

    def _bytes(self, command: str, size: int) -> bytes:
        answer = self._ask(command)
        try:
            data = bytes.fromhex(answer)
        except ValueError:
            data = b""
        if len(data) != size:
            raise _wrong(command, answer)
        return data

    def _ask(self, command: str) -> str:
        """Return the answer to a command that does not let the machine run.

        That it stands still is said on its own when the connection begins, and comes before the answer.
        """
        self._send(command)
        for _ in range(_MOST_STOPS):
            if not (answer := self._answer()).startswith(_STOPPED):
                return answer
        raise _wrong(command, answer)

    def _stop(self) -> None:
        """Take the report of a stop."""
        if not (answer := self._answer()).startswith(_STOPPED):
            raise _wrong("a stop", answer)

    def _send(self, command: str) -> None:
        data = command.encode()
        self._write(b"$%b#%02x" % (data, sum(data) & 0xFF))

    def _write(self, data: bytes) -> None:
        self._socket.settimeout(SECONDS)
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise _gone(error) from None

    def _receive(self, seconds: float) -> None:
        self._socket.settimeout(max(seconds, 0.001))
        try:
            data = self._socket.recv(_LARGEST)
        except OSError as error:
            raise _gone(error) from None
        self._input += data
        if not data:
            raise _gone(ConnectionError())
        if len(self._input) > _LARGEST:
            raise OracleError(f"QEMU's gdb stub sends a packet of more than {_LARGEST >> 10} KiB")

    def _answer(self) -> str:
        """Return the next packet, and acknowledge it; receipts are before it."""
        deadline = monotonic() + SECONDS
        while True:
            _, start, rest = self._input.partition(b"$")
            packet, end, following = rest.partition(b"#")
            if start and end and len(following) >= _CHECKSUM:
                break
            self._receive(deadline - monotonic())
        self._input = following[_CHECKSUM:]
        self._write(b"+")
        return packet.decode("ascii", "replace")


def _wrong(command: str, answer: str) -> OracleError:
    return OracleError(f"QEMU's gdb stub answers {command[:40]} by {answer[:40]!r}")


def _gone(error: OSError) -> OracleError:
    if isinstance(error, TimeoutError):
        return OracleError(f"QEMU's gdb stub does not answer within {SECONDS:.0f} s")
    return GoneError("QEMU ended while its gdb stub was asked")
