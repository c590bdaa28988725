# SPDX-License-Identifier: MIT
"""Bytes that arrive in order, with a head to look at: what files, pipes and decompressors have in common."""

from __future__ import annotations

from collections.abc import Callable

CHUNK = 1 << 18


class Stream:
    """A sequence of bytes that is read once, in pieces of any size.

    Attributes:
        offset: how many bytes `read` and `skip` have passed.

    """

    def __init__(self, pull: Callable[[], bytes], seek: Callable[[int], int] | None = None) -> None:
        """Make one of `pull`, which returns the next bytes, as many as it likes, and b"" at the end.

        `seek` passes up to as many bytes as it is given without reading them, and returns how many.
        """
        self._pull = pull
        self._seek = seek
        self._head = b""
        self._at = 0
        self.offset = 0

    def peek(self, size: int) -> bytes:
        """Return the next bytes without passing them: `size`, fewer only at the end."""
        while len(self._head) - self._at < size and (more := self._pull()):
            self._head, self._at = self._head[self._at :] + more, 0
        return self._head[self._at : self._at + size]

    def read(self, size: int) -> bytes:
        """Return the next bytes: `size`, fewer only at the end."""
        parts, missing = [], size
        while missing > 0 and (part := self.some(missing)):
            parts.append(part)
            missing -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def unread(self, data: bytes) -> None:
        """Put back the last bytes read."""
        if len(data) <= self._at:
            self._at -= len(data)
        else:
            self._head, self._at = data + self._head[self._at :], 0
        self.offset -= len(data)

    def skip(self, size: int) -> int:
        """Pass bytes without keeping them; return how many there were."""
        missing = size
        if self._seek is not None and missing > len(self._head) - self._at:
            missing -= len(self._head) - self._at
            self._head, self._at = b"", 0
            missing -= self._seek(missing)
            self.offset += size - missing
        while missing > 0 and (part := self.some(missing)):
            missing -= len(part)
        return size - missing

    def some(self, most: int = CHUNK) -> bytes:
        """Return the next bytes, as many as are at hand but at most `most`; b"" at the end."""
        # An index and not a shorter copy: an archive has its buffer asked for 512 bytes at a time.
        if self._at >= len(self._head):
            self._head, self._at = self._pull(), 0
        part = self._head[self._at : self._at + most]
        self._at += len(part)
        self.offset += len(part)
        return part
