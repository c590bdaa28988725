# SPDX-License-Identifier: MIT
"""Blobs that are broken, each in one way: refused with libfdt's error name, at the byte where it shows."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from drmemctl.errors import BlobError, LimitError
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.limits import Limits
from tests.blobs import FIELDS, Struct, blob, header, nested, patched, small, struct_at
from tests.cases import each
from tests.oracles import Libfdt


@pytest.fixture(scope="module")
def oracle(libfdt: Any) -> Libfdt:
    return Libfdt(libfdt)


def refusal(data: bytes) -> tuple[str, int | None]:
    """Return code and offset with which a blob is refused."""
    with pytest.raises(BlobError) as caught:
        read_fdt(data)
    return caught.value.code, caught.value.offset


def beyond(data: bytes, limits: Limits | None = None) -> tuple[str, int | None]:
    """Return message and offset with which a blob is refused for being too large."""
    with pytest.raises(LimitError) as caught:
        read_fdt(data, limits=limits or Limits())
    return caught.value.message, caught.value.offset


SMALL = blob(small(), reservations=[(4096, 4096)])
TOTAL = len(SMALL)


@each("length", range(TOTAL))
def test_every_truncation_is_refused(length: int, oracle: Libfdt) -> None:
    assert oracle.check(SMALL[:length]) == "FDT_ERR_TRUNCATED"
    assert refusal(SMALL[:length]) == ("FDT_ERR_TRUNCATED", length)


def test_a_truncated_blob_says_how_much_is_missing() -> None:
    with pytest.raises(BlobError, match=f"promises {TOTAL} bytes, there are {TOTAL - 1}"):
        read_fdt(SMALL[:-1])


@pytest.mark.parametrize("version", [0, 1, 2, 3, 16, 17, 18, 0x14F800])
@each("length", range(28, 41, 2))
def test_a_short_header_is_refused_as_by_libfdt_whatever_its_version(
    version: int, length: int, oracle: Libfdt
) -> None:
    for magic in (0xD00DFEED, 0xD00DFEEC):
        data = patched(SMALL, version=version, magic=magic)[:length]
        assert refusal(data)[0] == oracle.check(data) != ""


def test_nothing_at_all_is_refused() -> None:
    assert refusal(b"") == ("FDT_ERR_TRUNCATED", 0)


STRUCT_SIZE = header(SMALL, "size_dt_struct")


@each("size", range(STRUCT_SIZE))
def test_a_structure_block_that_ends_early_is_refused(size: int, oracle: Libfdt) -> None:
    data = patched(SMALL, size_dt_struct=size)
    code, offset = refusal(data)
    assert code == oracle.check(data)
    assert offset is not None
    assert struct_at(data) <= offset <= struct_at(data, size)


@each("size", range(len(small().strings)))
def test_a_strings_block_that_ends_early_is_refused(size: int, oracle: Libfdt) -> None:
    data = patched(SMALL, size_dt_strings=size)
    assert refusal(data)[0] == oracle.check(data) != ""


HEADER_FAULTS = {
    "magic": (patched(SMALL, magic=0xD00DFEEE), "FDT_ERR_BADMAGIC", 0),
    "byte-swapped": (bytes.fromhex("edfe0dd0") + SMALL[4:], "FDT_ERR_BADMAGIC", 0),
    "version-0": (patched(SMALL, version=0, last_comp_version=0), "FDT_ERR_BADVERSION", 20),
    "from-the-future": (patched(SMALL, version=18, last_comp_version=18), "FDT_ERR_BADVERSION", 20),
    "older-than-compatible": (patched(SMALL, version=15), "FDT_ERR_BADVERSION", 20),
    "totalsize-0": (patched(SMALL, totalsize=0), "FDT_ERR_TRUNCATED", 4),
    "totalsize-in-header": (patched(SMALL, totalsize=39), "FDT_ERR_TRUNCATED", 4),
    "totalsize-negative": (patched(SMALL, totalsize=1 << 31), "FDT_ERR_TRUNCATED", 4),
    "totalsize-one-more": (patched(SMALL, totalsize=TOTAL + 1), "FDT_ERR_TRUNCATED", TOTAL),
    "struct-in-header": (patched(SMALL, off_dt_struct=36), "FDT_ERR_TRUNCATED", 8),
    "struct-outside": (patched(SMALL, off_dt_struct=0x7FFFFFFC), "FDT_ERR_TRUNCATED", 8),
    "struct-too-long": (patched(SMALL, size_dt_struct=TOTAL), "FDT_ERR_TRUNCATED", 8),
    "struct-size-wraps": (patched(SMALL, size_dt_struct=0xFFFFFFF0), "FDT_ERR_TRUNCATED", 8),
    "strings-in-header": (patched(SMALL, off_dt_strings=8), "FDT_ERR_TRUNCATED", 12),
    "strings-too-long": (patched(SMALL, size_dt_strings=0xFFFFFFFF), "FDT_ERR_TRUNCATED", 12),
    "reservations-in-header": (patched(SMALL, off_mem_rsvmap=32), "FDT_ERR_TRUNCATED", 16),
    "reservations-outside": (patched(SMALL, off_mem_rsvmap=TOTAL + 8), "FDT_ERR_TRUNCATED", 16),
}


@pytest.mark.parametrize(("data", "code", "offset"), HEADER_FAULTS.values(), ids=HEADER_FAULTS)
def test_a_wrong_header_is_refused(data: bytes, code: str, offset: int, oracle: Libfdt) -> None:
    assert oracle.check(data) == code
    assert refusal(data) == (code, offset)


@pytest.mark.parametrize(("field", "delta"), [("off_dt_struct", 2), ("off_mem_rsvmap", 4)])
def test_a_misaligned_block_is_refused(field: str, delta: int) -> None:
    data = blob(small(), gap=8)
    data = patched(data, **{field: header(data, field) - delta})
    assert refusal(data) == ("FDT_ERR_ALIGNMENT", 4 * FIELDS.index(field))


def test_reservations_without_a_terminator_are_refused(oracle: Libfdt) -> None:
    data = blob(small(), reservations=[(1, 1)], order=("struct", "strings", "reservations"))
    cut = patched(data[:-16], totalsize=len(data) - 16)
    assert oracle.check(cut) == "FDT_ERR_TRUNCATED"
    assert refusal(cut) == ("FDT_ERR_TRUNCATED", header(cut, "off_mem_rsvmap"))


def test_a_reservation_terminator_of_15_bytes_is_none(oracle: Libfdt) -> None:
    data = blob(small(), order=("struct", "strings", "reservations"))
    cut = patched(data[:-1], totalsize=len(data) - 1)
    assert oracle.check(cut) == "FDT_ERR_TRUNCATED"
    assert refusal(cut) == ("FDT_ERR_TRUNCATED", header(cut, "off_mem_rsvmap"))


def test_only_size_zero_ends_the_reservations() -> None:
    data = blob(small(), reservations=[(0, 1)])
    assert read_fdt(data).reservations == ((0, 1),)
    start = header(data, "off_mem_rsvmap")
    ended = data[:start] + struct.pack(">QQ", 0xDEAD, 0) + data[start + 16 :]
    assert read_fdt(ended).reservations == ()


# A value of zeros ends any reservation list that points at it, and a name is found in any block of zeros.
ZEROS = blob(Struct(strings=bytearray(64)).begin().prop(b"", bytes(64), name_offset=0).end().finish(), gap=16)

OVERLAPS = {
    "strings-in-struct": ("off_dt_strings", struct_at(ZEROS, 24)),
    "reservations-in-struct": ("off_mem_rsvmap", struct_at(ZEROS, 24)),
    "reservations-in-strings": ("off_mem_rsvmap", header(ZEROS, "off_dt_strings") + 16),
    "reservations-at-strings": ("off_mem_rsvmap", header(ZEROS, "off_dt_strings")),
}


@pytest.mark.parametrize(("field", "place"), OVERLAPS.values(), ids=OVERLAPS)
def test_blocks_that_overlap_are_refused(field: str, place: int, oracle: Libfdt) -> None:
    data = patched(ZEROS, **{field: place})
    assert oracle.check(ZEROS) == oracle.check(data) == ""  # libfdt leaves that to its reader
    assert refusal(data) == ("FDT_ERR_BADLAYOUT", place)


def test_a_structure_block_without_a_size_is_as_long_as_its_tokens() -> None:
    content = Struct().begin().prop(b"p", bytes(16)).end().finish()
    data = blob(content, version=16)
    last_word = struct_at(data, content.at - 4)
    assert refusal(patched(data, off_dt_strings=last_word)) == ("FDT_ERR_BADLAYOUT", last_word)
    assert read_fdt(patched(data, off_dt_strings=last_word + 4)).root.properties[0].value == bytes(16)


def test_an_overlap_is_told_at_the_later_block() -> None:
    inside = header(SMALL, "off_dt_struct") + 4
    data = patched(SMALL, off_dt_strings=inside)
    with pytest.raises(BlobError, match="the strings block at 0x4c lies in the structure block") as caught:
        read_fdt(data)
    assert (caught.value.code, caught.value.offset) == ("FDT_ERR_BADLAYOUT", inside)


def test_blocks_that_touch_do_not_overlap() -> None:
    assert header(SMALL, "off_mem_rsvmap") + 32 == header(SMALL, "off_dt_struct")
    assert header(SMALL, "off_dt_struct") + STRUCT_SIZE == header(SMALL, "off_dt_strings")
    assert read_fdt(SMALL).defects == ()


OPEN_NODE = Struct().begin(b"").prop(b"p", b"1234")

STRUCT_FAULTS = {
    "no-end": (Struct().begin().end(), "FDT_ERR_TRUNCATED", 12),
    "unfinished-node": (Struct().begin().begin(b"n").end().finish(), "FDT_ERR_BADSTRUCTURE", 20),
    "unfinished-root": (Struct().begin().finish(), "FDT_ERR_BADSTRUCTURE", 8),
    "cut-in-node": (Struct().begin().begin(b"n"), "FDT_ERR_TRUNCATED", 16),
    "one-end-too-many": (Struct().begin().end().end().finish(), "FDT_ERR_BADSTRUCTURE", 12),
    "end-before-begin": (Struct().end().begin().end().finish(), "FDT_ERR_BADSTRUCTURE", 0),
    "two-roots": (Struct().begin().end().begin().end().finish(), "FDT_ERR_BADSTRUCTURE", 12),
    "root-after-nops": (Struct().begin().end().nop(2).begin().end().finish(), "FDT_ERR_BADSTRUCTURE", 20),
    "property-after-root": (Struct().begin().end().prop(b"p").finish(), "FDT_ERR_BADSTRUCTURE", 12),
    "named-root": (Struct().begin(b"root").end().finish(), "FDT_ERR_BADSTRUCTURE", 0),
    "root-called-/": (Struct().begin(b"/").end().finish(), "FDT_ERR_BADSTRUCTURE", 0),
    "unknown-token": (Struct().begin().word(5).end().finish(), "FDT_ERR_BADSTRUCTURE", 8),
    "token-0": (Struct().begin().word(0).end().finish(), "FDT_ERR_BADSTRUCTURE", 8),
    "name-without-end": (Struct().begin().word(1).raw(b"nameless"), "FDT_ERR_BADSTRUCTURE", 12),
    "property-header-cut": (Struct().begin().word(3).word(0), "FDT_ERR_BADSTRUCTURE", 8),
    "value-too-long": (
        Struct().begin().prop(b"p", b"12345678", length=9).end().finish(),
        "FDT_ERR_BADSTRUCTURE",
        32,
    ),
    "value-past-the-end": (
        Struct().begin().prop(b"p", b"12345678", length=17).end().finish(),
        "FDT_ERR_BADSTRUCTURE",
        8,
    ),
    "value-of-4-GiB": (Struct().begin().prop(b"p", length=0xFFFFFFFF), "FDT_ERR_BADSTRUCTURE", 8),
    "value-of-2-GiB": (Struct().begin().prop(b"p", length=0x80000000), "FDT_ERR_BADSTRUCTURE", 8),
    "value-that-wraps": (Struct().begin().prop(b"p", length=0xFFFFFFF4), "FDT_ERR_BADSTRUCTURE", 8),
    "name-past-strings": (
        Struct().begin().prop(b"p", name_offset=2).end().finish(),
        "FDT_ERR_BADOFFSET",
        8,
    ),
    "name-far-outside": (
        Struct().begin().prop(b"p", name_offset=0xFFFFFFFF).end().finish(),
        "FDT_ERR_BADOFFSET",
        8,
    ),
}


@pytest.mark.parametrize(("content", "code", "position"), STRUCT_FAULTS.values(), ids=STRUCT_FAULTS)
def test_a_wrong_structure_is_refused(content: Struct, code: str, position: int, oracle: Libfdt) -> None:
    content.strings = content.strings or bytearray(b"p\0")
    data = blob(content)
    assert oracle.check(data) == code
    assert refusal(data) == (code, struct_at(data, position))


NOTHING = {
    "only-END": (Struct().finish(), 0, "no root node"),
    "only-NOPs": (Struct().nop(3).finish(), 12, "no root node"),
    "property-before-any-node": (Struct().prop(b"p").begin().end().finish(), 0, "property outside the root"),
}


@pytest.mark.parametrize(("content", "position", "message"), NOTHING.values(), ids=NOTHING)
def test_what_libfdt_accepts_without_a_root_is_refused(
    content: Struct, position: int, message: str, oracle: Libfdt
) -> None:
    content.strings = content.strings or bytearray(b"p\0")
    data = blob(content)
    assert oracle.check(data) == ""
    assert refusal(data) == ("FDT_ERR_BADSTRUCTURE", struct_at(data, position))
    with pytest.raises(BlobError, match=message):
        read_fdt(data)


def test_a_name_that_no_nul_ends_is_refused_at_the_name(oracle: Libfdt) -> None:
    data = blob(Struct(strings=bytearray(b"abcd")).begin().prop(b"", name_offset=1).end().finish())
    assert oracle.check(data) == "FDT_ERR_TRUNCATED"
    assert refusal(data) == ("FDT_ERR_TRUNCATED", header(data, "off_dt_strings") + 1)


def test_a_property_may_fill_the_block_to_its_last_byte_but_then_there_is_no_end(oracle: Libfdt) -> None:
    data = blob(Struct().begin().prop(b"p", b"12345678"))
    assert oracle.check(data) == "FDT_ERR_TRUNCATED"
    assert refusal(data) == ("FDT_ERR_TRUNCATED", struct_at(data, 28))


def test_a_node_without_a_path_is_refused_before_version_16(oracle: Libfdt) -> None:
    data = patched(blob(Struct().begin(b"/").begin(b"n").end().end().finish()), version=3, last_comp_version=3)
    assert refusal(data) == ("FDT_ERR_BADSTRUCTURE", struct_at(data, 8))


def test_an_error_inside_a_node_names_its_path_and_the_source() -> None:
    content = Struct().begin().begin(b"a").begin(b"b@1").word(7)
    with pytest.raises(BlobError) as caught:
        read_fdt(blob(content), "guest.dtb")
    assert str(caught.value) == (
        "guest.dtb: /a/b@1: unknown token 0x7 (at offset 0x50); "
        "the blob is damaged: take it again, or look at it with fdtdump"
    )


def test_what_is_no_tree_at_all_is_named_by_its_first_bytes() -> None:
    with pytest.raises(BlobError) as caught:
        read_fdt(b"\x7fELF" + bytes(60), "vmlinux")
    assert str(caught.value).startswith("vmlinux: magic is 7f454c46, not d00dfeed (at offset 0x0); ")


def test_linux_depth_is_read_and_no_deeper() -> None:
    assert read_fdt(blob(nested(64))).root.children
    data = blob(nested(65))
    assert beyond(data) == ("nodes nested deeper than 64", struct_at(data, 64 * 8))


@pytest.mark.parametrize("content", [Struct().begin(b"").begin(b"n" * 256), Struct().begin().prop(b"p" * 256)])
def test_a_name_of_256_bytes_is_beyond_the_limit(content: Struct) -> None:
    data = blob(content.end().end().finish())
    where = struct_at(data, 12) if not content.strings else header(data, "off_dt_strings")
    assert beyond(data) == ("a name of more than 255 bytes", where)


def test_a_name_of_255_bytes_is_read() -> None:
    content = Struct().begin().prop(b"p" * 255).begin(b"n" * 255).end().end().finish()
    root = read_fdt(blob(content)).root
    assert (root.properties[0].name, root.children[0].name) == ("p" * 255, "n" * 255)


def test_the_numbers_of_nodes_properties_and_reservations_are_limited() -> None:
    content = Struct().begin().prop(b"p").prop(b"q")
    third_property = content.at
    content.prop(b"r").begin(b"a").end()
    third_node = content.at
    data = blob(content.begin(b"b").end().end().finish(), reservations=[(1, 1), (2, 1), (3, 1)])
    third_pair = header(data, "off_mem_rsvmap") + 32
    assert beyond(data, Limits(max_nodes=2)) == ("more than 2 nodes", struct_at(data, third_node))
    assert beyond(data, Limits(max_properties=2)) == ("more than 2 properties", struct_at(data, third_property))
    assert beyond(data, Limits(max_reservations=2)) == ("more than 2 memory reservations", third_pair)
    assert len(read_fdt(data, limits=Limits(max_nodes=3, max_properties=3, max_reservations=3)).reservations) == 3
