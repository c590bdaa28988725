# SPDX-License-Identifier: MIT
"""The files that hold dumps: what is refused, and forms that no recorded dump has."""

from __future__ import annotations

import io
import lzma
import struct
from functools import cache
from pathlib import Path
from unittest.mock import Mock

import pytest

from drmemctl.errors import DrmemctlError, LimitError
from drmemctl.formats.vmcoreinfo import decode_vmcoreinfo
from drmemctl.memory import file, physical
from drmemctl.memory.file import FlattenedFile, PlainFile, SeekingFile, random_access
from drmemctl.memory.physical import LINEAR, AbsentMemoryError, CompressedDump, CoreDump, open_dump
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES

HEAD = b"makedumpfile".ljust(4096, b"\0")
END = struct.pack(">qq", -1, -1)


def record(offset: int, data: bytes) -> bytes:
    return struct.pack(">qq", offset, len(data)) + data


def flat(*records: bytes) -> FlattenedFile:
    return FlattenedFile(SeekingFile(io.BytesIO(HEAD + b"".join(records))), "flat")


def test_a_flattened_file_has_zeros_where_no_record_is() -> None:
    dump = flat(record(100, b"later"), record(2, b"first"), END)
    assert dump.read(0, 9) == b"\0\0first\0\0"
    assert dump.read(98, 20) == b"\0\0later"
    assert dump.read(4, 2) == b"rs"


@each(
    ("records", "message"),
    [
        ([record(0, b"x")], "the flattened dump ends early"),
        ([struct.pack(">qq", 0, 0)], "a record without bytes"),
        ([struct.pack(">qq", 0, -5)], "a record without bytes"),
    ],
)
def test_flattened_files_that_are_damaged(records: list[bytes], message: str) -> None:
    with pytest.raises(DrmemctlError, match=message):
        flat(*records)


def test_pieces_of_a_flattened_file_are_bounded() -> None:
    dump = flat(*(record(n, b"x") for n in range(20)), END)
    dump._pieces._room = 30
    assert dump.read(0, 20) == b"x" * 20
    with pytest.raises(LimitError, match="pieces of the flattened dump"):
        dump.read(0, 20)


def test_the_last_record_for_a_place_counts() -> None:
    assert flat(record(4, b"new"), record(0, b"head"), record(4, b"old"), END).read(0, 7) == b"headold"


def test_records_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "_MOST_RECORDS", 1)
    with pytest.raises(LimitError, match="more than 1 records"):
        flat(record(0, b"x"), record(9, b"y"), END)


def test_any_part_of_a_plain_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(b"0123456789")
    with path.open("rb") as opened:
        plain = random_access(opened, "dump")
        assert isinstance(plain, PlainFile)
        assert (plain.read(4, 3), plain.read(8, 9), plain.read(99, 1), plain.read(1 << 63, 1)) == (
            b"456",
            b"89",
            b"",
            b"",
        )
    assert SeekingFile(io.BytesIO(b"01")).read(-1, 1) == b""


def core(*segments: tuple[int, int, bytes, int], count: int | None = None) -> bytes:
    """Return an ELF core of segments: p_vaddr, p_paddr, bytes, p_memsz."""
    at = 64 + 56 * len(segments)
    table, body = b"", b""
    for virtual, address, data, size in segments:
        table += struct.pack("<IIQQQQQQ", 1, 7, at + len(body), virtual, address, len(data), size, 4096)
        body += data
    number = len(segments) if count is None else count
    head = b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack("<HHIQQQ", 4, 21, 1, 0, 64, at + len(body))
    head += struct.pack("<IHHHHHH", 0, 64, 56, number, 64, 1, 0)
    # The first section header, whose sh_info has the number of segments where the header cannot.
    return head + table + body + bytes(44) + struct.pack("<I", len(segments)) + bytes(16)


def opened_core(data: bytes) -> CoreDump:
    return CoreDump(SeekingFile(io.BytesIO(data)), "core")


def test_segments_of_a_core() -> None:
    dump = opened_core(
        core(
            (LINEAR + 0x1000, 0, b"a" * 16, 32),  # by its virtual address; what is not in the file is zeros
            (0, 0x3000, b"b" * 16, 16),  # by its physical one
            (0x4000, 0x4000, b"e" * 16, 16),  # QEMU's, the same in both
            (0xC008_0000_0000_0000, 0x1000, b"c" * 16, 16),  # vmalloc: the same memory is in the linear map
            (LINEAR + 0x1020, 0, b"d" * 16, 16),
        )
    )
    assert list(dump.ranges()) == [(0x1000, 32), (0x1020, 16), (0x3000, 16), (0x4000, 16)]
    assert dump.read(0x1008, 40) == b"a" * 8 + bytes(16) + b"d" * 16
    assert dump.read(0x3000, 16) == b"b" * 16
    with pytest.raises(AbsentMemoryError, match="physical address 0x3010 is not in the dump"):
        dump.read(0x3000, 17)


def test_segments_that_lie_in_one_another() -> None:
    inner = [(LINEAR + 0x1000 * n, 0, b"i" * 16, 16) for n in range(1, 40)]
    dump = opened_core(core((LINEAR, 0, b"o" * 0x30000, 0x30000), *inner))
    assert dump.read(0x2F000, 4) == b"oooo"
    assert (dump.read(0x5000, 16), dump.read(0x5010, 2)) == (b"i" * 16, b"oo")
    assert (dump.has(0x2F000), dump.has(0x30000)) == (True, False)
    # Very many that end before an address are not all gone through for each read.
    dump._pieces._room = 20
    with pytest.raises(LimitError, match="pieces of the core's segments"):
        dump.read(0x2F010, 4)
    # One that ends beyond the last address there is.
    assert opened_core(core((0, (1 << 64) - 8, b"x" * 16, 16))).has((1 << 64) - 2)


def test_a_core_of_very_many_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    data = core((LINEAR, 0, b"a", 1), (LINEAR + 1, 0, b"b", 1), count=0xFFFF)
    assert len(list(opened_core(data).ranges())) == 2
    monkeypatch.setattr(physical, "_MOST_SEGMENTS", 1)
    with pytest.raises(LimitError, match="2 segments, more than 1"):
        opened_core(data)
    monkeypatch.undo()
    with pytest.raises(DrmemctlError, match="ends within its program headers"):
        opened_core(core((LINEAR, 0, b"a", 1), count=9)[:200])


def test_a_core_of_pieces_and_of_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    dump = opened_core(core(*((LINEAR + n, 0, b"x", 1) for n in range(20))))
    assert dump.read(0, 20) == b"x" * 20
    dump._pieces._room = 30
    dump.read(0, 20)
    with pytest.raises(LimitError, match="pieces of the core's segments"):
        dump.read(0, 20)
    # Many segments of notes that are all the same bytes of the file: they are not read for ever.
    data = bytearray(core(*((0, 0, b"n" * 4096, 4096) for _ in range(50))))
    for number in range(50):
        struct.pack_into("<I4xQ", data, 64 + 56 * number, 4, 64 + 56 * 50)
    monkeypatch.setattr(physical, "_MOST_NOTES", 10_000)
    source = Mock(wraps=SeekingFile(io.BytesIO(bytes(data))))
    assert CoreDump(source, "core").vmcoreinfo is None
    assert source.read.call_count < 8


def test_memory_that_changes_is_seen_once_what_was_read_is_forgotten() -> None:
    file = io.BytesIO(core((LINEAR, 0, b"a" * 32, 32)))
    dump = CoreDump(SeekingFile(file), "kcore")
    assert dump.read(0, 4) == b"aaaa"
    file.getbuffer()[-200:] = file.getvalue()[-200:].replace(b"a", b"b")
    dump.forget()
    assert dump.read(4, 4) == b"bbbb"


def test_a_core_that_was_cut_says_so() -> None:
    data = core((LINEAR, 0, b"a" * 100, 100))
    with pytest.raises(AbsentMemoryError, match="the file ends before it; it was cut"):
        opened_core(data[: 64 + 56 + 10]).read(0, 100)


@cache
def compressed() -> bytes:
    return lzma.decompress((FIXTURES / "vmcores" / "6.1-kdump.zlib.xz").read_bytes())


def opened_dump(data: bytes) -> CompressedDump:
    dump = open_dump(SeekingFile(io.BytesIO(data)), "dump")
    assert isinstance(dump, CompressedDump)
    return dump


def changed(offset: int, form: str, *values: int) -> bytes:
    data = bytearray(compressed())
    struct.pack_into(form, data, offset, *values)
    return bytes(data)


@each(
    ("data", "message"),
    [
        (lambda: changed(428, "<I", 5000), "the header of this compressed dump is damaged"),
        (lambda: changed(432, "<i", 0), "the header of this compressed dump is damaged"),
        (lambda: changed(8, "<I", 0), "the header of this compressed dump is damaged"),
        (lambda: compressed()[:500], "the header of this compressed dump is damaged"),
        (lambda: changed(12 + 4 * 65, "<8s", b"x86\x1b[1m\0"), r"of another architecture \('x86\\x1b\[1m'\)"),  # type: ignore[arg-type]
        (lambda: changed(436, "<II", 1 << 24, 1 << 31), "the bitmap of the dump has"),
    ],
    ids=["block size", "sub header", "version", "cut", "machine", "bitmap"],
)
def test_compressed_dumps_that_are_refused(data: object, message: str) -> None:
    with pytest.raises(DrmemctlError, match=message):
        opened_dump(data())  # type: ignore[operator]


def first_page(dump: CompressedDump) -> int:
    """Return the address of a page that is there."""
    address, size = next(iter(dump.ranges()))
    for page in range(address, address + size, 65536):
        try:
            dump.read(page, 1)
        except AbsentMemoryError:
            continue
        return page
    raise AssertionError("no page")


@each(
    ("descriptor", "message"),
    [
        ((0, 0, 1, 0), "has no descriptor"),
        ((0, 1 << 20, 1, 0), "has no descriptor"),
        ((0, 100, 1, 0), "cannot be decompressed"),
        ((0, 100, 2, 0), "cannot be decompressed"),
        ((0, 100, 32, 0), "cannot be decompressed"),
        ((0, 100, 0, 0), "has 100 bytes, not 65536"),
        ((1 << 40, 100, 0, 0), "has 0 bytes, not 65536; it was cut"),
    ],
)
def test_pages_that_are_damaged(descriptor: tuple[int, int, int, int], message: str) -> None:
    page = first_page(opened_dump(compressed()))
    with pytest.raises(AbsentMemoryError, match=message):
        opened_dump(changed(opened_dump(compressed())._header.descriptors_offset, "<QIIQ", *descriptor)).read(
            page, 1
        )


def test_what_is_unpacked_is_bounded() -> None:
    page = first_page(opened_dump(compressed()))
    dump = opened_dump(compressed())
    dump.read(page, 1)
    dump._work._room = 1
    with pytest.raises(LimitError, match="too many pages of this dump would have to be decompressed"):
        dump.read(page + 65536, 1)


def test_of_a_page_no_more_is_unpacked_than_has_to_be() -> None:
    for data in (compressed(), lzma.decompress((FIXTURES / "vmcores" / "6.1-kdump.lzo.xz").read_bytes())):
        dump = opened_dump(data)
        page = first_page(dump)
        dump._pages.clear()
        room = dump._work._room
        begin = dump.peek(page + 16, 8)
        assert room - dump._work._room < 1 << 18
        assert page // 65536 not in dump._pages
        whole = dump.read(page, 65536)
        assert (begin, dump.peek(page + 65528, 8)) == (whole[16:24], whole[65528:])
        # Beyond a page it is read as usual.
        with pytest.raises(AbsentMemoryError):
            dump.peek((1 << 40) + 65532, 8)


def test_a_part_of_a_dump_is_refused() -> None:
    with pytest.raises(DrmemctlError, match=r"a dump that was split .*: makedumpfile --reassemble"):
        opened_dump(changed(65536 + 12, "<i", 1))


def test_a_part_of_a_dump_says_how_the_parts_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "vmcore"
    path.write_bytes(changed(65536 + 12, "<i", 1))
    result = run("check", path)
    assert (result.code, "join the parts: makedumpfile --reassemble PART... DUMP\n" in result.err) == (3, True)
    for format in ("concise", "sarif", "github", "gitlab", "markdown"):
        shown = run("check", path, "--format", format)
        assert "{2026}" not in shown.out + shown.err, format


def test_that_pages_are_slow_is_seen_by_the_pages() -> None:
    data = bytearray(lzma.decompress((FIXTURES / "vmcores" / "6.1-kdump.lzo.xz").read_bytes()))
    assert opened_dump(bytes(data)).is_slow
    struct.pack_into("<I", data, 424, 1)  # the header says zlib
    dump = opened_dump(bytes(data))
    assert not dump.is_slow
    dump.read(first_page(dump), 1)
    assert dump.is_slow


def test_a_dump_of_qemu_does_not_name_its_architecture() -> None:
    dump = opened_dump(changed(12 + 4 * 65, "<8s", b"Unknown\0"))  # type: ignore[arg-type]
    assert dump.read(first_page(dump), 1)


def test_vmcoreinfo_takes_no_numbers_that_are_none() -> None:
    info = decode_vmcoreinfo(b"SYMBOL(a)=c00g\nOFFSET(b)=1e3\nSIZE(c)=12\nno line\nSIZE(c)=13\0SIZE(c)=14")
    assert (info.symbol("a"), info.offset("b"), info.size("c"), info.release) == (None, None, 13, "")


def test_a_dump_that_was_not_written_to_its_end_says_so() -> None:
    with pytest.raises(AbsentMemoryError, match="which was not written to its end; the disk was full"):
        opened_dump(changed(424, "<I", 8)).read(1 << 40, 1)
    with pytest.raises(AbsentMemoryError, match=r"makedumpfile left it out \(dump level 31\)"):
        opened_dump(compressed()).read(1 << 40, 1)
