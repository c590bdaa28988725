# SPDX-License-Identifier: MIT
"""`drmemctl memblock`: against the kernel's own print, every bundled tree, wrong input."""

from __future__ import annotations

import json
from operator import attrgetter
from pathlib import Path
from time import process_time

import pytest

from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES, fixture_trees, tree_name
from tests.wide import share

NAMES = [tree_name(path) for path in fixture_trees()]
RECORDED = FIXTURES / "captures" / "6.1-memblock.dtb.gz"

TABLE = """\
address                    size  node  flags    zone     kexec images  second kernel  vmcore  unplug
0x00000000-0x3fffffff   1 GiB  0     -        Normal   yes           is told        yes     never
0x40000000-0x7fffffff   1 GiB  1     hotplug  Movable  yes           is told        yes     movable
0x80000000-0x9fffffff 512 MiB  0     hotplug  Movable  yes           is told        yes     movable
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


@each("name", share(NAMES, 2, 3))
def test_every_bundled_tree(name: str) -> None:
    assert run("memblock", fixture(name)).code in (0, 1)
    assert json.loads(run("memblock", fixture(name), "--format", "json").out)["regions"]


def test_a_tree_without_memory(tmp_path: Path) -> None:
    (tmp_path / "empty.dts").write_text("/dts-v1/;\n/ { #address-cells = <2>; #size-cells = <2>; cpus { }; };\n")
    outcome = run("memblock", tmp_path / "empty.dts")
    assert (outcome.code, outcome.out) == (0, "the kernel registers no memory\n")
    assert json.loads(run("memblock", tmp_path / "empty.dts", "--format", "json").out)["regions"] == []


STEPS = ("dlpar memory remove index 0x80000004", "dlpar memory add index 0x80000004")
"""A marked LMB goes and comes again."""


def after(*arguments: str, kernel: str = "6.15") -> list[tuple[int, int, list[str], str, bool, int]]:
    """Return regions: first address and size in LMBs, marks, zone, whether images may be there, what came."""
    options = ("--kernel", kernel, "--hypervisor", "powervm", "--format", "json")
    regions = json.loads(run("memblock", RECORDED, *arguments, *options).out)["regions"]
    return [
        (
            *(one[key] >> 28 for key in ("base", "size")),
            one["flags"],
            one["zone"],
            one["kexec"]["images"],
            one["added_bytes"] >> 28,
        )
        for one in regions
    ]


RUNNING: list[tuple[int, int, list[str], str, bool, int]] = [
    (0, 4, [], "Normal", True, 0),
    (4, 4, [], "Movable", True, 0),
    (8, 2, [], "Movable", True, 0),
]
"""The marks of boot are gone when the kernel runs (measured: `fixtures/kexec`)."""


def test_memory_that_comes_again_is_where_it_was() -> None:
    assert after("offline 4") == RUNNING
    assert after(*STEPS) == [RUNNING[0], (4, 4, [], "Movable", True, 1), RUNNING[2]]
    assert after(STEPS[0]) == [RUNNING[0], (5, 3, [], "Movable", True, 0), RUNNING[2]]


def test_a_removal_that_is_rolled_back_is_followed() -> None:
    """What is marked shows what came: the two LMBs that were away."""
    steps = ("unmovable 0x80000006", "dlpar memory remove indexed-count 3 0x80000004")
    assert [region[:3] for region in after(*steps, "--with", "hotplug-mark-all")] == [
        (0, 4, []),
        (4, 2, ["hotplug"]),
        (6, 2, []),
        (8, 2, []),
    ]


def test_a_boot_forgets_what_came() -> None:
    assert after(*STEPS, "reboot") == RUNNING
    assert after(*STEPS, "kexec file") == RUNNING


@pytest.mark.parametrize("path", sorted((FIXTURES / "vmcores").glob("*k-*.guest.blocks")), ids=attrgetter("stem"))
def test_the_kernel_of_a_dump_has_the_memory_of_its_blocks(path: Path) -> None:
    """Its tree may have other memory, as the guest wrote it; a kernel that boots on it takes that."""
    blocks = {int(line.split()[0]): int(line.split()[3]) for line in path.read_text().splitlines()}
    dump = path.with_name(path.name.replace(".guest.blocks", ".core.xz"))

    def memory(*steps: str) -> dict[int, int]:
        regions = json.loads(run("memblock", dump, *steps, "--format", "json").out)["regions"]
        assert all(region["added_bytes"] == 0 for region in regions)
        ends = [(region["base"] >> 28, (region["base"] + region["size"]) >> 28) for region in regions]
        return {
            block: region["node"]
            for region, (first, end) in zip(regions, ends, strict=True)
            for block in range(first, end)
        }

    assert memory("unmovable 0x80000004") == blocks
    assert memory("kexec") == memory()
    assert (memory() == blocks) == ("plugged" in path.name)


def test_the_proposals_of_2021() -> None:
    """All that comes later is marked; marks count also without movable_node."""

    def images(*options: str, kernel: str = "6.15") -> list[bool]:
        return [region[4] for region in after(*STEPS, "--with", "hotplug-mark-all", *options, kernel=kernel)]

    assert [region[:3] for region in after(*STEPS, "--with", "hotplug-mark-all")] == [
        (0, 4, []),
        (4, 1, ["hotplug"]),
        (5, 3, []),
        (8, 2, []),
    ]
    assert images() == [True, False, True, True]
    quiet = ("--cmdline", "quiet")
    assert images(*quiet) == [True, True, True, True]
    assert images(*quiet, "--without", "movable-node-test") == [True, False, True, True]
    own_search = (*quiet, "--without", "movable-node-test")
    assert images(*own_search, kernel="6.14") == [True, True, True, True]
    assert images(*own_search, "--without", "kexec-in-hotplug", kernel="6.14") == [True, False, True, True]


def test_powerpc_placed_images_also_in_driver_managed_memory() -> None:
    """Up to 5.15 it has no mark; up to 6.14 powerpc's own search passes over marks."""
    seen = []
    for kernel in ("5.15", "5.16", "6.14", "6.15"):
        out = run("memblock", fixture("trees/v1-nvdimm"), "--format", "json", "--kernel", kernel).out
        (entry,) = json.loads(out)["driver_managed"]
        seen.append((entry["flags"], entry["kexec"]["images"]))
    assert seen == [([], True), *[(["driver-managed"], True)] * 2, (["driver-managed"], False)]


def test_a_step_that_fails_is_exit_code_1_and_the_column_comes_with_what_came() -> None:
    outcome = run("memblock", RECORDED, "dlpar memory add index 0x80000005", "--kernel", "6.1")
    assert outcome.code == 1
    assert "step 1 failed, EPERM" in outcome.err
    assert "added" not in outcome.out
    assert run("memblock", RECORDED, "frob").code == 2
    plugged = run("memblock", RECORDED, "plug 0x8000000a 2 node 1", "--kernel", "6.1")
    assert plugged.out.splitlines()[0].split()[-1] == "added"
    assert plugged.out.splitlines()[-1].split()[-2:] == ["512", "MiB"]
    assert (
        run("memblock", RECORDED, "--kernel", "6.1", "-o", "address,added").out.splitlines()[1].split()[1] == "-"
    )


def test_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "cut.dtb").write_bytes(b"\xd0\x0d\xfe\xed")
    assert run("memblock", tmp_path / "cut.dtb").code == 3
    assert run("memblock", __file__).code == 3
    assert run("memblock", RECORDED, "--kernel", "abc").code == 2


def test_requests_over_sets_of_2_to_the_32_lmbs_are_not_walked_lmb_by_lmb() -> None:
    """Of LMBs that a request only passes over there is no memory block to follow."""
    began = process_time()
    done = run(
        "memblock",
        FIXTURES / "cases" / "sets-beyond-2-to-the-32.dts",
        "dlpar memory add count 1",
        "--kernel",
        "5.4",
    )
    assert done.code == 1
    assert "step 1 failed, EINVAL" in done.err
    assert process_time() - began < 5
