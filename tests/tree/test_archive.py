from __future__ import annotations

import gzip
import io
import lzma
import os
import random
import tarfile
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.errors import DrmemctlError, InputError, LimitError
from drmemctl.tree import archive as archive_module
from drmemctl.tree.finder import DRMEM_NODE
from drmemctl.tree.limits import MIB, Limits
from drmemctl.tree.node import Tree
from drmemctl.tree.source import _Input, load
from drmemctl.tree.tar import clean_path
from tests.conftest import Tool, blob
from tests.tree.samples import NAMES, content, files, tar, tar_of, tree
from tests.wide import examples

NOISE = tuple((f"sosreport/var/log/{i}", b"log line\n" * 50) for i in range(50))
FORMATS = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT, "ustar": tarfile.USTAR_FORMAT}


def packed(*links: tuple[str, str, bytes], entries: tuple[tuple[str, bytes | None], ...] = ()) -> bytes:
    """Return a tar with links (name, target, type) before its files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as out:
        for name, target, kind in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            out.addfile(member)
        for name, data in entries:
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            member.size = len(data or b"")
            out.addfile(member, io.BytesIO(data or b""))
    return stream.getvalue()


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE])
def test_a_name_with_a_slash_at_its_end_is_a_directory(kind: bytes) -> None:
    top = "proc/device-tree"
    entries = ((f"{top}/model", b"x\0"), (f"{top}/#address-cells", bytes(4)))
    read = load(packed((f"{top}/cpus/", "", kind), entries=entries))
    assert [child.name for child in read.root.children] == ["cpus"]
    assert read.root.get("cpus") is None


def refused(data: bytes | str, message: str, kind: type[DrmemctlError] = InputError) -> DrmemctlError:
    with pytest.raises(DrmemctlError, match=message) as caught:
        load(data)
    assert type(caught.value) is kind
    return caught.value


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("format", FORMATS)
def test_a_sosreport(name: str, format: str) -> None:
    entries = (*NOISE, *files(tree(name), "sosreport-x-2026/proc/device-tree"), *NOISE)
    read = load(lzma.compress(tar(*entries, format=FORMATS[format]), preset=0))
    assert (read.kind, read.defects) == ("archive", ())
    assert read.root == Tree(tree(name).root).root


@pytest.mark.parametrize(
    "prefix", ["", ".", "./", "/proc/device-tree", "a/b/c", "snap/device-tree", "x/sys/firmware/devicetree/base"]
)
def test_the_tree_may_lie_anywhere(prefix: str) -> None:
    assert load(tar_of(tree(), prefix)).root == tree().root


def test_a_tar_as_tar_makes_it(tmp_path: Path) -> None:
    tar_tool = Tool("/bin/tar")
    data = tar_of(tree())
    (tmp_path / "x.tar").write_bytes(data)
    tar_tool("-C", tmp_path, "-xf", tmp_path / "x.tar")
    for style in ("gnu", "oldgnu", "pax", "posix", "ustar", "v7"):
        made = tar_tool("-C", tmp_path / "proc", "-c", f"--format={style}", "device-tree").stdout
        assert content(load(made)) == content(tree()), style


def test_directories_need_no_members_of_their_own() -> None:
    entries = tuple((name, data) for name, data in files(tree()) if data is not None)
    assert set(content(load(tar(*entries)))) == set(content(tree()))


def test_nodes_and_properties_stay_in_the_order_of_the_archive() -> None:
    read = load(tar(("dt/chosen/b", b"1"), ("dt/chosen/a", b"2"), ("dt/rtas/x", b""), ("dt/cpus", None)))
    assert [node.name for node in read.root.children] == ["chosen", "rtas", "cpus"]
    assert [prop.name for prop in read.node("/chosen").properties] == ["b", "a"]


@pytest.mark.parametrize(
    "kept",
    [
        [DRMEM_NODE],
        [DRMEM_NODE, "rtas", "chosen", "cpus"],
        ["cpus", "memory@0"],
        ["chosen", "rtas"],
    ],
)
def test_parts_of_a_tree_are_recognised(kept: list[str]) -> None:
    prefixes = tuple(f"capture/dt/{name}" for name in kept)
    entries = [entry for entry in files(tree(), "capture/dt") if entry[0].startswith(prefixes)]
    assert {node.name for node in load(tar(*entries)).root.children} == set(kept)


def test_a_part_at_the_place_of_the_tree_is_recognised() -> None:
    entries = [e for e in files(tree(), "x/proc/device-tree") if e[0].startswith("x/proc/device-tree/cpus")]
    assert [node.name for node in load(tar(*entries, *NOISE)).root.children] == ["cpus"]


def test_the_drmem_node_alone_is_put_where_it_belongs() -> None:
    node = tree().node(f"/{DRMEM_NODE}")
    for prefix in ("", "drmem/", "/tmp/x/"):
        read = load(tar(*((prefix + prop.name, prop.value) for prop in node.properties)))
        assert read.node(f"/{DRMEM_NODE}").properties == node.properties


def test_both_names_that_linux_gives_the_tree_count_once() -> None:
    both = (*files(tree(), "s/proc/device-tree"), *files(tree(), "s/sys/firmware/devicetree/base"))
    assert load(tar(*both)).root == tree().root


def test_a_link_to_the_tree_is_not_followed_and_not_needed() -> None:
    data = packed(
        ("s/proc/device-tree", "../sys/firmware/devicetree/base", tarfile.SYMTYPE),
        entries=tuple(files(tree(), "s/sys/firmware/devicetree/base")),
    )
    assert load(data).root == tree().root


def two(tmp_path: Path) -> Path:
    path = tmp_path / "two.tar.gz"
    both = (*files(tree(), "a/device-tree"), *files(tree("trees/v1-dimm"), "b\x1b[2J/device-tree"))
    path.write_bytes(gzip.compress(tar(*both), mtime=0))
    return path


def test_several_trees_are_listed(tmp_path: Path) -> None:
    path = two(tmp_path)
    error = refused(str(path), r"holds 2 device trees: a/device-tree, b\\x1b\[2J/device-tree")
    assert error.hint == f"name one, as in {path}::a/device-tree"


def test_a_path_picks_one_of_several(tmp_path: Path) -> None:
    path = two(tmp_path)
    for wanted in ("a/device-tree", "/a/device-tree/", "a"):
        assert load(f"{path}::{wanted}").root == tree().root
    assert load(f"{path}::b\x1b[2J").root == tree("trees/v1-dimm").root
    assert [n.name for n in load(f"{path}::a/device-tree/cpus").root.children] == ["PowerPC,POWER9@0"]


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    path = two(tmp_path)
    refused(f"{path}::nope", "no member nope")
    refused(f"{path}::", "holds 2 device trees")


def test_many_trees_are_not_all_named() -> None:
    entries = [(f"host{i}/proc/device-tree/model", b"%d" % i) for i in range(1000)]
    error = refused(tar(*entries), "holds 1,000 device trees: host0/proc.*and 980 more")
    assert len(str(error)) < 1500


def test_blobs_by_their_magic() -> None:
    assert load(tar(*NOISE, ("boot/some-name", blob("trees/form0")))).root == tree().root
    several = tar(("a.dtb", blob("trees/form0")), ("b.dtb", blob("trees/v1-dimm")), ("c", b"\xd0\x0d\xfe\xed"))
    refused(several, "holds 3 device trees: a.dtb, b.dtb, c")


def test_a_directory_goes_before_blobs() -> None:
    data = tar(*files(tree()), ("boot/a.dtb", blob("trees/v1-dimm")))
    assert load(data).root == tree().root


def test_a_member_of_any_kind_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    inner = gzip.compress(tar_of(tree()))
    path.write_bytes(tar(*NOISE, ("a.dtb.gz", gzip.compress(blob("trees/form0"), mtime=0)), ("in/b.tgz", inner)))
    assert load(f"{path}::a.dtb.gz").root == load(f"{path}::in/b.tgz").root == tree().root
    error = refused(f"{path}::sosreport/var/log/1", "text that neither")
    assert error.source == f"{path}::sosreport/var/log/1"


def test_an_archive_without_a_tree() -> None:
    error = refused(tar(*NOISE), r"no device tree in the archive \(50 members\)")
    assert "/proc/device-tree" in (error.hint or "")


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (b"../../etc/passwd", "etc/passwd"),
        (b"/proc/device-tree", "proc/device-tree"),
        (b"a/../../b/./c//d/", "b/c/d"),
        (b"..", ""),
        (b"./", ""),
        (b"\xff/x", "\udcff/x"),
    ],
)
def test_names_stay_inside_the_archive(raw: bytes, clean: str) -> None:
    assert clean_path(raw) == clean


def test_names_that_climb_are_harmless() -> None:
    entries = [(f"../../../{name}", data) for name, data in files(tree())]
    assert load(tar(*entries)).root == tree().root


def test_nothing_but_files_and_directories_is_read() -> None:
    kinds = (
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.CONTTYPE,
    )
    links = tuple((f"proc/device-tree/odd{n}", "/etc/passwd", kind) for n, kind in enumerate(kinds[:-1]))
    read = load(packed(*links, entries=tuple(files(tree()))))
    assert content(read) == content(tree())


def test_nothing_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    load(tar_of(tree(), "x/device-tree"))
    assert list(tmp_path.iterdir()) == []


def test_a_later_member_replaces_an_earlier_one_as_for_tar() -> None:
    data = tar(("device-tree/model", b"old"), ("device-tree/chosen/x", b""), ("device-tree/model", b"new"))
    assert load(data).root.get("model") == b"new"


def test_a_name_of_a_file_and_of_a_directory() -> None:
    read = load(tar(("device-tree/a", b"1"), ("device-tree/a/b", b"2"), ("device-tree/cpus", None)))
    assert (read.root.get("a"), read.get("/a", "b")) == (b"1", b"2")


@pytest.mark.parametrize("format", FORMATS)
def test_long_names(format: str) -> None:
    name = "device-tree/" + "/".join(["n" * 60] * 3) + "/p"
    if format == "ustar":
        name = "device-tree/" + "/".join(["n" * 40] * 3) + "/p"
    read = load(tar(("device-tree/model", b"x"), (name, b"value"), format=FORMATS[format]))
    assert content(read)["/" + name.removeprefix("device-tree/").rpartition("/")[0], "p"] == b"value"


def test_names_beyond_what_linux_has_are_refused() -> None:
    refused(tar(("device-tree/" + "x" * 256, b"")), "has 256 bytes, more than 255", LimitError)


def test_depth_is_bounded() -> None:
    entries = [("device-tree/" + "/".join("d" * depth) + "/p", b"") for depth in (62, 63)]
    model = ("device-tree/model", b"")
    assert load(tar(model, *entries)).root.children
    deep = "device-tree/" + "/".join("d" * 64) + "/p"
    refused(tar(model, (deep, b"")), "more than 64 levels", LimitError)


def header(name: bytes, size: bytes = b"0", kind: bytes = b"0") -> bytes:
    block = bytearray(512)
    block[: len(name)] = name
    block[124 : 124 + len(size)] = size
    block[156:157] = kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def test_sizes_that_are_not_there_are_errors() -> None:
    refused(header(b"device-tree/model", b"77777777777") + b"x", "the archive ends early")
    refused(header(b"device-tree/model", b"00000001000") + b"x", "ends within device-tree/model")
    refused(header(b"boot/x", b"77777777777") + b"x", "the archive ends early")
    refused(header(b"boot/x", b"\x80" + b"\xff" * 11) + b"x", "the archive ends early")
    refused(header(b"boot/x", b"9zz"), "a member without a size")


@pytest.mark.parametrize("kind", [b"x", b"L", b"K", b"g"])
def test_extended_headers_are_bounded(kind: bytes) -> None:
    tracemalloc.start()
    refused(header(b"x", b"70000000000", kind) + bytes(4096), "extended header of 7,516,192,768", LimitError)
    assert tracemalloc.get_traced_memory()[1] < MIB
    tracemalloc.stop()


def test_chains_of_extended_headers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = header(b"x", kind=b"x") * 5000
    refused(data, "no device tree in the archive")
    monkeypatch.setattr("drmemctl.tree.tar.LIMITS", Limits(max_members=1000))
    refused(data, "more than 1,000 members", LimitError)


def peak_of(data: bytes) -> tuple[Tree | None, int]:
    """Return the tree, None where there is none, and the memory that reading takes at most, in bytes."""
    tracemalloc.start()
    try:
        return load(data), tracemalloc.get_traced_memory()[1]
    except InputError:
        return None, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.one_python
def test_many_members_take_seconds() -> None:
    data = gzip.compress(header(b"sosreport/some/file") * 100_000, 1, mtime=0)
    start = time.process_time()
    refused(data, r"\(100,000 members\)")
    assert time.process_time() - start < 10


def test_members_are_not_kept() -> None:
    blocks = b"".join(header(b"sosreport/dir%d/some-file" % index) for index in range(20_000))
    assert peak_of(gzip.compress(blocks, 1, mtime=0))[1] < 5 * MIB


def test_what_is_not_in_the_tree_is_not_kept() -> None:
    entries = [(f"var/log/{i}", bytes(MIB)) for i in range(100)]
    read, peak = peak_of(gzip.compress(tar(*entries, *files(tree())), 1))
    assert read is not None
    assert read.root == tree().root
    assert peak < 12 * MIB


def test_a_tree_of_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "LIMITS", Limits(max_bytes=5000))
    refused(tar_of(tree()), "MiB that a device tree may have", LimitError)


def test_truncation_at_any_offset_is_an_error_or_gives_what_is_whole() -> None:
    data = tar_of(tree())
    whole = content(tree())
    for end in range(1, len(data), 701):
        try:
            read = load(data[:end])
        except InputError:
            continue
        assert all(whole[key] == value for key, value in content(read).items())


def test_damage_inside_is_said_with_its_offset() -> None:
    data = bytearray(tar_of(tree()))
    data[512 : 512 + 100] = b"\xff" * 100
    error = refused(bytes(data), "the archive is damaged")
    assert error.offset == 512


def test_a_sparse_file_of_old_gnu_tar_is_passed_over() -> None:
    sparse = bytearray(header(b"device-tree/sparse", b"00000001000", b"S"))
    sparse[482] = 1
    sparse[148:156] = b" " * 8
    sparse[148:156] = b"%06o\0 " % sum(sparse)
    further = bytes(512)
    data = bytes(sparse) + further + b"d" * 512 + tar(*files(tree(), "device-tree"))
    assert load(data).root == tree().root


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.tuples(st.text("ab/.#", max_size=8), st.binary(max_size=20)), max_size=12))
def test_members_of_any_names_raise_nothing_but_our_errors(entries: list[tuple[str, bytes]]) -> None:
    try:
        read = load(tar(*((f"device-tree/{name}", data) for name, data in entries)))
    except DrmemctlError:
        return
    assert read.kind == "archive"


def pax(name: bytes, content: bytes = b"") -> bytes:
    """Return a member whose name stands in a pax header."""
    record = b" path=" + name + b"\n"
    size = len(record)
    while len(b"%d" % size) + len(record) > size:
        size += 1
    data = b"%d" % size + record
    padded = data + bytes(-len(data) % 512)
    block = header(b"short", b"%o" % len(content))
    return header(b"pax", b"%o" % len(data), b"x") + padded + block + content + bytes(-len(content) % 512)


def long_name(name: bytes, content: bytes = b"") -> bytes:
    """Return a member whose name stands in a GNU header."""
    padded = name + bytes(512 - len(name) % 512)
    block = header(b"short", b"%o" % len(content)) + content + bytes(-len(content) % 512)
    return header(b"././@LongLink", b"%o" % (len(name) + 1), b"L") + padded + block


@pytest.mark.parametrize("member", [pax, long_name])
@pytest.mark.parametrize("part", [b"a/", b"cpus/", b"./", b"../", b"a"])
def test_a_name_that_no_path_can_have_is_refused_at_once(member: Callable[[bytes], bytes], part: bytes) -> None:
    start = time.process_time()
    most = part * (4095 // len(part))
    refused(member(most + b"z" * (4095 - len(most))), "no device tree in the archive")
    refused(header(b"ok") + member(part * (1_000_000 // len(part))), r"more than 4,095 \(PATH_MAX\)", LimitError)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "name", [b"a/" * 50 + b"f", b"cpus/" * 60 + b"f", b"./" * 50 + b"f", b"x/../" * 60 + b"f"]
)
def test_deep_members_cost_by_their_names(name: bytes) -> None:
    data = b"".join(pax(b"%d/" % index + name) for index in range(2_000))
    start = time.process_time()
    with suppress(InputError):
        load(data)
    assert time.process_time() - start < 2


def test_names_of_root_nodes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drmemctl.tree.finder._MOST_LOOKS", 1000)
    refused(tar(*((f"{n}/cpus/rtas", None) for n in range(501))), "1,000 names of nodes that only", LimitError)
    monkeypatch.setattr("drmemctl.tree.finder._MOST_LOOKS", 1 << 30)
    monkeypatch.setattr("drmemctl.tree.finder._MOST_CHARACTERS", 1000)
    refused(
        tar(*((f"{n:0300}/model", b"") for n in range(5))), "more directories look like a device tree", LimitError
    )


def test_records_of_extended_headers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (header(b"x", b"%o" % 5000, b"x") + b"5 a=\n" * 1000 + bytes(120)) * 3 + header(b"y")
    refused(data, "no device tree in the archive")
    monkeypatch.setattr("drmemctl.tree.tar._MAX_RECORDS", 2_999)
    refused(data, "more than 2,999 records in extended headers", LimitError)


class Counted(io.BytesIO):
    """Bytes that count how many are read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


@pytest.mark.parametrize(
    ("prefix", "wanted"),
    [
        (("proc/device-tree",), None),
        (("mine",), None),
        (("mine",), "mine"),
        (("sos/mine",), "sos"),
        (("proc/device-tree", "sys/firmware/devicetree/base"), None),
        (("copy", "second/copy"), None),
    ],
)
def test_an_archive_is_read_once(prefix: tuple[str, ...], wanted: str | None) -> None:
    entries = [entry for top in prefix for entry in files(tree(), top)]
    log = ("log/large", random.Random(6).randbytes(4 * MIB))
    data = gzip.compress(tar(*NOISE, *entries, log), 1)
    raw = Counted(data)
    with ExitStack() as open_files:
        read = _Input(raw, "x", open_files).read(wanted)
    assert read.root == tree().root
    # What the input is shows in its first bytes, which are read again.
    assert raw.count < 1.5 * len(data)


def test_a_large_property_outside_of_a_known_place_is_read_all_the_same() -> None:
    entries = files(tree(), "mine")
    large = random.Random(5).randbytes(100_000)
    read = load(tar(*NOISE, *entries, ("mine/chosen/large", large), ("other/log", large)))
    assert read.get("/chosen", "large") == large


def test_what_a_plain_archive_does_not_need_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    size = 1 << 40
    with path.open("wb") as file:
        file.write(header(b"var/log/big", b"\x80" + size.to_bytes(11, "big")))
        file.seek(size, io.SEEK_CUR)
        file.write(tar_of(tree()))
    start = time.process_time()
    assert load(path).root == tree().root
    assert time.process_time() - start < 1
    os.truncate(path, size // 2)
    refused(str(path), "the archive ends early")
