# SPDX-License-Identifier: MIT
"""Damaged and random blobs: what libfdt refuses is refused, what is refused beyond it has one of our reasons."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.errors import DrmemctlError
from drmemctl.tree.fdt_reader import read_fdt
from tests.blobs import Plain, blob, header, patched, small, write
from tests.conftest import blob as fixture
from tests.oracles import Libfdt
from tests.tree.differential import check
from tests.wide import examples


@pytest.fixture(scope="module")
def oracle(libfdt: Any) -> Libfdt:
    return Libfdt(libfdt)


NESTED = Plain(
    b"", ((b"p", b"1"),), (Plain(b"a", ((b"p", b"2"), (b"long", bytes(9))), (Plain(b"b"),)), Plain(b"c"))
)

BASES = {
    "small": blob(small(), reservations=[(1, 2), (4096, 8192)]),
    "version-16": blob(small(), version=16, reservations=[(1, 2)]),
    "strings-first": blob(small(), order=("strings", "struct", "reservations"), gap=5),
    "nested": blob(write(NESTED).finish(), gap=16),
}


def flipped(data: bytes, bit: int) -> bytes:
    out = bytearray(data)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


@pytest.mark.parametrize("name", BASES)
def test_every_single_bit_flip_of_a_small_blob(name: str, oracle: Libfdt) -> None:
    base = BASES[name]
    outcomes = [check(flipped(base, bit), oracle) for bit in range(8 * len(base))]
    assert set(outcomes) == {"read", "refused"}


@pytest.mark.parametrize("name", ["captures/6.1-lpm", "trees/v1-nvdimm"])
def test_bit_flips_of_a_real_tree(name: str, oracle: Libfdt) -> None:
    base = fixture(name)
    chosen = random.Random(17)
    starts = [header(base, field) for field in ("off_mem_rsvmap", "off_dt_struct", "off_dt_strings")]
    blocks = [(0, 40), *((start, min(start + 4000, len(base))) for start in starts)]
    bits = [8 * chosen.randrange(*chosen.choice(blocks)) + chosen.randrange(8) for _ in range(1200)]
    outcomes = [check(flipped(base, bit), oracle) for bit in bits]
    assert outcomes.count("read") > 100
    assert outcomes.count("refused") > 100


WORDS = st.sampled_from([0, 1, 2, 3, 4, 5, 9, 16, 17, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]) | st.integers(0, 400)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a sound blob with a few words, bytes or slices replaced, repeated or cut out."""
    data = bytearray(BASES[draw(st.sampled_from(sorted(BASES)))])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) // 4 - 1, 0))) * 4
        how = draw(st.sampled_from(["word", "byte", "repeat", "cut"]))
        length = draw(st.integers(1, 6)) * 4
        if how == "word":
            data[at : at + 4] = struct.pack(">I", draw(WORDS))
        elif how == "byte":
            data[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif how == "repeat":
            data[at:at] = data[at : at + length]
        else:
            del data[at : at + length]
    return bytes(data)


@settings(max_examples=examples(1500))
@given(damaged())
def test_damaged_blobs(oracle: Libfdt, data: bytes) -> None:
    check(data, oracle)


@settings(max_examples=examples(800))
@given(damaged())
def test_damaged_blobs_whose_sizes_were_made_to_fit(oracle: Libfdt, data: bytes) -> None:
    # Cutting or repeating shifts the strings; with the sizes put right, the walk gets further.
    length = max(len(data), 40)
    data = data.ljust(40, b"\0")
    room = max(length - min(header(data, "off_dt_struct"), length), 0)
    check(patched(data, magic=0xD00DFEED, totalsize=length, size_dt_struct=room & ~3, size_dt_strings=1), oracle)


TOKENS = st.sampled_from([1, 1, 2, 2, 3, 4, 9, 0, 5, 0x6E000000, 0x41424300]) | st.integers(0, 2**32 - 1)


@settings(max_examples=examples(1000))
@given(st.lists(TOKENS, max_size=24), st.sampled_from([2, 3, 16, 17]))
def test_random_tokens(oracle: Libfdt, tokens: list[int], version: int) -> None:
    body = struct.pack(f">{len(tokens)}I", *tokens)
    head = [
        0xD00DFEED,
        40 + 16 + len(body) + 8,
        56,
        56 + len(body),
        40,
        version,
        min(version, 16),
        0,
        8,
        len(body),
    ]
    data = struct.pack(">10I", *head) + bytes(16) + body + b"name\0ab\0"
    check(data, oracle)


@pytest.mark.parametrize("name_offset", [0, 2, 0x2E00])
def test_a_property_behind_the_root_node(oracle: Libfdt, name_offset: int) -> None:
    behind = small()
    behind.data[-4:] = b""
    assert check(blob(behind.prop(b"late", name_offset=name_offset).finish()), oracle) == "refused"


@settings(max_examples=examples(500))
@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_raise_nothing_but_our_own_error(data: bytes, tree_like: bool) -> None:
    try:
        read_fdt(b"\xd0\x0d\xfe\xed" + data if tree_like else data, "random")
    except DrmemctlError as error:
        refused: DrmemctlError | None = error
    else:
        refused = None
    assert refused is None or (refused.source == "random" and isinstance(refused.offset, int))
