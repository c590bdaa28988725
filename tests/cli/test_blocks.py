# SPDX-License-Identifier: MIT
"""`drmemctl blocks` and `drmemctl kexec`: tables checked by hand, every bundled tree, wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES, fixture_trees, tree_name

NAMES = [tree_name(path) for path in fixture_trees()]

TABLE = """\
memory blocks of 256 MiB (0x10000000): 16 sections of 16 MiB, each 8 sub-sections of 2 MiB
blocks  address                  node  owners                adding
   0-3  0x000000000-0x03fffffff  0     /memory@0             EEXIST
   4-7  0x040000000-0x07fffffff  1     /memory@40000000      EEXIST
  8-31  0x080000000-0x1ffffffff  -     LMBs 0x80000008 free  possible
"""

CRASH = """\
address                     size  node  was on
0x000000000-0x01bffffff  448 MiB  1     0
"""


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.dtb.gz"


def test_a_table_checked_by_hand() -> None:
    assert run("blocks", fixture("captures/6.1-lpm")) == (0, TABLE, "")


def test_json() -> None:
    found = json.loads(run("blocks", fixture("captures/6.1-lpm"), "--format", "json").out)
    assert found["schema"] == "drmemctl.blocks/1"
    assert (found["block_size"], found["section_size"], found["subsection_size"]) == (1 << 28, 1 << 24, 1 << 21)
    assert [(one["block"], one["count"], one["node"], one["adding"]) for one in found["blocks"]] == [
        (0, 4, 0, "EEXIST"),
        (4, 4, 1, "EEXIST"),
        (8, 24, None, "possible"),
    ]


@pytest.mark.parametrize(("kernel", "size"), [("5.10", 1 << 24), ("6.5", 1 << 24), ("6.6", 1 << 30)])
def test_the_block_size_follows_the_release(kernel: str, size: int) -> None:
    found = json.loads(run("blocks", fixture("trees/nomaxmem"), "--kernel", kernel, "--format", "json").out)
    assert found["block_size"] == size


@each("name", NAMES)
def test_every_bundled_tree(name: str) -> None:
    expected = {3} if name == "trees/precas" else {0, 1}
    assert run("blocks", fixture(name)).code in expected
    assert run("kexec", fixture(name), "--crashkernel", "256M@64M").code in {0, 1}


def test_a_block_size_that_linux_refuses_is_said() -> None:
    outcome = run("blocks", fixture("boot/lmb-not-power-of-two"))
    assert outcome.code == 1
    assert "Linux refuses that size" in outcome.out


def test_the_crash_kernel_of_a_recorded_run() -> None:
    outcome = run("kexec", fixture("captures/7.2-kdump"))
    assert outcome.code == 1
    assert outcome.out.startswith(CRASH)
    assert "DRM064" in outcome.out


def test_a_predicted_tree_is_written(tmp_path: Path) -> None:
    place = tmp_path / "crash.dtb"
    outcome = run(
        "kexec", fixture("captures/6.1-lpm"), "--crashkernel", "512M@128M", "-o", place, "--format", "json"
    )
    assert outcome.code == 0
    found = json.loads(outcome.out)
    assert (found["schema"], found["regions"]) == (
        "drmemctl.kexec/1",
        [{"base": 0, "size": 640 << 20, "node": 0, "was_on": [0]}],
    )
    again = json.loads(run("kexec", place, "--format", "json").out)
    assert again["linux,drconf-usable-memory"] == found["linux,drconf-usable-memory"]


@pytest.mark.parametrize("command", ["blocks", "kexec"])
def test_wrong_input(command: str, tmp_path: Path) -> None:
    (tmp_path / "cut.dtb").write_bytes(b"\xd0\x0d\xfe\xed")
    assert run(command, tmp_path / "cut.dtb").code == 3
    assert run(command, __file__).code == 3
    assert run(command, fixture("captures/6.1-lpm"), "--kernel", "abc").code == 2


def test_no_crash_memory_is_an_error_that_says_what_to_do() -> None:
    outcome = run("kexec", fixture("captures/6.1-lpm"))
    assert outcome.code == 3
    assert "--crashkernel SIZE@BASE" in outcome.err
    assert run("kexec", fixture("captures/6.1-lpm"), "--crashkernel", "lots").code == 2
