# SPDX-License-Identifier: MIT
"""`ibm,max-associativity-domains` and `ibm,current-associativity-domains`."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from drmemctl.formats.domains import decode_domains
from tests.encoders import encode_domains
from tests.formats.values import codes, unhex, value_in, values_of

NAME = "ibm,max-associativity-domains"


def test_the_two_properties_of_a_powervm_partition() -> None:
    current = unhex("00000005 00000001 00000002 00000002 00000002 00000010")
    most = unhex("00000005 00000001 00000008 00000020 00000020 00000100")
    assert decode_domains(current).counts == (1, 2, 2, 2, 16)
    assert decode_domains(most).counts == (1, 8, 32, 32, 256)
    assert decode_domains(most).defects == ()


def test_what_qemu_gives_by_form() -> None:
    assert decode_domains(value_in("trees/numa4-form1-dist", NAME)).counts == (4, 4, 4, 4)
    assert decode_domains(value_in("trees/numa4-form2-dist", NAME)).counts == (4,)


def test_bundled_properties_read_as_struct_reads_them() -> None:
    for value in values_of(NAME):
        levels, *counts = struct.unpack(f">{len(value.data) // 4}I", value.data)
        found = decode_domains(value.data)
        assert (found.declared, list(found.counts), found.defects) == (levels, counts, ())


@given(st.lists(st.integers(0, 0xFFFFFFFF), max_size=8))
def test_round_trip(counts: list[int]) -> None:
    found = decode_domains(encode_domains(counts))
    assert (list(found.counts), found.defects) == (counts, ())


@given(st.binary(max_size=40), st.none() | st.integers(0, 60))
def test_no_bytes_make_it_raise(data: bytes, total: int | None) -> None:
    found = decode_domains(data, total)
    assert len(found.counts) <= found.declared


def test_faults() -> None:
    found = decode_domains(unhex("00000003 00000001 00000002"))
    assert (found.declared, found.counts, codes(found)) == (3, (1, 2), ["domains-too-short"])
    assert codes(decode_domains(unhex("00000000 00000001"))) == ["domains-trailing"]
    assert codes(decode_domains(b"")) == ["domains-too-short"]
    assert codes(decode_domains(unhex("00000005"), total=24)) == ["domains-cut"]
