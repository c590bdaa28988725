# SPDX-License-Identifier: MIT
"""Dumps of real kernels against what the guest itself said, and against the array read with debug information."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import random
import struct
import subprocess
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from drmemctl import check, lmb, load
from drmemctl.errors import DrmemctlError
from drmemctl.formats.disk_dump import SNAPPY, ZSTD
from drmemctl.memory import page_decompression
from drmemctl.memory.physical import AbsentMemoryError
from drmemctl.memory.sections import MemorySection
from drmemctl.model.dumped import array_in
from drmemctl.tree import dump
from drmemctl.tree.lookup import Place, whole_value
from drmemctl.tree.node import Node, Property, Tree
from drmemctl.zstd import zstd_module
from tests.cases import each
from tests.cli.running import COMMAND, run
from tests.conftest import FIXTURES
from tests.memory.cores import with_segments

DUMPS = FIXTURES / "vmcores"
NAMES = sorted(path.name.removesuffix(".xz") for path in DUMPS.glob("*.xz"))
STALE = "6.1-radix64k-stale.core"


def stem(name: str) -> Path:
    return DUMPS / name.rsplit(".", 1)[0]


@cache
def content(name: str) -> bytes:
    return lzma.decompress((DUMPS / f"{name}.xz").read_bytes())


@cache
def dumped(name: str) -> Tree:
    return load(DUMPS / f"{name}.xz")


def recorded(name: str) -> Any:
    """Return what the array and the sections were in the whole dump, read with debug information."""
    plain = stem(name).with_name(stem(name).name + ".array.json")
    if plain.exists():
        return json.loads(plain.read_bytes())
    return json.loads(gzip.decompress(plain.with_name(plain.name + ".gz").read_bytes()))


def test_there_are_dumps_of_each_form() -> None:
    assert {name.rsplit(".", 1)[1] for name in NAMES} >= {"core", "zlib", "lzo"}


@each("name", NAMES)
def test_the_tree_is_what_the_guest_said(name: str) -> None:
    guest = load(stem(name).with_name(stem(name).name + ".guest.tree.gz"))
    tree = dumped(name)
    assert tree.kind == "dump"
    expected = {path: {p.name: p.value for p in node.properties} for path, node in guest.walk()}
    values = {path: {p.name: p.value for p in node.properties} for path, node in tree.walk()}
    for path, properties in values.items():
        del properties["name"]  # the kernel makes it, dtc leaves it out again
        for key in list(properties):
            # Sysfs shows these without their value.
            if key.startswith("security-"):
                del properties[key], expected[path][key]
    assert values == expected


@each("name", NAMES)
def test_the_array_is_what_debug_information_reads(name: str) -> None:
    record = recorded(name)
    table = array_in(dumped(name))
    assert table is not None
    assert table.lmb_size == record["lmb_size"]
    lmbs = [[lmb.base, lmb.drc_index, lmb.aa_index, lmb.flags] for lmb in table.lmbs(1 << 20)]
    assert lmbs == record["lmbs"]


@each("name", NAMES)
def test_the_memory_blocks_are_those_of_sysfs(name: str) -> None:
    beside = dumped(name).beside
    assert beside is not None
    lines = beside.files().files["memory/blocks"].decode().splitlines()
    blocks = {int(words[0]): (words[2], words[3]) for words in map(str.split, lines)}
    guest = stem(name).with_name(stem(name).name + ".guest.blocks").read_text().splitlines()
    assert blocks == {int(words[0]): (words[2], words[3]) for words in map(str.split, guest)}


def test_the_kernel_is_the_dumps() -> None:
    result = run("check", DUMPS / f"{STALE}.xz")
    assert result.code == 1
    assert "6.1.0-50-powerpc64le" in result.out


def test_tree_and_array_that_differ_are_found() -> None:
    tree = dumped(STALE)
    findings = check(tree)
    rules = {finding.rule for finding in findings}
    # What the array shows is reported at the tree, where everybody can look it up.
    assert all(tree.get(finding.path, finding.property) for finding in findings if finding.property)
    assert "DRM080" in rules  # 0x70000000: flags 8 in the tree, 0 in the array
    assert "DRM121" in rules  # 0x50000000: aa_index 1, its memory is on node 0
    assert not {"DRM080", "DRM081", "DRM121"} & {
        finding.rule for finding in check(dumped("6.1-radix64k-plugged.core"))
    }


def test_lmb_shows_tree_or_array() -> None:
    tree, array = (
        json.loads(run("lmb", DUMPS / f"{STALE}.xz", "--from", origin, "--format", "json").out)
        for origin in ("tree", "array")
    )
    flags = [
        next(r["flags"] for r in table["runs"] if 0 <= (0x70000000 - r["base"]) < r["count"] * table["lmb_size"])
        for table in (tree, array)
    ]
    assert flags == [8, 0]
    shown = [lmb(dumped(STALE), origin="tree"), lmb(dumped(STALE), origin="array")]
    assert [table.property_name for table in shown] == [tree["property"], array["property"]]
    for origin, counterpart in (("tree", "array"), ("array", "tree")):
        err = run("lmb", DUMPS / f"{STALE}.xz", "--from", origin).err
        assert f"array and its tree differ: see --from {counterpart}, and drmemctl check" in err


def test_what_was_replaced_since_boot_is_kept() -> None:
    dump = dumped(STALE).dump
    assert dump is not None
    replaced = dump.replaced["/ibm,dynamic-reconfiguration-memory"]
    assert [len(p.value) for p in replaced if p.name == "ibm,dynamic-memory-v2"] == [100, 76, 52]


@each("form", ["plain", "gzip", "xz", "stdin"])
def test_a_dump_may_be_compressed_and_come_by_a_pipe(form: str, tmp_path: Path) -> None:
    data = content(STALE)
    path = tmp_path / "vmcore"
    path.write_bytes(gzip.compress(data) if form == "gzip" else lzma.compress(data) if form == "xz" else data)
    if form == "stdin":
        with path.open("rb") as file:
            shown = subprocess.run([*COMMAND, "lmb", "-"], stdin=file, capture_output=True, check=True).stdout
        assert shown.decode() == run("lmb", path).out
    else:
        assert load(path).root == dumped(STALE).root


@pytest.mark.parametrize("form", ["snappy", "zstd"])
def test_pages_by_each_compressor(form: str, tmp_path: Path) -> None:
    # makedumpfile -p and -z; the recorded ones are of -c and -l.
    to_lzo = pytest.importorskip("tests.memory.to_lzo", exc_type=ImportError)
    if form == "zstd":
        flag, compress = ZSTD, zstd_module("").compress
    else:
        snappy = pytest.importorskip("cramjam").snappy
        flag, compress = SNAPPY, lambda page: bytes(snappy.compress_raw(page))
    source, path = tmp_path / "zlib", tmp_path / form
    source.write_bytes(content("6.1-kdump.zlib"))
    to_lzo.compressed_by(source, path, flag, compress)
    assert load(path).root == dumped("6.1-kdump.zlib").root
    assert array_in(load(path)) == array_in(dumped("6.1-kdump.zlib"))


def flattened(data: bytes, piece: int) -> bytes:
    """Return the flattened form, its records from the end to the beginning."""
    records = [(at, data[at : at + piece]) for at in range(0, len(data), piece)]
    head = struct.pack(">16sqq", b"makedumpfile", 1, 1).ljust(4096, b"\0")
    body = b"".join(struct.pack(">qq", at, len(part)) + part for at, part in reversed(records))
    return head + body + struct.pack(">qq", -1, -1)


@each("name", [STALE, "6.1-kdump.zlib"])
def test_the_flattened_form(name: str) -> None:
    assert load(flattened(content(name), 100_001)).root == dumped(name).root


def test_a_dump_of_a_hundred_gigabytes(tmp_path: Path) -> None:
    # The same segments behind a hole of 100 GB, as a partition of some TiB has them.
    data, hole = bytearray(content(STALE)), 100 << 30
    (offset,) = struct.unpack_from("<Q", data, 32)
    (count,) = struct.unpack_from("<H", data, 56)
    first = min(
        struct.unpack_from("<Q", data, offset + 56 * i + 8)[0]
        for i in range(count)
        if struct.unpack_from("<I", data, offset + 56 * i)[0] == 1
    )
    for index in range(count):
        at = offset + 56 * index
        kind, file_offset = struct.unpack_from("<I4xQ", data, at)
        if kind == 1:
            struct.pack_into("<Q", data, at + 8, file_offset + hole)
    path = tmp_path / "vmcore"
    with path.open("wb") as file:
        file.write(data[:first])
        file.seek(first + hole)
        file.write(data[first:])
    assert path.stat().st_size > hole
    assert load(path).root == dumped(STALE).root


def test_pages_that_are_left_out_are_named() -> None:
    data = bytearray(content("6.1-kdump.zlib"))
    (block,) = struct.unpack_from("<I", data, 428)
    sub, blocks = struct.unpack_from("<iI", data, 432)
    bitmap = block * (1 + sub) + blocks * block // 2
    data[bitmap : bitmap + blocks * block // 2] = bytes(blocks * block // 2)
    with pytest.raises(
        DrmemctlError, match=r"physical address 0x[0-9a-f]+ is not in the dump: makedumpfile left it"
    ):
        load(bytes(data))


@each("change", ["machine", "class", "type", "cut"])
def test_other_files_are_refused_with_the_reason(change: str) -> None:
    data = bytearray(content(STALE))
    expected = {
        "machine": "another architecture",
        "class": "no core of 64 bits",
        "type": "an ELF file",
        "cut": "in the dump|not found",
    }[change]
    if change == "machine":
        struct.pack_into("<H", data, 18, 62)
    elif change == "class":
        data[4] = 1
    elif change == "type":
        struct.pack_into("<H", data, 16, 2)
    else:
        del data[len(data) // 2 :]
    with pytest.raises(DrmemctlError, match=expected):
        load(bytes(data))


@each("name", [STALE, "6.1-kdump.lzo", "6.1-radix64k-stale-qemu.core"])
def test_damaged_dumps_raise_nothing_but_our_errors(name: str) -> None:
    seed = random.Random(name)
    for _ in range(4):  # any other error is one of ours
        data = bytearray(content(name))
        for _ in range(seed.choice([1, 20, 200])):
            at = seed.randrange(len(data) // 8) * 8
            pointer = struct.pack("<Q", 0xC000_0000_0000_0000 + seed.randrange(1 << 29) & ~7)
            data[at : at + 8] = seed.choice([b"\xff" * 8, bytes(8), pointer, os.urandom(8)])
        if seed.random() < 0.2:
            del data[seed.randrange(len(data)) :]
        with suppress(DrmemctlError):
            check(load(bytes(data)))


def test_lists_that_go_in_a_circle_end() -> None:
    from drmemctl.memory.device_tree import NodeLayout, TreeBounds, _TreeReader

    memory = Mock(source="circle", byte_order="<")
    memory.u64s.side_effect = lambda address, count: (0xC000_0000_0000_1000, 0, 0, address)[:count]
    memory.text.return_value = b"name"
    with pytest.raises(DrmemctlError, match="circle"):
        list(
            _TreeReader(memory, NodeLayout(2, 11), TreeBounds(1 << 20, 100, 64)).entries(
                0xC000_0000_0000_0008, "/"
            )
        )


def test_the_tree_of_boot() -> None:
    # The cut dumps lack it: a blob far above their memory, and a variable beside node_data that points to it.
    blob = gzip.decompress((FIXTURES / "kernel-arrays" / "numa2-boot.dtb.gz").read_bytes())
    note = content(STALE)
    node_data = int(note[note.index(b"SYMBOL(node_data)=") + 18 :][:16], 16) - (0xC << 60)
    at, variable = 64 << 30, (node_data & -4096) - (1 << 20)
    core = with_segments(note, {at: blob, variable: struct.pack("<Q", (0xC << 60) + at).ljust(4096, b"\0")})
    tree = _load_part(core, "boot")
    assert tree.root == load(blob).root
    assert tree.kernel.endswith("6.1.0-50-powerpc64le")


def test_the_tree_of_boot_is_sys_firmware_fdt() -> None:
    name = "6.1-radix64k-written-back"
    guest = gzip.decompress((DUMPS / f"{name}.guest.boot.gz").read_bytes())
    assert _load_part(content(f"{name}.core"), "boot").root == load(guest).root


def test_addresses_that_are_none_of_the_kernel_are_not_taken_for_some() -> None:
    # QEMU writes the physical address where the virtual one should be, other versions 0.
    data = bytearray(content("6.1-radix64k-stale-qemu.core"))
    (offset,) = struct.unpack_from(">Q", data, 32)
    (count,) = struct.unpack_from(">H", data, 56)
    for at in range(offset, offset + 56 * count, 56):
        data[at + 16 : at + 24] = data[at + 24 : at + 32]
    assert load(bytes(data)).root == dumped("6.1-radix64k-stale-qemu.core").root


def _load_part(core: bytes, part: str) -> Tree:
    from io import BytesIO

    from drmemctl.tree.dump import read_dump

    return read_dump(BytesIO(core), "core", part)


@each(("part", "message"), [("boot", "the tree of boot"), ("other", "a dump has no part other")])
def test_parts_that_are_not_there(part: str, message: str) -> None:
    with pytest.raises(DrmemctlError, match=message):
        load(f"{DUMPS / STALE}.xz::{part}")


def test_values_are_shown_whole_or_not_at_all() -> None:
    assert whole_value(dumped(STALE), Place("/", Node("", (Property("p", b"ab"),)), "p")) == (b"ab", 0)
    with pytest.raises(DrmemctlError, match="only 2 of 4 bytes"):
        whole_value(dumped(STALE), Place("/", Node("", (Property("p", b"ab", 4),)), "p"))


def test_what_a_dump_does_not_have_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drmemctl.tree.dump.log_text", lambda _memory: b"[    0.000000] Linux\n")
    assert dump._block_files(Mock(), 0) == {}
    files = dict(dump._files(Mock(), Tree(Node("")), ""))
    assert files == {"dmesg": b"[    0.000000] Linux\n"}


@each("flag", [1, 32])
def test_a_page_that_would_unpack_to_much_more_is_bounded(flag: int) -> None:
    # A page of 64 KiB whose compressed bytes stand for 64 MiB: no more than a page of them is made.
    many = bytes(64 << 20)
    packed = zlib.compress(many) if flag == 1 else zstd_module("").compress(many)
    tracemalloc.start()
    unpacked = page_decompression.decompressed(packed, flag, 1 << 16, 1 << 16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert unpacked == bytes(1 << 16)
    assert peak < 4 << 20


def test_blocks_are_unknown_where_a_section_is_not_in_the_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_memory: object, _block_size: int) -> Iterator[MemorySection]:
        yield MemorySection(0, 1 << 24, online=True, node=0)
        raise AbsentMemoryError("physical address 0x1000 is not in the dump")

    monkeypatch.setattr("drmemctl.tree.dump.sections", absent)
    tree = load(content(STALE))
    assert tree.beside is not None
    assert "memory/blocks" not in tree.beside.files().files
    assert any("memory blocks are unknown: physical address 0x1000" in str(defect) for defect in tree.defects)
    # The array is known all the same.
    assert "DRM080" in {finding.rule for finding in check(tree)}


def test_the_running_kernel_by_kcore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kcore = tmp_path / "kcore"
    kcore.write_bytes(content(STALE))
    monkeypatch.setattr("drmemctl.tree.source._KCORE_PLACE", str(kcore))
    assert load("live::kcore").root == dumped(STALE).root
    assert json.loads(run("check", "live", "--kcore", "--format", "json").out)["findings"]
    assert run("lmb", "live", "--kcore", "--from", "array").out == run("lmb", kcore, "--from", "array").out
    assert run("diff", "live", kcore, "--kcore").code == 0
    with pytest.raises(DrmemctlError, match="the tree of boot"):
        load("live::kcore::boot")
    for command in ("check", "lmb"):
        result = run(command, kcore, "--kcore")
        assert (result.code, "--kcore goes with live" in result.err) == (2, True)
    kcore.unlink()
    result = run("show", "live", "--kcore")
    assert (result.code, "no such file" in result.err) == (3, True)


class Changing:
    """A file of which each read of a place returns the next of some values."""

    def __init__(self, data: bytes, at: int, values: list[bytes]) -> None:
        self._data, self._at, self._values = data, at, values

    def read(self, offset: int, size: int) -> bytes:
        if offset <= self._at < offset + size:
            value = self._values[0]
            self._values = self._values[1:] or self._values
            self._data = self._data[: self._at] + value + self._data[self._at + len(value) :]
        return self._data[offset : offset + size]


LMB = struct.pack("<QIII", 0x70000000, 0x80000007, 0, 0)
"""A struct drmem_lmb of that dump, the eighth: base, DRC index, aa_index, flags."""


@cache
def with_near_array() -> bytes:
    """Return that dump with the array shortly after the drmem_info that points to it: reading ahead has both."""
    data = bytearray(content(STALE))
    kernel = dumped(STALE).dump
    assert kernel is not None
    assert kernel.array is not None
    size = 24 * kernel.array.count
    at = data.index(LMB) - 24 * 7
    info = data.index(struct.pack("<I4xQ", kernel.array.count, kernel.array.lmb_size)) - 8
    near = (data.index(bytes(2 * size), info, info + (32 << 10)) + size // 2) & -8
    data[near : near + size], data[at : at + size] = data[at : at + size], bytes(size)
    struct.pack_into("<Q", data, info, kernel.array.address + near - info)
    return bytes(data)


@each(
    ("flags", "settled", "core"),
    [
        (flags, settled, core)
        for flags, settled in (([0, 0], True), ([0, 8, 8], True), ([0, 8] * 99, False))
        for core in (lambda: content(STALE), with_near_array)
    ],
)
def test_the_array_of_a_running_kernel_is_read_until_it_is_the_same(
    flags: list[int], settled: bool, core: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = core()
    at = data.index(LMB) + 16
    monkeypatch.setattr(
        "drmemctl.tree.dump.random_access",
        lambda _file, _source: Changing(data, at, [struct.pack("<I", value) for value in flags]),
    )
    tree = dump.read_dump(Mock(), "kcore", is_running=True)
    assert tree.dump is not None
    assert tree.dump.array is not None
    assert ("array-changing" in {defect.code for defect in tree.defects}) is not settled
    if settled:
        assert next(lmb[3] for lmb in tree.dump.array if lmb[0] == 0x70000000) == flags[-1]


def test_symbols_pin_addresses(tmp_path: Path) -> None:
    note = content(STALE)
    node_data = int(note[note.index(b"SYMBOL(node_data)=") + 18 :][:16], 16)
    path = DUMPS / f"{STALE}.xz"
    # Where the kernel has of_root is told by nothing but the dump itself: a word of it points to the root.
    symbols = tmp_path / "System.map"
    symbols.write_text(f"{node_data:016x} D node_data\n{node_data:016x} D of_root\n")
    result = run("show", path, "--symbols", symbols)
    assert (result.code, "does not point to the root of a device tree" in result.err) == (3, True)
    assert run("check", path, "--symbols", symbols).code == 3
    for text, message in (
        ("c000000000000000 D of_root\nc000000000000008 D prb\nc000000000000008 D node_data\n", "another kernel"),
        (f"{node_data:016x} D node_data\n", "none of of_root"),
        ("The real System.map is elsewhere\n", "neither a System.map nor an ELF file"),
        ("", "neither a System.map nor an ELF file"),
    ):
        symbols.write_text(text)
        result = run("show", path, "--symbols", symbols)
        assert (result.code, message in result.err, result.err.count("\n")) == (3, True, 1), result.err
    assert run("show", path, "--symbols", tmp_path / "missing").code == 3
    assert run("show", path).code == 0  # what one command was told, the next one does not know


@each("name", [STALE, "6.1-kdump.zlib"])
def test_a_file_that_was_cut_says_so_wherever_it_ends(name: str) -> None:
    data = content(name)
    assert "dump-cut" not in {defect.code for defect in dumped(name).defects}
    tree = load(data[:-1])  # what is needed is there
    assert [defect.code for defect in tree.defects] == ["dump-cut"]
    assert "the file was cut: it ends before offset 0x" in str(tree.defects[0])
    for eighths in range(1, 8):
        try:
            codes = {defect.code for defect in load(data[: len(data) * eighths // 8]).defects}
            assert "dump-cut" in codes
        except DrmemctlError as error:
            text = str(error)
            assert "cut" in text or "ends within its bitmap" in text, text


def test_a_dump_without_drmem_says_so() -> None:
    data = bytearray(content(STALE))
    at = data.index(b"ibm,dynamic-reconfiguration-memory")
    while at >= 0:
        data[at] = ord("x")
        at = data.find(b"ibm,dynamic-reconfiguration-memory")
    tree = load(bytes(data))
    assert tree.dump is not None
    assert tree.dump.array is None
    assert tree.get("/ibm,dynamic-reconfiguration-memory", "ibm,lmb-size") is None


@each("first", [0, 1])
def test_a_page_of_each_structure_that_is_left_out_is_named(first: int, tmp_path: Path) -> None:
    # One page after the other is taken out: what is said names the address, and the structure that was there.
    data = content("6.1-kdump.zlib")
    (block,) = struct.unpack_from("<I", data, 428)
    sub, blocks = struct.unpack_from("<iI", data, 432)
    bitmap = block * (1 + sub) + blocks * block // 2
    frames = [
        8 * at + bit
        for at, byte in enumerate(data[bitmap : bitmap + blocks * block // 2])
        for bit in range(8)
        if byte >> bit & 1
    ]
    structures = set()
    for rank, frame in list(enumerate(frames))[first::2]:
        changed = bytearray(data)
        # Its descriptor goes with its bit: those behind it move up.
        changed[bitmap + frame // 8] &= ~(1 << frame % 8)
        begin = block * (1 + sub + blocks)
        changed[begin + 24 * rank : begin + 24 * (len(frames) - 1)] = data[
            begin + 24 * (rank + 1) : begin + 24 * len(frames)
        ]
        try:
            tree = load(bytes(changed))
            texts = [str(defect) for defect in tree.defects]
            assert tree.dump is not None
            assert tree.dump.array is not None or "drmem_info" in " ".join(texts)
        except DrmemctlError as error:
            texts = [str(error)]
        for text in texts:
            assert "makedumpfile left it out (dump level 31)" in text, text
            structures |= {
                word
                for word in (
                    "node_data",
                    "of_root",
                    "drmem_info",
                    "property",
                    "node of",
                    "mem_section",
                    "struct page",
                )
                if word in text
            }
    assert len(structures) >= 3, structures
