# SPDX-License-Identifier: MIT
"""The files that the command at hand has read, by device and inode: what an output must not replace.

Whoever opens an input notes it here, and whoever writes a file asks. By the file and not by its name, since the
same may be a property in a directory, a link, or standard input redirected from it. Nothing is kept outside a
command: whoever imports the package writes files in ways of their own.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import IO

_KEPT: list[set[int]] = []
"""The set of the command that runs, or none."""

_STANDARD_INPUT = -1
"""Stands for standard input, which need not be a file, and gives what it has once."""


@contextmanager
def kept() -> Iterator[None]:
    """Keep what is read from here to the end of the block."""
    _KEPT.append(set())
    try:
        yield
    finally:
        _KEPT.pop()


def note(status: os.stat_result) -> None:
    """Note a file that was opened to be read; `status` is that of the open file."""
    if _KEPT and stat.S_ISREG(status.st_mode):
        _KEPT[-1].add(_identity(status))


def open_regular(name: str) -> IO[bytes]:
    """Open a file that somebody else may have named, and note it; `OSError` if it is no regular one.

    A FIFO would keep us waiting, and to open a device may be to do something to it.
    """
    check_regular(os.stat(name))  # noqa: PTH116
    stream = open(os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")  # noqa: PTH123, SIM115
    try:
        status = os.fstat(stream.fileno())
        check_regular(status)
    except BaseException:
        stream.close()
        raise
    note(status)
    return stream


def check_regular(status: os.stat_result) -> None:
    """Raise `OSError` for what is no regular file."""
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")


def note_descriptor(descriptor: int) -> None:
    """Note a file by its descriptor."""
    if _KEPT:
        note(os.fstat(descriptor))


def note_name(name: str) -> None:
    """Note a file by its name, where nobody knows any more whether it could be opened."""
    with suppress(OSError, ValueError):
        note(os.stat(name))  # noqa: PTH116 - as the user typed it


def take_standard_input() -> bool:
    """Return whether the command at hand may read standard input: it has not yet, or there is no command."""
    is_free = not _KEPT or _STANDARD_INPUT not in _KEPT[-1]
    add((_STANDARD_INPUT,))
    return is_free


def was_read(status: os.stat_result) -> bool:
    """Whether the command at hand has read this file."""
    return bool(_KEPT) and _identity(status) in _KEPT[-1]


def taken() -> frozenset[int]:
    """Return what was noted and forget it: a process hands it to the one that it works for."""
    if not _KEPT:
        return frozenset()
    noted = frozenset(_KEPT[-1])
    _KEPT[-1].clear()
    return noted


def add(noted: Collection[int]) -> None:
    """Note what another process has read."""
    if _KEPT:
        _KEPT[-1].update(noted)


def _identity(status: os.stat_result) -> int:
    # One number for both: a directory of devices' properties has 46,000 files.
    return status.st_dev << 64 | status.st_ino
