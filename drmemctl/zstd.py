# SPDX-License-Identifier: MIT
"""Where zstd comes from: the standard library since Python 3.14, before that its backport, if installed."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from drmemctl.errors import InputError


def zstd_module(instead: str) -> Any:
    """Return the module; `InputError` that says what to do instead where it is not there.

    The backport is compiled, so the single-file program is without it.
    """
    try:
        if sys.version_info >= (3, 14):
            # By its name: type stubs of Pythons before 3.14 do not have it.
            return import_module("compression.zstd")
        import backports.zstd
    except ImportError:
        hint = f"{instead}, or install the Python package backports.zstd"
        raise InputError("zstd cannot be read or written by this Python", hint=hint) from None
    return backports.zstd


def first_bytes(data: bytes, most: int) -> bytes:
    """Return at most `most` of the bytes that a frame stands for; `ValueError` for what is no frame."""
    zstd = zstd_module("write the dump with makedumpfile -c")
    try:
        return bytes(zstd.ZstdDecompressor().decompress(data, most))
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from None
