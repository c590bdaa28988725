# SPDX-License-Identifier: MIT
"""Carries out the steps of a record once more, in a real guest of the same QEMU machine."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from drmemctl.formats.dynamic_memory import NODE, V2
from drmemctl.formats.rtas_input import recorded_calls
from drmemctl.numbers import parse_kernel_int
from drmemctl.qualify.guest import Guest, Sent, booted
from drmemctl.qualify.monitor import Monitor, OracleError
from drmemctl.qualify.qtest import LMB, address_of
from drmemctl.qualify.records import Record, record_of
from drmemctl.qualify.scripted_rtas import ScriptedMigration


def recorded_in(
    guest: Guest, plan: Record, place: Path, made_of: Callable[[Record, Sent], tuple[Record, bytes]] = record_of
) -> tuple[Record, bytes]:
    """Return what a guest does with the steps of a record, by `made_of` what it sent, and its flattened tree."""
    host = Host(guest.kernel, [step.get("answers", []) for step in plan["steps"]])
    sent = booted(guest, place, host.do)
    host.end()
    record, fdt = made_of(plan, sent)
    for number, calls in host.calls.items():
        record["steps"][number - 1]["asked"] = calls
    return record, fdt


def root_files(record: Record, busybox: bytes) -> dict[str, bytes]:
    """Return what the guest boots from to do the steps of a record, by path."""
    return {
        "init": (files("drmemctl.qualify") / "guest-record.sh").read_bytes(),
        "bin/busybox": busybox,
        "steps": "\n".join(_commands(record)).encode() + b"\n",
    }


def _commands(record: Record) -> list[str]:
    """Return the steps as the guest's script has them."""
    commands = []
    before = record["boot"]["properties"]
    for number, step in enumerate(record["steps"], 1):
        kind, *words = step["step"].split()
        after = step["properties"]
        # Whoever replaced v2 by v1 removed v2 between two steps: an update is a step, that was none.
        if V2 in before and V2 not in after and kind != "firmware":
            commands.append(f"without {V2}")
        command = f"migrate {number}" if kind == "migrate" else _command(kind, words, step["step"])
        commands.append(f"step {command}")
        before = after
    return commands


def _command(kind: str, words: list[str], text: str) -> str:
    if kind == "firmware" and words[0] == NODE and len(words) == 3:
        _, name, value = words
        return f"without {name}" if value == "-" else f"firmware {name} {value}"
    if kind == "dlpar":
        request = text.removeprefix("dlpar ")
        # Every blank is the kernel's, which a shell would make one of several.
        return shlex.join(["dlpar", *(words if request == " ".join(words) else [request])])
    if kind == "drmgr":
        # A release before the options says which drmgr is simulated; the guest has the one that it has.
        return shlex.join(["drmgr", *(words[1:] if words[:1] and words[0][0].isdigit() else words)])
    if kind in {"offline", "online"}:
        return f"block {kind} {parse_kernel_int(words[0], 32)}"
    if kind == "kexec":
        return shlex.join([kind, *words])
    if kind in {"plug", "unplug"}:
        return shlex.join(["host", kind, *words])
    raise OracleError(f"{kind} cannot be done to a guest")


class Host:
    """The hypervisor's side: DIMMs by the DRC index of their first LMB, named in the order in which they come.

    Attributes:
        calls: those that the kernel made in migrations, by the number of the step.

    """

    def __init__(self, vmlinux: Path | None = None, answers: Sequence[list[dict[str, Any]]] = ()) -> None:
        """Return a host of a guest with that kernel, for steps that have these answers of RTAS calls."""
        self.calls: dict[int, list[dict[str, Any]]] = {}
        self._vmlinux, self._answers = vmlinux, answers
        self._migration: ScriptedMigration | None = None
        self._count = 0

    def do(self, monitor: Monitor, request: str) -> str:
        """Do what the guest asks for; `ok` or what QEMU says is wrong."""
        try:
            kind, number, *words = request.split()
            if kind == "migrate":
                return self._migrate(monitor, int(number))
            if kind == "migrated":
                self.end()
                return "ok"
            return self._dimm(monitor, kind, int(number, 0), words)
        except (ValueError, IndexError):
            # It goes through the console, where a kernel in trouble prints into it.
            raise OracleError(f"the guest asks for {request[:80]!r}: see its console.log") from None

    def _migrate(self, monitor: Monitor, number: int) -> str:
        """Begin to answer the RTAS calls of a migration."""
        if self._vmlinux is None or self._migration is not None:
            return "no migration"
        calls = recorded_calls(json.dumps(self._answers[number - 1]))
        self._migration = ScriptedMigration(self._vmlinux, monitor, list(calls))
        self.calls[number] = self._migration.calls
        return "ok"

    def end(self) -> None:
        """End a migration, if there is one; `OracleError` where the kernel did not get its answers."""
        migration, self._migration = self._migration, None
        if migration is not None:
            migration.end()

    def _dimm(self, monitor: Monitor, kind: str, drc_index: int, words: list[str]) -> str:
        count = words[0]
        if drc_index >> 28 == 1:
            return self._core(monitor, kind, drc_index & 0xFFFFFFF)
        address = address_of(drc_index)
        if kind == "unplug":
            return self._unplug(monitor, address)
        self._count += 1
        # The last domain of QEMU's lists is the node.
        node = words[2].rpartition(",")[2] if words[1:2] in (["node"], ["assoc"]) else "0"
        memory = f"object_add memory-backend-ram,id=d{self._count},size={int(count) * LMB}"
        dimm = f"device_add pc-dimm,id=dimm{self._count},memdev=d{self._count},node={node},addr={address:#x}"
        answer = monitor.do(memory)
        return monitor.do(dimm) if answer == "ok" else answer

    @staticmethod
    def _core(monitor: Monitor, kind: str, core_id: int) -> str:
        if kind == "unplug":
            return monitor.do(f"device_del core{core_id}")
        model = re.search(r'type: "([^"]+)"', monitor.do("info hotpluggable-cpus"))
        if model is None:
            return "QEMU knows no core that can be plugged"
        return monitor.do(f"device_add {model[1]},core-id={core_id},id=core{core_id}")

    @staticmethod
    def _unplug(monitor: Monitor, address: int) -> str:
        shown = monitor.do("info memory-devices")
        for name, at in re.findall(r"\[dimm\]: \"(\w+)\" addr: (0x[0-9a-f]+)", shown):
            if int(at, 16) == address:
                return monitor.do(f"device_del {name}")
        return f"no DIMM at {address:#x}"
