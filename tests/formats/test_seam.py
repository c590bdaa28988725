# SPDX-License-Identifier: MIT
"""No error of Construct's or Python's own leaves the builders."""

from __future__ import annotations

import struct

import construct
import pytest

from drmemctl.errors import DrmemctlError, FormatError
from drmemctl.formats.seam import build, building

PAIR = construct.Struct("a" / construct.Int8ub, "b" / construct.Int8ub)


@pytest.mark.parametrize(
    "value",
    [{"a": 256, "b": 0}, {"a": 1}, {"a": "x", "b": 0}, {"a": None, "b": 0}, 7, {"a": -1, "b": 0}],
    ids=["too large", "a key missing", "text", "none", "no mapping", "negative"],
)
def test_whatever_construct_raises_becomes_a_format_error(value: object) -> None:
    with pytest.raises(FormatError) as caught:
        build(PAIR, value, "ibm,pair")
    assert isinstance(caught.value, DrmemctlError)
    assert str(caught.value).startswith("ibm,pair: cannot be built from these values: ")
    assert str(caught.value).endswith(str(caught.value.__cause__))


def test_what_fits_is_built() -> None:
    assert build(PAIR, {"a": 1, "b": 2}, "ibm,pair") == b"\1\2"


@pytest.mark.parametrize("error", [struct.error("s"), OverflowError("o"), ValueError("v")])
def test_pythons_own_errors_are_translated_as_well(error: Exception) -> None:
    with pytest.raises(FormatError) as caught, building("p"):
        raise error
    assert str(caught.value) == f"p: cannot be built from these values: {error}"
    assert caught.value.__cause__ is error


def test_a_programming_error_is_not() -> None:
    with pytest.raises(ZeroDivisionError), building("p"):
        raise ZeroDivisionError
