# SPDX-License-Identifier: MIT
"""`drmemctl lmb`: its JSON against fdtget and struct, other formats against its JSON, its choices and limits."""

from __future__ import annotations

import csv
import io
import json
import re
import struct
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.blobs import Struct, blob
from tests.cases import each
from tests.cli.running import process, run
from tests.conftest import FIXTURES, WITHOUT_LMBS, Tool, fixture_trees, gunzip, tree_name
from tests.oracles import fdtget_value
from tests.wide import share

DRMEM = "/ibm,dynamic-reconfiguration-memory"
NAMES = [tree_name(path) for path in fixture_trees() if tree_name(path) not in WITHOUT_LMBS]
SOME = [
    "trees/v2-gap",
    "trees/v1-nvdimm",
    "captures/7.2-bit31",
    "boot/aa-out-of-range",
    "kernel-arrays/numa2-plug1",
]

FLAGS = {
    0x1: "preserved",
    0x2: "preservable",
    0x4: "preserved-state",
    0x8: "assigned",
    0x10: "no-migrate-dma",
    0x20: "drc-invalid",
    0x40: "ai-invalid",
    0x80: "reserved",
    0x100: "hot-removable",
}


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.dtb.gz"


class Expected(NamedTuple):
    """What the contract wants of a tree, from the bytes that fdtget reads."""

    property: str
    lmb_size: int | None
    lmbs: list[dict[str, Any]]
    runs: list[dict[str, Any]]


class Lookup(NamedTuple):
    """The lists of the lookup arrays and which of their domains is the node."""

    rows: list[list[int]]
    position: int

    def row(self, aa_index: int, flags: int) -> list[int] | None:
        return self.rows[aa_index] if aa_index < len(self.rows) and not flags & 0x40 else None

    def node(self, aa_index: int, flags: int) -> int | None:
        row = self.row(aa_index, flags)
        return None if row is None else row[self.position - 1]


def words(data: bytes) -> list[int]:
    return list(struct.unpack(f">{len(data) // 4}I", data))


def lookup_of(read: Callable[[str, str], bytes | None]) -> Lookup:
    n_arrays, array_sz, *cells = words(read(DRMEM, "ibm,associativity-lookup-arrays") or b"")
    points = words(read("/rtas", "ibm,associativity-reference-points") or b"")
    vec5 = read("/chosen", "ibm,architecture-vec-5") or b""
    form0 = len(vec5) < 6 or not vec5[5] & 0xA0
    rows = [cells[i * array_sz : (i + 1) * array_sz] for i in range(n_arrays)]
    return Lookup(rows, points[1 if form0 else 0])


def entries_of(v1: bytes | None, v2: bytes | None) -> Iterator[tuple[int, int, int, int, int]]:
    if v1 is not None:
        for base, drc, _, aa, flags in struct.iter_unpack(">QIIII", v1[4 : 4 + 24 * words(v1[:4])[0]]):
            yield 1, base, drc, aa, flags
    elif v2 is not None:
        yield from struct.iter_unpack(">IQIII", v2[4 : 4 + 24 * words(v2[:4])[0]])


def expected_of(read: Callable[[str, str], bytes | None]) -> Expected:
    v1, v2 = read(DRMEM, "ibm,dynamic-memory"), read(DRMEM, "ibm,dynamic-memory-v2")
    lookup = lookup_of(read)
    lmb_size = read(DRMEM, "ibm,lmb-size")
    size = None if lmb_size is None else int.from_bytes(lmb_size, "big")
    lmbs = [
        {
            "base": None if size is None and j else base + j * (size or 0),
            "drc_index": drc + j,
            "drc_index_hex": f"0x{drc + j:08x}",
            "aa_index": aa,
            "flags": flags,
            "node": lookup.node(aa, flags),
        }
        for count, base, drc, aa, flags in entries_of(v1, v2)
        for j in range(count)
    ]
    name = "ibm,dynamic-memory-v2" if v1 is None else "ibm,dynamic-memory"
    return Expected(name, size, lmbs, [run_record(part, lookup) for part in parts(lmbs, size)])


def parts(lmbs: list[dict[str, Any]], size: int | None) -> list[list[dict[str, Any]]]:
    """Return the LMBs grouped by runs, straight from the definition of a run."""

    def goes_on(first: dict[str, Any], second: dict[str, Any]) -> bool:
        alike = all(first[key] == second[key] for key in ("aa_index", "flags"))
        if size is None:
            return alike and second["base"] is None
        return alike and second["base"] == first["base"] + size and second["drc_index"] == first["drc_index"] + 1

    grouped = [[lmbs[0]]]
    for first, second in pairwise(lmbs):
        if goes_on(first, second):
            grouped[-1].append(second)
        else:
            grouped.append([second])
    return grouped


def run_record(part: list[dict[str, Any]], lookup: Lookup) -> dict[str, Any]:
    first = part[0]
    bits = [1 << n for n in range(32) if first["flags"] >> n & 1]
    return {
        "base": first["base"],
        "count": len(part),
        "drc_index": first["drc_index"],
        "drc_index_hex": first["drc_index_hex"],
        "aa_index": first["aa_index"],
        "flags": first["flags"],
        "flag_names": [FLAGS.get(bit, f"{bit:#x}") for bit in bits],
        "associativity": lookup.row(first["aa_index"], first["flags"]),
        "node": first["node"],
    }


@pytest.fixture
def expected(fdtget: Tool, dtb_file: Callable[[str], Path]) -> Callable[[str], Expected]:
    def read(name: str) -> Expected:
        return expected_of(lambda node, prop: fdtget_value(fdtget, dtb_file(name), node, prop))

    return read


def json_of(*arguments: str | Path) -> Any:
    outcome = run("lmb", *arguments, "--format", "json")
    assert outcome.code == 0
    assert outcome.out.endswith("}\n")
    return json.loads(outcome.out)


@each("name", share(NAMES, 2, 3))
def test_the_json_of_every_bundled_tree_is_what_fdtget_and_the_contract_make(
    name: str, expected: Callable[[str], Expected]
) -> None:
    wanted = expected(name)
    head = {"schema": "drmemctl.lmb/1", "property": wanted.property, "lmb_size": wanted.lmb_size}
    assert json_of(fixture(name)) == {**head, "runs": wanted.runs}
    assert json_of(fixture(name), "--expand") == {**head, "runs": wanted.runs, "lmbs": wanted.lmbs}


def test_the_json_of_a_small_tree_to_the_letter() -> None:
    assert run("lmb", fixture("trees/v2-gap"), "--format", "json").out == (
        "{\n"
        '  "schema": "drmemctl.lmb/1",\n'
        '  "property": "ibm,dynamic-memory-v2",\n'
        '  "lmb_size": 268435456,\n'
        '  "runs": [\n'
        '    {"base": 0, "count": 8, "drc_index": 0, "aa_index": 4294967295, "flags": 160, '
        '"flag_names": ["drc-invalid", "reserved"], "associativity": null, "node": null, '
        '"drc_index_hex": "0x00000000"},\n'
        '    {"base": 2147483648, "count": 1, "drc_index": 2147483656, "aa_index": 0, "flags": 264, '
        '"flag_names": ["assigned", "hot-removable"], "associativity": [0, 0, 0, 0], "node": 0, '
        '"drc_index_hex": "0x80000008"},\n'
        '    {"base": 2415919104, "count": 10, "drc_index": 2147483657, "aa_index": 4294967295, "flags": 0, '
        '"flag_names": [], "associativity": null, "node": null, "drc_index_hex": "0x80000009"}\n'
        "  ]\n"
        "}\n"
    )


@pytest.mark.parametrize("expand", [(), ("--expand",)], ids=["runs", "lmbs"])
@pytest.mark.parametrize("name", SOME)
def test_ndjson_has_the_records_of_the_json(name: str, expand: tuple[str, ...]) -> None:
    records = json_of(fixture(name), *expand)["lmbs" if expand else "runs"]
    outcome = run("lmb", fixture(name), *expand, "--format", "ndjson")
    assert [json.loads(line) for line in outcome.out.splitlines()] == records


def text(value: Any) -> str:
    if value is None:
        return ""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("expand", [(), ("--expand",)], ids=["runs", "lmbs"])
@pytest.mark.parametrize("name", SOME)
def test_csv_has_the_records_of_the_json(name: str, expand: tuple[str, ...]) -> None:
    records = json_of(fixture(name), *expand)["lmbs" if expand else "runs"]
    outcome = run("lmb", fixture(name), *expand, "--format", "csv")
    lines = list(csv.DictReader(io.StringIO(outcome.out)))
    assert lines == [{key: text(value) for key, value in record.items()} for record in records]
    assert list(lines[0]) == list(records[0])


def test_the_table_of_a_small_tree_to_the_letter() -> None:
    assert run("lmb", fixture("trees/v2-gap")).out == (
        "19 LMBs of 256 MiB in 3 runs, ibm,dynamic-memory-v2\n"
        "address                      size  LMBs  DRC index              aa  domains  node  flags\n"
        "0x000000000-0x07fffffff     2 GiB     8  0x00000000-0x00000007   -  -           -  drc-invalid reserved\n"
        "0x080000000-0x08fffffff   256 MiB     1  0x80000008              0  0 0 0 0     0  "
        "assigned hot-removable\n"
        "0x090000000-0x12fffffff  2560 MiB    10  0x80000009-0x80000012   -  -           -  free\n"
    )


ROW = re.compile(
    r"(?P<base>0x[0-9a-f]+)(?:-0x[0-9a-f]+)? +(?:\? |[\d.]+ [KMGTPE]iB) +(?P<count>[\d,]+)  0x[0-9a-f]{8}"
)


@each("name", share(NAMES, 0, 3))
def test_the_table_has_every_lmb(name: str) -> None:
    title, _, *lines = run("lmb", fixture(name)).out.splitlines()
    rows = [ROW.match(line) for line in lines]
    lmbs = json_of(fixture(name), "--expand")["lmbs"]
    assert title.startswith(f"{len(lmbs):,} LMBs of ")
    assert sum(int(row["count"].replace(",", "")) for row in rows if row) == len(lmbs)
    starts = [int(row["base"], 16) for row in rows if row]
    assert len(starts) == len(lines)
    assert set(starts) <= {lmb["base"] for lmb in lmbs}


def test_lmbs_of_one_drc_index_are_one_line_of_the_table() -> None:
    # QEMU's v1 gives every LMB of boot memory the DRC index 0.
    alike = [part for part in json_of(fixture("trees/v1-dimm"))["runs"] if part["drc_index"] == 0]
    assert len(alike) > 3
    assert {part["count"] for part in alike} == {1}
    lines = [line for line in run("lmb", fixture("trees/v1-dimm")).out.splitlines() if " 0x00000000" in line]
    assert len(lines) == len({(part["aa_index"], part["flags"]) for part in alike})
    assert all("0x00000000 each" in line for line in lines)


def test_the_expanded_table_has_a_line_for_every_lmb() -> None:
    shown = run("lmb", fixture("trees/v2-gap"), "--expand").out.splitlines()
    assert len(shown) == 2 + 19
    first, last = shown[2].split(), shown[-1].split()
    assert [int(end, 16) for end in first[0].split("-")] == [0, 0xFFFFFFF]
    assert [int(end, 16) for end in last[0].split("-")] == [0x120000000, 0x12FFFFFFF]
    assert first[1:5] == ["256", "MiB", "1", "0x00000000"]
    assert last[1:5] == ["256", "MiB", "1", "0x80000012"]


def test_assigned_memory_without_a_node_is_called_that() -> None:
    lines = [line for line in run("lmb", fixture("boot/aa-out-of-range")).out.splitlines() if "assigned" in line]
    assert any(" none " in line for line in lines)


FILTERS: dict[str, tuple[list[str], Callable[[dict[str, Any]], bool]]] = {
    "node": (["--node", "1"], lambda lmb: lmb["node"] == 1),
    "no-node": (["--node", "-1"], lambda lmb: lmb["node"] is None),
    "drc": (["--drc", "0x80000008"], lambda lmb: lmb["drc_index"] == 0x80000008),
    "drc-octal": (["--drc", "020000000010"], lambda lmb: lmb["drc_index"] == 0x80000008),
    "drc-decimal": (["--drc", "2147483656"], lambda lmb: lmb["drc_index"] == 0x80000008),
    "address": (["--address", "0x8fffffff"], lambda lmb: lmb["base"] == 0x80000000),
    "assigned": (["--state", "assigned"], lambda lmb: lmb["flags"] & 0x88 == 0x8),
    "free": (["--state", "free"], lambda lmb: lmb["flags"] & 0x88 == 0),
    "reserved": (["--state", "reserved"], lambda lmb: lmb["flags"] & 0x80 > 0),
    "hot-removable": (["--state", "hot-removable"], lambda lmb: lmb["flags"] & 0x100 > 0),
    "nodes": (["--node", "-1,1"], lambda lmb: lmb["node"] in (None, 1)),
    "states": (["--state", "free", "--state", "reserved"], lambda lmb: lmb["flags"] & 0x88 != 8),
    "units-as-printed": (["--address", "2GiB-2304MiB"], lambda lmb: 0x80000000 <= lmb["base"] < 0x90000000),
    "range": (["--address", "2G-0x90000000"], lambda lmb: 0x80000000 <= lmb["base"] < 0x90000000),
    "both": (["--node", "1", "--state", "assigned"], lambda lmb: lmb["node"] == 1 and lmb["flags"] & 0x88 == 8),
    "nothing": (["--address", "0xffffffffffffffff"], lambda _: False),
}


@each("name", ["kernel-arrays/numa2-plug2", "trees/v2-gap", "captures/6.1-merge"])
@pytest.mark.parametrize(("options", "wanted"), FILTERS.values(), ids=FILTERS)
def test_a_choice_shows_the_lmbs_for_which_it_holds(
    name: str, options: list[str], wanted: Callable[[dict[str, Any]], bool], expected: Callable[[str], Expected]
) -> None:
    chosen = json_of(fixture(name), "--expand", *options)
    assert chosen["lmbs"] == [lmb for lmb in expected(name).lmbs if wanted(lmb)]
    assert sum(part["count"] for part in chosen["runs"]) == len(chosen["lmbs"])


def test_a_choice_of_nothing_is_an_empty_list() -> None:
    outcome = run("lmb", fixture("trees/v2-gap"), "--drc", "7777", "--format", "json")
    assert json.loads(outcome.out)["runs"] == []
    assert run("lmb", fixture("trees/v2-gap"), "--drc", "7777", "--format", "ndjson").out == ""
    assert outcome.code == 0


def test_expanding_beyond_the_limit_is_refused_with_the_size_before_any_output() -> None:
    for format in ("text", "json", "csv", "ndjson"):
        outcome = run("lmb", fixture("trees/v2-gap"), "--expand", "--limit", "18", "--format", format)
        assert (outcome.code, outcome.out) == (3, "")
        assert outcome.err == (
            "drmemctl: expanding gives 19 LMBs, more than the limit of 18; read the runs, or raise --limit\n"
        )


def test_the_limit_counts_the_chosen_lmbs() -> None:
    assert run("lmb", fixture("trees/v2-gap"), "--expand", "--limit", "1", "--drc", "0x80000008").code == 0
    assert run("lmb", fixture("trees/v2-gap"), "--expand", "--limit", "19").code == 0


def drmem_blob(v2: bytes, *, name: bytes = b"ibm,dynamic-memory-v2", lmb_size: bytes | None = None) -> bytes:
    """Return a tree of nothing but a drmem node."""
    content = Struct().begin().begin(b"ibm,dynamic-reconfiguration-memory")
    content.prop(b"ibm,lmb-size", struct.pack(">Q", 0x10000000) if lmb_size is None else lmb_size)
    return blob(content.prop(name, v2).end().end().finish())


@pytest.fixture
def huge(tmp_path: Path) -> Path:
    """Return a tree with a set of 4,294,967,295 LMBs."""
    path = tmp_path / "huge.dtb"
    path.write_bytes(drmem_blob(struct.pack(">I IQIII", 1, 0xFFFFFFFF, 0, 0, 0xFFFFFFFF, 0)))
    return path


def test_four_billion_lmbs_are_one_line(huge: Path) -> None:
    outcome = run("lmb", huge)
    assert outcome.code == 0
    assert outcome.out.startswith("4,294,967,295 LMBs of 256 MiB in 1 run,")
    assert json_of(huge)["runs"][0]["count"] == 0xFFFFFFFF


def test_four_billion_lmbs_are_not_expanded(huge: Path) -> None:
    outcome = run("lmb", huge, "--expand", "--format", "json")
    assert (outcome.code, outcome.out) == (3, "")
    assert "4,294,967,295 LMBs, more than the limit of 1,048,576" in outcome.err


def test_a_property_too_short_for_its_count_shows_what_is_there_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "short.dtb"
    path.write_bytes(drmem_blob(struct.pack(">I IQIII", 2, 3, 0, 5, 0, 8)))
    outcome = run("lmb", path, "--format", "json")
    assert outcome.code == 0
    assert [part["count"] for part in json.loads(outcome.out)["runs"]] == [3]
    short, unknown = outcome.err.splitlines()
    assert short.startswith(f"drmemctl: v2-too-short: {DRMEM}:ibm,dynamic-memory-v2: ")
    assert short.endswith("(at offset 0x1c)")
    assert unknown.startswith("drmemctl: no /chosen is shown")


def test_without_an_lmb_size_addresses_that_nobody_knows_are_null() -> None:
    outcome = run("lmb", fixture("boot/no-lmb-size"), "--expand", "--format", "json")
    document = json.loads(outcome.out)
    assert document["lmb_size"] is None
    assert [lmb["base"] for lmb in document["lmbs"][:5]] == [0, None, None, None, 0x40000000]
    assert "lmb-size-absent" in outcome.err


NOTHING = {
    "--drc 0x80000063": ["--drc", "0x80000063"],
    "--node 9": ["--node", "9"],
    "--address 0x5000000000000": ["--address", "0x5000000000000"],
    "--node 9 --state assigned": ["--state", "assigned", "--node", "9"],
}


@pytest.mark.parametrize("format", ["text", "json", "csv", "ndjson"])
@pytest.mark.parametrize(("words", "options"), NOTHING.items(), ids=NOTHING)
def test_conditions_that_no_lmb_meets_are_said_on_standard_error(
    words: str, options: list[str], format: str
) -> None:
    outcome = run("lmb", fixture("trees/v2-gap"), *options, "--format", format)
    assert outcome.code == 0
    assert outcome.err == f"drmemctl: none of the 19 LMBs is selected by {words}\n"


def test_conditions_that_an_lmb_meets_leave_standard_error_empty() -> None:
    assert not run("lmb", fixture("trees/v2-gap"), "--drc", "0x80000008").err


WRONG = {
    "hex-without-0x": (["--drc", "800003f"], "'800003f' is not a number: write 0x800003f for hexadecimal"),
    "as-the-kernel-prints-it": (["--drc", "80000004"], "'80000004' is 8 hexadecimal digits without 0x"),
    "what-was-meant": (["--drc", "800003fe"], "did you mean 0x800003fe?"),
    "word": (["--drc", "all"], "'all' is not a number: 0x... is hexadecimal, 0... octal, anything else decimal"),
    "too-large": (["--drc", "0x100000000"], "'0x100000000': more than 32 bits"),
    "negative": (["--drc", "-1"], "'-1' is not a number"),
    "address-too-large": (["--address", "0x10000000000000000"], "more than 64 bits"),
    "state": (["--state", "used"], "'used' is not one of"),
    "format": (["--format", "xml"], "'xml' is not one of"),
    "limit": (["--limit", "0"], "0 is not in the range"),
    "node": (["--node", "-2"], "-2 is not in the range"),
    "nodes-from-to": (["--node", "0-1"], "'0-1' is not a valid number"),
    "unit-of-nothing": (["--address", "1iB"], "'1iB' is not a number"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_a_usage_error_that_says_why(options: list[str], message: str) -> None:
    outcome = run("lmb", fixture("trees/v2-gap"), *options)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def check_refused(outcome: Any, *parts: str) -> None:
    """Fail unless the input was refused with one line on standard error that has these parts."""
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err.startswith("drmemctl: ")
    assert outcome.err.count("\n") == 1
    for part in parts:
        assert part in outcome.err


def test_a_tree_from_before_cas_is_refused_with_the_reason() -> None:
    check_refused(
        run("lmb", fixture("trees/precas")),
        "precas.dtb.gz: no node /ibm,dynamic-reconfiguration-memory",
        "before ibm,client-architecture-support",
    )


def test_a_tree_without_dynamic_memory_is_refused_with_the_reason() -> None:
    check_refused(run("lmb", fixture("trees/nomaxmem")), "offers this partition no dynamic memory")


@pytest.mark.parametrize("content", [b"", b"hello\n", bytes(100), b"\xd0\x0d\xfe\xed", b"\x7fELF\x02\x01\x01"])
def test_what_is_no_tree_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    check_refused(run("lmb", path), str(path))


@pytest.mark.parametrize("name", SOME)
def test_a_truncated_tree_is_refused_at_every_length(name: str, tmp_path: Path) -> None:
    whole = gunzip(fixture(name))
    path = tmp_path / "cut.dtb"
    for length in range(4, len(whole), len(whole) // 12):
        path.write_bytes(whole[:length])
        check_refused(run("lmb", path), str(path), f"(at offset {length:#x})")


def test_a_file_that_is_not_there_is_refused() -> None:
    check_refused(run("lmb", "/no/such/file"), "/no/such/file: no such file or directory")


def test_standard_input_is_a_tree_too() -> None:
    done = process("lmb", "-", "--format", "json", stdin=fixture("trees/v2-gap").read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == json_of(fixture("trees/v2-gap"))


def test_the_help_has_an_example_and_every_option() -> None:
    shown = run("lmb", "--help").out
    assert "drmemctl lmb guest.dtb --drc 0x80000008 --format json" in shown
    for option in ("--expand", "--node", "--drc", "--address", "--state", "--limit", "--format", "--color"):
        assert option in shown


def test_an_unknown_address_is_not_made_up() -> None:
    without_size = fixture("boot/no-lmb-size")
    lines = run("lmb", without_size, "--expand").out.splitlines()
    assert lines[2].startswith("0x00000000")
    assert lines[3].split()[0] == "?"
    # A set whose LMBs have no known address is not cut.
    (found,) = json_of(without_size, "--drc", "0x80000009")["runs"]
    assert (found["base"], found["count"], found["drc_index"]) == (0x80000000, 24, 0x80000008)
