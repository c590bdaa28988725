# SPDX-License-Identifier: MIT
"""`drmemctl memblock`: against the kernel's own print, every bundled tree, wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES, fixture_trees, tree_name

NAMES = [tree_name(path) for path in fixture_trees()]
RECORDED = FIXTURES / "captures" / "6.1-memblock.dtb.gz"

TABLE = """\
address                    size  node  flags    zone     kexec images  second kernel  vmcore  unplug
0x000000000-0x03fffffff   1 GiB  0     -        Normal   yes           is told        yes     never
0x040000000-0x07fffffff   1 GiB  1     hotplug  Movable  yes           is told        yes     movable
0x080000000-0x09fffffff 512 MiB  0     hotplug  Movable  yes           is told        yes     movable
"""


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.dtb.gz"


def test_a_table_checked_by_hand() -> None:
    outcome = run("memblock", RECORDED, "--kernel", "6.1")
    assert (outcome.code, outcome.err) == (0, "")
    assert [line.split() for line in outcome.out.splitlines()] == [line.split() for line in TABLE.splitlines()]


def test_json() -> None:
    found = json.loads(run("memblock", RECORDED, "--kernel", "6.1", "--format", "json").out)
    assert found["schema"] == "drmemctl.memblock/1"
    assert [(one["base"], one["size"], one["node"], one["flags"], one["zone"]) for one in found["regions"]] == [
        (0, 1 << 30, 0, [], "Normal"),
        (1 << 30, 1 << 30, 1, ["hotplug"], "Movable"),
        (2 << 30, 1 << 29, 0, ["hotplug"], "Movable"),
    ]
    assert found["regions"][1]["kexec"] == {"images": True, "told": True}
    assert found["notes"] == []


def test_kernels_since_6_15_leave_hot_removable_memory_alone() -> None:
    found = json.loads(run("memblock", RECORDED, "--kernel", "6.15", "--format", "json").out)
    assert [one["kexec"]["images"] for one in found["regions"]] == [True, False, False]


@pytest.mark.parametrize(
    ("cmdline", "kernel", "note"),
    [
        ("mem=300M crashkernel=256M", "6.1", "crashkernel= may raise the limit of mem="),
        ("mem=300M crashkernel=1G-:256M", "6.14", "crashkernel= may raise the limit of mem="),
        ("mem=300M crashkernel=256M", "6.15", ""),
        ("mem=300M crashkernel=256M@64M", "6.1", ""),
        ("mem=1G fadump=on", "6.1", "fadump= may raise"),
        ("kernelcore=mirror", "latest", "kernelcore=mirror is not worked out"),
        ("movable_node movablecore=1G", "latest", "movablecore= is ignored"),
        ("kernelcore=1G quiet", "latest", ""),
    ],
)
def test_what_is_not_worked_out_is_said_on_standard_error(cmdline: str, kernel: str, note: str) -> None:
    outcome = run("memblock", RECORDED, "--cmdline", cmdline, "--kernel", kernel, "--format", "json")
    assert note in outcome.err
    assert bool(note) == bool(outcome.err) == bool(json.loads(outcome.out)["notes"])


@pytest.mark.parametrize(("kernel", "note"), [("5.16", "back to front"), ("5.17", "has no effect")])
def test_a_limit_in_chosen(kernel: str, note: str) -> None:
    outcome = run("memblock", fixture("memblock/6.1-limit-back-to-front"), "--kernel", kernel, "--format", "json")
    assert note in outcome.err
    size = sum(one["size"] for one in json.loads(outcome.out)["regions"])
    assert size == (0x51400000 if kernel == "5.16" else 0x70000000)


def test_the_table_says_where_the_movable_zone_begins() -> None:
    out = run("memblock", fixture("memblock/6.1-kernelcore"), "--kernel", "6.1").out
    assert "Normal, Movable from 0x10000000" in out.splitlines()[1]


def test_the_command_line_may_be_another_one() -> None:
    found = json.loads(run("memblock", RECORDED, "--cmdline", "mem=1280M", "--format", "json").out)
    assert [(one["base"], one["size"], one["zone"]) for one in found["regions"]] == [
        (0, 1 << 30, "Normal"),
        (1 << 30, 1 << 28, "Normal"),
    ]


def test_persistent_memory_is_listed_apart() -> None:
    outcome = run("memblock", fixture("trees/v1-nvdimm"), "--format", "json")
    found = json.loads(outcome.out)
    assert [one["flags"] for one in found["driver_managed"]] == [["driver-managed"]]
    assert all("driver-managed" not in one["flags"] for one in found["regions"])
    assert "driver-managed" in run("memblock", fixture("trees/v1-nvdimm")).out


def test_a_kernel_that_does_not_survive_is_said_and_is_exit_code_1() -> None:
    outcome = run("memblock", fixture("boot/aa-out-of-range"))
    assert outcome.code == 1
    assert outcome.err.startswith("drmemctl: numa_setup_drmem_lmb: LMB 0x8000000")
    assert outcome.err.endswith("does not come up (oops at boot)\n")
    assert "none" in outcome.out  # what it dies of
    found = json.loads(run("memblock", fixture("boot/aa-out-of-range"), "--format", "json").out)
    assert found["dead"] == "oops at boot"
    assert None in {one["node"] for one in found["regions"]}


@each("name", NAMES)
def test_every_bundled_tree(name: str) -> None:
    assert run("memblock", fixture(name)).code in (0, 1)
    assert json.loads(run("memblock", fixture(name), "--format", "json").out)["regions"]


def test_a_tree_without_memory(tmp_path: Path) -> None:
    (tmp_path / "empty.dts").write_text("/dts-v1/;\n/ { #address-cells = <2>; #size-cells = <2>; cpus { }; };\n")
    outcome = run("memblock", tmp_path / "empty.dts")
    assert (outcome.code, outcome.out) == (0, "the kernel registers no memory\n")
    assert json.loads(run("memblock", tmp_path / "empty.dts", "--format", "json").out)["regions"] == []


def test_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "cut.dtb").write_bytes(b"\xd0\x0d\xfe\xed")
    assert run("memblock", tmp_path / "cut.dtb").code == 3
    assert run("memblock", __file__).code == 3
    assert run("memblock", RECORDED, "--kernel", "abc").code == 2
