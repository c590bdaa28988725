# SPDX-License-Identifier: MIT
"""The derived bulk codec is the declaration, only faster."""

from __future__ import annotations

import struct

import construct
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.formats.rows import Rows, pack_words, words

KINDS = {
    construct.Int8ub: 8,
    construct.Int16ub: 16,
    construct.Int32ub: 32,
    construct.Int64ub: 64,
}
FIXED = list(KINDS)


def declaration(kinds: list[construct.Construct]) -> construct.Construct:
    return construct.Struct(*(f"f{i}" / kind for i, kind in enumerate(kinds)))


def plain(found: construct.Container) -> tuple[int, ...]:
    return tuple(value for name, value in found.items() if not name.startswith("_"))


layouts = st.lists(st.sampled_from(FIXED), min_size=1, max_size=6).map(declaration)


@given(layouts, st.binary(max_size=400), st.integers(0, 7))
def test_derived_decoder_equals_interpreted_construct(
    layout: construct.Construct, data: bytes, start: int
) -> None:
    rows = Rows(layout)
    count = max(0, len(data) - start) // rows.size
    interpreted = construct.Array(count, layout).parse(data[start:])
    assert list(rows.iterate(data, start, count)) == [plain(one) for one in interpreted]


@given(st.data(), st.lists(st.sampled_from(FIXED), min_size=1, max_size=6))
def test_pack_equals_build(data: st.DataObject, kinds: list[construct.Construct]) -> None:
    layout = declaration(kinds)
    row = st.tuples(*(st.integers(0, (1 << KINDS[kind]) - 1) for kind in kinds))
    values = data.draw(st.lists(row, max_size=20))
    built = construct.Array(len(values), layout).build(
        [{f"f{i}": cell for i, cell in enumerate(value)} for value in values]
    )
    rows = Rows(layout)
    assert rows.pack(values) == built
    assert list(rows.iterate(built, 0, len(values))) == values
    assert b"".join(rows.pack_one(*value) for value in values) == built


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 4097, 8192, 9000])
def test_chunks_join_without_a_seam(count: int) -> None:
    rows = Rows(declaration([construct.Int32ub, construct.Int64ub]))
    data = b"".join(struct.pack(">IQ", i, i << 33) for i in range(count))
    assert list(rows.iterate(data, 0, count)) == [(i, i << 33) for i in range(count)]


@pytest.mark.parametrize(
    "kind", [construct.Int32ul, construct.Int24ub, construct.Bytes(4), construct.CString("ascii")]
)
def test_anything_but_big_endian_fields_is_refused(kind: construct.Construct) -> None:
    with pytest.raises(TypeError):
        Rows(construct.Struct("field" / kind))


@given(st.binary(max_size=100))
def test_words_are_what_struct_reads(data: bytes) -> None:
    count = len(data) // 4
    assert tuple(words(data)) == struct.unpack_from(f">{count}I", data)
    assert pack_words(words(data)) == data[: 4 * count]
