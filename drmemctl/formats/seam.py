# SPDX-License-Identifier: MIT
"""Where the errors of Construct and struct become drmemctl's own; no other module catches them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from drmemctl.errors import FormatError

# Construct lets a missing key, a wrong type and an overflow of Python's own through as they are.
_FAULTS = (struct.error, KeyError, TypeError, ValueError, OverflowError)


@contextmanager
def building(property: str) -> Iterator[None]:
    """Turn whatever goes wrong while `property` is put together into a `FormatError` that names it."""
    try:
        yield
    except _FAULTS as error:
        raise _unbuildable(error, property) from error


def _unbuildable(error: Exception, property: str) -> FormatError:
    return FormatError(f"cannot be built from these values: {error}", property=property)


def build(declaration: Any, value: Any, property: str) -> bytes:
    """Return the bytes that a Construct declaration makes of `value`, or raise `FormatError`."""
    from construct import ConstructError

    try:
        return bytes(declaration.build(value))
    except (ConstructError, *_FAULTS) as error:
        raise _unbuildable(error, property) from error
