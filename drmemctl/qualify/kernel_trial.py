# SPDX-License-Identifier: MIT
"""A kernel as something that steps are done to: booted in QEMU, and held against the simulation of a release."""

from __future__ import annotations

import gzip
import json
import random
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, aa_text, decode_entries, encode_entries
from drmemctl.formats.lookup_arrays import decode_lookup_arrays, encode_lookup_arrays
from drmemctl.formats.rows import words
from drmemctl.formats.update_nodes import WORK_AREA
from drmemctl.hypervisor.recorded import NOTHING_RECORDED
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.trace import BlockWrite, TraceEvent, TreeWrite
from drmemctl.qualify.archive import initramfs
from drmemctl.qualify.guest import QEMU, Guest
from drmemctl.qualify.monitor import OracleError
from drmemctl.qualify.qtest import FIRST_LMB
from drmemctl.qualify.recorder import recorded_in, root_files
from drmemctl.qualify.records import Record
from drmemctl.qualify.replay import Replayed, calls_asked, calls_made, recorded_state, simulated, step_differences
from drmemctl.qualify.scripted_rtas import can_migrate
from drmemctl.qualify.streams import STREAMS, migration_step
from drmemctl.qualify.trial import Difference, Trial, file_name
from drmemctl.simulate.files import read_file
from drmemctl.simulate.rtas_record import read_migration
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.steps.language import parse_script
from drmemctl.simulate.steps.migration import Migrate
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Tree
from drmemctl.wording import count_of

MACHINE = (
    "-M pseries -cpu POWER9 -smp 1 -m 2G,slots=32,maxmem=8G "
    "-object memory-backend-ram,id=m0,size=1G -numa node,nodeid=0,memdev=m0 "
    "-object memory-backend-ram,id=m1,size=1G -numa node,nodeid=1,memdev=m1"
)
"""Two nodes with 1 GiB of boot memory, and room for 24 LMBs."""

CMDLINE = "console=hvc0 quiet log_buf_len=4M"
FIRST, LMBS, NODES = FIRST_LMB + 8, 24, 2
_SECONDS = 900.0
_LONGEST = 400

DIRECTED = (
    f"plug {FIRST:#x} 2 node 1",
    f"plug {FIRST + 8:#x} 2 node 1",
    "dlpar memory remove count 1",
    "dlpar memory remove count 99",
    "dlpar memory remove index 0xdeadbeef",
    "dlpar memory add count 1",
    f"dlpar memory add index {FIRST + 1:#x}",
    f"dlpar memory remove indexed-count 2 {FIRST + 8:#x}",
    "dlpar memory add  count 1",
    "dlpar memory frob count 1",
    f"plug {FIRST + 16:#x} 1 node 0",
    f"unplug {FIRST + 16:#x} 1",
)
"""Requests that go well, that cannot, and that are none; DIMMs with a hole between them, on the same node."""

Boot = Callable[[Guest, Record, Path], tuple[Record, bytes]]
"""Does the steps of a record in a guest; returns the new record and the guest's flattened tree."""


@dataclass
class KernelSubject:
    """A kernel.

    Attributes:
        vmlinux: its image.
        busybox: the programs of its guest.
        place: where everything is kept.
        like: the release that it is held against, None for the one that it says.
        qemu: the QEMU that it is booted in.
        boot: how it is booted.
        release: what `uname -r` printed, empty before the first boot.

    """

    vmlinux: Path
    busybox: bytes
    place: Path
    like: Profile | None = None
    qemu: str = QEMU
    boot: Boot = recorded_in
    release: str = ""

    @property
    def name(self) -> str:
        """What it is."""
        return f"Linux {self.release}"

    @property
    def model(self) -> str:
        """What it is held against."""
        return self.release if self.like is None else self.like.name

    def tree(self) -> Tree:
        """Boot it without any step; return the tree that it found."""
        record, fdt = self._asked((), "boot")
        self.release = record["kernel"]
        return read_fdt(fdt, "boot.dtb")

    def differences(self, steps: Sequence[str], place: str) -> list[Difference]:
        """Boot it, do the steps, and hold every step to the simulation."""
        record, fdt = self._asked(steps, place)
        self.release = record["kernel"]
        return list(record_differences(record, read_fdt(fdt, "boot.dtb"), self.like))

    def _asked(self, steps: Sequence[str], place: str) -> tuple[Record, bytes]:
        plan: Record = {
            "name": place,
            "cmdline": CMDLINE,
            "qemu": MACHINE,
            "boot": {"properties": {}, "blocks": []},
            "steps": [_planned(step) for step in steps],
        }
        folder = self.place / file_name(place)
        root = initramfs(root_files(plan, self.busybox))
        guest = Guest(self.vmlinux, root, shlex.split(MACHINE), CMDLINE, _SECONDS, self.qemu)
        record, fdt = self.boot(guest, plan, folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "record.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        (folder / "boot.dtb.gz").write_bytes(gzip.compress(fdt, mtime=0))
        (folder / "steps").write_text("".join(f"{step}\n" for step in steps), encoding="utf-8")
        return record, fdt


_GUEST_STEPS = ("dlpar", "plug", "unplug", "firmware", "migrate", "offline", "online")
"""The first words of steps that take no more than a shell: it has no drmgr, and no kexec-tools."""


def _planned(step: str) -> Record:
    """Return a step as it is to be recorded; of a migration with the answers that it names."""
    plan: Record = {"step": step, "properties": {}}
    parsed = next(parse_script(step))
    if step.split(maxsplit=1)[0] not in _GUEST_STEPS:
        hint = f"a guest can do {', '.join(_GUEST_STEPS)}"
        raise OracleError(f"no step for a guest: {step}", hint=hint)
    if isinstance(parsed, Migrate):
        record = read_migration(read_file(parsed.file), parsed.file)
        if record.connectors != NOTHING_RECORDED or record.homes:
            hint = "leave connectors and homes out: those of a guest are QEMU's"
            raise OracleError("a guest can only get answers to its calls", source=parsed.file, hint=hint)
        if any(len(call.area) > WORK_AREA for call in record.calls):
            raise OracleError(f"an answer has more than {WORK_AREA:,} bytes", source=parsed.file)
        plan["answers"] = [
            {"call": call.call, "answer": call.area.hex(), "status": call.status} for call in record.calls
        ]
    return plan


_ELF = b"\x7fELF\x02\x01"
_PPC64 = b"\x15\x00"


def checked_elf(path: Path) -> bytes:
    """Return a file that has to be a ppc64el program; `OracleError` for another."""
    try:
        with path.open("rb") as stream:
            head = stream.read(20)
            if head[:6] != _ELF or head[18:20] != _PPC64:
                hint = "name an uncompressed vmlinux (or busybox) of ppc64el"
                raise OracleError("this is no 64-bit little-endian PowerPC ELF file", source=str(path), hint=hint)
            return head + stream.read()
    except OSError as error:
        raise OracleError(error.strerror or str(error), source=str(path)) from None


def record_differences(record: Record, tree: Tree, like: Profile | None = None) -> Iterator[Difference]:
    """Yield where the simulation does not do what was recorded; after the first step of such, nothing is known."""
    run = simulated(record, tree, like, traced=True)
    boot = recorded_state(record["boot"])
    if boot != run.boot:
        for aspect in ("properties", "blocks"):
            real, model = getattr(boot, aspect), getattr(run.boot, aspect)
            if real != model:
                yield Difference(0, "boot", aspect, *_apart(real, model))
        return
    for number, step in enumerate(run.steps, 1):
        aspects = list(step_differences(step))
        for aspect in aspects:
            yield _difference(number, step, aspect)
        if aspects:
            return
    real_events = [event["event"] for event in record["events"]]
    model_events = [event for step in run.steps for event in step.result.events]
    if real_events != model_events:
        text = record["steps"][-1]["step"] if record["steps"] else "boot"
        yield Difference(len(run.steps), text, "events", " ".join(real_events), " ".join(model_events))


def _difference(number: int, step: Replayed, aspect: str) -> Difference:
    recorded, result = step.recorded, step.result
    real: Any
    model: Any
    if aspect == "log":
        real, model = recorded["log"], list(result.log)
    elif aspect == "calls":
        real, model = calls_asked(recorded["asked"]), calls_made(result.trace)
    elif aspect == "errno":
        real, model = recorded["errno"], result.errno
    elif aspect == "blocks":
        real, model = recorded_state(recorded).blocks, step.state.blocks
    else:
        real, model = recorded["properties"], step.state.properties
    return Difference(number, recorded["step"], aspect, *_apart(real, model), _function(result.trace, aspect))


def _apart(real: Any, model: Any) -> tuple[str, str]:
    """Return what only one of the two has, in words."""
    if isinstance(real, dict):
        names = sorted(name for name in {*real, *model} if real.get(name) != model.get(name))
        pairs = [_values_apart(name, real.get(name), model.get(name)) for name in names]
        return _shortened(pair[0] for pair in pairs), _shortened(pair[1] for pair in pairs)
    if isinstance(real, list):
        return _shortened(map(_item, _only(real, model))), _shortened(map(_item, _only(model, real)))
    return str(real or "ok"), str(model or "ok")


def _values_apart(name: str, real: str | None, model: str | None) -> tuple[str, str]:
    """Return both values of a property: of lists of LMBs the entries that only one has."""
    if real is None or model is None or name not in (V1, V2):
        return f"{name} {real or '-'}", f"{name} {model or '-'}"
    entries = [list(map(_entry, decode_entries(name, bytes.fromhex(value)))) for value in (real, model)]
    apart = [_shortened(_only(mine, theirs)) for mine, theirs in (entries, reversed(entries))]
    return f"{name}: {apart[0]}", f"{name}: {apart[1]}"


def _entry(entry: tuple[int, int, int, int, int]) -> str:
    base, lmbs, drc_index, aa_index, flags = entry
    return f"{count_of(lmbs, 'LMB')} at {base:#x}, DRC {drc_index:#010x}, aa {aa_text(aa_index)}, flags {flags:#x}"


def _only(items: list[Any], compared: list[Any]) -> list[Any]:
    return [item for item in items if item not in compared] or (items if sorted(items) == sorted(compared) else [])


def _item(item: Any) -> str:
    return f"block {item[0]} on node {item[1]}, {item[2]}" if isinstance(item, tuple) else str(item)


def _shortened(parts: Iterable[str]) -> str:
    text = "; ".join(parts) or "nothing"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _function(trace: Sequence[TraceEvent], aspect: str) -> str:
    """Return the kernel function that did last what differs, by the simulation."""
    kinds = {"blocks": BlockWrite, "properties": TreeWrite}
    fitting = [event for event in trace if isinstance(event, kinds.get(aspect, object))] or list(trace)
    return fitting[-1].function if fitting else ""


def random_steps(
    tree: Tree, kernel: str | Profile, seed: int, length: int, migrations: Path | None = None
) -> list[str]:
    """Return random steps that make sense on a simulated tree, migrations where there is a folder for answers."""
    pick = random.Random(seed)  # noqa: S311 - steps have to be the same again
    simulation = Simulation(tree, kernel, findings=False)
    steps: list[str] = []
    while len(steps) < length:
        if migrations is not None and pick.random() < _MIGRATES:
            path = migrations / f"seed-{seed}-{len(steps) + 1}.json"
            step = migration_step(path, simulation, pick, pick.choice(STREAMS))
        else:
            step = pick.choices(_MAKERS, _WEIGHTS)[0](simulation, pick)
        if step:
            simulation.run(step)
            steps.append(step)
    return steps


def _dimms(simulation: Simulation) -> list[tuple[int, int]]:
    devices = simulation.situation.machine.devices
    return [(device.first, device.count) for device in devices if FIRST <= device.first < FIRST + LMBS]


def _plugged(simulation: Simulation, pick: random.Random) -> str:
    plugged = {drc for first, count in _dimms(simulation) for drc in range(first, first + count)}
    count = pick.choice((1, 1, 2, 3, 4))
    places = [
        first
        for first in range(FIRST, FIRST + LMBS - count + 1)
        if plugged.isdisjoint(range(first, first + count))
    ]
    return f"plug {pick.choice(places[:1] + places):#x} {count} node {pick.randrange(NODES)}" if places else ""


def _unplugged(simulation: Simulation, pick: random.Random) -> str:
    dimms = _dimms(simulation)
    first, count = pick.choice(dimms) if dimms else (0, 0)
    return f"unplug {first:#x} {count}" if dimms else ""


def _removed(simulation: Simulation, pick: random.Random) -> str:
    dimms = _dimms(simulation)
    if not dimms:
        return f"dlpar memory remove count {pick.choice((1, 2, 99))}"
    first, count = pick.choice(dimms)
    return pick.choice(
        (
            f"dlpar memory remove index {first + pick.randrange(count):#x}",
            f"dlpar memory remove count {pick.choice((1, 2, 3))}",
            f"dlpar memory remove indexed-count {count} {first:#x}",
        )
    )


def _added(simulation: Simulation, pick: random.Random) -> str:
    del simulation
    drc_index = FIRST + pick.randrange(LMBS)
    return pick.choice(
        (
            f"dlpar memory add index {drc_index:#x}",
            f"dlpar memory add count {pick.choice((1, 2))}",
            f"dlpar memory add indexed-count {pick.choice((1, 2))} {drc_index:#x}",
        )
    )


def _rearranged(simulation: Simulation, pick: random.Random) -> str:
    """Return an update of the lookup arrays by firmware: the same rows in another order, or one more."""
    data = simulation.tree.get(NODE, LOOKUP_ARRAYS)
    if data is None or len(data) < 8:
        return ""
    arrays = decode_lookup_arrays(data)
    lists = arrays.rows()
    pick.shuffle(lists)
    if lists and pick.random() < 0.3:
        lists.append((*lists[0][:-1], pick.randrange(NODES + 2)))
    return f"firmware {NODE} {LOOKUP_ARRAYS} {encode_lookup_arrays(lists, arrays.array_sz).hex()}"


def _reassigned(simulation: Simulation, pick: random.Random) -> str:
    """Return an update of the LMBs by firmware: other aa_indexes, as after a migration."""
    data = simulation.tree.get(NODE, V2)
    lookup = simulation.tree.get(NODE, LOOKUP_ARRAYS)
    if data is None or lookup is None or len(lookup) < 8:
        return ""
    runs = [
        run._replace(aa_index=pick.randrange(max(1, words(lookup)[0])))
        if run.assigned and pick.random() < 0.5
        else run
        for run in simulation.state.table.runs
    ]
    return f"firmware {NODE} {V2} {encode_entries(V2, runs).hex()}"


def _switched(simulation: Simulation, pick: random.Random) -> str:
    """Return a write to the state of a memory block that came after boot: the other state, or the same again."""
    blocks = [block for block, _ in simulation.state.blocks if block >= FIRST - FIRST_LMB]
    return f"{pick.choice(('offline', 'offline', 'online'))} {pick.choice(blocks)}" if blocks else ""


_MAKERS = (_plugged, _unplugged, _removed, _added, _rearranged, _reassigned, _switched)
_WEIGHTS = (6, 2, 5, 3, 1, 2, 2)

_MIGRATES = 0.15
"""Of random steps so many are migrations."""


def directed_migrations(tree: Tree, kernel: str | Profile, migrations: Path) -> list[str]:
    """Return a migration by each stream, and behind each a request that writes back what the kernel made of it."""
    pick = random.Random(0)  # noqa: S311 - steps have to be the same again
    simulation = Simulation(tree, kernel, findings=False)
    steps = [f"plug {FIRST:#x} 3 node 1"]
    simulation.run(steps[0])
    for number, stream in enumerate(STREAMS, 1):
        following = f"dlpar memory {'remove' if number % 2 else 'add'} index {FIRST + 1:#x}"
        path = migrations / f"directed-{number}.json"
        for step in (migration_step(path, simulation, pick, stream), following):
            simulation.run(step)
            steps.append(step)
    return steps


def kernel_trials(subject: KernelSubject, seed: int, length: int, number: int) -> Iterator[Trial]:
    """Yield the steps made by hand, then random ones for the tree that the kernel finds.

    A kernel without symbols does not say where its RTAS calls could be answered: it is not migrated.
    """
    yield Trial("directed", DIRECTED)
    tree = subject.tree()
    release = subject.like or subject.release
    migrations = subject.place / "migrations" if can_migrate(subject.vmlinux) else None
    if migrations is not None:
        yield Trial("migrations", tuple(directed_migrations(tree, release, migrations)))
    for trial in range(seed, seed + number):
        steps = random_steps(tree, release, trial, length, migrations)
        yield Trial(f"seed {trial}", tuple(steps))
