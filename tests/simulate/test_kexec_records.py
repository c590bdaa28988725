# SPDX-License-Identifier: MIT
"""A real 6.12 with CONFIG_KEXEC_FILE: what the next kernel gets, by either route, after memory came and went."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.qualify.replay import step_differences
from drmemctl.simulate.memory_map import regions_now
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.fdt_reader import read_fdt
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.simulate.records import record, record_names, replay, tree_of

NAMES = record_names("kexec")
FILE, FOREIGN, CLASSIC = (f"kexec/6.12-kexec-{name}" for name in ("file", "foreign", "classic"))
_LINE = re.compile(r"\s*\d+: 0x([0-9a-f]+)\.\.0x([0-9a-f]+) +(\d+) (\w+)")


@each("name", NAMES)
def test_every_step_is_as_it_was(name: str) -> None:
    replayed = replay(name)
    assert replayed.boot.properties == record(name)["boot"]["properties"]
    assert [list(step_differences(step)) for step in replayed.steps] == [[] for _ in replayed.steps]


def printed(state: dict[str, Any]) -> list[tuple[int, int, int, list[str]]]:
    """Return /sys/kernel/debug/memblock/memory: first and last address, node, marks."""
    matches = [_LINE.fullmatch(line) for line in state["memblock"]]
    assert None not in matches
    return [
        (int(match[1], 16), int(match[2], 16), int(match[3]), [] if match[4] == "NONE" else [match[4].lower()])
        for match in matches
        if match is not None
    ]


@each("name", NAMES)
def test_memblock_is_that_of_the_running_kernel(name: str) -> None:
    """Its LMBs of boot are hot-removable, and have no mark any more."""
    recorded = record(name)
    simulation = Simulation(tree_of(name), recorded["kernel"])
    for step in recorded["steps"]:
        simulation.run(step["step"], traced=True)
        regions = [
            (entry.region.base, entry.region.end - 1, entry.region.node, entry.region.flag_names)
            for entry in regions_now(simulation)
        ]
        assert regions == printed(step), step["step"]


@pytest.mark.parametrize(("name", "route"), [(FILE, "file"), (FOREIGN, "file"), (CLASSIC, "classic")])
def test_the_tree_that_is_predicted_is_the_one_that_the_next_kernel_had(
    name: str, route: str, tmp_path: Path
) -> None:
    steps = record(name)["steps"]
    at = next(number for number, step in enumerate(steps) if step["step"].startswith("kexec"))
    before = [step["step"] for step in steps[:at]]
    out = tmp_path / "next.dtb"
    options = ("--load", route, "--kernel", "6.12", "--format", "json", "-o", out)
    outcome = run("kexec", FIXTURES / f"{name}.dtb.gz", *before, *options)
    # QEMU keeps an LMB that the guest gave back unasked: by either route nobody has it.
    lost = {
        FILE: "2 LMBs are the partition's",
        FOREIGN: "2 LMBs are assigned",
        CLASSIC: "1 LMB is the partition's",
    }
    (finding,) = json.loads(outcome.out)["findings"]
    assert finding["rule"] == ("DRM160" if name == FOREIGN else "DRM161")
    assert finding["message"].startswith(lost[name])
    predicted = read_fdt(out.read_bytes(), "next")
    properties = {prop: predicted.get(NODE, prop) for prop in steps[at]["properties"]}
    assert {prop: value and value.hex() for prop, value in properties.items()} == steps[at]["properties"]
