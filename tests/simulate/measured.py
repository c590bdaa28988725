# SPDX-License-Identifier: MIT
"""Which side of a capability the bundled records exercise: `python -m tests.simulate.measured` writes the table.

A record of a release exercises the side that this release is on if it comes out otherwise once the capability is
added to that release, or taken from it. Only what was recorded counts.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Iterator
from functools import cache
from multiprocessing import Pool
from pathlib import Path
from typing import Any

from drmemctl.kernel.boot import boot
from drmemctl.kernel.capabilities import CAPABILITIES
from drmemctl.kernel.capability import Capability
from drmemctl.kernel.profiles import Profile, profile
from drmemctl.simulate.simulation import Simulation
from tests.kernel.printed import simulated as simulated_memblock
from tests.kernel.printed import zones
from tests.simulate.records import distances_in, record, record_names, simulated, tree_of

TABLE = Path(__file__).parents[2] / "drmemctl" / "kernel" / "measured.py"
HOME = "vphn 1 0,1"
"""What QEMU answers who asks for the home node of CPU 1, of which the trees of `home-nodes/` say node 1."""

BOOTS = {
    "boot/aa-out-of-range": ("5.10", "6.1", "6.12", "7.2"),
    "boot/lmb-not-power-of-two": ("5.10", "7.2"),
}
"""Trees and the kernels that were seen to die of them."""

Witness = tuple[str, str]
"""A record and the kernel that it is of."""

Entry = tuple[str, dict[str, str], dict[str, str]]
"""A capability, and by series the records that exercise either side."""


def witnesses() -> list[Witness]:
    """Return all records."""
    folders = ("captures", "memblock", "mobility", "reassignments", "nodes", "home-nodes")
    recorded = [(name, record(name)["kernel"]) for folder in folders for name in record_names(folder)]
    return [*recorded, *((name, kernel) for name, kernels in BOOTS.items() for kernel in kernels)]


def series_of(kernel: str) -> str:
    """Return the series of a kernel: 6.1 of 6.1.0-50-powerpc64le."""
    return "{}.{}".format(*profile(kernel).release)


def flipped(kernel: str, capability: Capability) -> Profile:
    """Return the kernel on the other side of a capability."""
    own, names = profile(kernel), [capability.name]
    return own.changed(removed=names) if own.has(capability) else own.changed(added=names)


def exercises(witness: Witness, capability: Capability) -> bool:
    """Whether a record tells the sides of a capability apart."""
    name, kernel = witness
    return bool(_came_out(name, flipped(kernel, capability)) != _as_recorded(witness))


_tree = cache(tree_of)


@cache
def _as_recorded(witness: Witness) -> Any:
    return _came_out(witness[0], profile(witness[1]))


def _came_out(name: str, kernel: Profile) -> Any:
    """Return what comes out of the recorded steps, as far as a record says it."""
    if name.startswith("boot/"):
        return boot(_tree(name), kernel)[0].dead
    if name.startswith("memblock/"):
        state = boot(_tree(name), kernel)[0]
        return (
            simulated_memblock(_tree(name), kernel),
            zones(_tree(name), record(name), kernel),
            list(state.blocks),
        )
    if name.startswith("home-nodes/"):
        simulation = Simulation(_tree(name), kernel, findings=False)
        simulation.run_all([HOME, "kexec"])
        return [cpu.node for cpu in simulation.state.cpus]
    run = simulated(record(name), _tree(name), kernel, findings=False)
    came_out: list[Any] = [run.boot]
    if "distances" in record(name)["boot"]:
        came_out.append(distances_in(run.simulation.started_with()))
    for step in run.steps:
        oopsed = any(fault.code == "oops" for fault in step.result.kernel_faults)
        nodes = [cpu.node for cpu in step.after.kernel.cpus] if "cpus" in step.recorded else None
        distances = distances_in(step.after.kernel) if "distances" in step.recorded else None
        came_out.append(
            (step.state, step.result.errno, step.result.log, oopsed, nodes, distances, step.result.events)
        )
    return came_out


def first_witnesses(capability: Capability) -> dict[str, Witness]:
    """Return for each series the first record that exercises its side, where there is one."""
    found: dict[str, Witness] = {}
    for witness in witnesses():
        series = series_of(witness[1])
        if series not in found and exercises(witness, capability):
            found[series] = witness
    return found


def entry(capability: Capability) -> Entry:
    """Return what is measured of a capability."""
    having: dict[str, str] = {}
    lacking: dict[str, str] = {}
    for series, (name, kernel) in sorted(first_witnesses(capability).items(), key=lambda item: _order(item[0])):
        (having if profile(kernel).has(capability) else lacking)[series] = name
    return capability.name, having, lacking


def _order(series: str) -> tuple[int, ...]:
    return tuple(map(int, series.split(".")))


def entries() -> Iterator[Entry]:
    """Yield for each capability the series measured on either side, with the record that shows it."""
    with Pool() as pool:
        yield from pool.imap(entry, CAPABILITIES)


def text(table: Iterable[Entry]) -> str:
    """Return the module that holds a table."""
    head, _, _ = TABLE.read_text(encoding="utf-8").partition("MEASURED: dict")
    lines = ["MEASURED: dict[str, Measured] = {"]
    for name, having, lacking in table:
        sides = f"Measured(having={_filled(having)}, lacking={_filled(lacking)})" if having or lacking else "READ"
        entry_lines = textwrap.wrap(
            f"{json.dumps(name)}: {sides},",
            _WIDTH,
            initial_indent=" " * 4,
            subsequent_indent=" " * 8,
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += [line.replace("\0", " ") for line in entry_lines]
    return head + "\n".join([*lines, "}"]) + "\n"


def _filled(records: dict[str, str]) -> str:
    pairs = (f"{json.dumps(series)}:\0{json.dumps(name)}" for series, name in records.items())
    return f"{{{', '.join(pairs)}}}"


_WIDTH = 115


def main() -> None:
    """Write the table anew."""
    new = text(entries())
    if new != TABLE.read_text(encoding="utf-8"):
        TABLE.write_text(new, encoding="utf-8")
        sys.stderr.write(f"{TABLE}: written\n")


if __name__ == "__main__":
    main()
