# SPDX-License-Identifier: MIT
"""What the next kernel gets by each route, against who was given what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V2
from drmemctl.kernel.kexec_load import Route, default_route, next_tree
from drmemctl.kernel.profiles import profile
from drmemctl.simulate.next_kernel import handed_lmbs, next_findings, tree_handed_on
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.source import load as load_tree
from tests.cli.running import run
from tests.conftest import FIXTURES, blob
from tests.kernel.cpu_trees import with_cores
from tests.kernel.partitions import lmbs, tree

BEFORE, AFTER = (FIXTURES / "races" / f"{name}.dts" for name in ("before", "after"))
USUAL = tree(lmbs(2, 2, 1, 8), lmbs(4, 4))
REMOVE, ADD = "dlpar memory remove index 0x80000002", "dlpar memory add indexed-count 1 0x80000004"


def test_a_tree_is_written_as_source_or_blob_as_its_name_says(tmp_path: Path) -> None:
    source, written = tmp_path / "next.dts", tmp_path / "next.dtb"
    for out in (source, written):
        assert run("kexec", BEFORE, "--load", "file", "-o", out).code == 0
    assert source.read_bytes().startswith(b"/dts-v1/;")
    assert load_tree(source).root == load_tree(written).root


@pytest.mark.parametrize(
    ("load", "steps", "rules"),
    [
        ("file", [REMOVE], ["DRM160"]),
        ("file", [ADD], ["DRM161"]),
        ("file", [REMOVE, ADD], ["DRM160", "DRM161"]),
        ("file", [REMOVE, "dlpar memory add index 0x80000002"], []),
        ("file", [f"lpm {AFTER}"], ["DRM088"]),
        ("file", [], []),
        ("classic", [REMOVE, ADD], []),
        ("classic", [f"lpm {AFTER}"], []),
    ],
)
def test_what_is_wrong_with_what_is_handed_on(load: str, steps: list[str], rules: list[str]) -> None:
    outcome = run("kexec", BEFORE, *steps, "--load", load, "--format", "json")
    found = json.loads(outcome.out)
    assert [finding["rule"] for finding in found["findings"]] == rules
    assert (outcome.code, found["route"]) == (bool(rules), load)


@pytest.mark.parametrize("steps", [[], [REMOVE], [ADD], [REMOVE, ADD]])
@pytest.mark.parametrize("flags", [0, 0x80, 0x88])
def test_the_table_marks_the_lmbs_of_the_findings(steps: list[str], flags: int) -> None:
    """A reserved LMB is nobody's loss: it is neither in a finding nor red, whatever its connector says."""
    tested = tree(lmbs(2, 2, 1, 8), lmbs(4, 4), lmbs(8, 2, 1, flags))
    simulation = Simulation(tested, "6.12", "powervm", findings=False)
    assert all(result.ok for result in simulation.run_all(steps))
    situation = simulation.situation
    handed = tree_handed_on(situation, "plain", Route.FILE)
    marked = {
        entry.drc_index + place
        for entry in handed_lmbs(situation, handed)
        for place in range(entry.lmbs)
        if entry.is_wrong
    }
    rules = {"DRM160", "DRM161"}
    runs = [run for found in next_findings(situation, handed) if found.rule in rules for run in found.lmbs]
    assert marked == {run.drc_index + place for run in runs for place in range(run.count)}
    assert len(marked) == len(steps)


def test_without_lmbs_in_any_tree_the_table_is_empty() -> None:
    """Connectors there are, of LMBs that no tree has; the tree of QEMU before CAS has no drmem at all."""
    situation = Simulation(read_fdt(blob("trees/precas"), "precas"), "latest", findings=False).situation
    for route in (Route.FILE, Route.CLASSIC):
        assert list(handed_lmbs(situation, tree_handed_on(situation, "plain", route))) == []


def test_firmware_boots_the_kernel_of_fadump_with_what_it_gave() -> None:
    outcome = run("kexec", BEFORE, REMOVE, ADD, "--for", "fadump", "--format", "json")
    found = json.loads(outcome.out)
    assert (outcome.code, found["route"], found["findings"]) == (0, "firmware", [])
    given = {lmb["drc_index"]: lmb["next"]["assigned"] for lmb in found["lmbs"]}
    assert (given[0x80000002], given[0x80000004]) == (False, True)


def test_a_crash_kernel_by_the_file_route_has_the_lmbs_of_boot() -> None:
    arguments = ("kexec", BEFORE, ADD, "--for", "kdump", "--crashkernel", "256M@128M", "--format", "json")
    assert run(*arguments, "--load", "file").code in {0, 1}
    assert run(*arguments, "--load", "file", "--kernel", "5.8").code == 3


def test_lmbs_are_those_of_boot_and_cpus_those_of_now() -> None:
    booted, live = with_cores(USUAL, [0]), with_cores(USUAL, [0, 0])
    live = live.with_property(NODE, LOOKUP_ARRAYS, bytes(8)).with_property("/", "model", b"now\0")
    handed = next_tree(booted, live, Route.FILE)
    assert handed.get(NODE, LOOKUP_ARRAYS) == booted.get(NODE, LOOKUP_ARRAYS)
    assert handed.get("/", "model") == booted.get("/", "model")
    assert handed.find("/cpus") == live.find("/cpus")
    assert next_tree(booted, live, Route.CLASSIC) is live


def test_the_step_goes_by_its_route() -> None:
    for step, blocks in (("kexec", 3), ("kexec classic", 3), ("kexec file", 4)):
        simulation = Simulation(USUAL, "6.12")
        simulation.run_all([REMOVE, step])
        assert len(list(simulation.state.blocks)) == blocks, step
    simulation.run_all(["dlpar memory remove index 0x80000003", "kexec file"])
    assert simulation.tree.get(NODE, V2) == USUAL.get(NODE, V2)


def test_a_boot_by_firmware_makes_a_new_tree_of_boot() -> None:
    simulation = Simulation(USUAL, "6.12")
    simulation.run_all([REMOVE, "reboot"])
    assert simulation.situation.booted is simulation.tree


def test_debian_has_no_file_route() -> None:
    assert default_route(profile("debian-12"))[0] is Route.CLASSIC
    for release in ("6.1.0-50-powerpc64le", "7.2.13+deb14-powerpc64le", "6.12.43+deb13-powerpc64le-64k"):
        assert default_route(profile(release))[0] is Route.CLASSIC, release
    for release in ("6.12", "5.14.0-427.el9.ppc64le", "6.12.118"):
        assert default_route(profile(release))[0] is Route.FILE, release


def test_what_does_not_go_together_is_a_usage_error() -> None:
    assert run("kexec", BEFORE, REMOVE, "--for", "fadump", "--load", "file").code == 2
    assert run("kexec", BEFORE, "--for", "plain", "--crashkernel", "256M").code == 2
    assert run("kexec", BEFORE, "remove", "--load", "file").code == 2


def test_a_step_that_fails_is_said() -> None:
    outcome = run("kexec", BEFORE, "dlpar memory remove count 99", "--load", "classic")
    assert (outcome.code, "step 1 failed, EINVAL" in outcome.err) == (1, True)
