# SPDX-License-Identifier: MIT
"""`drmemctl blocks` and `drmemctl kexec`: tables checked by hand, every bundled tree, wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES, fixture_trees, tree_name
from tests.wide import share

NAMES = [tree_name(path) for path in fixture_trees()]

TABLE = """\
memory blocks of 256 MiB (0x10000000): 16 sections of 16 MiB, each 8 sub-sections of 2 MiB
blocks  address                  node  owners                   adding
   0-3  0x000000000-0x03fffffff  0     /memory@0                EEXIST
   4-7  0x040000000-0x07fffffff  1     /memory@40000000         EEXIST
  8-31  0x080000000-0x1ffffffff  -     24 LMBs 0x80000008 free  possible
"""

CRASH = """\
address                   size  node  was on
0x00000000-0x1bffffff  448 MiB  1     0
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


@each("name", share(NAMES, 1, 3))
def test_every_bundled_tree(name: str) -> None:
    expected = {3} if name == "trees/precas" else {0, 1}
    assert run("blocks", fixture(name)).code in expected
    assert run("kexec", fixture(name), "--crashkernel", "256M@64M").code in {0, 1}


LMBS_OF_4_GIB = """\
/proc/device-tree/#address-cells
\t\t 00000002
/proc/device-tree/#size-cells
\t\t 00000002
/proc/device-tree/device_type "chrp"
/proc/device-tree/chosen/ibm,architecture-vec-5
\t\t 19002000 00800000 00000000 00000000 00000000 00000000 0000
/proc/device-tree/memory@0/device_type "memory"
/proc/device-tree/memory@0/reg
\t\t 00000000 00000000 00000001 00000000
/proc/device-tree/memory@0/ibm,associativity
\t\t 00000004 00000000 00000000 00000000 00000000
/proc/device-tree/rtas/ibm,associativity-reference-points
\t\t 00000004 00000002
/proc/device-tree/ibm,dynamic-reconfiguration-memory/ibm,lmb-size
\t\t 00000001 00000000
/proc/device-tree/ibm,dynamic-reconfiguration-memory/ibm,dynamic-memory-v2
\t\t 00000001 00000003 00000001 00000000 80000001 00000000 00000008
/proc/device-tree/ibm,dynamic-reconfiguration-memory/ibm,associativity-lookup-arrays
\t\t 00000001 00000004 00000000 00000000 00000000 00000000
"""
"""Linux up to 5.8 keeps 32 bits of the LMB size (`pseries_memory_block_size` as it was: a u32): 0 bytes."""

BLOCKS_OF_16_MIB = """\
memory blocks of 16 MiB (0x1000000), as Linux refuses 0x0: 1 section of 16 MiB, each 8 sub-sections of 2 MiB
  blocks  address                  node  owners                      adding
   0-255  0x000000000-0x0ffffffff  0     /memory@0                   EEXIST
256-1023  0x100000000-0x3ffffffff  -     3 LMBs 0x80000001 assigned  EINVAL
"""


@pytest.fixture
def lmbs_of_4_gib(tmp_path: Path) -> Path:
    place = tmp_path / "lmb-4gib.lsprop"
    place.write_text(LMBS_OF_4_GIB)
    return place


def test_addresses_are_those_of_the_blocks_that_linux_takes_where_it_refuses_a_size(lmbs_of_4_gib: Path) -> None:
    outcome = run("blocks", lmbs_of_4_gib, "--kernel", "5.3")
    assert (outcome.code, outcome.out) == (1, BLOCKS_OF_16_MIB)
    found = json.loads(run("blocks", lmbs_of_4_gib, "--kernel", "5.3", "--format", "json").out)
    assert (found["block_size"], found["computed_size"], found["suitable"]) == (1 << 24, 0, False)
    assert [(one["block"], one["base"]) for one in found["blocks"]] == [(0, 0), (256, 4 << 30)]


@pytest.mark.parametrize("kernel", ["4.15", "5.3"])
def test_every_size_that_is_refused_means_blocks_of_16_mib(kernel: str) -> None:
    tree = fixture("boot/lmb-not-power-of-two")  # 0x18000000
    found = json.loads(run("blocks", tree, "--kernel", kernel, "--format", "json").out)
    assert (found["block_size"], found["computed_size"], found["dead"]) == (1 << 24, 0x18000000, None)
    assert all(one["base"] == one["block"] << 24 for one in found["blocks"])
    assert {one["adding"] for one in found["blocks"]} == {"EEXIST", "EINVAL"}


@pytest.mark.parametrize("command", ["blocks", "memblock", "kexec"])
@pytest.mark.parametrize("kernel", ["5.4", "5.7.16", "5.8.2"])
def test_of_a_kernel_that_panics_there_is_no_table(command: str, kernel: str, lmbs_of_4_gib: Path) -> None:
    more = ("--crashkernel", "256M@128M") if command == "kexec" else ()
    outcome = run(command, lmbs_of_4_gib, "--kernel", kernel, *more)
    assert (outcome.code, outcome.out) == (1, "")
    said = f"Memory block size not suitable: 0x0; Linux {kernel} does not come up (panic at boot)"
    assert outcome.err == f"drmemctl: memory_dev_init: {said}\n"


def test_of_a_kernel_that_panics_json_has_no_blocks(lmbs_of_4_gib: Path) -> None:
    found = json.loads(run("blocks", lmbs_of_4_gib, "--kernel", "5.7.16", "--format", "json").out)
    assert (found["dead"], found["blocks"], found["block_size"]) == ("panic at boot", [], 0)


def test_a_kernel_that_dies_of_something_else_has_no_table_either() -> None:
    outcome = run("blocks", fixture("boot/aa-out-of-range"), "--kernel", "6.1")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.endswith("Linux 6.1 does not come up (oops at boot)\n")


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
