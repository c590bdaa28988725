# SPDX-License-Identifier: MIT
"""Where zstd comes from: the standard library since Python 3.14, else the zstandard package where it is there."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from drmemctl.errors import InputError

IS_STANDARD = sys.version_info >= (3, 14)


def standard_zstd() -> Any:
    """Return the standard library's module, by its name: type stubs of Pythons before 3.14 do not have it."""
    return import_module("compression.zstd")


def zstandard_package(instead: str) -> Any:
    """Return the zstandard package; `InputError` that says what to do instead where it is not installed.

    It is compiled, so the single-file program is without it.
    """
    try:
        import zstandard
    except ImportError:
        hint = f"{instead}, or install the Python package zstandard"
        raise InputError("zstd cannot be read or written by this Python", hint=hint) from None
    return zstandard


def first_bytes(data: bytes, most: int) -> bytes:
    """Return at most `most` of the bytes that a frame stands for; `ValueError` for what is no frame."""
    if IS_STANDARD:
        zstd = standard_zstd()
        try:
            return bytes(zstd.ZstdDecompressor().decompress(data, most))
        except zstd.ZstdError as error:
            raise ValueError(str(error)) from None
    package = zstandard_package("write the dump with makedumpfile -c")
    try:
        with package.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data) as reader:
            return bytes(reader.read(most))
    except package.ZstdError as error:
        raise ValueError(str(error)) from None
