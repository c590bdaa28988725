# SPDX-License-Identifier: MIT
"""What inputs are called, and small ones that hold no tree: a file or standard input, read whole."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import IO

from drmemctl.errors import InputError, LimitError
from drmemctl.read_files import note_descriptor, take_standard_input

STDIN = "-"
LIVE = "live"
"""This machine; `live::kcore` is the memory of its kernel."""

TREES = ("proc/device-tree", "sys/firmware/devicetree/base")
"""The names by which Linux shows its tree; the first is a link to the second."""

BOOTED = "sys/firmware/fdt"
"""Where Linux shows the blob that it was started with."""

KCORE = "kcore"
SYMBOLS = "DRMEMCTL_SYMBOLS"
"""The variable of the environment that names the symbols of a dumped kernel, as `--symbols` does."""


def read_input(name: str, largest: int, hint: str = "", *, typed: bool = False) -> bytes:
    """Return the bytes of a file, `-` being standard input; `LimitError` if there are more than `largest`.

    `hint` says what to do then; `typed` lets somebody type them.
    """
    source = source_name(name)
    try:
        if name == STDIN:
            data = _read_stdin(largest, typed=typed)
        else:
            with open(os.fspath(name), "rb") as stream:  # noqa: PTH123 - pathlib costs more than reading
                note_descriptor(stream.fileno())
                data = stream.read(largest + 1)
    except ValueError as error:
        raise InputError(f"cannot be read: {error}", source=source) from error
    except OSError as error:
        missing = error.errno == errno.ENOENT
        message = "no such file" if missing else f"cannot be read: {error.strerror or error}"
        raise InputError(message, source=source) from error
    if len(data) > largest:
        message = f"more than the {largest:,} bytes that are read of such a file"
        raise LimitError(message, source=source, hint=hint or None)
    return data


def source_name(name: str) -> str:
    """Return how an input is called in messages."""
    return "<stdin>" if name == STDIN else name


def _read_stdin(largest: int, *, typed: bool) -> bytes:
    stream = standard_input()
    if not typed and sys.stdin.isatty():
        raise InputError(
            "there is nothing on standard input", source="<stdin>", hint="pipe a file into it: … < FILE"
        )
    return stream.read(largest + 1)


def standard_input() -> IO[bytes]:
    """Return standard input, which is going to be read whole.

    `InputError` where whoever started us has closed it, or the command has read it: there would be nothing in it.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise InputError("there is no standard input", source="<stdin>")
    if not take_standard_input():
        raise InputError(
            "standard input was read already", source="<stdin>", hint="put one of the inputs in a file"
        )
    stream = sys.stdin.buffer
    with suppress(OSError):  # what a program has put in its place need not be a file
        note_descriptor(stream.fileno())
    return stream
