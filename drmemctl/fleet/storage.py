# SPDX-License-Identifier: MIT
"""Where inputs and data sets lie: this machine's files by their paths, all else by what fsspec knows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

import fsspec

from drmemctl.errors import DrmemctlError, InputError

_LOCAL = "file://"
_BLOCK = 4 << 20
"""Bytes that are fetched at a time of what lies elsewhere."""


def local_path(url: str) -> str | None:
    """Return the path of a file of this machine, None for what lies elsewhere; `::` is part of a path."""
    if url.startswith(_LOCAL):
        return url.removeprefix(_LOCAL)
    return None if "://" in url else url


def local_url(path: str) -> str:
    """Return the URL of an absolute path."""
    return _LOCAL + path


def file_system(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL, and the path in it; `InputError` where there is none."""
    with reading(url):
        system, path = fsspec.url_to_fs(url)
    return system, path


@contextmanager
def reading(url: str) -> Iterator[None]:
    """Turn what the library of a storage raises into `InputError`."""
    try:
        yield
    except DrmemctlError:
        raise
    except FileNotFoundError as error:
        raise InputError("no such file or directory", source=url) from error
    except ImportError as error:
        hint = "pip install 'drmemctl[fleet-s3]'" if "s3fs" in str(error) else None
        raise InputError(f"this kind of URL takes a package: {error}", source=url, hint=hint) from error
    except Exception as error:
        raise InputError(f"cannot be read: {reason_of(error)}", source=url) from error


def reason_of(error: Exception) -> str:
    """Return what an error of a storage says, without the path that ours names."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def open_remote(url: str) -> io.BufferedReader:
    """Open a file that is not on this machine, for reading and, where the storage can, for seeking."""
    place, chained, archive = url.partition("::")
    protocol, _, member = place.partition("://")
    if chained and member:
        # The directory of an archive is read once for many members.
        system, path = _archive(protocol, archive), member
    else:
        system, path = file_system(url)
    # fsspec hands these options of an archive's member on to the archive, whose library does not know them.
    options = {} if chained else {"block_size": _BLOCK, "cache_type": "readahead"}
    with reading(url):
        stored = system.open(path, "rb", **options)
    return io.BufferedReader(_StoredFile(stored, url), _BLOCK)


@lru_cache(maxsize=4)
def _archive(protocol: str, archive: str) -> Any:
    return file_system(f"{protocol}://::{archive}")[0]


def close_archives() -> None:
    """Forget the archives that were read: they may change."""
    _archive.cache_clear()


class _StoredFile(io.RawIOBase):
    """An open file of some storage, whose errors are an `InputError`, as those of files are."""

    def __init__(self, raw: Any, url: str) -> None:
        super().__init__()
        self._raw = raw
        self._url = url

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Whether the storage can begin anywhere."""
        return bool(self._raw.seekable())

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes into a buffer, and return how many."""
        with reading(self._url):
            data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        with reading(self._url):
            return int(self._raw.seek(offset, whence))

    def tell(self) -> int:
        """Return the place."""
        return int(self._raw.tell())

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            with suppress(Exception):
                self._raw.close()
        super().close()
