# SPDX-License-Identifier: MIT
"""A sosreport as an archive: the tree is held against what sysfs, or the output of commands, says beside it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import pytest

from drmemctl.check.engine import Plan
from drmemctl.check.finding import Finding
from drmemctl.check.report import report
from drmemctl.model.live_system import LiveSystem
from drmemctl.tree import tar
from drmemctl.tree.members import Member
from tests.cli.running import run
from tests.live_roots import MEMORY, make_root, states, write
from tests.simulate.records import record

NAME = "captures/6.1-lpm"
TOP = "sosreport-lpar7-2026-11-21-kqzvwpd"
KERNEL = "sos_commands/kernel/uname_-a"
LSMEM = "sos_commands/memory/lsmem_-a_-o_RANGE_SIZE_STATE_REMOVABLE_ZONES_NODE_BLOCK"
MOVED = states(NAME)[3]
"""After the migration: one LMB is on node 1 and now belongs to node 2."""


def sosreport(place: Path) -> Path:
    """Write what sosreport collects of a system, links and outputs of commands included; return its folder."""
    top = make_root(place / TOP, NAME, MOVED)
    (top / "sys/firmware/devicetree").mkdir(parents=True)
    (top / "proc/device-tree").rename(top / "sys/firmware/devicetree/base")
    (top / "proc/device-tree").symlink_to("../sys/firmware/devicetree/base")
    write(top / KERNEL, f"Linux lpar7 {record(NAME)['kernel']} #1 SMP ppc64le GNU/Linux\n")
    write(top / "sos_commands/memory/free", "total used free\n")
    write(top / "sos_logs/ui.log", "sosreport\n")
    (top / "uname").symlink_to(KERNEL)
    return top


def lsmem() -> str:
    """Return what lsmem prints of the same blocks."""
    size = record(NAME)["block_size"]
    lines = ["RANGE                                 SIZE  STATE REMOVABLE  ZONES NODE BLOCK"]
    for one in MOVED["blocks"]:
        first = one["block"] * size
        lines.append(
            f"{first:#018x}-{first + size - 1:#018x} 256M online       yes Normal {one['node']:4} {one['block']:5}"
        )
    return "\n".join([*lines, "", "Memory block size:       256M", "Total online memory:     2.5G", ""])


def only_lsmem(top: Path) -> None:
    rmtree(top / MEMORY)
    write(top / LSMEM, lsmem())


def packed(top: Path, mode: str) -> Path:
    place = top.parent / f"{TOP}.tar.{mode}"
    with tarfile.open(place, f"w:{mode}") as out:  # type: ignore[call-overload]
        out.add(top, TOP)
    return place


def live(place: Path | str) -> tuple[Finding, ...]:
    made = report(str(place), Plan(select=("live",)))
    assert made.error == ""
    return made.findings


@pytest.mark.parametrize("mode", ["xz", "gz"])
@pytest.mark.parametrize("change", [Path.resolve, only_lsmem], ids=["sysfs", "lsmem"])
def test_the_tree_is_held_against_it(change: Callable[[Path], object], mode: str, tmp_path: Path) -> None:
    top = sosreport(tmp_path)
    change(top)
    findings = live(packed(top, mode))
    assert findings == live(top)
    moved = [one for item in findings if item.rule == "DRM121" for one in item.lmbs]
    assert [(one.base, one.count) for one in moved] == [(0x80000000, 1)]


def test_lsmem_says_which_blocks_are_not_removable() -> None:
    text = lsmem().replace("       yes", "        no", 1)
    blocks = LiveSystem.from_files({"lsmem": text.encode()}).blocks
    assert [block.removable for block in blocks.values()] == [False, *[True] * (len(blocks) - 1)]


def test_the_command_says_so(tmp_path: Path) -> None:
    outcome = run("check", packed(sosreport(tmp_path), "xz"), "--isolated")
    assert (outcome.code, "DRM121" in outcome.out) == (1, True)


def test_without_any_of_it_the_tree_is_judged_alone(tmp_path: Path) -> None:
    top = sosreport(tmp_path)
    rmtree(top / MEMORY)
    assert live(packed(top, "gz")) == ()


def test_the_archive_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = packed(sosreport(tmp_path), "gz")
    headers = io.StringIO()
    original = tar._member

    def counted(*arguments: object) -> Member:
        member = original(*arguments)  # type: ignore[arg-type]
        headers.write(member.path + "\n")
        return member

    monkeypatch.setattr(tar, "_member", counted)
    assert live(place)
    with tarfile.open(place) as archive:
        assert len(headers.getvalue().splitlines()) == len(archive.getmembers())
