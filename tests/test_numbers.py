# SPDX-License-Identifier: MIT
"""Numbers as the kernel's kstrtou32 and kstrtou64 read them with base 0."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.numbers import parse_drc_index, parse_kernel_int, printed_drc_index

RIGHT = [
    ("0", 0),
    ("7", 7),
    ("10", 10),
    ("4294967295", 0xFFFFFFFF),
    ("0x0", 0),
    ("0x800003fe", 0x800003FE),
    ("0X800003FE", 0x800003FE),
    ("0x00000000000000000001", 1),
    ("010", 8),
    ("00", 0),
    ("0777", 0o777),
    ("+5", 5),
    ("+0x10", 16),
]


@pytest.mark.parametrize(("text", "expected"), RIGHT)
def test_a_number_is_read_as_the_kernel_reads_it(text: str, expected: int) -> None:
    assert parse_kernel_int(text) == expected


WRONG = [
    "",
    " ",
    "-1",
    "- 1",
    "+",
    "+-1",
    "++1",
    "0x",
    "0xg",
    "x10",
    "08",
    "0o17",
    "0b1",
    "1_000",
    "1 ",
    " 1",
    "1\n",
    "1.0",
    "1e3",
    "ten",
    "\u0661",  # ARABIC-INDIC DIGIT ONE
    "²",
    "0x" + "0" * 60,
    "1" * 5000,
]


@pytest.mark.parametrize("text", WRONG, ids=lambda text: repr(text[:12]))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a number|more than 32 bits"):
        parse_kernel_int(text)


@pytest.mark.parametrize("text", ["800003fe", "80000008f", "DEADBEEF", "1f", "a"])
def test_hexadecimal_without_its_prefix_gets_the_advice_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match=f"^not a number: write 0x{text} for hexadecimal$"):
        parse_kernel_int(text)


@pytest.mark.parametrize("text", ["80000004", "800003fe", "00000010", "10000000", "DEADBEEF"])
def test_a_drc_index_as_the_kernel_prints_it_gets_the_question_what_was_meant(text: str) -> None:
    with pytest.raises(ValueError, match=rf"did you mean 0x{text}\?$"):
        parse_drc_index(text)
    assert printed_drc_index(text) == f"0x{text}"


@pytest.mark.parametrize("text", ["0x80000004", "2147483652", "020000000004", "+2147483652"])
def test_a_drc_index_of_another_length_or_with_a_prefix_is_a_number_as_ever(text: str) -> None:
    assert parse_drc_index(text) == 0x80000004
    assert not printed_drc_index(text)


def test_what_is_no_hexadecimal_either_gets_the_forms() -> None:
    forms = r"^not a number: 0x... is hexadecimal, 0... octal, anything else decimal$"
    with pytest.raises(ValueError, match=forms):
        parse_kernel_int("xyz")


@pytest.mark.parametrize(("text", "bits"), [("4294967296", 32), ("0x100000000", 32), ("0x10000000000000000", 64)])
def test_more_bits_than_there_is_room_for_are_refused(text: str, bits: int) -> None:
    with pytest.raises(ValueError, match=f"^more than {bits} bits$"):
        parse_kernel_int(text, bits)


def test_64_bits_have_room_for_an_address() -> None:
    assert parse_kernel_int("0xffffffffffffffff", 64) == 2**64 - 1
    assert parse_kernel_int("4294967296", 64) == 2**32


@given(st.integers(0, 2**64 - 1), st.sampled_from(["{:d}", "0x{:x}", "0X{:X}", "0{:o}", "+{:d}"]))
def test_every_number_is_read_in_every_form(number: int, form: str) -> None:
    assert parse_kernel_int(form.format(number), 64) == number


@given(st.text(max_size=20))
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    try:
        number = parse_kernel_int(text)
    except ValueError:
        return
    assert 0 <= number < 2**32
