# SPDX-License-Identifier: MIT
"""A gdb stub with a kernel behind it that only knows the calls of its migration; little of either is real."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

ENTRIES = {
    "rtas_ibm_suspend_me": 0xC000000000001000,
    "rtas_token": 0xC000000000002000,
    "rtas_function_token": 0xC000000000003000,
    "rtas_call": 0xC000000000004000,
    "pseries_devicetree_update": 0xC000000000005000,
    "update_dt_node": 0xC000000000006000,
    "post_mobility_fixup": 0xC000000000008000,
    "getter": 0xC000000000007000,
}
SIZE = 0x400
NAMES, AREA = 0xC000000000010000, 0xC000000000020000
_PC, _LR = 64, 67


def elf_with_symbols(*, of: dict[str, int], local: int = 3) -> bytes:
    """Return a 64-bit little-endian ELF file of PowerPC with a symbol table; `local` is the entry's encoding."""
    names, symbols = b"\0", bytes(24)
    for name, start in of.items():
        symbols += struct.pack("<IBBHQQ", len(names), 0x12, local << 5, 1, start, SIZE)
        names += name.encode() + b"\0"
    at = 0x40
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 21, 1, 0, 0, 0, 2, 64, 0, 0, 64, 3, 2)
    where = at + len(symbols) + len(names)
    header = header[:0x28] + struct.pack("<Q", where) + header[0x30:]
    section = "<IIQQQQIIQQ"
    table = bytes(64)
    table += struct.pack(section, 0, 2, 0, 0, at, len(symbols), 2, 0, 8, 24)
    table += struct.pack(section, 0, 3, 0, 0, at + len(symbols), len(names), 0, 0, 1, 0)
    return header + symbols + names + table


class FakeStub:
    """The stub, and a kernel that goes from one call of its migration to the next.

    Attributes:
        seen: what the kernel got: (function, value returned).
        stops: addresses at which it was to stop when the connection ended.
        commands: what it was told.

    `nonsense` returns what it sends in place of an answer to a command, None for the answer.

    """

    def __init__(
        self,
        path: Path,
        *,
        handles: bool = False,
        activates: bool = False,
        phandle: int = 0x1234,
        nonsense: Callable[[str], bytes | None] = lambda _command: None,
    ) -> None:
        self.seen: list[tuple[str, int]] = []
        self.areas: list[bytes] = []
        self.stops: set[int] = set()
        self.commands: list[str] = []
        self._nonsense = nonsense
        self._registers = dict.fromkeys(range(71), 0)
        self._memory: dict[int, bytes] = {}
        self._handles, self._activates, self._phandle = handles, activates, phandle
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(1)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        self._thread.join(10)

    def _kernel(self) -> Iterator[None]:
        """Go from call to call; at each the debugger may look, and have it be over."""
        yield from self._call("getter", "rtas_token", 3, NAMES + 64)
        yield from self._call("getter", "rtas_ibm_suspend_me", 3, 0)
        if self._activates:
            yield from self._call("post_mobility_fixup", *self._token("ibm,activate-firmware", 3))
            if self._registers[3] == NAMES:
                return
            yield from self._call("post_mobility_fixup", "rtas_call", 3, self._registers[3])
        update, status = b"", 1
        while status == 1:
            yield from self._call("pseries_devicetree_update", *self._token("ibm,update-nodes", 1))
            nodes = self._registers[3]
            yield from self._rtas("pseries_devicetree_update", nodes, update)
            update, status = self.areas[-1], self._registers[3]
            if status not in (0, 1):
                return
            for phandle in struct.unpack(
                f">{len(update[20:]) // 4}I", update[20 : 20 + len(update[20:]) // 4 * 4]
            ):
                if phandle == self._phandle:
                    yield from self._node(phandle)

    def _node(self, phandle: int) -> Iterator[None]:
        yield from self._call("update_dt_node", *self._token("ibm,update-properties", 2))
        token, area, status = self._registers[3], struct.pack(">I", phandle), 1
        while status == 1:
            yield from self._rtas("update_dt_node", token, area)
            area, status = self.areas[-1], self._registers[3]

    def _token(self, name: str, handle: int) -> tuple[str, int, int]:
        if self._handles:
            return "rtas_function_token", 3, handle
        self._memory[NAMES] = name.encode().ljust(64, b"\0")
        return "rtas_token", 3, NAMES

    def _rtas(self, caller: str, token: int, area: bytes) -> Iterator[None]:
        self._memory[AREA] = area.ljust(4096, b"\0")
        self._registers[7], self._registers[8] = AREA, 1
        yield from self._call(caller, "rtas_call", 3, token)
        self.areas.append(self._memory[AREA])

    def _call(self, caller: str, function: str, register: int, argument: int) -> Iterator[None]:
        place = ENTRIES[function] + 8
        self._registers[register] = argument
        self._registers[_PC], self._registers[_LR] = place, ENTRIES[caller] + 0x20
        if place in self.stops:
            yield
        is_over = self._registers[_PC] == self._registers[_LR]
        self.seen.append((function, self._registers[3] if is_over else -1))

    def _serve(self) -> None:
        with self._server:
            connection, _ = self._server.accept()
        with connection, connection.makefile("rwb", buffering=0) as stream, suppress(OSError):
            self._talk(stream)

    def _talk(self, stream: Any) -> None:
        kernel = self._kernel()
        self._put(stream, "T05thread:01;")
        while (byte := stream.read(1)) not in (b"", None):
            if byte == b"\x03":
                self._put(stream, "T02thread:01;")
            if byte != b"$":
                continue
            packet = b""
            while (byte := stream.read(1)) != b"#":
                packet += byte
            stream.read(2)
            self.commands.append(packet.decode())
            stream.write(b"+")
            nonsense = self._nonsense(packet.decode())
            if nonsense is not None:
                stream.write(nonsense)
            elif packet != b"k" and (answer := self._answer(packet.decode(), kernel)) is not None:
                self._put(stream, answer)

    @staticmethod
    def _put(stream: Any, text: str) -> None:
        stream.write(b"$%b#%02x" % (text.encode(), sum(text.encode()) & 0xFF))

    def _answer(self, command: str, kernel: Iterator[None]) -> str | None:
        kind, rest = command[0], command[1:]
        if kind == "c":
            return None if next(kernel, "over") == "over" else "T05thread:01;"
        if kind == "s":
            self._registers[_PC] += 4
            return "T05thread:01;"
        if kind == "p":
            return self._registers[int(rest, 16)].to_bytes(8, "little").hex()
        if kind == "P":
            number, _, value = rest.partition("=")
            self._registers[int(number, 16)] = int.from_bytes(bytes.fromhex(value), "little")
        elif kind in "zZ":
            address = int(rest.split(",")[1], 16)
            (self.stops.add if kind == "Z" else self.stops.discard)(address)
        elif kind == "m":
            address, size = (int(word, 16) for word in rest.split(","))
            start = max(base for base in self._memory if base <= address)
            return self._memory[start][address - start :][:size].ljust(size, b"\0").hex()
        elif kind == "M":
            place, _, data = rest.partition(":")
            address = int(place.split(",")[0], 16)
            old = self._memory[AREA]
            new = bytes.fromhex(data)
            self._memory[AREA] = old[: address - AREA] + new + old[address - AREA + len(new) :]
        return "OK"
