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
from drmemctl.formats.hex_text import parse_hex, text_of

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
    assert text_of(text.encode()) == text
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
        (
            "00000000: 0001\n*\n00000007: 02",
            "line 3: what the * before it repeats does not come out at its offset",
        ),
        (
            "*\n00000007: 02\n*\n00000001: 02",
            "line 2: what the * before it repeats does not come out at its offset",
        ),
        (
            "00000000: 0001\n*\n00000001: 02",
            "line 3: what the * before it repeats does not come out at its offset",
        ),
        ("00 01\n*\n02", "line 2: no offset behind the * says how often it repeats the line before it"),
        ("00000000: 00\n*", "line 2: no offset behind the * says how often it repeats the line before it"),
        ("00000000: 00\n*\n02", "line 2: no offset behind the * says how often it repeats the line before it"),
        ("00 " + "x" * 50, f"line 1: '{'x' * 40}' is no hex"),
        ("00 " + "1" * 51, f"line 1: '{'1' * 40}' has an odd number of digits"),
        ("x|00|", "line 1: the offset x is no number of base 16"),
        ("0x", "line 1: '0x' is no hex"),
        ("00,0x1", "line 1: '0x1' has an odd number of digits"),
        ("\n# 1\n\n0\u0661", "line 4: '0\u0661' is no hex"),
        # What xxd, hexdump and od call an offset has five digits or more, and the bytes go by twos.
        ("0000: 0001", "line 1: '0000:' is no hex"),
        ("12345678901234567: 00", "line 1: '12345678901234567:' is no hex"),
        ("0000 00 01", ""),
        ("00000000 00 1", "line 1: '1' has an odd number of digits"),
        ("0000010", "line 1: '0000010' has an odd number of digits"),
        ("0000000 0100", "line 1: words of two bytes, whose order the dump does not say"),
        ("0000000 01 0302", "line 1: '0000000' has an odd number of digits"),
        ("0000000 0100 03", "line 1: '0000000' has an odd number of digits"),
        (
            "00000000: " + "00" * 1000 + "\n00000000: 00",
            "line 2: the offset 00000000 does not count the 1,000 bytes before it",
        ),
        # The first of two readings tells: od's octal one would have failed at another line.
        ("0000008 00\n0000010 00 00", "line 2: the offset 0000010 does not count the 1 bytes before it"),
    ],
)
def test_what_is_no_hex_or_could_be_two_things_is_refused(text: str, said: str) -> None:
    if not said:
        assert parse_hex(text) == b"\0\0\0\1"
        return
    with pytest.raises(FormatError) as caught:
        parse_hex(text)
    hint = "give the bytes as they are, as plain hex, or as `xxd` or `hexdump -C` prints them"
    assert str(caught.value) == f"{said}; {hint}"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        # Behind two spaces, a bar or an arrow is what the bytes are in ASCII.
        ("00000000: 6162 6364  ab cd", "61626364"),
        ("00000000:6162 6364", "61626364"),
        ("00000000  61 62  |ab 63|", "6162"),
        ("0000000 61 62  >ab 63<", "6162"),
        ("  |ab|", ""),
        ("61626364|", ""),
        # A dump may begin anywhere; * fills up to the next offset, which may be the end.
        ("00000100: 6162\n00000102: 63", "616263"),
        ("00000000: 6162\n*\n00000006: 63", "61626162616263"),
        ("00000000: 6162\n*\n00000002: 63", "616263"),
        ("00000100: 61\n*\n00000104: 62", "6161616162"),
        ("00000000 61 62\n*\n00000006\n", "616261626162"),
        ("0000000 61\n*\n0000010\n", "61" * 16),
        ("0000000 " + "61 " * 8 + "\n0000010 62\n0000011", "61" * 8 + "62"),
        # Five to sixteen digits alone are an offset at the end of a dump only.
        ("00000000 61 62\n00002", "6162"),
        ("00000000 61 62\n0000000000000002", "6162"),
        ("000002", "000002"),
        ("00000000 61 62\n6162", "61626162"),
        ("61 62\n00000002", "616200000002"),
        # Words of another form are data.
        ("0000000a 0100 0302", "0000000a01000302"),
        ("00 0100 0302", "0001000302"),
        ("0X61,0x62 ,63", "616263"),
    ],
)
def test_where_offsets_and_text_end(text: str, data: str) -> None:
    assert parse_hex(text) == bytes.fromhex(data)


def test_a_star_cannot_fill_the_memory() -> None:
    with pytest.raises(LimitError) as caught:
        parse_hex("00000000: 00\n*\n01000002: 00")
    assert str(caught.value) == "line 3 makes the dump longer than 16,777,216 bytes"
    assert len(parse_hex("00000000: 00\n*\n01000001: 00")) == (16 << 20) + 2


def test_work_areas_are_no_text() -> None:
    assert text_of(bytes(4)) is None
    for encoding in ("utf-8", "latin-1"):
        assert text_of("dies ist kein Hex, schön".encode(encoding)) == "dies ist kein Hex, schön"
    assert text_of("00 01".encode("utf-16")) == text_of(b"\xef\xbb\xbf00 01") == "00 01"
    assert text_of(b"\xff\xfe\x00\xd8") is None
    assert text_of("schön".encode("latin-1")) is None
    assert text_of(bytes(range(0x80, 0x100))) is None
    assert text_of(b"") is None
    assert text_of(b" ~\t\r\n\f") == " ~\t\r\n\f"
    assert [text_of(b"00" + bytes([byte])) for byte in (0x0B, 0x1F, 0x7F, 0x80)] == [None] * 4


@given(st.text(alphabet="0123456789abcdefx:*|, \n.g#>", max_size=200))
def test_any_text_gives_bytes_or_is_refused(text: str) -> None:
    with contextlib.suppress(FormatError, LimitError):
        parse_hex(text)


@given(st.binary(max_size=300), st.sampled_from([1, 2, 4, 8]))
def test_plain_hex_comes_back(data: bytes, size: int) -> None:
    assert parse_hex(data.hex(" ", size)) == data
