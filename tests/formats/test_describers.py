# SPDX-License-Identifier: MIT
"""Values in lines: of each layout every field, with its bytes, and what is left out where bytes are missing."""

from __future__ import annotations

from functools import partial

import pytest

from drmemctl.formats import describers as d
from drmemctl.formats.describers import Describer
from drmemctl.formats.fields import Context
from tests.cases import each
from tests.formats.values import unhex

Row = tuple[int, int, str, int | str | None, str]


def rows(describe: Describer, data: str, context: Context | None = None) -> list[Row]:
    found = describe(unhex(data), context or Context())
    return [(one.offset, one.size, one.name, one.value, one.text) for one in found.fields]


def faults(describe: Describer, data: str, context: Context | None = None) -> list[str]:
    return [one.code for one in describe(unhex(data), context or Context()).defects]


V1 = (
    "00000002 0000000010000000 80000001 00000000 00000003 00000088"
    "0000000020000000 80000002 00000000 ffffffff 00000000"
)
V2 = (
    "00000002 00000001 0000000010000000 80000001 00000003 00000008"
    "00001000 0000000020000000 80000002 ffffffff 00000020"
)
LOOKUP = "00000002 00000003 00000000 00000001 00000002 00000000 00000001 0000000a"
VEC5 = "0b 00 20 01 00 81 00 00 00 00000400"
DRC_INFO = (
    "00000002 4d454d00 4c4d422000 80000002 00000002 0000018e 00000001 ffffffff"
    "50484200 50484220 00 20000001 00000001 00000c00 00000002 00000010"
)
USABLE = "00000000 00000002 0000000040001000 00001000 0000000040008000 00002000"


@each(
    ("describe", "data", "expected"),
    [
        (
            partial(d.number, text=hex, name="mask", cells=2),
            "000000010000000a",
            [(0, 8, "mask", 0x10000000A, "0x10000000a")],
        ),
        (partial(d.number, cells=None), "0000000a", [(0, 4, "value", 10, "10")]),
        (partial(d.number, cells=None), "000000010000000a", [(0, 8, "value", 0x10000000A, "4294967306")]),
        (d.number, "00000a", []),
        (d.number, "0000000a", [(0, 4, "value", 10, "10")]),
        (d.handle, "0000000a", [(0, 4, "value", 10, "0xa")]),
        (d.decimal, "00000000 00000002", [(0, 8, "value", 2, "2")]),
        (d.hertz, "1e848000", [(0, 4, "value", 512_000_000, "512000000 Hz")]),
        (d.byte_size, "00000000 40000000", [(0, 8, "value", 1 << 30, "1 GiB")]),
        (d.minutes, "00000001", [(0, 4, "value", 1, "1 minute")]),
        (d.flag, "", [(0, 0, "present", None, "yes")]),
        (d.flag, "0001", [(0, 2, "present", None, "yes")]),
        (d.words, "0000000a 0000000b", [(0, 4, "[0]", 10, "0xa"), (4, 4, "[1]", 11, "0xb")]),
        (partial(d.words, text=str), "0000000a", [(0, 4, "[0]", 10, "10")]),
        (
            d.strings,
            "6100 00 626364",
            [(0, 2, "[0]", "a", "a"), (2, 1, "[1]", "", ""), (3, 3, "[2]", "bcd", "bcd")],
        ),
        (d.strings, "e900", [(0, 2, "[0]", "\udce9", "\udce9")]),
        (d.lmb_size, "0000000010000000", [(0, 8, "lmb_size", 1 << 28, "256 MiB")]),
        (d.lmb_size, "10000000", []),
        (d.flags_mask, "00000108", [(0, 4, "mask", 0x108, "0x108: assigned hot-removable")]),
        (
            partial(d.entries, property="ibm,dynamic-memory"),
            V1,
            [
                (0, 4, "LMBs", 2, "2"),
                (4, 24, "[0]", None, "0x10000000, DRC 0x80000001, aa_index 3, flags 0x88 (assigned reserved)"),
                (28, 24, "[1]", None, "0x20000000, DRC 0x80000002, aa_index unset, flags 0x0 (none)"),
            ],
        ),
        (
            partial(d.entries, property="ibm,dynamic-memory-v2"),
            V2,
            [
                (0, 4, "sets", 2, "2"),
                (4, 24, "[0]", None, "1 LMB from 0x10000000, DRC 0x80000001, aa_index 3, flags 0x8 (assigned)"),
                (
                    28,
                    24,
                    "[1]",
                    None,
                    "4,096 LMBs from 0x20000000, DRC 0x80000002, aa_index unset, flags 0x20 (drc-invalid)",
                ),
            ],
        ),
        (partial(d.entries, property="ibm,dynamic-memory"), "00000000", [(0, 4, "LMBs", 0, "0")]),
        (partial(d.entries, property="ibm,dynamic-memory"), "000000", []),
        (
            d.lookup_arrays,
            LOOKUP,
            [
                (0, 4, "n_arrays", 2, "2"),
                (4, 4, "array_sz", 3, "3"),
                (8, 12, "[0]", None, "0 1 2"),
                (20, 12, "[1]", None, "0 1 10"),
            ],
        ),
        (
            d.lookup_arrays,
            "ffffffff 00000000",
            [(0, 4, "n_arrays", 0xFFFFFFFF, "4294967295"), (4, 4, "array_sz", 0, "0")],
        ),
        (d.lookup_arrays, "00000001 000000", []),
        (
            d.reference_points,
            "00000004 00000002",
            [(0, 4, "[0]", 4, "domain 4 of a list"), (4, 4, "[1]", 2, "domain 2 of a list")],
        ),
        (
            d.domains,
            "00000002 00000001 00000004",
            [(0, 4, "levels", 2, "2"), (4, 4, "[0]", 1, "1 domain"), (8, 4, "[1]", 4, "4 domains")],
        ),
        (d.domains, "00000000", [(0, 4, "levels", 0, "0")]),
        (d.domains, "000000", []),
        (
            d.associativity,
            "00000002 00000005 00000006 00000001 00000007 00000000",
            [
                (0, 4, "length", 2, "2 domains"),
                (4, 4, "[0]", 5, "5"),
                (8, 4, "[1]", 6, "6"),
                (12, 4, "length", 1, "1 domain"),
                (16, 4, "[0]", 7, "7"),
                (20, 4, "length", 0, "0 domains"),
            ],
        ),
        (d.associativity, "00000000", [(0, 4, "length", 0, "0 domains")]),
        (d.associativity, "000000", []),
        (
            d.architecture_vec5,
            VEC5,
            [
                (0, 1, "length", 11, "12 option bytes"),
                (2, 1, "DRCONF_MEMORY", 0x20, "memory may be in /ibm,dynamic-reconfiguration-memory"),
                (5, 1, "FORM1", 0x80, "associativity of form 1"),
                (5, 1, "unknown", 1, "bits 0x01"),
                (9, 4, "MAX_CPUS", 0x400, "at most 1,024 processors"),
            ],
        ),
        (d.architecture_vec5, "", []),
        (
            d.lrdr_capacity,
            "0000000130000000 0000000010000000 00000008 00000010",
            [
                (0, 8, "max_address", 0x130000000, "4864 MiB"),
                (8, 8, "lmb_size", 1 << 28, "256 MiB"),
                (16, 4, "max_cpus", 8, "8"),
                (20, 4, "second", 16, "16"),
            ],
        ),
        (d.lrdr_capacity, "0000000130000000 00000000", [(0, 8, "max_address", 0x130000000, "4864 MiB")]),
        (
            d.index_table,
            "00000002 00000000 00000008",
            [(0, 4, "nodes", 2, "2"), (4, 4, "[0]", 0, "domain 0"), (8, 4, "[1]", 8, "domain 8")],
        ),
        (d.index_table, "00000000", [(0, 4, "nodes", 0, "0")]),
        (d.index_table, "000000", []),
        (
            d.distance_table,
            "00000009 0a1450140aa050a0",
            [
                (0, 4, "distances", 9, "9"),
                (4, 3, "[0]", None, "10 20 80"),
                (7, 3, "[1]", None, "20 10 160"),
                (10, 2, "[2]", None, "80 160"),
            ],
        ),
        (d.distance_table, "00000002 0a14", [(0, 4, "distances", 2, "2"), (4, 2, "[0]", None, "10 20")]),
        (d.distance_table, "00000001 0a", [(0, 4, "distances", 1, "1"), (4, 1, "[0]", None, "10")]),
        (d.distance_table, "00000000", [(0, 4, "distances", 0, "0")]),
        (d.distance_table, "00000002", [(0, 4, "distances", 2, "2")]),
        (d.distance_table, "000000", []),
        (
            partial(d.drc_words, property="ibm,drc-indexes"),
            "00000002 80000000 80000001",
            [
                (0, 4, "connectors", 2, "2"),
                (4, 4, "[0]", 0x80000000, "0x80000000"),
                (8, 4, "[1]", 0x80000001, "0x80000001"),
            ],
        ),
        (partial(d.drc_words, property="ibm,drc-power-domains"), "00000000", [(0, 4, "connectors", 0, "0")]),
        (partial(d.drc_words, property="ibm,drc-power-domains"), "000000", []),
        (
            partial(d.drc_strings, property="ibm,drc-names"),
            "00000003 4c4d42203000 00 4100",
            [
                (0, 4, "connectors", 3, "3"),
                (4, 6, "[0]", "LMB 0", "LMB 0"),
                (10, 1, "[1]", "", ""),
                (11, 2, "[2]", "A", "A"),
            ],
        ),
        (partial(d.drc_strings, property="ibm,drc-types"), "00000000", [(0, 4, "connectors", 0, "0")]),
        (partial(d.drc_strings, property="ibm,drc-types"), "000000", []),
        (
            d.drc_info,
            DRC_INFO,
            [
                (0, 4, "sequences", 2, "2"),
                (
                    4,
                    29,
                    "[0]",
                    None,
                    "398 of type MEM named LMB 2 and on, DRC 0x80000002 and on by 1, power domain 0xffffffff",
                ),
                (
                    33,
                    29,
                    "[1]",
                    None,
                    "3072 of type PHB named PHB 1 and on, DRC 0x20000001 and on by 2, power domain 0x10",
                ),
            ],
        ),
        (d.drc_info, "00000000", [(0, 4, "sequences", 0, "0")]),
        (d.drc_info, "000000", []),
        (
            partial(d.reg, short="reg"),
            "00000000 40000000 00000000 10000000 00000000 80000000 00000000 00000000",
            [
                (0, 16, "[0]", None, "0x40000000-0x4fffffff (256 MiB)"),
                (16, 16, "[1]", None, "0x80000000, empty"),
            ],
        ),
        (
            d.usable_memory,
            "0000000000000001 0000000040000000 0000000010000000 0000000000000000",
            [(0, 24, "[0]", 1, "0x40000000-0x4fffffff (256 MiB)"), (24, 8, "[1]", 0, "nothing")],
        ),
    ],
)
def test_fields(describe: Describer, data: str, expected: list[Row]) -> None:
    assert rows(describe, data) == expected


ONE_CELL = Context(1, 1)
NO_CELLS = Context(0, 5)


@pytest.mark.parametrize(
    ("describe", "data", "context", "expected"),
    [
        (d.lmb_size, "10000000", Context(2, 1), [(0, 4, "lmb_size", 1 << 28, "256 MiB")]),
        (d.lmb_size, "0000000010000000", NO_CELLS, [(0, 8, "lmb_size", 1 << 28, "256 MiB")]),
        (
            partial(d.entries, property="ibm,dynamic-memory"),
            "00000001 10000000 80000001 00000000 00000003 00000008",
            Context(1, 2),
            [
                (0, 4, "LMBs", 1, "1"),
                (4, 20, "[0]", None, "0x10000000, DRC 0x80000001, aa_index 3, flags 0x8 (assigned)"),
            ],
        ),
        (
            d.lrdr_capacity,
            "40000000 0000000010000000 00000008",
            Context(1, 2),
            [
                (0, 4, "max_address", 1 << 30, "1 GiB"),
                (4, 8, "lmb_size", 1 << 28, "256 MiB"),
                (12, 4, "max_cpus", 8, "8"),
            ],
        ),
        (
            d.lrdr_capacity,
            "0000000040000000 10000000 00000008 00000009",
            Context(2, 1),
            [
                (0, 8, "max_address", 1 << 30, "1 GiB"),
                (8, 4, "lmb_size", 1 << 28, "256 MiB"),
                (12, 4, "max_cpus", 8, "8"),
                (16, 4, "second", 9, "9"),
            ],
        ),
        (
            partial(d.reg, short="reg"),
            "00000000 40000000 10000000",
            Context(2, 1),
            [(0, 12, "[0]", None, "0x40000000-0x4fffffff (256 MiB)")],
        ),
        (
            partial(d.reg, short="reg"),
            "40000000 00000000 10000000",
            Context(1, 2),
            [(0, 12, "[0]", None, "0x40000000-0x4fffffff (256 MiB)")],
        ),
        (
            d.usable_memory,
            USABLE,
            Context(2, 1),
            [
                (0, 4, "[0]", 0, "nothing"),
                (4, 28, "[1]", 2, "0x40001000-0x40001fff (4 KiB), 0x40008000-0x40009fff (8 KiB)"),
            ],
        ),
        (partial(d.number, cells=None), "0000000a", Context(total=8), []),
        (partial(d.number, cells=None), "000000010000000a", Context(total=4), [(0, 4, "value", 1, "1")]),
    ],
)
def test_the_roots_cells_and_the_true_length_decide(
    describe: Describer, data: str, context: Context, expected: list[Row]
) -> None:
    assert rows(describe, data, context) == expected


@pytest.mark.parametrize(
    ("describe", "short", "least"),
    [
        (d.number, "number", 4),
        (d.words, "list", 3),
        (d.lmb_size, "lmb-size", 7),
        (d.flags_mask, "number", 3),
        (partial(d.entries, property="ibm,dynamic-memory"), "v1", 9),
        (partial(d.entries, property="ibm,dynamic-memory-v2"), "v2", 9),
        (d.lookup_arrays, "lookup", 9),
        (d.reference_points, "reference-points", 3),
        (d.domains, "domains", 3),
        (d.associativity, "associativity", 3),
        (d.architecture_vec5, "vec5", 1),
        (d.lrdr_capacity, "lrdr", 5),
        (d.index_table, "numa-index", 3),
        (d.distance_table, "numa-distance", 3),
        (partial(d.drc_words, property="ibm,drc-indexes"), "drc-indexes", 3),
        (partial(d.drc_words, property="ibm,drc-power-domains"), "drc-power-domains", 3),
        (partial(d.drc_strings, property="ibm,drc-names"), "drc-names", 3),
        (partial(d.drc_strings, property="ibm,drc-types"), "drc-types", 3),
        (d.drc_info, "drc-info", 3),
        (partial(d.reg, short="reg"), "reg", 3),
        (partial(d.reg, short="usable-reg"), "usable-reg", 3),
        (d.usable_memory, "usable-memory", 7),
    ],
)
def test_faults_are_those_of_the_layout(describe: Describer, short: str, least: int) -> None:
    assert faults(describe, "00" * least, Context(total=200)) == [f"{short}-cut"]


def test_other_faults() -> None:
    assert faults(d.strings, "61") == ["string-unterminated"]
    (defect,) = d.words(unhex("00000001 00"), Context()).defects
    assert str(defect) == "1 byte follows 1 number (at offset 0x4)"
