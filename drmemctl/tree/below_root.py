# SPDX-License-Identifier: MIT
"""Files below a directory that stands for `/`: a copy of somebody else's /proc and /sys, or this machine's own.

Links are followed as a process would whose root that directory is: /proc/device-tree is one to
/sys/firmware/devicetree/base. So nothing outside is ever read, whatever they say. Only regular files are opened:
a FIFO would keep us waiting, and a device do as it likes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EINVAL, ELOOP
from itertools import islice
from types import TracebackType
from typing import Self

from drmemctl.read_files import note

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How files are opened that somebody else put there: no links, and nothing that would keep us waiting."""

_PIECE = 1 << 20
"""Bytes read at once."""

_LINKS = 40
"""Links on the way to one file, as many as Linux follows (MAXSYMLINKS)."""

_ENTRIES = 1 << 20
"""Names that are listed of one directory."""


class Folder:
    """A directory that is open.

    Attributes:
        path: where it is from the root on, without a leading slash and without links.

    """

    def __init__(self, root: Root, path: str, descriptor: int) -> None:
        self.path = path
        self._root = root
        self._descriptor = descriptor

    def names(self) -> list[str]:
        """Return the names of what is in it, in their order."""
        with suppress(OSError), os.scandir(self._descriptor) as entries:
            return sorted(entry.name for entry in islice(entries, _ENTRIES))
        return []

    def is_folder(self, name: str) -> bool:
        """Whether a name is that of a directory, and not of a link to one."""
        with suppress(OSError, ValueError):
            return stat.S_ISDIR(self._status(name).st_mode)
        return False

    def is_link(self, name: str) -> bool:
        """Whether a name is that of a link."""
        with suppress(OSError, ValueError):
            return stat.S_ISLNK(self._status(name).st_mode)
        return False

    def read(self, name: str, most: int, *, last: bool = False) -> bytes | None:
        """Return the first (or the `last`) bytes of a file, at most `most`; None where it is not to be read."""
        with suppress(OSError, ValueError):
            status = self._status(name)
            if stat.S_ISLNK(status.st_mode):
                return self._root.read(f"{self.path}/{name}", most, last=last)
            if stat.S_ISREG(status.st_mode):
                return regular_content(os.open(name, OPEN_FILE, dir_fd=self._descriptor), most, last=last)[0]
        return None

    @contextmanager
    def folder(self, name: str) -> Iterator[Folder | None]:
        """Open a directory in it; None where it is none, or a link."""
        try:
            descriptor = os.open(name, _FOLDER, dir_fd=self._descriptor)
        except (OSError, ValueError):
            yield None
            return
        try:
            yield Folder(self._root, f"{self.path}/{name}".lstrip("/"), descriptor)
        finally:
            os.close(descriptor)

    def _status(self, name: str) -> os.stat_result:
        return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)


class Root:
    """The directory that stands for `/`, as long as it is entered.

    Raises `OSError` on entering where there is no such directory.
    """

    def __init__(self, place: str) -> None:
        self._place = place or "/"
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._descriptor = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def read(self, path: str, most: int, *, last: bool = False) -> bytes | None:
        """Return the first (or the `last`) bytes of a file, at most `most`; None where it is not to be read."""
        with suppress(OSError, ValueError):
            descriptor, _ = self._open(path)
            return regular_content(descriptor, most, last=last)[0]
        return None

    @contextmanager
    def folder(self, path: str) -> Iterator[Folder | None]:
        """Open a directory; None where there is none."""
        try:
            descriptor, real = self._open(f"{path}/")
        except (OSError, ValueError):
            yield None
            return
        try:
            yield Folder(self, real, descriptor)
        finally:
            os.close(descriptor)

    def folder_path(self, path: str) -> str | None:
        """Return where a directory is from the root on, without links; None where there is none."""
        with self.folder(path) as folder:
            return None if folder is None else folder.path

    def _open(self, path: str) -> tuple[int, str]:
        """Open a regular file or a directory, a name of the path at a time; return that without links."""
        names_to_go = path.split("/")[::-1]
        names: list[str] = []
        opened = [os.dup(self._descriptor)]
        links = 0
        try:
            while names_to_go:
                name = names_to_go.pop()
                if name == "..":
                    _leave(opened, names, 1)
                if name in ("", ".", ".."):
                    continue
                status = os.stat(name, dir_fd=opened[-1], follow_symlinks=False)
                if stat.S_ISLNK(status.st_mode):
                    links += 1
                    if links > _LINKS:
                        raise OSError(ELOOP, os.strerror(ELOOP))
                    target = os.readlink(name, dir_fd=opened[-1])
                    if target.startswith("/"):
                        _leave(opened, names, len(names))
                    names_to_go += target.split("/")[::-1]
                    continue
                if stat.S_ISDIR(status.st_mode):
                    flags = _FOLDER
                elif stat.S_ISREG(status.st_mode) and not names_to_go:
                    flags = OPEN_FILE
                else:
                    raise OSError(EINVAL, "no regular file")
                opened.append(os.open(name, flags, dir_fd=opened[-1]))
                names.append(name)
            return opened.pop(), "/".join(names)
        finally:
            for descriptor in opened:
                os.close(descriptor)


def _leave(opened: list[int], names: list[str], number: int) -> None:
    """Go up from directories that are open; above the root there is nothing but the root."""
    for _ in range(min(number, len(names))):
        os.close(opened.pop())
        names.pop()


def regular_content(descriptor: int, most: int, *, last: bool = False) -> tuple[bytes, int]:
    """Return the first or the last bytes of an open file, and the size that it claims; it is closed.

    `OSError` if it is no regular one.
    """
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(EINVAL, "no regular file any more")
        note(status)
        if last and status.st_size > most:
            os.lseek(descriptor, -most, os.SEEK_END)
        parts, missing = [], most
        while missing > 0 and (part := os.read(descriptor, min(missing, _PIECE))):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts), status.st_size
    finally:
        os.close(descriptor)
