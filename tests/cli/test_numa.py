# SPDX-License-Identifier: MIT
"""`drmemctl numa`: against sysfs of running kernels, tables checked by hand, hostile trees."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.blobs import Struct
from tests.blobs import blob as blob_of
from tests.cases import each
from tests.cli.running import on_terminal, run
from tests.conftest import FIXTURES, fixture_trees, tree_name
from tests.model.partitions import KERNEL_ARRAYS, sysfs
from tests.wide import share

NAMES = [tree_name(path) for path in fixture_trees() if tree_name(path) != "trees/precas"]


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.dtb.gz"


@pytest.mark.parametrize("name", KERNEL_ARRAYS)
def test_json_says_what_the_running_kernel_says(name: str) -> None:
    found = json.loads(run("numa", fixture(f"kernel-arrays/{name}"), "--format", "json").out)
    kernel = sysfs(name)["nodes"]
    assert found["schema"] == "drmemctl.numa/1"
    assert {str(one["node"]): one["bytes"] >> 28 for one in found["nodes"]} == {
        node: len(one["memory_blocks"]) for node, one in kernel.items()
    }
    assert {str(one["node"]): one["distances"] for one in found["distances"]} == {
        node: one["distance"] for node, one in kernel.items()
    }
    assert found["distance_nodes"] == [int(node) for node in kernel]


TABLE = """\
form 1, primary index 4, reference points 4 3 2 1
nodes 0-3 possible (ibm,max-associativity-domains)

node  memory  memory@  LMBs  cores  threads  CPUs
   0   1 GiB    1 GiB     -      4        4  0-3
   1   1 GiB    1 GiB     -      4        4  4-7
   2   2 GiB    1 GiB     4      -        -  -
   3   2 GiB    1 GiB     4      -        -  -

distance    0    1    2    3
       0   10   40   20   20
       1   40   10   40   40
       2   20   40   10   20
       3   20   40   20   10
"""


def test_a_table_checked_by_hand() -> None:
    assert run("numa", fixture("trees/numa4-form1-dist")) == (0, TABLE, "")


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("trees/")])
def test_it_fits_a_terminal_of_80_columns(name: str) -> None:
    shown = on_terminal("numa", fixture(name), COLUMNS="80", NO_COLOR="1").decode().replace("\r\n", "\n")
    lines = [line for line in shown.splitlines() if not line.startswith("drmemctl: ")]
    assert max(map(len, lines)) <= 80


@each("name", share(NAMES, 0, 3))
def test_csv_has_the_nodes_of_json(name: str) -> None:
    rows = list(csv.DictReader(io.StringIO(run("numa", fixture(name), "--format", "csv").out)))
    records = json.loads(run("numa", fixture(name), "--format", "json").out)["nodes"]
    for row, record in zip(rows, records, strict=True):
        assert row == {key: "" if record[key] is None else str(record[key]) for key in row}


def test_memory_without_a_node_has_a_line_of_its_own() -> None:
    assert "\nnone   512 MiB        -     2      -        -  -\n" in run("numa", fixture("trees/v1-nvdimm")).out


def test_a_tree_from_before_client_architecture_support_is_refused() -> None:
    assert run("numa", fixture("trees/precas")).code == 3


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "big") for value in values)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives a tree with values that no firmware hands out."""
    folder = tmp_path_factory.mktemp("hostile")

    def made(name: str) -> Path:
        tree = Struct().begin(b"").prop(b"#address-cells", words(2)).prop(b"#size-cells", words(2))
        tree.prop(b"model", b"\x1b[2J\x1b]0;x\x07\xff" * 20).prop(b"ibm,partition-name", b"\x9b31m\n\0")
        tree.begin(b"chosen").prop(b"ibm,architecture-vec-5", bytes([5, 0, 32, 0, 0, 0xA0, 0])).end()
        tree.begin(b"rtas").prop(b"ibm,associativity-reference-points", words(1))
        if name == "ids":
            tree.prop(b"ibm,numa-lookup-index-table", words(1000, *range(1000)))
            tree.prop(b"ibm,numa-distance-table", words(1_000_000) + bytes(1_000_000))
        else:
            tree.prop(b"ibm,numa-lookup-index-table", words(0xFFFFFFFF, 1, 0xFFFFFFFE))
            tree.prop(b"ibm,numa-distance-table", words(0xFFFFFFFF))
        tree.prop(b"ibm,max-associativity-domains", words(0xFFFFFFFF, 0xFFFFFFFF)).end()
        for i in range(3000):
            tree.begin(b"memory@%x\x1b[1m" % i).prop(b"device_type", b"memory\0")
            tree.prop(b"reg", words(0xFFFFFFFF, i, 0xFFFFFFFF, 0xFFFFFFFF) + b"\1")
            tree.prop(b"ibm,associativity", words(1, i * 0x10001 % (1 << 32))).end()
        tree.begin(b"ibm,dynamic-reconfiguration-memory").prop(b"ibm,lmb-size", words(0, 0))
        tree.prop(b"ibm,associativity-lookup-arrays", words(0xFFFFFFFF, 0))
        tree.prop(b"ibm,dynamic-memory-v2", words(0xFFFFFFFF, 0xFFFFFFFF, 0, 0, 0, 0, 8)).end().end()
        path = folder / f"{name}.dtb"
        path.write_bytes(blob_of(tree.finish()))
        return path

    return made


@pytest.mark.parametrize("command", ["show", "map", "assoc", "numa"])
@pytest.mark.parametrize("name", ["ids", "counts"])
def test_a_hostile_tree_is_shown_in_bounded_printable_lines(
    command: str, name: str, hostile: Callable[[str], Path]
) -> None:
    begun = time.process_time()
    outcome = run(command, hostile(name))
    assert time.process_time() - begun < 20
    assert outcome.code == 0
    printed = outcome.out + outcome.err
    assert all(char == "\n" or char.isprintable() for char in printed)
    assert len(outcome.err.splitlines()) <= 21
    assert len(outcome.out.splitlines()) < 600
    assert json.loads(run(command, hostile(name), "--format", "json").out)["schema"] == f"drmemctl.{command}/1"


@each("name", NAMES)
def test_every_bundled_tree_has_a_table(name: str) -> None:
    assert run("numa", fixture(name)).code == 0


def test_a_kernel_without_form_2_has_no_distances_of_its_tables() -> None:
    """5.10.0's `__node_distance` knows forms 0 and 1: with one reference point, 20 between any two nodes."""
    tree = FIXTURES / "trees" / "numa4-form2-dist.dtb.gz"
    told = json.loads(run("numa", tree, "--format", "json").out)
    older = json.loads(run("numa", tree, "--format", "json", "--kernel", "5.10.0").out)
    assert (told["form"], older["form"], older["kernel"]) == (2, 1, "5.10.0")
    assert "kernel" not in told
    points = len(older["reference_points"])
    for row in older["distances"]:
        assert row["distances"] == [
            10 if node == row["node"] else 10 << points for node in older["distance_nodes"]
        ]
    assert told["distances"] != older["distances"]
    # 5.10.223 and later have form 2 as a stable fix: measured, captures/5.10-form2-1 agreed on it.
    stable = json.loads(run("numa", tree, "--format", "json", "--kernel", "5.10.262").out)
    assert (stable["form"], stable["distances"]) == (2, told["distances"])


def test_memory_without_a_node_is_on_node_0_before_5_3() -> None:
    """numa.c `of_drconf_to_nid_single`: default_nid was 0 up to 5.2, and NUMA_NO_NODE since ea9f5b702fe0."""
    tree = FIXTURES / "boot" / "aa-out-of-range.dtb.gz"
    nodes = {
        kernel: [
            entry["node"]
            for entry in json.loads(run("numa", tree, "--format", "json", "--kernel", kernel).out)["nodes"]
        ]
        for kernel in ("5.2", "5.3")
    }
    assert None not in nodes["5.2"]
    assert None in nodes["5.3"]


def test_what_the_input_names_is_said() -> None:
    done = run("numa", FIXTURES / "tutorial" / "lpar7-before.tar.xz", "--format", "json")
    assert json.loads(done.out)["kernel"] == "5.10.262"
    assert done.err == "drmemctl: the kernel is 5.10.262, which the input names\n"
