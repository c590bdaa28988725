# SPDX-License-Identifier: MIT
"""Trees without anything to judge: what they are is said, in every format, and the exit code is 3."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.conftest import FIXTURES, ROOT

BEFORE_VECTOR_5 = FIXTURES / "cases" / "before-vector-5.dts"

ARM = """/dts-v1/;
/ {
    #address-cells = <1>;
    #size-cells = <1>;
    model = "Raspberry Pi";
    compatible = "raspberrypi,model-b", "brcm,bcm2835";
    chosen { };
    memory@0 { reg = <0 0x20000000>; };
};
"""
# A root without device_type, and memory whose nodes overlap (a wildcard for the boot loader): i.MX, Allwinner.
BOARD = """/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    compatible = "fsl,imx8mm-evk", "fsl,imx8mm";
    memory@40000000 { device_type = "memory"; reg = <0 0x40000000 0 0x80000000>; };
    memory@50000000 { device_type = "memory"; reg = <0 0x50000000 0 0x80000000>; };
};
"""
MAC = """/dts-v1/;
/ {
    #address-cells = <1>;
    #size-cells = <1>;
    compatible = "PowerMac3,6", "MacRISC3", "Power Macintosh";
    device_type = "bootrom";
    memory@0 { device_type = "memory"; reg = <0 0x10000000>; };
    chosen { };
};
"""
CELL = """/dts-v1/;
/ {
    compatible = "IBM,CBEA", "IBM,CPBW-1.0";
    device_type = "chrp";
    memory@0 { device_type = "memory"; reg = <0 0 0 0x10000000>; };
    chosen { };
    rtas { };
};
"""
POWERNV = """/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    compatible = "ibm,powernv", "ibm,witherspoon";
    chosen { };
    ibm,opal {
        compatible = "ibm,opal-v3";
        ibm,associativity-reference-points = <4 4 2>;
    };
    memory@0 {
        device_type = "memory";
        reg = <0 0 0 0x80000000>;
        ibm,associativity = <4 0 0 0 0>;
    };
    memory@200000000000 {
        device_type = "memory";
        reg = <0x2000 0 0 0x80000000>;
        ibm,associativity = <4 0 0 0 8>;
    };
};
"""
PART = """/dts-v1/;
/ {
    cpus {
        PowerPC,POWER9@0 { device_type = "cpu"; reg = <0>; };
    };
};
"""

FOREIGN = {
    "arm": (ARM, "no tree of a pseries machine (compatible: raspberrypi,model-b)"),
    "board": (BOARD, "no tree of a pseries machine (compatible: fsl,imx8mm-evk)"),
    "mac": (MAC, "no tree of a pseries machine (compatible: PowerMac3,6)"),
    "cell": (CELL, "no tree of a pseries machine (compatible: IBM,CBEA)"),
    "powernv": (POWERNV, "bare metal (PowerNV), which has no dynamic memory"),
    "part": (PART, "this dump shows only a part of a tree, without /chosen"),
    "before-vector-5": (BEFORE_VECTOR_5.read_text(), "firmware from before option vector 5"),
}


def written(folder: Path, name: str) -> Path:
    path = folder / f"{name}.dts"
    path.write_text(FOREIGN[name][0])
    return path


@pytest.mark.parametrize("name", FOREIGN)
def test_nothing_to_judge_is_exit_code_3_with_the_right_reason(name: str, tmp_path: Path) -> None:
    path, reason = written(tmp_path, name), FOREIGN[name][1]
    outcome = run("check", path)
    assert outcome.code == 3
    assert outcome.err.startswith(
        f"drmemctl: {path}: nothing to judge: no node /ibm,dynamic-reconfiguration-memory: "
    )
    assert reason in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == f"{path}: nothing to judge\n"
    assert ("before ibm,client-architecture-support" in outcome.err) == (name == "precas")


@pytest.mark.parametrize("name", FOREIGN)
def test_json_is_printed_all_the_same(name: str, tmp_path: Path) -> None:
    path, reason = written(tmp_path, name), FOREIGN[name][1]
    document = json.loads(run("check", path, "--format", "json").out)
    assert document["findings"] == []
    (found,) = document["inputs"]
    assert (found["error"], found["judged"]) == (None, False)
    assert reason in found["note"]


@pytest.mark.parametrize("format", ["text", "concise", "json", "sarif", "junit", "github", "gitlab", "markdown"])
@pytest.mark.parametrize("name", FOREIGN)
def test_it_may_be_allowed(name: str, format: str, tmp_path: Path) -> None:
    path = written(tmp_path, name)
    outcome = run("check", path, "--allow-no-drmem", "--format", format)
    assert (outcome.code, outcome.err) == (0, "")
    assert format != "text" or FOREIGN[name][1] in outcome.out
    assert "::error" not in outcome.out
    assert "<error" not in outcome.out


@pytest.mark.parametrize(
    ("format", "said"),
    [
        ("sarif", '"executionSuccessful": false'),
        ("junit", '<error type="unjudged"'),
        ("github", "title=nothing to judge::"),
        ("markdown", ": nothing to judge: "),
    ],
)
def test_every_format_for_ci_shows_it(format: str, said: str, tmp_path: Path) -> None:
    assert said in run("check", written(tmp_path, "arm"), "--format", format).out


@pytest.mark.parametrize("options", [[], ["--fail-on", "never"], ["--allow-no-drmem"]])
def test_one_of_several_decides(options: list[str], tmp_path: Path) -> None:
    good, bad = FIXTURES / "trees" / "v2-gap.dtb.gz", FIXTURES / "boot" / "no-lmb-size.dtb.gz"
    arm = written(tmp_path, "arm")
    allowed = "--allow-no-drmem" in options
    assert run("check", good, arm, *options).code == (0 if allowed else 3)
    assert run("check", arm, bad, *options).code == (1 if allowed else 3)
    assert run("check", arm, tmp_path / "missing", *options).code == 3


def test_a_partition_without_lmbs_is_judged_by_what_is_wrong_with_it() -> None:
    assert run("check", FIXTURES / "trees" / "nomaxmem.dtb.gz").code == 0
    assert run("check", FIXTURES / "trees" / "nomaxmem.dtb.gz", "--fail-on", "info").code == 1


@pytest.mark.parametrize("name", ["arm", "board", "mac", "cell"])
def test_other_commands_refuse_another_machine_with_the_same_reason(name: str, tmp_path: Path) -> None:
    path, reason = written(tmp_path, name), FOREIGN[name][1]
    for command in ("lmb", "numa", "show", "map", "assoc"):
        outcome = run(command, path)
        assert (outcome.code, outcome.out) == (3, "")
        assert reason in outcome.err


def nodes_of(path: Path) -> dict[int, int]:
    document = json.loads(run("numa", path, "--format", "json").out)
    return {node["node"]: node["bytes"] for node in document["nodes"]}


def test_numa_works_on_firmware_from_before_option_vector_5() -> None:
    document = json.loads(run("numa", BEFORE_VECTOR_5, "--format", "json").out)
    assert (document["form"], document["primary_index"]) == (0, 3)
    assert nodes_of(BEFORE_VECTOR_5) == {0: 2 << 30, 1: 2 << 30}
    assert [row["distances"] for row in document["distances"]] == [[10, 20], [20, 10]]
    assert run("show", BEFORE_VECTOR_5).code == 0


def test_bare_metal_is_form_1_by_the_reference_points_of_opal(tmp_path: Path) -> None:
    path = written(tmp_path, "powernv")
    document = json.loads(run("numa", path, "--format", "json").out)
    assert (document["form"], document["primary_index"]) == (1, 4)
    assert nodes_of(path) == {0: 2 << 30, 8: 2 << 30}
    assert run("lmb", path).code == 3


def test_the_action_can_allow_it() -> None:
    assert "--allow-no-drmem" in (ROOT / "action.yml").read_text()
