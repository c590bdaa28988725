# SPDX-License-Identifier: MIT
"""`drmemctl convert`: dtc, fdtget and libfdt find in its files what they found in its input."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from drmemctl.model.drmem import LmbTable
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.source import load
from tests.blobs import Plain, write
from tests.blobs import blob as made_blob
from tests.cases import each
from tests.cli.running import on_terminal, process, run
from tests.conftest import FIXTURES, WITHOUT_LMBS, Tool, blob, fixture_trees, tree_name
from tests.oracles import Libfdt, fdtget_value
from tests.wide import share

DRMEM = "/ibm,dynamic-reconfiguration-memory"
PROPERTIES = {"v1": "ibm,dynamic-memory", "v2": "ibm,dynamic-memory-v2"}
NAMES = [tree_name(path) for path in fixture_trees()]
CONVERTIBLE = [name for name in NAMES if name not in WITHOUT_LMBS | {"boot/no-lmb-size"}]
TREE = FIXTURES / "trees" / "v2-gap.dtb.gz"


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.dtb.gz"


@pytest.fixture(scope="module")
def library(libfdt: Any) -> Libfdt:
    return Libfdt(libfdt)


@each(("name", "suffix"), share([*product(NAMES, ["dtb", "dts"])], 1, 3))
def test_every_fixture_is_written_with_the_same_content(
    name: str, suffix: str, tmp_path: Path, dtc: Tool, library: Libfdt
) -> None:
    out = tmp_path / f"out.{suffix}"
    assert run("convert", fixture(name), "-o", out) == (0, "", "")
    written = out.read_bytes()
    if suffix == "dts":
        written = dtc("-q", "-I", "dts", "-O", "dtb", out).stdout
    assert library.check(written) == ""
    assert library.nodes(written) == library.nodes(blob(name))
    assert library.reservations(written) == library.reservations(blob(name))


@each(("name", "to"), share([*product(CONVERTIBLE, ["v1", "v2"])], 0, 3))
def test_every_fixture_is_converted_and_only_its_lmbs_change(
    name: str, to: str, tmp_path: Path, dtc: Tool, fdtget: Tool, library: Libfdt
) -> None:
    out = tmp_path / "out.dtb"
    outcome = run("convert", fixture(name), "--to", to, "-o", out)
    assert (outcome.code, outcome.out) == (0, "")
    assert dtc("-q", "-I", "dtb", "-O", "dtb", out).returncode == 0
    assert library.check(out.read_bytes()) == ""
    tree = load(out)
    assert LmbTable.from_tree(tree) == LmbTable.from_tree(read_fdt(blob(name)))
    for format, prop in PROPERTIES.items():
        value = fdtget_value(fdtget, out, DRMEM, prop)
        assert value == tree.get(DRMEM, prop)
        assert (value is not None) == (format == to)
    lmbs = {prop.encode() for prop in PROPERTIES.values()}
    before, after = (
        [
            (node.depth, node.name, [pair for pair in node.properties if pair[0] not in lmbs])
            for node in library.nodes(data)
        ]
        for data in (blob(name), out.read_bytes())
    )
    assert before == after


def test_there_and_back_is_the_same_file(tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{number}.dtb" for number in range(3))
    run("convert", TREE, "-o", first)
    run("convert", first, "--to", "v1", "-o", second)
    assert run("convert", second, "--to", "v2", "-o", third) == (0, "", "")
    assert third.read_bytes() == first.read_bytes()


def test_lmbs_in_the_format_already_stay_as_they_are(tmp_path: Path, fdtget: Tool) -> None:
    out = tmp_path / "out.dtb"
    outcome = run("convert", fixture("captures/7.2-v1-slack"), "--to", "v1", "-o", out)
    assert outcome.err == "drmemctl: the LMBs are v1 already: ibm,dynamic-memory is unchanged\n"
    value = read_fdt(blob("captures/7.2-v1-slack")).get(DRMEM, "ibm,dynamic-memory")
    assert fdtget_value(fdtget, out, DRMEM, "ibm,dynamic-memory") == value


def test_what_the_new_format_has_no_room_for_is_said(tmp_path: Path) -> None:
    outcome = run("convert", fixture("captures/7.2-v1-slack"), "--to", "v2", "-o", tmp_path / "out.dtb")
    assert outcome.code == 0
    place = f"{DRMEM}:ibm,dynamic-memory"
    assert outcome.err.splitlines() == [
        f"drmemctl: v1-trailing: {place}: 32 bytes follow 16 LMBs, and are left out (at offset 0x184)",
        f"drmemctl: v1-reserved: {place}: reserved words that are not 0 are left out: 16 of 16 (at offset 0x4)",
    ]


def archive(path: Path, name: str, libfdt: Libfdt) -> Path:
    """Write a tar of the tree laid out as /proc/device-tree, from libfdt's reading of it."""
    trail: list[str] = []
    with tarfile.open(path, "w:gz") as tar:
        for node in libfdt.nodes(blob(name)):
            trail[max(node.depth - 1, 0) :] = [node.name.decode()] if node.depth else []
            folder = "/".join(["proc/device-tree", *trail])
            info = tarfile.TarInfo(folder)
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
            for prop, value in node.properties:
                info = tarfile.TarInfo(f"{folder}/{prop.decode()}")
                info.size = len(value)
                tar.addfile(info, io.BytesIO(value))
    return path


def test_a_tarball_becomes_a_blob_that_fdtdump_reads(tmp_path: Path, fdtdump: Tool, library: Libfdt) -> None:
    source = archive(tmp_path / "sos.tar.gz", "trees/v2-gap", library)
    out = tmp_path / "out.dtb"
    assert run("convert", source, "-o", out) == (0, "", "")
    assert b"ibm,dynamic-memory-v2 = <0x00000003" in fdtdump(out).stdout
    assert library.check(out.read_bytes()) == ""
    key = lambda node: (node.depth, node.name, sorted(node.properties))  # noqa: E731
    expected = library.nodes(blob("trees/v2-gap"))
    assert sorted(map(key, library.nodes(out.read_bytes()))) == sorted(map(key, expected))


def test_source_from_dtc_becomes_a_blob(tmp_path: Path, dtc: Tool, library: Libfdt) -> None:
    source = tmp_path / "in.dts"
    source.write_bytes(dtc("-q", "-I", "dtb", "-O", "dts", "-", stdin=blob("trees/v2-gap")).stdout)
    out = tmp_path / "out.dtb"
    assert run("convert", source, "-o", out) == (0, "", "")
    assert library.nodes(out.read_bytes()) == library.nodes(blob("trees/v2-gap"))


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    path = tmp_path / "lsprop.txt"
    path.write_text("rtas:\nibm,some-list\n\t\t 00000001 00000002\n\t\t [4000 bytes total]\n")
    return path


@pytest.mark.parametrize("suffix", ["dtb", "dts"])
def test_values_that_the_source_cuts_are_written_only_on_request(cut: Path, suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"out.{suffix}"
    outcome = run("convert", cut, "-o", out)
    assert (outcome.code, out.exists()) == (3, False)
    assert "only 8 of 4000 bytes of the value are known" in outcome.err
    outcome = run("convert", cut, "--allow-cut", "-o", out)
    assert outcome.code == 0
    assert "drmemctl: value-cut: /rtas:ibm,some-list: the source shows 8 of 4,000 bytes" in outcome.err
    assert load(out).get("/rtas", "ibm,some-list") == b"\0\0\0\1\0\0\0\2"


def test_standard_output_gets_a_blob_or_source(library: Libfdt) -> None:
    done = process("convert", TREE, "-o", "-")
    assert (done.returncode, done.stderr) == (0, b"")
    assert library.nodes(done.stdout) == library.nodes(blob("trees/v2-gap"))
    assert process("convert", TREE, "-o", "-", "--format", "dts").stdout.startswith(b"/dts-v1/;")
    assert process("convert", "-", "-o", "-", stdin=done.stdout).stdout == done.stdout


def test_a_terminal_gets_no_blob(tmp_path: Path) -> None:
    source = tmp_path / "in.dtb"
    source.write_bytes(made_blob(write(Plain(b"", ((b"x", b"1"),))).finish()))
    assert on_terminal("convert", source, "-o", "-") == b""
    assert b"/dts-v1/;" in on_terminal("convert", source, "-o", "-", "--format", "dts")


@pytest.mark.parametrize("name", ["out", "out.bin", ".dtbs"])
def test_a_file_of_no_known_suffix_needs_the_format(name: str, tmp_path: Path) -> None:
    out = tmp_path / name
    outcome = run("convert", TREE, "-o", out)
    assert (outcome.code, out.exists()) == (2, False)
    assert "ends in neither .dtb nor .dts; add --format." in outcome.err
    assert run("convert", TREE, "-o", out, "--format", "dtb").code == 0
    assert out.read_bytes()[:4] == b"\xd0\x0d\xfe\xed"


def test_the_input_is_replaced_only_on_request(dtb_file: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "tree.dtb"
    path.write_bytes(dtb_file("trees/v2-gap").read_bytes())
    link = tmp_path / "link.dtb"
    link.symlink_to(path)
    before = path.read_bytes()
    for out in (path, link):
        outcome = run("convert", path, "--to", "v1", "-o", out)
        assert outcome.code == 3
        assert "this is an input; add --force to replace it" in outcome.err
    assert path.read_bytes() == before
    assert run("convert", path, "--to", "v1", "-o", path, "--force").code == 0
    assert LmbTable.from_tree(load(path)).property_name == "ibm,dynamic-memory"


def test_an_output_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "out.dtb"
    out.write_bytes(b"old")
    outcome = run("convert", fixture("boot/no-lmb-size"), "--to", "v1", "-o", out)
    assert outcome.code == 3
    assert "cannot be taken apart without ibm,lmb-size" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["out.dtb"]
    assert out.read_bytes() == b"old"
    assert run("convert", TREE, "-o", tmp_path / "nowhere" / "out.dtb").code == 3


def test_the_limit_holds(tmp_path: Path) -> None:
    outcome = run("convert", TREE, "--to", "v1", "--limit", "18", "-o", tmp_path / "out.dtb")
    assert (outcome.code, list(tmp_path.iterdir())) == (3, [])
    assert "expanding gives 19 LMBs, more than the limit of 18" in outcome.err
    assert run("convert", TREE, "--to", "v1", "--limit", "19", "-o", tmp_path / "out.dtb").code == 0


@pytest.mark.parametrize("name", ["trees/precas", "trees/nomaxmem"])
def test_a_tree_without_lmbs_can_be_written_but_not_converted(name: str, tmp_path: Path) -> None:
    out = tmp_path / "out.dtb"
    outcome = run("convert", fixture(name), "--to", "v2", "-o", out)
    assert (outcome.code, out.exists()) == (3, False)
    assert f"no node {DRMEM}" in outcome.err
    assert run("convert", fixture(name), "-o", out).code == 0


def test_duplicates_are_kept_and_said(tmp_path: Path, library: Libfdt) -> None:
    source = tmp_path / "in.dtb"
    source.write_bytes(made_blob(write(Plain(b"", ((b"x", b"1"), (b"x", b"2")))).finish()))
    outcome = run("convert", source, "-o", tmp_path / "out.dtb")
    assert outcome.code == 0
    assert "duplicate-property" in outcome.err
    assert library.nodes((tmp_path / "out.dtb").read_bytes()) == library.nodes(source.read_bytes())


def test_a_name_that_source_cannot_hold_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "in.dtb"
    source.write_bytes(made_blob(write(Plain(b"", ((b"a b", b"1"),))).finish()))
    out = tmp_path / "out.dts"
    outcome = run("convert", source, "-o", out)
    assert (outcome.code, out.exists()) == (3, False)
    assert run("convert", source, "-o", tmp_path / "out.dtb").code == 0


@pytest.mark.parametrize("content", [b"", b"no tree at all\n", blob("trees/v2-gap")[:5000]])
def test_what_is_no_whole_tree_is_an_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    outcome = run("convert", path, "-o", tmp_path / "out.dtb")
    assert (outcome.code, outcome.out, (tmp_path / "out.dtb").exists()) == (3, "", False)
