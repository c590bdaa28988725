# SPDX-License-Identifier: MIT
"""The gate for text from a tree."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.output.text import LONGEST, safe
from drmemctl.tree.node import decode_name
from tests.cases import each


@each("byte", range(256))
def test_every_byte_of_a_name_is_shown_in_printable_ascii(byte: int) -> None:
    expected = chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02x}"
    assert safe(decode_name(bytes([byte]))) == expected


ODD = [
    ("\x1b[2J", r"\x1b[2J"),
    ("\x9b31m", r"\x9b31m"),
    ("a\r\nb\tc", r"a\x0d\x0ab\x09c"),
    ("\x85", r"\x85"),
    ("\xa0", r"\xa0"),
    ("\u202eabc", r"\u{202e}abc"),
    ("\u2066\u200b\u2028", r"\u{2066}\u{200b}\u{2028}"),
    ("ü", r"\xfc"),
    ("\xff\u0100", r"\xff\u{100}"),
    ("\ud800", r"\u{d800}"),
    ("\udcff\udc80", r"\xff\x80"),
    ("\udc7f\udd00", r"\u{dc7f}\u{dd00}"),
    ("\U0001f600", r"\u{1f600}"),
    ("[red]x[/red]", "[red]x[/red]"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "expected"), ODD)
def test_what_is_no_printable_ascii_is_escaped(text: str, expected: str) -> None:
    assert safe(text) == expected


@given(st.text(st.characters()) | st.binary().map(decode_name))
def test_nothing_but_printable_ascii_comes_out(text: str) -> None:
    assert re.fullmatch(r"[ -~]*", safe(text, None))


def test_a_long_text_is_cut_and_the_rest_counted() -> None:
    assert safe("a" * LONGEST) == "a" * LONGEST
    assert safe("a" * (LONGEST + 1)) == "a" * LONGEST + "… +1 characters"
    assert safe("a" * 8_388_608, 3) == "aaa… +8388605 characters"
    assert safe("a" * 1000, None) == "a" * 1000


def test_a_long_text_is_cut_before_it_is_escaped() -> None:
    assert safe("\x1b" * 10, 2) == r"\x1b\x1b… +8 characters"
