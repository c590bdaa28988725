# SPDX-License-Identifier: MIT
"""The rules of the family live: against every recorded state of a real kernel, and with one thing changed."""

from __future__ import annotations

import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from drmemctl.check.engine import Plan
from drmemctl.check.finding import Finding
from drmemctl.check.report import report, report_tree
from drmemctl.check.subject import Running
from drmemctl.model.associativity import Associativity
from drmemctl.model.live_system import LiveSystem
from tests.cases import each
from tests.live_roots import MEMORY, NODES, files_of, make_root, states, tree_at, write
from tests.simulate.records import record, record_names, tree_of
from tests.wide import share

LIVE = Plan(select=("live",))
NAMES = record_names("captures")
ASSIGNED, RESERVED, AI_INVALID = 8, 0x80, 0x40


def found(place: Path, plan: Plan = LIVE) -> tuple[Finding, ...]:
    made = report(str(place), plan)
    assert made.error == ""
    return made.findings


def judged(name: str, state: dict[str, Any]) -> tuple[Finding, ...]:
    """Return the findings of a recorded state, without files."""
    running = Running.of_system(LiveSystem.from_files(files_of(name, state)))
    return report_tree(tree_at(name, state), LIVE, running=running).findings


def entries(state: dict[str, Any]) -> list[tuple[int, int, int]]:
    """Return (block, aa_index, flags) of each LMB, read off the bytes that were recorded."""
    properties = state["properties"]
    size = int(properties["ibm,lmb-size"], 16)
    lmbs = []
    if "ibm,dynamic-memory" in properties:
        data = bytes.fromhex(properties["ibm,dynamic-memory"])
        for at in range(4, 4 + 24 * int.from_bytes(data[:4], "big"), 24):
            base, _, _, aa, flags = struct.unpack_from(">QIIII", data, at)
            lmbs.append((base // size, aa, flags))
        return lmbs
    data = bytes.fromhex(properties["ibm,dynamic-memory-v2"])
    for at in range(4, 4 + 24 * int.from_bytes(data[:4], "big"), 24):
        count, base, _, aa, flags = struct.unpack_from(">IQIII", data, at)
        lmbs += [(base // size + i, aa, flags) for i in range(count)]
    return lmbs


def misplaced(name: str, state: dict[str, Any]) -> set[int]:
    """Return the blocks on another node than their LMB's lookup array has at the first reference point."""
    data = bytes.fromhex(state["properties"]["ibm,associativity-lookup-arrays"])
    cells = struct.unpack(f">{len(data) // 4}I", data)
    width = cells[1]
    index = (Associativity.from_tree(tree_of(name)).primary_index or 1) - 1
    on = {block["block"]: block["node"] for block in state["blocks"] if block["state"] == "online"}
    return {
        block
        for block, aa, flags in entries(state)
        if flags & (ASSIGNED | RESERVED | AI_INVALID) == ASSIGNED and block in on and aa < cells[0]
        if on[block] != cells[2 + aa * width + index]
    }


def blocks_in(findings: tuple[Finding, ...], rule: str, size: int) -> set[int]:
    return {
        one.base // size + i
        for item in findings
        if item.rule == rule
        for one in item.lmbs
        for i in range(one.count)
    }


@each("name", share(NAMES, 0, 3))
def test_after_every_step_the_lmbs_on_other_nodes_are_those_of_the_record(name: str) -> None:
    size = record(name)["block_size"]
    for state in states(name):
        findings = judged(name, state)
        assert {one.rule for one in findings} <= {"DRM120", "DRM121"}
        assert blocks_in(findings, "DRM121", size) == misplaced(name, state)


def test_a_migration_leaves_memory_on_the_old_node() -> None:
    counts = [len(misplaced("captures/6.1-lpm", state)) for state in states("captures/6.1-lpm")]
    assert max(counts) > 0
    assert counts[0] == 0


@each("name", NAMES)
def test_a_plain_boot_has_nothing(name: str) -> None:
    odd = {"captures/7.2-reserved-assigned", "captures/7.2-kdump", "captures/7.2-mem-limit"}
    findings = judged(name, states(name)[0])
    assert name in odd or findings == ()


def test_the_score_is_that_of_lparnumascore(tmp_path: Path) -> None:
    name = "captures/6.1-lpm"
    state = next(one for one in states(name) if misplaced(name, one))
    (first, *_) = found(make_root(tmp_path, name, state))
    owned = [one for one in entries(state) if one[2] & ASSIGNED and not one[2] & RESERVED]
    expected = 100 * (len(owned) - len(misplaced(name, state))) // len(owned)
    assert f"NUMA score {expected}," in first.message


Change = Callable[[Path], None]


def changed(*path: str, text: str | None) -> Change:
    def change(root: Path) -> None:
        place = root.joinpath(*path)
        if text is None:
            place.unlink()
        else:
            write(place, text)

    return change


def without_block(root: Path) -> None:
    for place in sorted((root / MEMORY / "memory5").iterdir()):
        place.unlink()
    (root / MEMORY / "memory5").rmdir()
    text = (root / "proc/iomem").read_text()
    write(root / "proc/iomem", text.replace("50000000-5fffffff : System RAM\n", ""))


def movable(root: Path) -> None:
    write(root / "proc/cmdline", "quiet movable_node\n")


def far(root: Path) -> None:
    write(root / NODES / "node0/distance", "10 77\n")
    write(root / NODES / "node1/distance", "77 10\n")


BESIDE = "00000000-9fffffff : System RAM\na0000000-a07fffff : System RAM\na0800000-b07fffff : Persistent Memory\n"
CHANGES: dict[str, Change] = {
    "DRM120": without_block,
    "DRM122": changed(MEMORY, "block_size_bytes", text="1000000\n"),
    "DRM123": movable,
    "DRM124": far,
    "DRM125": changed("proc", "iomem", text="00000000-3fffffff : System RAM\n"),
    "DRM126": changed("proc", "iomem", text=BESIDE),
}
BASE = "captures/6.1-memblock"


@pytest.mark.parametrize("rule", CHANGES)
def test_one_change_breaks_the_rule(rule: str, tmp_path: Path) -> None:
    root = make_root(tmp_path, BASE, states(BASE)[0], zone="Normal")
    if rule != "DRM123":
        write(root / "proc/cmdline", "quiet\n")
        assert found(root) == ()
    CHANGES[rule](root)
    rules = {one.rule for one in found(root)}
    assert rule in rules
    assert rules - {rule} <= {"DRM120", "DRM121", "DRM125"}


def test_an_offline_block_is_said(tmp_path: Path) -> None:
    root = make_root(tmp_path, BASE, states(BASE)[0], zone="Movable")
    write(root / MEMORY / "memory5/state", "offline\n")
    (one,) = found(root)
    assert (one.rule, [lmb.base for lmb in one.lmbs]) == ("DRM120", [0x50000000])


def test_a_tree_alone_is_judged_as_before(tmp_path: Path) -> None:
    root = make_root(tmp_path, BASE, states(BASE)[0])
    rmtree(root / MEMORY)
    assert found(root) == ()


def test_a_block_that_mem_cuts_is_no_finding(tmp_path: Path) -> None:
    """As seen on 6.1 with mem=1300M: the last block is there, with 20 MiB of memory in it."""
    root = make_root(tmp_path, BASE, states(BASE)[0])
    write(root / "proc/iomem", "00000000-913fffff : System RAM\n")
    assert found(root) == ()


def test_an_archive_with_sysfs_is_judged_as_the_directory_is(tmp_path: Path) -> None:
    after = states("captures/6.1-lpm")[3]
    root = make_root(tmp_path / "sosreport-x", "captures/6.1-lpm", after)
    with tarfile.open(tmp_path / "sosreport.tar", "w") as archive:
        archive.add(root, "sosreport-x")
    assert "DRM121" in {one.rule for one in found(root)}
    assert {one.rule for one in found(tmp_path / "sosreport.tar")} == {one.rule for one in found(root)}
