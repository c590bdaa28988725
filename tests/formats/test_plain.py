# SPDX-License-Identifier: MIT
"""Values as JSON has them, and back; what is of another shape is refused with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from drmemctl.defect import Defect
from drmemctl.errors import FormatError
from drmemctl.formats.plain import from_plain, plain


@dataclass(frozen=True)
class Inner:
    """Something inside."""

    number: int
    text: str = "x"


@dataclass(frozen=True)
class Outer:
    """A field of each type."""

    flag: bool
    raw: bytes
    inner: Inner
    several: tuple[Inner, ...]
    cells: tuple[int, ...] = (1,)
    maybe: Inner | None = None
    size: int | None = 7
    defects: tuple[Defect, ...] = ()


MADE = Outer(True, b"\1\xff", Inner(3), (Inner(4, "y"), Inner(5)), (), Inner(6), None, (Defect("a", "b"),))
PLAIN = {
    "flag": True,
    "raw": "01ff",
    "inner": {"number": 3, "text": "x"},
    "several": [{"number": 4, "text": "y"}, {"number": 5, "text": "x"}],
    "cells": [],
    "maybe": {"number": 6, "text": "x"},
    "size": None,
}
LEAST: dict[str, Any] = {"flag": False, "raw": "", "inner": {"number": 0}, "several": []}


def test_there_and_back() -> None:
    assert plain(MADE) == PLAIN
    back = from_plain(Outer, PLAIN, "value")
    assert back == Outer(True, b"\1\xff", Inner(3), (Inner(4, "y"), Inner(5)), (), Inner(6), None)


def test_what_is_left_out_has_its_default() -> None:
    assert from_plain(Outer, LEAST | {"defects": [1], "unheard of": 2}, "value") == Outer(False, b"", Inner(0), ())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"flag": 1}, "value.flag is 1, not true or false"),
        ({"raw": 7}, "value.raw is 7, not bytes in hex"),
        ({"raw": "0"}, "value.raw is '0', not bytes in hex"),
        ({"raw": "0x" + "0" * 60}, f"value.raw is '0x{'0' * 37}..., not bytes in hex"),
        ({"raw": "x" * 38}, f"value.raw is '{'x' * 38}', not bytes in hex"),
        ({"raw": "x" * 39}, f"value.raw is '{'x' * 39}..., not bytes in hex"),
        ({"inner": 7}, "value.inner is 7, not an object"),
        ({"inner": {}}, "value.inner has no 'number'"),
        ({"inner": {"number": False}}, "value.inner.number is False, not a number"),
        ({"inner": {"number": 1.5}}, "value.inner.number is 1.5, not a number"),
        ({"inner": {"number": 1, "text": 2}}, "value.inner.text is 2, not a text"),
        ({"several": {}}, "value.several is {}, not a list"),
        ({"several": [{"number": 1}, None]}, "value.several[1] is None, not an object"),
        ({"cells": [1, "2"]}, "value.cells[1] is '2', not a number"),
        ({"maybe": [1]}, "value.maybe is [1], not an object"),
        ({"size": True}, "value.size is True, not a number"),
    ],
)
def test_what_is_of_another_shape(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(FormatError) as caught:
        from_plain(Outer, LEAST | changed, "value")
    assert str(caught.value) == said
