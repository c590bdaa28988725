# SPDX-License-Identifier: MIT
"""Migrations with scripted answers: where a kernel is stopped, what it gets, and what is told of it."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest

from drmemctl.formats.rtas_input import recorded_calls
from drmemctl.qualify.functions import functions_of
from drmemctl.qualify.kernel_trial import directed_migrations, random_steps
from drmemctl.qualify.monitor import OracleError
from drmemctl.qualify.recorder import Host
from drmemctl.qualify.replay import calls_asked, calls_made
from drmemctl.qualify.scripted_rtas import ScriptedMigration, can_migrate
from drmemctl.qualify.streams import STREAMS, migration_step, moved
from drmemctl.simulate.simulation import Simulation
from tests.qualify.fake_stub import ENTRIES, SIZE, FakeStub, elf_with_symbols
from tests.simulate.delivered import LOOKUP, V2, deliveries, lmbs_of, rows_of
from tests.simulate.records import tree_of

LPM = "captures/6.1-lpm"
PHANDLE = 0x1234

NODES = struct.pack(">6I", 0, 0, 0, 0, 0x02000001, PHANDLE)
PROPERTIES = struct.pack(">5I", PHANDLE, 0, 0, 0, 0)


def answers(*entries: tuple[str, bytes, int]) -> list[dict[str, Any]]:
    return [{"call": call, "answer": area.hex(), "status": status} for call, area, status in entries]


@pytest.fixture
def vmlinux(tmp_path: Path) -> Path:
    path = tmp_path / "vmlinux"
    path.write_bytes(elf_with_symbols(of={name: at for name, at in ENTRIES.items() if name != "getter"}))
    return path


class FakeMonitor:
    """QEMU's monitor, which starts the fake stub where it is asked to."""

    def __init__(self, **options: Any) -> None:
        self.said: list[str] = []
        self._options = options
        self.stub: FakeStub | None = None

    def do(self, command: str) -> str:
        self.said.append(command)
        if command.startswith("gdbserver unix:"):
            self.stub = FakeStub(Path(command.removeprefix("gdbserver unix:").split(",")[0]), **self._options)
        return "ok"


def migrated(vmlinux: Path, script: list[dict[str, Any]], **options: Any) -> tuple[Host, FakeStub, str]:
    """Return what a host did in a migration of the fake kernel."""
    monitor = FakeMonitor(**options)
    host = Host(vmlinux, [[], script])
    assert host.do(monitor, "migrate 2") == "ok"  # type: ignore[arg-type]
    assert monitor.stub is not None
    for _ in range(500):
        if len(monitor.stub.seen) >= _EXPECTED[len(script)] + 2 * bool(options.get("activates")):
            break
        monitor.stub._thread.join(0.01)
    said = host.do(monitor, "migrated 2")  # type: ignore[arg-type]
    assert monitor.said[-1] == "gdbserver none"
    monitor.stub.wait()
    return host, monitor.stub, said


_EXPECTED = {1: 4, 2: 6, 3: 7, 4: 9}
"""Calls that the fake kernel makes for so many answers."""


@pytest.mark.parametrize("handles", [False, True])
def test_each_call_gets_its_answer(vmlinux: Path, *, handles: bool) -> None:
    script = answers(("update-nodes", NODES, 0), ("update-properties", PROPERTIES, 0))
    host, stub, said = migrated(vmlinux, script, handles=handles)
    names = [name for name, _ in stub.seen]
    token = "rtas_function_token" if handles else "rtas_token"
    assert said == "ok"
    assert names == ["rtas_token", "rtas_ibm_suspend_me", token, "rtas_call", token, "rtas_call"]
    assert (stub.seen[0][1], stub.seen[1][1]) == (-1, 0)  # who asks for another call's token gets QEMU's
    assert stub.areas[0].startswith(NODES)
    assert stub.areas[1].startswith(PROPERTIES)
    assert calls_asked(host.calls[2]) == ["update-nodes", f"update-properties {PHANDLE:#x}"]
    assert [entry["status"] for entry in host.calls[2]] == [0, 0]
    assert stub.stops == set()


def test_a_kernel_that_activates_firmware_first_goes_on_to_its_update(vmlinux: Path) -> None:
    """Up to 5.10 `post_mobility_fixup` returns where that call is none of the firmware's (seen of 5.10.223)."""
    host, stub, _ = migrated(
        vmlinux, answers(("update-nodes", NODES, 0), ("update-properties", PROPERTIES, 0)), activates=True
    )
    assert calls_asked(host.calls[2]) == ["update-nodes", f"update-properties {PHANDLE:#x}"]
    assert stub.seen[3] == ("rtas_call", 0)


def test_what_goes_on_is_asked_for_again(vmlinux: Path) -> None:
    script = answers(
        ("update-nodes", NODES, 0), ("update-properties", PROPERTIES, 1), ("update-properties", PROPERTIES, 0)
    )
    host, _, _ = migrated(vmlinux, script)
    assert [entry["status"] for entry in host.calls[2]] == [0, 1, 0]


def test_a_call_that_fails_ends_the_update(vmlinux: Path) -> None:
    host, stub, _ = migrated(vmlinux, answers(("update-nodes", b"", -1)))
    assert calls_asked(host.calls[2]) == ["update-nodes"]
    assert stub.seen[-1] == ("rtas_call", (1 << 64) - 1)


def test_a_kernel_without_symbols_is_not_migrated(tmp_path: Path) -> None:
    for name, content in (
        ("stripped", elf_with_symbols(of={})),
        ("cut", elf_with_symbols(of=ENTRIES)[:150]),
        ("others", elf_with_symbols(of={"rtas_call": 16})),
        ("other", b"\x7fELF" + bytes(60)),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        assert not can_migrate(path), name
        with pytest.raises(OracleError, match="no symbols of its migration"):
            ScriptedMigration(path, FakeMonitor(), [])  # type: ignore[arg-type]


def test_entries_are_those_of_the_abi(tmp_path: Path) -> None:
    """st_other of ELFv2: 0 and 1 for one entry, 2 to 6 for a second one that is 4 to 64 bytes behind it."""
    for encoded, distance in ((0, 0), (1, 0), (2, 4), (3, 8), (6, 64)):
        path = tmp_path / f"{encoded}"
        path.write_bytes(elf_with_symbols(of={"rtas_call": 0x1000, "rtas_call.cold": 0x9000}, local=encoded))
        warm, cold = functions_of(path, ["rtas_call"])["rtas_call"]
        assert (warm.start, warm.local - warm.start, cold.start) == (0x1000, distance, 0x9000)
        assert 0x1000 + SIZE in warm
        assert 0x1001 + SIZE not in warm


VALUELESS = {"_only_a_name", "_no_nodes", "_no_properties"}
"""Streams that bring no value of a property."""


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.__name__)
def test_a_stream_is_what_firmware_could_say(stream: Any, tmp_path: Path) -> None:
    simulation = Simulation(tree_of(LPM), "6.1", findings=False)
    step = migration_step(tmp_path / "one.json", simulation, random.Random(1), stream)
    script = json.loads((tmp_path / "one.json").read_text())
    expected = dict(moved(simulation, random.Random(1)))
    result = simulation.run(step, traced=True)
    assert result.kernel_faults == ()
    assert calls_made(result.trace) == [
        call.call if call.call == "update-nodes" else f"{call.call} {int.from_bytes(call.area[:4]):#x}"
        for call in recorded_calls(json.dumps(script))
    ]
    node = next((entry for entry in script if entry["call"] == "update-properties"), None)
    phandle = int(node["answer"][:8] or "0", 16) if node else 0
    delivered = {name: value for name, value in deliveries(script, phandle) if value}
    assert delivered == ({} if stream.__name__ in VALUELESS else expected)
    for name, value in delivered.items():
        assert value
        assert rows_of(value) if name == LOOKUP else lmbs_of(name, value)
        assert name in (LOOKUP, V2)


def test_trials_have_migrations(tmp_path: Path) -> None:
    tree, migrations = tree_of(LPM), tmp_path / "with blanks"
    steps = directed_migrations(tree, "6.1", migrations)
    assert sum(step.startswith("migrate '") for step in steps) == len(STREAMS)
    chosen = random_steps(tree, "6.1", 3, 40, migrations)
    assert any(step.startswith("migrate ") for step in chosen)
    assert chosen == random_steps(tree, "6.1", 3, 40, migrations)
    assert not any(step.startswith("migrate ") for step in random_steps(tree, "6.1", 3, 40))
