# SPDX-License-Identifier: MIT
"""Hex as people paste it: every dump gives the bytes that were dumped, and what is ambiguous is refused."""

from __future__ import annotations

import contextlib
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import FormatError, LimitError
from drmemctl.formats.hex_text import is_text, parse_hex

DATA = bytes(range(256)) + bytes(100) + b"end"


@pytest.mark.parametrize(
    "text",
    [
        "00010203 04050607",
        "0001 0203\n0405\n\n0607\n",
        "0x00010203 0x04050607",
        "0x00, 0x01, 0x02, 0x03,\n0x04, 0x05, 0x06, 0x07",
        "# a comment\n00 01 02 03 04 05 06 07",
        "00000000: 0001 0203 0405 0607  ........",
        "00000010: 00 01 02 03 04 05 06 07  ........",
        "00000000  00 01 02 03 04 05 06 07                           |........|\n00000008",
        "000000 00 01 02 03\n000004 04 05 06 07\n000010\n".replace("000010", "000008"),
    ],
)
def test_every_form_gives_the_same_bytes(text: str) -> None:
    assert is_text(text.encode())
    assert parse_hex(text) == bytes(range(8))


@pytest.mark.parametrize("command", ["xxd", "xxd -p", "xxd -g1", "hexdump -C", "od -t x1", "od -A x -t x1z"])
def test_what_tools_print(command: str) -> None:
    tool, *options = command.split()
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool}")
    printed = subprocess.run([tool, *options], input=DATA, capture_output=True, check=True).stdout.decode()
    assert parse_hex(printed) == DATA


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "line 1: 'hello' is no hex"),
        ("00\n012", "line 2: '012' has an odd number of digits"),
        ("0000000 0100 0302\n", "line 1: words of two bytes, whose order the dump does not say"),
        ("00000000: 0001\n00000003: 02", "line 2: the offset 00000003 does not count the 2 bytes before it"),
        ("00000000: 0001\n*\n00000007: 02", "what the * before it repeats does not come out at its offset"),
        ("*\n00000007: 02\n*\n00000001: 02", "what the * before it repeats does not come out at its offset"),
    ],
)
def test_what_is_no_hex_or_could_be_two_things_is_refused(text: str, said: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_hex(text)
    assert said in str(caught.value)


def test_a_star_cannot_fill_the_memory() -> None:
    with pytest.raises(LimitError):
        parse_hex("00000000: 00\n*\nffffffff: 00")


def test_work_areas_are_no_text() -> None:
    assert not is_text(bytes(4))
    assert not is_text(b"")


@given(st.text(alphabet="0123456789abcdefx:*|, \n.g#>", max_size=200))
def test_any_text_gives_bytes_or_is_refused(text: str) -> None:
    with contextlib.suppress(FormatError, LimitError):
        parse_hex(text)


@given(st.binary(max_size=300), st.sampled_from([1, 2, 4, 8]))
def test_plain_hex_comes_back(data: bytes, size: int) -> None:
    assert parse_hex(data.hex(" ", size)) == data
