# SPDX-License-Identifier: MIT
"""Counts, sizes and ranges in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.wording import count_of, range_text, size_text

SIZES = [
    (0, "0 bytes"),
    (1, "1 byte"),
    (1023, "1,023 bytes"),
    (1024, "1 KiB"),
    (1536, "1,536 bytes"),
    (1 << 20, "1 MiB"),
    (256 << 20, "256 MiB"),
    (2560 << 20, "2560 MiB"),
    (12_800 << 20, "12.5 GiB"),
    (1 << 30, "1 GiB"),
    (3 << 29, "1536 MiB"),
    (64 << 40, "64 TiB"),
    ((40 << 40) - (256 << 20), "40959.75 GiB"),
    ((10 << 40) + (16 << 20), "10485776 MiB"),
    ((10 << 50) + (256 << 20), "10485760.25 GiB"),
    (1 << 60, "1 EiB"),
    (1 << 70, "1024 EiB"),
    ((1 << 32) - 1, "4,294,967,295 bytes"),
    (1_073_741_825 << 10, "1073741825 KiB"),
]


@pytest.mark.parametrize(("n_bytes", "expected"), SIZES)
def test_a_size_has_the_largest_unit_that_leaves_it_exact(n_bytes: int, expected: str) -> None:
    assert size_text(n_bytes) == expected


UNITS = {"KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40, "PiB": 50, "EiB": 60}


def value_of(text: str) -> float:
    """Return the bytes that a size stands for; exact, as a float is for the few digits shown."""
    number, unit = text.replace(",", "").split()
    return int(number) if unit.startswith("byte") else float(number) * 2 ** UNITS[unit]


@given(st.integers(0, 2**64) | st.builds(lambda n, p: n << p, st.integers(0, 2**20), st.integers(0, 60)))
def test_a_size_is_exact(n_bytes: int) -> None:
    assert value_of(size_text(n_bytes)) == n_bytes


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 LMBs"), (1, "1 LMB"), (2, "2 LMBs"), (262_144, "262,144 LMBs")]
)
def test_a_count_has_its_noun_in_the_right_number(number: int, expected: str) -> None:
    assert count_of(number, "LMB") == expected


def test_a_noun_may_have_a_plural_of_its_own() -> None:
    assert [count_of(number, "entry", "entries") for number in (1, 2)] == ["1 entry", "2 entries"]


@pytest.mark.parametrize(
    ("base", "size", "expected"),
    [
        (0, 1 << 28, "0x0-0xfffffff (256 MiB)"),
        (0x80000000, 1, "0x80000000-0x80000000 (1 byte)"),
        (0x80000000, 0, "0x80000000, empty"),
    ],
)
def test_a_range_includes_its_last_address(base: int, size: int, expected: str) -> None:
    assert range_text(base, size) == expected
