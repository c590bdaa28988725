# SPDX-License-Identifier: MIT
"""The bulk codec and the Construct declaration of the same fields are the same, only that one is faster."""

from __future__ import annotations

import struct
from array import array

import construct
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.formats.rows import Rows, lowered, pack_words, words

KINDS = {
    construct.Int8ub: 8,
    construct.Int16ub: 16,
    construct.Int32ub: 32,
    construct.Int64ub: 64,
}
FIXED = list(KINDS)


def declaration(kinds: list[construct.Construct]) -> construct.Construct:
    return construct.Struct(*(f"f{i}" / kind for i, kind in enumerate(kinds)))


def rows_of(kinds: list[construct.Construct]) -> Rows:
    return Rows(**{f"f{i}": KINDS[kind] for i, kind in enumerate(kinds)})


def plain(found: construct.Container) -> tuple[int, ...]:
    return tuple(value for name, value in found.items() if not name.startswith("_"))


layouts = st.lists(st.sampled_from(FIXED), min_size=1, max_size=6)


@given(layouts, st.binary(max_size=400), st.integers(0, 7))
def test_bulk_decoder_equals_interpreted_construct(
    kinds: list[construct.Construct], data: bytes, start: int
) -> None:
    rows, layout = rows_of(kinds), declaration(kinds)
    count = max(0, len(data) - start) // rows.size
    interpreted = construct.Array(count, layout).parse(data[start:])
    assert list(rows.iterate(data, start, count)) == [plain(one) for one in interpreted]
    assert rows.size == layout.sizeof()


@given(layouts, st.binary(min_size=48, max_size=48))
def test_the_declaration_made_of_the_fields_is_the_same(kinds: list[construct.Construct], data: bytes) -> None:
    made, layout = rows_of(kinds).declaration, declaration(kinds)
    assert made.parse(data) == layout.parse(data)
    assert made.build(layout.parse(data)) == data[: layout.sizeof()]


@given(st.data(), layouts)
def test_pack_equals_build(data: st.DataObject, kinds: list[construct.Construct]) -> None:
    layout = declaration(kinds)
    row = st.tuples(*(st.integers(0, (1 << KINDS[kind]) - 1) for kind in kinds))
    values = data.draw(st.lists(row, max_size=20))
    built = construct.Array(len(values), layout).build(
        [{f"f{i}": cell for i, cell in enumerate(value)} for value in values]
    )
    rows = rows_of(kinds)
    assert rows.pack(values) == built
    assert list(rows.iterate(built, 0, len(values))) == values
    assert b"".join(rows.pack_one(*value) for value in values) == built


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 4097, 8192, 9000])
def test_chunks_join_without_a_seam(count: int) -> None:
    rows = Rows(number=32, long=64)
    numbers = [(i, i << 33) for i in range(count)]
    data = b"".join(struct.pack(">IQ", *pair) for pair in numbers)
    assert list(rows.iterate(data, 0, count)) == numbers
    assert list(rows.iterate(data * 2, 0, count)) == numbers
    assert rows.pack(numbers) == data


@pytest.mark.parametrize("bits", [0, 4, 24, 128])
def test_a_size_that_no_integer_has_is_refused(bits: int) -> None:
    with pytest.raises(KeyError):
        Rows(field=bits)


@given(st.binary(max_size=100))
def test_words_are_what_struct_reads(data: bytes) -> None:
    count = len(data) // 4
    assert tuple(words(data)) == struct.unpack_from(f">{count}I", data)
    assert pack_words(words(data)) == data[: 4 * count]


@given(st.lists(st.integers(0, 0xFFFFFFFF), max_size=20), st.integers(-5, 0xFFFFFFFF))
def test_lowered_words_are_each_less_that_number(cells: list[int], by: int) -> None:
    assert list(lowered(words(pack_words(cells)), by)) == [cell - by for cell in cells]


@given(st.lists(st.integers(0x80000000, 0x80FFFFFF), min_size=1, max_size=20), st.integers(0, 0x80FFFFFF))
def test_words_with_one_upper_byte_do_not_borrow_from_one_another(cells: list[int], by: int) -> None:
    assert list(lowered(words(pack_words(cells)), by)) == [cell - by for cell in cells]


@pytest.mark.parametrize(
    ("cells", "by", "at_once"),
    [
        ([0x80000005, 0x80FFFFFF, 0x80000000], 0, True),
        ([0x80000005, 0x80FFFFFF, 0x80000000], 0x80000000, True),
        ([0x80000005, 0x80FFFFFF, 0x80000000], 0x80000001, False),  # the last one becomes negative
        ([0x80000005, 0x80FFFFFF, 0x80000000], -1, False),
        ([0x80000005, 0x81000000], 0x80000000, False),
        ([0x80000005, 0x80000005, 0x80000005, 0x80000005, 0x70000005], 0x80000000, False),
        ([0x00000005], 0, True),
        ([0x00000005], 1, False),
        ([], 0, False),
    ],
)
def test_words_are_lowered_at_once_where_none_can_borrow(cells: list[int], by: int, at_once: bool) -> None:
    found = lowered(words(pack_words(cells)), by)
    assert list(found) == [cell - by for cell in cells]
    assert isinstance(found, array) is at_once


@given(layouts, st.binary(max_size=400), st.integers(0, 7))
def test_columns_are_the_records_turned(kinds: list[construct.Construct], data: bytes, start: int) -> None:
    kinds = [kind for kind in kinds if KINDS[kind] >= 32] or [construct.Int64ub]
    rows = rows_of(kinds)
    count = max(0, len(data) - start) // rows.size
    columns = [list(column) for column in rows.columns(data, start, count)]
    assert columns == [[row[at] for row in rows.iterate(data, start, count)] for at in range(len(kinds))]
