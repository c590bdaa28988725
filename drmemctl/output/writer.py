# SPDX-License-Identifier: MIT
"""The one way in which bytes leave the process: all of them, or an error that says why not.

What `write` returns may be short in any mode (a disk that fills up, a signal, a pipe that does not wait), and
Python's unbuffered streams (`PYTHONUNBUFFERED`, `python -u`) leave it at that. A `BufferedWriter` goes on to the
error.
"""

from __future__ import annotations

import io
import os
import select
from typing import Any, TextIO


class _WaitingFile(io.FileIO):
    """A file that waits where its descriptor does not (O_NONBLOCK, which whoever started us may have set)."""

    def write(self, data: Any, /) -> int:
        """Write as much as fits now, at least a byte."""
        while True:
            # None is EAGAIN, where typeshed knows numbers only.
            written: int | None = super().write(data)
            if written is not None:
                return written
            waiting = select.poll()
            waiting.register(self.fileno(), select.POLLOUT)
            waiting.poll()


def writer(descriptor: int, *, closes: bool) -> io.BufferedWriter:
    """Return a writer to an open file; it `closes` the descriptor at its end, or leaves it open."""
    return io.BufferedWriter(_WaitingFile(descriptor, "wb", closefd=closes))


def text_writer(stream: TextIO | None) -> TextIO:
    r"""Return a stream that writes to where one of the interpreter's does, whole or with an error.

    One that is ASCII only shows `\u2026` for an ellipsis instead of failing. Where whoever started us has closed
    it (`>&-`), it leads to nowhere: the exit code still counts. Without a standard error Click would print what is
    wrong among the data, and a file that is opened later would get its number.
    """
    if stream is None:
        return io.TextIOWrapper(writer(os.open(os.devnull, os.O_WRONLY), closes=True), errors="backslashreplace")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    return io.TextIOWrapper(
        writer(stream.fileno(), closes=False),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering or stream.write_through,
    )
