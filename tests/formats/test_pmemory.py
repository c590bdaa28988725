# SPDX-License-Identifier: MIT
"""`ibm,pmemory` nodes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.associativity import AssociativityLists
from drmemctl.formats.pmemory import Pmemory, decode_pmemory
from tests.encoders import encode_pmemory
from tests.formats.values import all_values

GUID = "75a3cdd7-6a2f-4791-8d15-fe0a920e8e91"
NODE = {
    value.name: value.data
    for value in all_values()
    if value.tree == "trees/v1-nvdimm" and value.path.startswith("/ibm,persistent-memory/ibm,pmemory@")
}
U32 = st.none() | st.integers(0, 2**32 - 1)
U64 = st.none() | st.integers(0, 2**64 - 1)
TEXT = st.none() | st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=40)


def test_the_nvdimm_of_a_bundled_tree() -> None:
    # A DIMM of 512 MiB with a label of 128 KiB in slot 1, on node 0.
    found = decode_pmemory(NODE)
    assert found == Pmemory(
        reg=0x90000001,
        drc_index=0x90000001,
        unit_guid=GUID,
        block_size=1 << 28,
        blocks=2,
        metadata_size=0x20000,
        application="operating-system",
        associativity=AssociativityLists(4, (0, 0, 0, 0)),
        cache_flush_required=True,
        hcall_flush_required=False,
    )
    assert found.size == 1 << 29


def test_the_nvdimm_is_written_back_as_it_was() -> None:
    rewritten = encode_pmemory(decode_pmemory(NODE))
    others = {"compatible", "device_type", "phandle", "slof,from-fdt", "name"}
    assert rewritten == {name: data for name, data in NODE.items() if name not in others}


def test_what_the_node_does_not_say_is_none() -> None:
    assert decode_pmemory({}) == Pmemory()
    assert decode_pmemory({"reg": struct.pack(">I", 7)}).size is None


@given(
    st.builds(
        Pmemory,
        reg=U32,
        drc_index=U32,
        unit_guid=TEXT,
        block_size=U64,
        blocks=U64,
        metadata_size=U32,
        application=TEXT,
        cache_flush_required=st.booleans(),
        hcall_flush_required=st.booleans(),
    )
)
def test_round_trip(region: Pmemory) -> None:
    assert decode_pmemory(encode_pmemory(region)) == region


@given(st.dictionaries(st.sampled_from(sorted(NODE)), st.binary(max_size=24)))
def test_no_bytes_make_it_raise(properties: dict[str, bytes]) -> None:
    found = decode_pmemory(properties)
    assert {one.property for one in found.defects} <= set(properties)


@pytest.mark.parametrize(
    ("name", "data", "code", "field", "value"),
    [
        ("ibm,block-size", bytes(4), "pmemory-too-short", "block_size", None),
        ("ibm,block-size", bytes(7) + b"\5" + bytes(1), "pmemory-trailing", "block_size", 5),
        ("ibm,unit-guid", b"abc", "string-unterminated", "unit_guid", "abc"),
        ("ibm,unit-guid", b"", None, "unit_guid", None),
        ("ibm,cache-flush-required", b"\0", "pmemory-trailing", "cache_flush_required", True),
        ("ibm,associativity", b"\0", "associativity-too-short", "associativity", None),
    ],
)
def test_faults(name: str, data: bytes, code: str | None, field: str, value: object) -> None:
    found = decode_pmemory({name: data})
    assert [(one.code, one.property) for one in found.defects] == ([(code, name)] if code else [])
    if field != "associativity":
        assert getattr(found, field) == value


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("reg", b"", "pmemory-too-short: a number of 1 cell: 4 bytes expected, there are 0"),
        (
            "ibm,number-of-blocks",
            bytes(9),
            "pmemory-trailing: 1 byte follows a number of 2 cells",
        ),
        (
            "ibm,hcall-flush-required",
            bytes(2),
            "pmemory-trailing: 2 bytes follow a flag",
        ),
    ],
)
def test_what_is_wrong_is_said(name: str, data: bytes, said: str) -> None:
    assert [f"{one.code}: {one.message}" for one in decode_pmemory({name: data}).defects] == [said]


def test_a_region_that_is_connected_twice() -> None:
    lists = AssociativityLists(1, (3,), ((4,),))
    assert encode_pmemory(Pmemory(associativity=lists)) == {
        "ibm,associativity": bytes.fromhex("00000001000000030000000100000004")
    }


def test_values_that_do_not_fit_are_a_format_error() -> None:
    with pytest.raises(FormatError, match="ibm,metadata-size"):
        encode_pmemory(Pmemory(metadata_size=1 << 32))
