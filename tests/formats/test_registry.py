# SPDX-License-Identifier: MIT
"""Known properties in lines."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.formats.fields import Field
from drmemctl.formats.registry import DEFAULT_LIMIT, KNOWN, describe, describer, is_known
from drmemctl.wording import range_text, size_text
from tests.cases import each
from tests.formats.values import all_values, unhex, value_in

DRMEM = "/ibm,dynamic-reconfiguration-memory"
V2 = unhex("00000001 0000018e 0000000020000000 80000002 00000001 00000008")
PLACES = [
    (node.replace("type:", "/").replace("*", "x"), name)
    for known in KNOWN
    for node in known.nodes
    for name in known.names.split()
]


def texts(fields: list[Field] | None) -> list[str]:
    assert fields is not None
    return [f"{field.name}: {field.text}" for field in fields]


def test_a_set_of_lmbs_in_a_line() -> None:
    fields = describe(DRMEM, "ibm,dynamic-memory-v2", V2)
    assert fields == [
        Field(0, 4, "sets", 1, "1"),
        Field(4, 24, "[0]", None, "398 LMBs from 0x20000000, DRC 0x80000002, aa_index 1, flags 0x8 (assigned)"),
    ]


def test_an_lmb_in_a_line() -> None:
    data = unhex("00000001 0000000010000000 80000001 00000000 ffffffff 00000000")
    assert texts(describe(DRMEM, "ibm,dynamic-memory", data)) == [
        "LMBs: 1",
        "[0]: 0x10000000, DRC 0x80000001, aa_index unset, flags 0x0 (none)",
    ]


@pytest.mark.parametrize(
    ("path", "name", "data", "expected"),
    [
        (DRMEM, "ibm,lmb-size", "0000000010000000", ["lmb_size: 256 MiB"]),
        (DRMEM, "ibm,memory-preservation-time", "0000005a", ["value: 90 minutes"]),
        (DRMEM, "ibm,memory-flags-mask", "00000108", ["mask: 0x108: assigned hot-removable"]),
        (
            DRMEM,
            "ibm,associativity-lookup-arrays",
            "00000002 00000002 00000000 00000000 00000000 00000001",
            ["n_arrays: 2", "array_sz: 2", "[0]: 0 0", "[1]: 0 1"],
        ),
        ("/rtas", "ibm,associativity-reference-points", "00000004", ["[0]: domain 4 of a list"]),
        ("/rtas", "ibm,max-associativity-domains", "00000001 00000004", ["levels: 1", "[0]: 4 domains"]),
        ("/rtas", "ibm,numa-lookup-index-table", "00000001 00000008", ["nodes: 1", "[0]: domain 8"]),
        (
            "/rtas",
            "ibm,numa-distance-table",
            "00000004 0a14140a",
            ["distances: 4", "[0]: 10 20", "[1]: 20 10"],
        ),
        ("/rtas", "ibm,numa-distance-table", "00000003 0a1414", ["distances: 3", "[0]: 10 20 20"]),
        (
            "/rtas",
            "ibm,lrdr-capacity",
            "0000000130000000 0000000010000000 00000001",
            ["max_address: 4864 MiB", "lmb_size: 256 MiB", "max_cpus: 1"],
        ),
        ("/memory@0", "reg", "0000000000000000 0000000040000000", ["[0]: 0x0-0x3fffffff (1 GiB)"]),
        ("/memory@0", "linux,usable-memory", "0000000000000000 0000000000000000", ["[0]: 0x0, empty"]),
        ("/memory@0", "hotpluggable", "", ["present: yes"]),
        ("/memory@0", "ibm,associativity", "00000001 00000003", ["length: 1 domain", "[0]: 3"]),
        ("/cpus/PowerPC,POWER9@8", "reg", "00000008", ["value: 8"]),
        ("/", "compatible", "49424d2c61006200", ["[0]: IBM,a", "[1]: b"]),
        ("/", "#address-cells", "00000002", ["value: 2"]),
        ("/anything", "phandle", "1e644530", ["value: 0x1e644530"]),
        ("/cpus/x", "timebase-frequency", "1e848000", ["value: 512000000 Hz"]),
        ("/cpus/x", "ibm,my-drc-index", "10000000", ["[0]: 0x10000000"]),
        ("/", "ibm,drc-types", "00000001 4d454d00", ["connectors: 1", "[0]: MEM"]),
        ("/", "ibm,drc-indexes", "00000001 80000000", ["connectors: 1", "[0]: 0x80000000"]),
        ("/chosen", "ibm,architecture-vec-5", "000080", ["length: 1 option byte"]),
        (
            "/chosen",
            "ibm,architecture-vec-5",
            "0400000000a3",
            [
                "length: 5 option bytes",
                "FORM1: associativity of form 1",
                "FORM2: associativity of form 2: distances by table",
                "unknown: bits 0x03",
            ],
        ),
    ],
)
def test_lines(path: str, name: str, data: str, expected: list[str]) -> None:
    lines = texts(describe(path, name, unhex(data)))
    assert [line for line in lines if not line.startswith(("defect", "LPAR"))] == expected


def test_unknown_properties_and_known_ones_elsewhere_are_none() -> None:
    assert describe("/rtas", "ibm,unheard-of", b"") is None
    assert describe("/rtas", "ibm,lmb-size", bytes(8)) is None
    assert describe("/vdevice/vty@30000000", "reg", bytes(4)) is None
    assert (is_known("reg"), is_known("ibm,drc-types"), is_known("ibm,unheard-of")) == (True, True, False)


def test_a_node_may_be_known_by_its_device_type() -> None:
    assert describer("/somewhere", "reg") is None
    assert texts(describe("/somewhere", "reg", bytes(16), device_type="memory")) == ["[0]: 0x0, empty"]
    assert describe("/somewhere", "reg", bytes(4), device_type="cpu") == [Field(0, 4, "value", 0, "0")]


def test_the_roots_cells_decide() -> None:
    assert texts(describe("/memory@0", "reg", unhex("00000000 40000000"), 1, 1)) == ["[0]: 0x0-0x3fffffff (1 GiB)"]
    assert texts(describe(DRMEM, "ibm,lmb-size", unhex("10000000"), 2, 1)) == ["lmb_size: 256 MiB"]


def test_defects_are_told_behind_the_fields() -> None:
    fields = describe(DRMEM, "ibm,dynamic-memory-v2", V2 + b"\0")
    assert fields is not None
    assert fields[-1] == Field(28, 0, "defect", "v2-trailing", "1 byte follows 1 set")


def test_what_the_source_cut_is_told() -> None:
    fields = describe(DRMEM, "ibm,dynamic-memory-v2", V2, total=76)
    assert fields is not None
    assert fields[-1].value == "v2-cut"


def test_no_more_fields_than_asked_for() -> None:
    data = struct.pack(">I", 1 << 20) + bytes(24 << 20)
    fields = describe(DRMEM, "ibm,dynamic-memory", data, limit=3)
    assert fields is not None
    assert [(field.name, field.offset) for field in fields] == [("LMBs", 0), ("[0]", 4), ("[1]", 28), ("more", 52)]
    assert fields[-1] == Field(52, 0, "more", None, "and more, not shown")
    everything = describe("/", "ibm,drc-indexes", struct.pack(">3I", 2, 5, 6), limit=3)
    assert everything is not None
    assert [field.name for field in everything] == ["connectors", "[0]", "[1]"]


@each(("path", "name"), PLACES)
@settings(max_examples=20)
@given(data=st.binary(max_size=100), address=st.integers(-1, 9), size=st.integers(-1, 9))
def test_no_bytes_make_a_known_property_raise(path: str, name: str, data: bytes, address: int, size: int) -> None:
    kind = path.removeprefix("/")
    fields = describe(path, name, data, address, size, device_type=kind, total=None)
    assert fields is not None
    for field in fields:
        assert 0 <= field.offset <= len(data)
        assert field.offset + field.size <= len(data)
        assert isinstance(field.text, str)


def test_fields_of_bundled_properties_lie_in_their_values_without_overlap() -> None:
    for value in all_values():
        fields = describe(value.path, value.name, value.data, limit=1 << 20)
        if fields is None or value.name == "ibm,architecture-vec-5":
            continue
        ends = [(field.offset, field.offset + field.size) for field in fields]
        assert all(end <= start for (_, end), (start, _) in pairwise(ends)), value
        slack = "v1-slack" in value.tree and value.name == "ibm,dynamic-memory"
        assert any(field.name == "defect" for field in fields) is slack, value
        if not slack:
            assert sum(field.size for field in fields) == len(value.data), value


def test_vec5_of_a_bundled_tree_in_lines() -> None:
    fields = describe(
        "/chosen", "ibm,architecture-vec-5", value_in("trees/numa4-form2-dist", "ibm,architecture-vec-5")
    )
    assert fields is not None
    assert [(field.offset, field.name) for field in fields] == [
        (0, "length"),
        (2, "DRCONF_MEMORY"),
        (5, "FORM1"),
        (5, "FORM2"),
        (6, "HP_EVT"),
        (22, "DRMEM_V2"),
        (23, "XIVE_EXPLOIT"),
        (24, "MMU_RADIX"),
        (26, "RADIX_GTSE"),
    ]


def test_sizes_are_in_the_largest_unit_that_divides_them() -> None:
    sizes = (0, 1, 1023, 1024, 1 << 28, 3 << 29, (1 << 40) + 1024, 1 << 63)
    assert [size_text(size) for size in sizes] == [
        "0 bytes", "1 byte", "1,023 bytes", "1 KiB", "256 MiB", "1536 MiB", "1073741825 KiB", "8 EiB",
    ]  # fmt: skip
    assert range_text(0x40000000, 0x10000000) == "0x40000000-0x4fffffff (256 MiB)"


def test_the_usual_limit() -> None:
    fields = describe("/", "ibm,drc-indexes", struct.pack(">I", 1000) + bytes(4000))
    assert fields is not None
    assert len(fields) == DEFAULT_LIMIT + 1
