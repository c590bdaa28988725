from __future__ import annotations

import time
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.errors import DrmemctlError, InputError
from drmemctl.tree.finder import DRMEM_NODE
from drmemctl.tree.lsprop import is_lsprop, read_lsprop
from drmemctl.tree.node import Property
from drmemctl.tree.source import load
from tests.cases import each
from tests.conftest import fixture_trees, gunzip, tree_name
from tests.tree.lsprop_text import CUT, listing, printed
from tests.tree.samples import content, tree
from tests.wide import examples, share

BASES = ["/proc/device-tree", "", "./copy", "/sys/firmware/devicetree/base"]


@each(("path", "base"), share([*zip(fixture_trees(), cycle(BASES))], 2, 3), ids=lambda case: tree_name(case[0]))
def test_a_whole_tree_that_is_not_cut(path: Path, base: str) -> None:
    expected = load(gunzip(path))
    read = load(listing(expected.root, base, 1 << 30).encode("latin-1"))
    assert (read.kind, read.defects) == ("lsprop", ())
    assert content(read) == content(expected)


def test_a_cut_tree_says_so() -> None:
    expected = tree("trees/v1-dimm")
    read = load(listing(expected.root, "/proc/device-tree").encode())
    cut = {(d.path, d.property): d for d in read.defects}
    assert {d.code for d in read.defects} == {"lsprop-cut"}
    for path, node in expected.walk():
        for prop in node.properties:
            shown = read.node(path).find(prop.name)
            assert shown is not None
            assert shown.value == prop.value[:CUT]
            assert shown.total == (len(prop.value) if len(prop.value) > CUT else None)
            assert ((path, prop.name) in cut) == (len(prop.value) > CUT)
    assert cut["/", "ibm,drc-indexes"].offset == CUT


def test_the_text_of_the_tool_itself() -> None:
    # As powerpc-utils 1.3.13 prints a captured tree.
    text = (
        "ibm,associativity-lookup-arrays\n\t\t 00000001 00000004 00000000 00000000 00000000 00000000\n"
        "ibm,memory-preservation-time\n\t\t 00000000\n"
        "ibm,memory-flags-mask\n\t\t 000000ff (255)\n"
        "ibm,lmb-size     00000000 10000000\n"
        "ibm,dynamic-memory-v2\n\t\t 00000002 00000010 00000000 00000000\n"
        "\t\t 00000000 ffffffff 000000a0 00000ff0\n\t\t 00000001 00000000 80000010 ffffffff\n\t\t 00000000\n"
    )
    read = load(text.encode())
    assert [(defect.code, defect.path) for defect in read.defects] == [("lsprop-place", f"/{DRMEM_NODE}")]
    node = read.node(f"/{DRMEM_NODE}")
    assert [(prop.name, len(prop.value)) for prop in node.properties] == [
        ("ibm,associativity-lookup-arrays", 24),
        ("ibm,memory-preservation-time", 4),
        ("ibm,memory-flags-mask", 4),
        ("ibm,lmb-size", 8),
        ("ibm,dynamic-memory-v2", 52),
    ]
    assert node.get("ibm,lmb-size") == bytes([0, 0, 0, 0, 0x10, 0, 0, 0])


def part(path: str) -> str:
    return "".join(map(printed, tree().node(path).properties))


def places(text: str) -> dict[str, int]:
    """Return how many properties each node that has any was given."""
    read = load(text.encode())
    return {path: len(node.properties) for path, node in read.walk() if node.properties}


def test_where_no_path_is_printed_the_properties_tell() -> None:
    lmbs, rtas = part(f"/{DRMEM_NODE}"), part("/rtas")
    counts = {f"/{DRMEM_NODE}": 5, "/rtas": len(tree().node("/rtas").properties)}
    assert places(lmbs) == {f"/{DRMEM_NODE}": 5}
    assert places(rtas) == {"/rtas": counts["/rtas"]}
    assert places('name             "rtas"\nibm,other        00000001\n') == {"/rtas": 2}
    assert places(part("/")) == {"/": len(tree().root.properties)}
    mixed = "ibm,lmb-size     00000000 10000000\nibm,associativity-reference-points\n\t\t 00000004\n"
    mixed += "#size-cells      00000002\n"
    assert places(mixed) == {f"/{DRMEM_NODE}": 1, "/rtas": 1, "/": 1}


@pytest.mark.parametrize(
    "command",
    [
        "# lsprop /proc/device-tree/rtas\n",
        "$ lsprop -m 256 /proc/device-tree/rtas/\n",
        "root@lpar:~# lsprop /sys/firmware/devicetree/base/rtas\n",
        "[root@lpar device-tree]# lsprop rtas\n",
        "[root@lpar ~]# sudo lsprop -R /proc/device-tree/rtas\n",
        "/proc/device-tree/rtas:\n",
    ],
)
def test_commands_and_headers_say_the_path(command: str) -> None:
    read = load((command + "x                00000001\nphandle          00000002\n").encode())
    assert [prop.name for prop in read.node("/rtas").properties] == ["x", "phandle"]
    assert read.defects == ()


def test_several_commands_in_one_text() -> None:
    lmbs, rtas = part(f"/{DRMEM_NODE}"), part("/rtas")
    text = f"# lsprop /proc/device-tree/rtas\n{rtas}\n# lsprop\n{lmbs}"
    assert places(text) == {"/rtas": len(tree().node("/rtas").properties), f"/{DRMEM_NODE}": 5}


@pytest.mark.parametrize("folder", ["/proc/device-tree/rtas", "rtas", "/tmp/copy/rtas", "./rtas"])
def test_properties_named_by_their_files(folder: str) -> None:
    assert places(f"{folder}/some-name\n\t\t 00000001\n{folder}/y\t 00000002\n") == {"/rtas": 2}
    assert places("./ibm,lmb-size  \n\t\t 00000000 10000000\n./phandle        00000001\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('p                "a"\n', b"a\0"),
        ('p                ""\n', b"\0"),
        ('p                "a"\n\t\t "b"\n', b"a\0b\0"),
        ('p                "a"\n\t\t ""\n\t\t ""\n', b"a\0\0\0"),
        ('p                "say "hi""\n', b'say "hi"\0'),
        ('p                "a\n\t\t b"\n', b"a\nb\0"),
        ('p                "[128 bytes total]"\n', b"[128 bytes total]\0"),
        ("p               \n", b""),
        ("p\n", b""),
        ("p                00000005\n", b"\0\0\0\5"),
        ("p                fffffffe (-2)\n", b"\xff\xff\xff\xfe"),
        ("p                00000001 00000002\n\t\t 00000003\n", bytes([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3])),
        ("p                41" + " " * 45 + "A\n", b"A"),
        (
            "p                " + " ".join(["61"] * 16) + "a" * 16 + "\n\t\t 62 63" + " " * 42 + "bc\n",
            b"a" * 16 + b"bc",
        ),
        ("p                00 01 66" + " " * 39 + "..f\n", b"\0\1f"),
        ("p                00 01 66\r\n", b"\0\1f"),
        ('p    "a"\n                 "b"\n', b"a\0b\0"),
    ],
)
def test_every_form_of_a_value(text: str, expected: bytes) -> None:
    read = load(("q                00000001\n" + text + "r                00000002\n").encode())
    assert read.root.get("p") == expected
    assert read.root.get("r") == b"\0\0\0\2"


def test_a_line_end_in_a_string_is_noted() -> None:
    read = load(b'p                "a\n\t\t b"\nq                00000001\n')
    assert [defect.code for defect in read.defects] == ["lsprop-newline"]


def test_what_lsprop_could_not_read_is_noted() -> None:
    read = load(b"p                00000001\n/proc/device-tree/security: Permission denied\n")
    assert [str(defect) for defect in read.defects] == ["lsprop could not read /proc/device-tree/security"]


def test_prose_around_the_output_is_noted() -> None:
    text = "Hello all,\nplease look at this:\nOutput:\n" + part(f"/{DRMEM_NODE}")
    read = load(text.encode())
    assert [defect.code for defect in read.defects].count("lsprop-line") == 2
    assert read.node(f"/{DRMEM_NODE}").get("ibm,lmb-size")


@pytest.mark.parametrize(
    "text",
    [
        "just some words\nand more words here\nx   00000001\n",
        "\t\t 00000001\n",
        'p  "unclosed\nq  "also\n   00000001\n',
        "p  00000001 zz\nq  00000001 0000\n",
    ],
)
def test_other_text_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(InputError, match=r"line 1|no property|neither lsprop"):
        load(text.encode())


def test_text_without_values_is_no_lsprop() -> None:
    assert not is_lsprop(b"name\nother name\n")
    assert not is_lsprop(b"")
    assert is_lsprop(b"x  00000001\n")
    with pytest.raises(InputError, match="no property"):
        read_lsprop(b"", "x")


def test_duplicates_are_noted() -> None:
    read = load(b"p                00000001\np                00000002\n")
    assert [defect.code for defect in read.defects] == ["duplicate-property"]


def test_a_shorter_total_than_what_is_there_cuts_nothing() -> None:
    read = load(b"p                00000001\n\t\t [2 bytes total]\n")
    assert (read.root.properties, read.defects) == ((Property("p", b"\0\0\0\1"),), ())


@pytest.mark.parametrize(
    "line", ["#" * 100_000, "a# " * 50_000 + "lsprop", "lsprop -a" + " 1" * 50_000, "x " * 100_000]
)
def test_hostile_lines_take_no_time(line: str) -> None:
    start = time.process_time()
    with pytest.raises(DrmemctlError):
        load(f"{line}\n{line}\nx  00000001\n".encode())
    assert time.process_time() - start < 5


names = st.text("abc,-#", min_size=1, max_size=20).filter(lambda name: not name.endswith(":"))
values = st.one_of(
    st.binary(max_size=300), st.lists(st.text("ab \t.\"'", max_size=9)).map(lambda t: "\0".join([*t, ""]).encode())
)


@settings(max_examples=examples(300), deadline=None)
@given(st.dictionaries(names, values, min_size=1, max_size=6), st.booleans())
def test_what_is_printed_is_read(properties: dict[str, bytes], cut: bool) -> None:
    most = CUT if cut else 1 << 30
    # Quotes and newlines inside strings are printed bare, so that some texts have two readings.
    clear = {
        name: value.replace(b'"', b"'").replace(b"\n", b"n").replace(b"\r", b"r")
        for name, value in properties.items()
    }
    text = "y                00000001\n" + "".join(printed(Property(n, v), most) for n, v in clear.items())
    read = read_lsprop(text.encode("latin-1"), "x")
    for name, value in clear.items():
        prop = read.root.find(name)
        assert prop is not None
        assert prop.value == value[:most]
        assert prop.total == (len(value) if len(value) > most else None)


def test_what_is_too_deep_or_has_a_zero_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "text.lsprop"
    for text, message in (
        (
            '/proc/device-tree:\nname "a"\n' + "/".join("a" * 80) + ':\nname "x"\n',
            "line 3: the tree has more than 64",
        ),
        ('model "x"\ncompatible "IBM"\n\0', "line 3, column 1: a byte 0x00"),
    ):
        path.write_text(text)
        with pytest.raises(DrmemctlError, match=message):
            load(path)
