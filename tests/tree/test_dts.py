from __future__ import annotations

import re
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.errors import DrmemctlError, InputError, LimitError
from drmemctl.tree import builder as builder_module
from drmemctl.tree.dts import is_dts, read_dts
from drmemctl.tree.limits import MIB, Limits
from drmemctl.tree.node import Tree
from drmemctl.tree.source import load
from tests.cases import each
from tests.conftest import ROOT, Tool, fixture_trees, gunzip, tree_name
from tests.tree.samples import content
from tests.wide import examples, share


def value(text: str) -> bytes | None:
    return read_dts(f"/dts-v1/; / {{ p = {text}; }};".encode("latin-1"), "x").root.get("p")


def refused(text: str, message: str, kind: type[DrmemctlError] = InputError) -> DrmemctlError:
    with pytest.raises(DrmemctlError, match=message) as caught:
        read_dts(text.encode("latin-1"), "x.dts")
    assert type(caught.value) is kind
    assert caught.value.source == "x.dts"
    return caught.value


@each("path", share(fixture_trees(), 0, 3), ids=tree_name)
def test_what_dtc_and_fdtdump_print_is_what_they_read(
    path: Path, tmp_path: Path, dtc: Tool, fdtdump: Tool
) -> None:
    expected = load(path)
    blob = tmp_path / "t.dtb"
    blob.write_bytes(gunzip(path))
    for text in (dtc("-q", "-I", "dtb", "-O", "dts", blob).stdout, fdtdump(blob).stdout):
        read = load(text)
        assert read.kind == "dts"
        assert content(read) == content(expected)
        assert read.root == expected.root
        assert read.reservations == expected.reservations


def test_fdtdump_shows_the_boot_cpu_and_its_notes_may_be_in_the_file(
    tmp_path: Path, dtc: Tool, fdtdump: Tool
) -> None:
    source = "/dts-v1/; /memreserve/ 0x10 0x20; / { p; };"
    blob = tmp_path / "t.dtb"
    blob.write_bytes(dtc("-q", "-b", "3", "-O", "dtb", stdin=source.encode()).stdout)
    run = fdtdump(blob)
    read = load(run.stderr + run.stdout)
    assert (read.boot_cpu, read.reservations) == (3, ((0x10, 0x20),))


VALUES = [
    '"a"',
    '"a", "b"',
    '""',
    r'"\n\t\\\"\a\b\v\f\r"',
    r'"\x41\x4a1\x7"',
    r'"\101\60\1"',
    r'"a\0b"',
    '"tab\there, line\nend, // no comment /* nor */ ; }"',
    "<1>",
    "<0x1 0xABCDEF01 10 0777>",
    "<>",
    "<0x1>, <0x2>",
    "<1UL 2ull 3U>".replace("ull", "ULL"),
    "[00 11 aB]",
    "[0011ab]",
    "[]",
    '<1>, "two", [03]',
    "/bits/ 8 <1 2 0xff>",
    "/bits/ 16 <1 0xffff>",
    "/bits/ 32 <1 0xffffffff>",
    "/bits/ 64 <1 0xffffffffffffffff>",
    "a: <1 b: 2> c:, [d: 03]".replace("d: ", ""),
    "</* one */ 1 // two\n 2>",
    "[/* one */ 01 // two\n 02]",
    "</**/>",
]


@pytest.mark.parametrize("text", VALUES)
def test_values_mean_what_they_mean_to_dtc(text: str, dtc: Tool) -> None:
    run = dtc("-q", "-O", "dtb", stdin=f"/dts-v1/; / {{ p = {text}; }};".encode())
    assert run.returncode == 0, run.stderr
    assert value(text) == load(run.stdout).root.get("p")


def test_binary_numbers_which_newer_dtc_takes() -> None:
    assert value("<0b101 0B1>") == bytes([0, 0, 0, 5, 0, 0, 0, 1])


def test_a_nul_before_a_digit_is_read_as_dtc_prints_it() -> None:
    read = read_dts(rb'/dts-v1/; / { ibm,drc-types = "\0\0\03PHB"; };', "x")
    assert read.root.get("ibm,drc-types") == b"\0\0\x003PHB\0"
    (defect,) = read.defects
    assert (defect.code, defect.path, defect.property) == ("dts-ambiguous-escape", "/", "ibm,drc-types")


def test_octal_numbers_are_octal_where_a_hand_wrote_them(dtc: Tool) -> None:
    text = rb'/dts-v1/; / { p = "\03PHB\101"; };'
    assert read_dts(text, "x").root == load(dtc("-q", "-O", "dtb", stdin=text).stdout).root


TREES = [
    "/dts-v1/; / { };",
    "/ { a; };",
    "// comment\n/* another\n one */ /dts-v1/ ; / { a ; b { } ; } ;",
    "/dts-v1/;\n/memreserve/ 0x1000 0x2000;\n/memreserve/ 4096 8192;\n/ { };",
    "/dts-v1/; / { l1: a { l2: b = <1>; }; l3: l4: c@1,2 { }; };",
    "/dts-v1/; / { #size-cells = <2>; a,b._+*#?@-c = <1>; \\x; 123 { 456; }; };",
    "/dts-v1/; / { p = <&n 1 &n>, <&{/n}>; n: n { phandle = <7>; }; };",
    "/dts-v1/; / { a { b { c { d; }; }; e { }; }; f { }; };",
    "\r\n/dts-v1/;\r\n/ {\r\n\ta = <1\r\n2>;\r\n};\r\n",
]


@pytest.mark.parametrize("text", TREES)
def test_trees_are_what_they_are_to_dtc(text: str, dtc: Tool) -> None:
    run = dtc("-q", "-f", "-O", "dtb", stdin=(text if "dts-v1" in text else "/dts-v1/;" + text).encode())
    assert run.stdout, run.stderr
    read, expected = load(text.encode()), load(run.stdout)
    assert read.reservations == expected.reservations
    assert read.root == expected.root


def test_warnings_of_dtc_before_the_text() -> None:
    text = b"<stdout>: Warning (unit_address_vs_reg): /memory@0: no reg { ; } here\n/dts-v1/;\n/ { };"
    assert not is_dts(b"x: Warning something else\n/dts-v1/;")
    assert is_dts(b"\xef\xbb\xbf/dts-v1/; / {};")
    assert read_dts(text.replace(b" { ; }", b""), "x").root.children == ()


@each(
    ("text", "message"),
    [
        ("/dts-v1/;\n/ {\n  a = <1", "line 3, column 7: a cell list without its >"),
        ("/dts-v1/; / { a = <xyz>; };", "line 1, column 20: 'xyz' is no number"),
        ("/dts-v1/; / { a = <0x100000000>; };", "0x100000000 does not fit in 32 bits"),
        ("/dts-v1/; / { a = /bits/ 8 <256>; };", "256 does not fit in 8 bits"),
        ("/dts-v1/; / { a = /bits/ 24 <1>; };", "/bits/ 24: not one of 8, 16, 32, 64"),
        ("/dts-v1/; / { a = <08>; };", "08 is no octal number"),
        ("/dts-v1/; / { a = <-1>; };", "'-1' is no number"),
        ("/dts-v1/; / { a = <1_0>; };", "'1_0' is no number"),
        ("/dts-v1/; / { a = <(1 + 2)>; };", "is no number.*dtc -O dts"),
        ("/dts-v1/; / { a = [0 1]; };", "something else than pairs of hex digits"),
        ("/dts-v1/; / { a = [00; };", "a byte list without its ]"),
        ('/dts-v1/; / { a = "x; };', "a string without its end"),
        ('/dts-v1/; / { a = "x" "y"; };', "expected , or ; after a value"),
        ("/dts-v1/; / { a = ; };", "expected a value"),
        ("/dts-v1/; / { a = &n; };", "a reference outside < > stands for a path"),
        ("/dts-v1/; / { a = <&n>; };", "&n refers to no node of this text"),
        ("/dts-v1/; / { n: n { }; a = <&n>; };", "&n refers to a node without a phandle"),
        ("/dts-v1/; / { n: n { }; a = /bits/ 64 <&n>; };", "a reference in cells that are not 32 bits"),
        ('/dts-v1/; / { a = /incbin/("f"); };', "/incbin/ would read a further file"),
        ("/dts-v1/; / { /delete-node/ a; };", "/delete-node/ deletes a node.*dtc -O dts"),
        ("/dts-v1/; / { /delete-property/ a; };", "/delete-property/ deletes a property"),
        ("/dts-v1/; / { /omit-if-no-ref/ a {}; };", "may leave a node out"),
        ("/dts-v1/; / { /nonsense/ a; };", "/nonsense/ is not known"),
        ('/dts-v1/; /include/ "x" / { };', "/include/ would read a further file"),
        ('/dts-v1/;\n#include "x"\n/ { };', "#include stands where the root node"),
        ("/dts-v1/; /plugin/; / { };", "this is an overlay, not a tree"),
        ("/dts-v1/; &x { };", "expected / after the prologue"),
        ("/dts-v1/; / { }; / { };", "something follows the tree"),
        ("/dts-v1/; / { };\n\n&x { };", "line 3, column 1: something follows the tree"),
        ("/dts-v1/; / { a { b;", "the text ends within the node /a"),
        ("/dts-v1/; / { a { } b; };", "expected ; after }"),
        ("/dts-v1/; / { a b; };", "expected {, = or ; after a"),
        ("/dts-v1/; / { % };", "expected a property, a node or }"),
        ("/dts-v1/; / { a; /* ", "a comment without its end"),
        ("/dts-v1/; /memreserve/ 1; / { };", "expected a number"),
        ("/dts-v1/; /memreserve/ 1 0x10000000000000000; / { };", "does not fit in 64 bits"),
        ("/dts-v1/", "expected ; after /dts-v1/"),
        ("/dts-v1/;", "expected / after the prologue"),
    ],
)
def test_errors_say_where(text: str, message: str) -> None:
    error = refused(text, message)
    assert "line " in error.message


def test_duplicates_are_kept_and_noted() -> None:
    read = read_dts(b"/dts-v1/; / { p = <1>; p = <2>; n { }; n { q; q; }; };", "x")
    assert [prop.name for prop in read.root.properties] == ["p", "p"]
    assert [(d.code, d.path, d.property) for d in read.defects] == [
        ("duplicate-property", "/", "p"),
        ("duplicate-node", "/n", ""),
        ("duplicate-property", "/n", "q"),
    ]


def test_strings_of_fdtdump_have_no_escapes() -> None:
    dump = b'/dts-v1/;\n// magic:\t\t0xd00dfeed\n\n/ {\n    p = "a\\n"b", "c";\n    q = "\\";\n};\n'
    assert [prop.value for prop in read_dts(dump, "x").root.properties] == [b'a\\n"b\0c\0', b"\\\0"]


def test_deep_nesting_is_refused_not_followed() -> None:
    refused("/dts-v1/; / {" + " a {" * 100_000, "more than 64 levels", LimitError)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(max_nodes=2), "more than 2 nodes"),
        (Limits(max_properties=2), "more than 2 properties"),
        (Limits(max_bytes=8), "MiB that a device tree may have"),
        (Limits(max_name=2), "the name bbb has 3 bytes"),
    ],
)
def test_every_limit_holds(limits: Limits, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder_module, "LIMITS", limits)
    refused("/dts-v1/; / { a = <1>; b = <1>; bbb = <1>; c { }; d { }; };", message, LimitError)


def test_too_many_reservations() -> None:
    refused("/dts-v1/; " + "/memreserve/ 1 1; " * 5000 + "/ { };", "4,096 memory reservations", LimitError)


def test_large_values_take_little_more_than_their_text() -> None:
    cells = " ".join(["0x12345678"] * 1_000_000)
    text = f"/dts-v1/; / {{ p = <{cells}>; }};".encode()
    start = time.process_time()
    tracemalloc.start()
    assert read_dts(text, "x").root.get("p") == b"\x12\x34\x56\x78" * 1_000_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(text) + MIB
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "text",
    [
        "/dts-v1/; / { a = <" + "/" * 200_000,
        "/dts-v1/; / { a = <" + "/* " * 100_000,
        '/dts-v1/; / { a = "' + "\\" * 200_001,
        "/dts-v1/; / { a = [" + "0 " * 100_000,
        "/* " * 100_000,
        "/dts-v1/; " + "// \n" * 100_000,
        "/dts-v1/; / { " + "a: " * 100_000,
        "/dts-v1/; / { p = <" + "&a " * 50_000 + ">; };",
        " \n" * 100_000 + "x",
        "****\n" * 50_000,
        "x: Warning (" * 50_000,
    ],
)
def test_hostile_text_takes_no_time(text: str) -> None:
    start = time.process_time()
    with pytest.raises(DrmemctlError):
        load(text.encode())
    assert time.process_time() - start < 5


PIECES = [
    "/dts-v1/;",
    "/ {",
    "};",
    "a",
    "=",
    "<",
    ">",
    "1",
    '"',
    "\\",
    "[",
    "]",
    "&",
    ":",
    ";",
    ",",
    "/*",
    "*/",
    "//",
    "\n",
    "é",
]


@settings(max_examples=examples(500), deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join))
def test_any_text_gives_a_tree_or_our_error(text: str) -> None:
    try:
        read = read_dts(f"/dts-v1/; / {{ {text}".encode("latin-1"), "x")
    except DrmemctlError as error:
        shown = str(error)
        assert shown.startswith("x: ")
    else:
        assert isinstance(read, Tree)


def test_what_python_before_3_11_5_matches_too_far_is_written_so_that_it_does_not() -> None:
    # gh-100061: Debian 12 has 3.11.2, where no source at all was read.
    package = ROOT / "drmemctl"
    repeats = [
        (path.name, text)
        for path in package.rglob("*.py")
        for text in re.findall(r".{0,2}\)[*+?]\+", path.read_text(encoding="utf-8"))
    ]
    assert len(repeats) >= 7
    assert [(name, text) for name, text in repeats if "|)" not in text] == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/dts-v1/;\n/ {\n" + "a {\n" * 65, "line 66, column 4"),
        ("/dts-v1/;\n/ {\n" + "n" * 256 + ";\n};", "line 3, column 258"),
    ],
    ids=["levels", "name"],
)
def test_what_is_more_than_a_tree_may_have_has_its_line(text: str, place: str) -> None:
    error = refused(text, "more than", LimitError)
    assert error.message.startswith(place)


@pytest.mark.parametrize("at", [3, 90_000], ids=["beginning", "end"])
def test_a_zero_in_the_text_has_its_line(at: int, tmp_path: Path) -> None:
    path = tmp_path / "zero.dts"
    path.write_text("/dts-v1/;\n/ {\n" + "\n" * (at - 3) + '\tx = "a\0b";\n};\n')
    with pytest.raises(InputError, match=f"line {at}, column 8: a byte 0x00") as caught:
        load(path)
    assert caught.value.source == str(path)
