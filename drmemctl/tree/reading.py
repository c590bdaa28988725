# SPDX-License-Identifier: MIT
"""How far the reading of a large input is, for whoever shows it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

Observer = Callable[[str, int, int], None]
"""Is told the input as the user named it, the bytes read so far, and how many there are; at the end 0 and 0."""

_OBSERVERS: list[Observer] = []


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Tell `observer` of all that is read within the block."""
    _OBSERVERS.append(observer)
    try:
        yield
    finally:
        _OBSERVERS.remove(observer)


def tell(source: str, raw: IO[bytes] | io.FileIO) -> None:
    """Tell how far a file is read; nothing of a pipe, whose size nobody knows, nor of what is in memory."""
    # Asking a spooled file for its descriptor would put it on the disk.
    for observer in _OBSERVERS if isinstance(raw, io.FileIO) else ():
        with suppress(OSError, ValueError):
            observer(source, raw.tell(), os.fstat(raw.fileno()).st_size)


def tell_end(source: str) -> None:
    """Tell that an input is read, or will not be."""
    for observer in _OBSERVERS:
        observer(source, 0, 0)
