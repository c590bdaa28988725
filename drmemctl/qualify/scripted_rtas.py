# SPDX-License-Identifier: MIT
"""A migration that a real kernel goes through in QEMU, which has none: its RTAS calls are answered from a script.

The kernel is stopped where it asks. What is written to /sys/kernel/mobility/migration leads it to ibm,suspend-me,
which is answered as if the partition were elsewhere now, and then to its own update of the tree: ibm,update-nodes
and ibm,update-properties are answered by what answers the simulation, too. Up to 5.10 it first asks for
ibm,activate-firmware, and has no update where that cannot be called: it is answered that all went well.

Source: Linux arch/powerpc/platforms/pseries/mobility.c `migration_store`, `post_mobility_fixup`,
`pseries_devicetree_update`, `update_dt_node`; arch/powerpc/kernel/rtas.c `rtas_token`, `rtas_function_token`,
`rtas_call`.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from drmemctl.formats.rtas_input import RecordedCall
from drmemctl.formats.update_nodes import NAME as UPDATE_NODES
from drmemctl.formats.update_nodes import WORK_AREA
from drmemctl.formats.update_properties import NAME as UPDATE_PROPERTIES
from drmemctl.kernel.firmware import Firmware
from drmemctl.qualify.functions import Function, functions_of
from drmemctl.qualify.gdb_stub import LR, PC, GdbStub
from drmemctl.qualify.monitor import Monitor, OracleError
from drmemctl.simulate.update_sources import RecordedUpdates

_SUSPEND = "rtas_ibm_suspend_me"
_TOKENS = ("rtas_token", "rtas_function_token")
_CALL = "rtas_call"
_UPDATERS = ("pseries_devicetree_update", "update_dt_node", "mobility_rtas_call")
_BY_NAME = (*_UPDATERS, "post_mobility_fixup", "migration_store")
"""Who asks for tokens by name; the compiler may put one of these into the other."""

NEEDED = (_SUSPEND, *_TOKENS, _CALL, *_BY_NAME)

_ACTIVATE = "activate-firmware"
_TOKEN = {UPDATE_NODES: 0x7E01, UPDATE_PROPERTIES: 0x7E02, _ACTIVATE: 0x7E03}
"""Tokens for the calls that QEMU does not have; QEMU's own begin at 0x2000."""

_FIRST_ARGUMENT = 3
_AREA, _SCOPE = 7, 8
"""Registers of `rtas_call(token, nargs, nret, outputs, area, scope)`."""

_REQUEST = 20
_LOOK_AGAIN = 0.2
_NAME = 32
"""Bytes that are read for a call's name."""


def can_migrate(vmlinux: Path) -> bool:
    """Whether a kernel's symbols say where it has to be stopped."""
    return _is_complete(functions_of(vmlinux, NEEDED))


def _is_complete(functions: dict[str, list[Function]]) -> bool:
    return all(name in functions for name in (_SUSPEND, _CALL, _UPDATERS[0])) and any(
        name in functions for name in _TOKENS
    )


class ScriptedMigration:
    """One migration of a guest, from the moment at which the guest is about to ask for it.

    Attributes:
        calls: those that the kernel made, each with the first bytes that it passed, and what it got.

    """

    def __init__(self, vmlinux: Path, monitor: Monitor, answers: Sequence[RecordedCall]) -> None:
        self._functions = functions_of(vmlinux, NEEDED)
        if not _is_complete(self._functions):
            raise OracleError("it has no symbols of its migration", source=str(vmlinux))
        self.calls: list[dict[str, Any]] = []
        self._updates = RecordedUpdates(list(answers))
        self._first_handle: int | None = None
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "gdb"
        said = monitor.do(f"gdbserver unix:{path},server=on,wait=off")
        if not path.exists():
            raise OracleError(f"QEMU does not start its gdb stub: {said}")
        self._monitor = monitor
        self._stub = GdbStub(path)
        self._places = sorted(
            {
                address
                for name in (_SUSPEND, *_TOKENS, _CALL)
                for function in self._functions.get(name, ())
                for address in (function.start, function.local)
            }
        )
        self._ended = threading.Event()
        self._failure: OracleError | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Let the guest run on; `OracleError` where that, or anything before it, went wrong."""
        self._ended.set()
        self._thread.join()
        self._folder.cleanup()
        if self._failure is not None:
            raise self._failure
        self._stub.interrupt()
        for address in self._places:
            self._stub.stop_at(address, wanted=False)
        self._stub.close()
        self._monitor.do("gdbserver none")

    def _serve(self) -> None:
        try:
            self._stub.begin()
            for address in self._places:
                self._stub.stop_at(address)
            self._stub.go_on()
            while not self._ended.is_set():
                if self._stub.stopped(_LOOK_AGAIN):
                    self._stop()
                    self._stub.go_on()
        except OracleError as error:
            self._failure = error
            # The kernel stands still, or goes on without its answers: it would be waited for in vain.
            self._stub.kill()

    def _stop(self) -> None:
        """Do what a stop is for, and have the kernel go on behind it."""
        place = self._stub.register(PC)
        if self._is_at(place, _SUSPEND):
            self._return(0)
        elif any(self._is_at(place, name) for name in _TOKENS) and (token := self._token(place)):
            self._return(token)
        elif self._is_at(place, _CALL) and (call := self._call()):
            self._answer(call)
        else:
            self._stub.stop_at(place, wanted=False)
            self._stub.step()
            self._stub.stop_at(place)

    def _is_at(self, place: int, name: str) -> bool:
        return any(place in (function.start, function.local) for function in self._functions.get(name, ()))

    def _return(self, value: int) -> None:
        """Have the function that was about to begin be over."""
        self._stub.set_register(_FIRST_ARGUMENT, value)
        self._stub.set_register(PC, self._stub.register(LR))

    def _token(self, place: int) -> int:
        """Return the token that a function of the update asks for; 0 for what QEMU answers itself."""
        caller = self._stub.register(LR)
        is_by_name = self._is_at(place, _TOKENS[0])
        callers = _BY_NAME if is_by_name else _UPDATERS
        if not any(caller in function for name in callers for function in self._functions.get(name, ())):
            return 0
        argument = self._stub.register(_FIRST_ARGUMENT)
        if is_by_name:
            name = self._stub.memory(argument, _NAME).partition(b"\0")[0].decode("ascii", "replace")
            return _TOKEN.get(name.removeprefix("ibm,"), 0)
        # A handle is a number in a table: the update asks for nodes first.
        self._first_handle = argument if self._first_handle is None else self._first_handle
        return _TOKEN[UPDATE_NODES if argument == self._first_handle else UPDATE_PROPERTIES]

    def _call(self) -> str:
        token = self._stub.register(_FIRST_ARGUMENT) & 0xFFFFFFFF
        return next((name for name, number in _TOKEN.items() if number == token), "")

    def _answer(self, call: str) -> None:
        if call == _ACTIVATE:
            self._return(0)
            return
        address = self._stub.register(_AREA)
        request = self._stub.memory(address, WORK_AREA)
        scope = self._stub.register(_SCOPE) & 0xFFFFFFFF
        area, status = self._updates.call(call, request, scope, cast("Firmware", None))
        self._stub.set_memory(address, area.ljust(WORK_AREA, b"\0"))
        self.calls.append(
            {
                "call": call,
                "request": request[:_REQUEST].hex(),
                "answer": area.rstrip(b"\0").hex(),
                "status": status,
            }
        )
        self._return(status)
