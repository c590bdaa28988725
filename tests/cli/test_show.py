# SPDX-License-Identifier: MIT
"""`drmemctl show`: its JSON against figures worked out by hand, its screen by what fits and what is said."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cases import each
from tests.cli.running import on_terminal, process, run
from tests.conftest import FIXTURES, WITHOUT_LMBS, Tool, fixture_trees, tree_name
from tests.wide import share

NAMES = [tree_name(path) for path in fixture_trees() if tree_name(path) != "trees/precas"]
MIB, GIB = 1 << 20, 1 << 30
LMB = 256 * MIB
DRMEM = "/ibm,dynamic-reconfiguration-memory"

OVERRIDING = re.compile("captures/7.2-(mem-limit|kdump)|memblock/.*-(mem(?!-no-number)|numa|crashkernel)")
"""Trees with `mem=` or `numa=` on their command line, and one of a crash kernel, by their names."""


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.dtb.gz"


def record(name: str) -> Any:
    outcome = run("show", fixture(name), "--format", "json")
    noted = "drmemctl blocks shows what Linux takes\n" if OVERRIDING.match(name) else ""
    assert (outcome.code, outcome.err[-len(noted) :]) == (0, noted)
    return json.loads(outcome.out)


def states(assigned: int, free: int, reserved: int, hot_removable: int) -> dict[str, dict[str, int]]:
    counts = {"assigned": assigned, "free": free, "reserved": reserved, "hot-removable": hot_removable}
    return {state: {"lmbs": lmbs, "bytes": lmbs * LMB} for state, lmbs in counts.items()}


def numa_node(number: int | None, boot: int, lmbs: int, cpus: list[list[int]]) -> dict[str, Any]:
    threads = sum(last - first + 1 for first, last in cpus)
    return {
        "node": number,
        "bytes": boot + lmbs * LMB,
        "boot_bytes": boot,
        "lmbs": lmbs,
        "lmb_bytes": lmbs * LMB,
        "cores": threads,
        "threads": threads,
        "cpus": cpus,
        "bridges": 0,
    }


def golden(*, warnings: int = 0, errors: int = 0, infos: int = 0, **parts: Any) -> dict[str, Any]:
    return {
        "schema": "drmemctl.show/1",
        "kind": "fdt",
        "model": "IBM pSeries (emulated by qemu)",
        "serial": None,
        "partition": {"name": None, "number": None},
        **parts,
        "defects": [],
        "findings": {"error": errors, "warning": warnings, "info": infos},
    }


def test_a_guest_of_two_nodes_with_two_dimms() -> None:
    # v2: 8 LMBs of boot memory reserved, 4 LMBs on node 1, 2 on node 0 (as its sysfs.json has it), 50 free.
    assert record("kernel-arrays/numa2-plug2") == golden(
        features=[
            "DRCONF_MEMORY", "FORM1", "FORM2", "HP_EVT", "RESIZE_HPT", "DRMEM_V2",
            "XIVE_EXPLOIT", "MMU_RADIX", "RADIX_GTSE",
        ],
        affinity={
            "enabled": True, "form": 2, "primary_index": 1, "reference_points": [1],
            "lookup_arrays": {"n_arrays": 2, "array_sz": 1},
        },
        dynamic_memory={
            "lmb_size": LMB, "property": "ibm,dynamic-memory-v2", "format": "v2", "both": False,
            "entries": 4, "lmbs": 64, "runs": 4, "states": states(6, 50, 8, 0),
        },
        boot_bytes=2 * GIB,
        nodes=[numa_node(0, GIB, 2, [[0, 0]]), numa_node(1, GIB, 4, [[1, 1]])],
    )  # fmt: skip


def test_a_v1_guest_whose_nvdimm_is_assigned_to_no_node() -> None:
    assert record("trees/v1-nvdimm") == golden(
        errors=1,
        features=["DRCONF_MEMORY", "FORM1", "HP_EVT", "XIVE_EXPLOIT", "MMU_RADIX", "RADIX_GTSE"],
        affinity={
            "enabled": True, "form": 1, "primary_index": 4, "reference_points": [4, 4, 2],
            "lookup_arrays": {"n_arrays": 1, "array_sz": 4},
        },
        dynamic_memory={
            "lmb_size": LMB, "property": "ibm,dynamic-memory", "format": "v1", "both": False,
            # 4 LMBs with the DRC index 0 each, then 2 of a DIMM, 2 of an NVDIMM, 1 of a DIMM, 7 free.
            "entries": 16, "lmbs": 16, "runs": 8, "states": states(5, 7, 4, 0),
        },
        boot_bytes=GIB,
        nodes=[numa_node(0, GIB, 3, [[0, 0]]), numa_node(None, 0, 2, [])],
    )  # fmt: skip


def test_a_guest_without_dynamic_memory() -> None:
    assert record("trees/nomaxmem") == golden(
        infos=2,
        features=["DRCONF_MEMORY", "FORM1", "HP_EVT", "DRMEM_V2", "XIVE_EXPLOIT", "MMU_RADIX", "RADIX_GTSE"],
        affinity={
            "enabled": True, "form": 1, "primary_index": 4, "reference_points": [4, 4, 2], "lookup_arrays": None,
        },
        dynamic_memory=None,
        boot_bytes=2 * GIB,
        nodes=[numa_node(0, 2 * GIB, 0, [[0, 0]])],
    )  # fmt: skip
    outcome = run("show", fixture("trees/nomaxmem"))
    assert "no dynamic memory" in outcome.out


@each("name", share([name for name in NAMES if name not in WITHOUT_LMBS], 2, 3))
def test_lmbs_by_state_are_what_fdtget_and_struct_count(
    name: str, fdtget: Tool, dtb_file: Callable[[str], Path]
) -> None:
    def value(prop: str) -> bytes:
        return bytes(int(byte, 16) for byte in fdtget("-tbx", dtb_file(name), DRMEM, prop).stdout.split())

    v1, v2 = value("ibm,dynamic-memory"), value("ibm,dynamic-memory-v2")
    if v1:
        entries = [
            (1, flags) for *_, flags in struct.iter_unpack(">QIIII", v1[4 : 4 + 24 * int.from_bytes(v1[:4])])
        ]
    else:
        entries = [(n, flags) for n, *_, flags in struct.iter_unpack(">IQIII", v2[4:])]
    expected = {
        "assigned": sum(n for n, flags in entries if flags & 0x88 == 0x08),
        "free": sum(n for n, flags in entries if not flags & 0x88),
        "reserved": sum(n for n, flags in entries if flags & 0x80),
        "hot-removable": sum(n for n, flags in entries if flags & 0x100),
    }
    found = record(name)["dynamic_memory"]
    assert {state: one["lmbs"] for state, one in found["states"].items()} == expected
    assert found["lmbs"] == sum(n for n, _ in entries)


@each("name", share(NAMES, 0, 3))
def test_it_fits_one_screen(name: str) -> None:
    outcome = run("show", fixture(name))
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) <= 23
    assert outcome.out.isascii()


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("trees/")])
def test_it_fits_a_terminal_of_80_columns(name: str) -> None:
    shown = on_terminal("show", fixture(name), COLUMNS="80", NO_COLOR="1").decode()
    lines = shown.replace("\r\n", "\n").splitlines()
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80


def test_bars_are_in_proportion() -> None:
    lines = run("show", fixture("trees/numa4-form1-dist")).out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("node ")) + 1
    assert [line.count("#") for line in lines[start : start + 4]] == [15, 15, 30, 30]
    lines = run("show", fixture("captures/7.2-kdump")).out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("memory@ "))
    # Of 448 MiB, 1 GiB and 6 GiB, and nothing for what is reserved, which is in memory@ or nowhere.
    assert [line.count("#") for line in lines[start : start + 4]] == [2, 4, 24, 0]


def test_no_line_stands_for_a_single_node_on_a_narrow_terminal() -> None:
    shown = on_terminal("show", fixture("kernel-arrays/numa2-plug2"), COLUMNS="40", NO_COLOR="1").decode()
    lines = shown.splitlines()
    heading = next(number for number, line in enumerate(lines) if line.endswith("cores"))
    assert [line[:14].strip() for line in lines[heading + 1 : heading + 4]] == ["0", "1", ""]


def test_piped_output_is_plain_and_does_not_depend_on_the_terminal() -> None:
    plain = process("show", fixture("trees/many-dimms"), COLUMNS="40")
    assert plain.stdout == process("show", fixture("trees/many-dimms"), COLUMNS="200", TERM="xterm").stdout
    assert b"\x1b" not in plain.stdout


def test_colour_where_asked_for() -> None:
    assert b"\x1b[" in on_terminal("show", fixture("trees/v2-gap"))
    assert b"\x1b" not in on_terminal("show", fixture("trees/v2-gap"), NO_COLOR="1")
    coloured = process("show", fixture("trees/v2-gap"), "--color", "always").stdout.decode()
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == process("show", fixture("trees/v2-gap")).stdout.decode()


def test_a_tree_from_before_client_architecture_support_is_refused() -> None:
    outcome = run("show", fixture("trees/precas"))
    assert (outcome.code, outcome.out) == (3, "")
    assert "before ibm,client-architecture-support" in outcome.err


def test_a_defect_is_counted_on_one_line() -> None:
    outcome = run("show", fixture("boot/no-lmb-size"))
    assert "1 seen while reading: lmb-size-absent" in outcome.out
    assert outcome.err == ""


def test_help_has_an_example() -> None:
    outcome = run("show", "--help")
    assert outcome.code == 0
    assert "drmemctl show sosreport.tar.xz" in outcome.out


def test_the_findings_of_check_are_counted() -> None:
    assert run("show", fixture("captures/7.2-merge")).out.splitlines()[-1].split() == [
        "findings", "2", "errors,", "1", "warning", "(drmemctl", "check)",
    ]  # fmt: skip
    assert run("show", fixture("kernel-arrays/numa2-plug2")).out.splitlines()[-1].split() == ["findings", "none"]
    for name in ("captures/7.2-merge", "trees/v1-nvdimm", "trees/nomaxmem"):
        checked = json.loads(run("check", fixture(name), "--format", "json").out)["summary"]
        assert record(name)["findings"] == checked
