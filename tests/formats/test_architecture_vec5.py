# SPDX-License-Identifier: MIT
"""`ibm,architecture-vec-5`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError
from drmemctl.formats.architecture_vec5 import (
    DRMEM_V2,
    FEATURES,
    FORM1,
    FORM2,
    UnknownBits,
    decode_architecture_vec5,
    vector,
)
from tests.cases import each
from tests.encoders import encode_architecture_vec5, encode_features
from tests.formats.values import codes, unhex, value_in, values_of

NAME = "ibm,architecture-vec-5"

# What QEMU answers to a recent kernel: v2, FORM1 and FORM2, hotplug events, HPT resize, XIVE, radix with GTSE.
QEMU = unhex("19 00 20 00 00 a0 05 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 80 40 40 00 40")

# Linux arch/powerpc/include/asm/prom.h, OV5_*: the byte in the high half, the mask in the low one.
LINUX = {
    "LPAR": 0x0280,
    "SPLPAR": 0x0240,
    "DRCONF_MEMORY": 0x0220,
    "LARGE_PAGES": 0x0210,
    "DONATE_DEDICATE_CPU": 0x0202,
    "MSI": 0x0201,
    "CMO": 0x0480,
    "XCMO": 0x0440,
    "FORM1": 0x0580,
    "PRRN": 0x0540,
    "FORM2": 0x0520,
    "HP_EVT": 0x0604,
    "RESIZE_HPT": 0x0601,
    "PFO_HW_RNG": 0x1180,
    "PFO_HW_842": 0x1140,
    "PFO_HW_ENCR": 0x1120,
    "SUB_PROCESSORS": 0x1501,
    "DRMEM_V2": 0x1680,
    "XIVE_LEGACY": 0x1700,
    "XIVE_EXPLOIT": 0x1740,
    "XIVE_EITHER": 0x1780,
    "MMU_HASH": 0x1800,
    "MMU_RADIX": 0x1840,
    "MMU_EITHER": 0x1880,
    "MMU_DYNAMIC": 0x18C0,
    "NMMU": 0x1820,
    "HASH_SEG_TBL": 0x1980,
    "HASH_GTSE": 0x1940,
    "RADIX_GTSE": 0x1A40,
    "DRC_INFO": 0x1640,
}


def names(data: bytes) -> set[str]:
    return {feature.name for feature in decode_architecture_vec5(data).features}


@each(("name", "number"), LINUX.items())
def test_every_feature_of_linux_is_where_linux_has_it(name: str, number: int) -> None:
    (feature,) = (one for one in FEATURES if one.name == name)
    assert feature.byte << 8 | feature.value == number
    assert feature.value & ~feature.mask == 0


def test_what_features_say_of_themselves() -> None:
    data = encode_features(["LPAR", "TCE_64BIT", "XIVE_EXPLOIT"])
    assert decode_architecture_vec5(data).features == (
        ("TCE_64BIT", 1, 0x20, "64-bit TCEs from ibm,query-pe-dma-window", "LoPAR 2.9", 0x20),
        ("LPAR", 2, 0x80, "logical partitioning", "LoPAR 2.9; Linux asm/prom.h", 0x80),
        ("XIVE_EXPLOIT", 23, 0xC0, "interrupts through XIVE", "Linux asm/prom.h", 0x40),
    )


def test_names_are_unique_and_values_fit_their_masks() -> None:
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    assert all(feature.value | feature.mask == feature.mask for feature in FEATURES)
    assert [feature.byte for feature in FEATURES] == sorted(feature.byte for feature in FEATURES)


def test_what_qemu_and_a_recent_kernel_agree_on() -> None:
    assert names(QEMU) == {
        "DRCONF_MEMORY", "FORM1", "FORM2", "HP_EVT", "RESIZE_HPT", "DRMEM_V2", "XIVE_EXPLOIT", "MMU_RADIX",
        "RADIX_GTSE",
    }  # fmt: skip
    found = decode_architecture_vec5(QEMU)
    assert (found.unknown, found.defects, found.max_cpus) == ((), (), 0)


def test_bundled_properties_by_their_bits() -> None:
    for value in values_of(NAME):
        found = decode_architecture_vec5(value.data)
        padded = value.data + bytes(32)
        assert found.has(FORM1) == bool(padded[5] & 0x80)
        assert found.has(FORM2) == bool(padded[5] & 0x20)
        assert found.has(DRMEM_V2) == bool(padded[22] & 0x80)
        assert (found.unknown, found.defects) == ((), ()), value.tree


def test_before_and_after_client_architecture_support() -> None:
    assert names(value_in("trees/precas", NAME)) == set()
    assert value_in("trees/precas", NAME) == b"\0\0"
    assert FORM2 in names(value_in("trees/numa4-form2-dist", NAME))
    assert {FORM1, FORM2} & names(value_in("trees/form0", NAME)) == set()


def test_bytes_beyond_the_value_are_off() -> None:
    found = decode_architecture_vec5(b"\0\0")
    assert not any(found.has(feature.name) for feature in FEATURES if feature.value)
    assert found.has("MMU_HASH")
    assert decode_architecture_vec5(b"\0\x80").has("IGNORE")
    assert (found.byte(5), found.byte(-1), found.byte(0), found.max_cpus) == (0, 0, 0, None)


def test_byte_zero_is_no_option() -> None:
    assert names(b"\xff\0") == set()


def test_bits_that_nobody_defines_are_told() -> None:
    data = encode_architecture_vec5(unhex("00 00 ff 01 82 00 01 00 00000400 0209 00 00 00 00 00 00 02 00 c0 00"))
    found = decode_architecture_vec5(data)
    assert found.unknown == (
        UnknownBits(4, 0x01),
        UnknownBits(5, 0x02),
        UnknownBits(7, 0x01),
        UnknownBits(21, 0x02),
        UnknownBits(23, 0xC0),
    )
    assert decode_architecture_vec5(b"\xff" + bytes(255) + b"\1\1").unknown == (UnknownBits(256, 1),), (
        "byte 0 of 255"
    )
    assert {"IO_SUPER_PAGE", "FORM1"} <= names(data)
    assert (found.max_cpus, found.byte(13), found.byte(14)) == (0x400, 2, 9)


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        (b"", [("vec5-too-short", 0)]),
        (b"\0", [("vec5-too-short", 1)]),
        (b"\0\0", []),
        (b"\0\0\0", [("vec5-trailing", 2)]),
        (b"\5\0\0", [("vec5-too-short", 3)]),
    ],
)
def test_byte_zero_against_the_length(data: bytes, faults: list[tuple[str, int]]) -> None:
    assert [(one.code, one.offset) for one in decode_architecture_vec5(data).defects] == faults


def test_a_value_that_the_source_cut() -> None:
    assert codes(decode_architecture_vec5(QEMU[:6], total=27)) == ["vec5-cut"]
    assert decode_architecture_vec5(QEMU[:6], total=27).has(FORM2)


@given(st.binary(min_size=1, max_size=256))
def test_round_trip(options: bytes) -> None:
    data = encode_architecture_vec5(options)
    assert decode_architecture_vec5(data).defects == ()
    assert vector().parse(data).options == options
    assert encode_architecture_vec5(decode_architecture_vec5(data).data[1:]) == data


@given(st.binary(max_size=80), st.none() | st.integers(0, 90))
def test_no_bytes_make_it_raise_and_no_bit_is_lost(data: bytes, total: int | None) -> None:
    found = decode_architecture_vec5(data, total)
    accounted = dict.fromkeys(range(len(data)), 0)
    for feature in found.features:
        accounted[feature.byte] |= feature.value
    for bits in found.unknown:
        accounted[bits.byte] |= bits.mask
    numbers = {0, 3, 9, 10, 11, 12, 13, 14, 28, 29}
    assert all(accounted[k] == data[k] for k in accounted if k not in numbers)


@given(st.sets(st.sampled_from([one.name for one in FEATURES if one.value and one.mask == one.value])))
def test_features_round_trip(wanted: set[str]) -> None:
    assert names(encode_features(wanted)) == wanted


def test_features_with_a_number_of_processors() -> None:
    data = encode_features(["FORM2"], max_cpus=2048, size=12)
    assert data == unhex("0b 00 00 00 00 20 00 00 00 00000800")
    assert decode_architecture_vec5(data).max_cpus == 2048


def test_what_cannot_be_built_is_a_format_error() -> None:
    with pytest.raises(FormatError, match="NO_SUCH"):
        encode_features(["NO_SUCH"])
    with pytest.raises(FormatError, match="DRMEM_V2"):
        encode_features(["DRMEM_V2"], size=5)
    with pytest.raises(FormatError):
        encode_architecture_vec5(b"")
    with pytest.raises(FormatError):
        encode_architecture_vec5(bytes(257))
    assert encode_architecture_vec5(b"\0", length=9) == b"\x09\0"
