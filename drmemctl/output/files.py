# SPDX-License-Identifier: MIT
"""Writing result files: whole or not at all, and never over an input by accident."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain

from drmemctl.errors import WriteError
from drmemctl.output.writer import writer
from drmemctl.read_files import was_read

_DESCRIPTOR = re.compile(r"/dev/(?:std(in|out|err)|fd/(\d+))|/proc/(?:self|thread-self)/fd/(\d+)")
_STANDARD = {"in": 0, "out": 1, "err": 2}
_PERMISSIONS = 0o777
"""What a replaced file keeps of its mode: its new content is nothing that anybody made setuid."""


class ExistingFileError(WriteError):
    """A file is not written, because there is one of that name."""


def write_atomically(
    path: str | os.PathLike[str],
    data: bytes | Iterable[bytes],
    *,
    inputs: Iterable[str] = (),
    force: bool | None = None,
    new: bool = False,
) -> None:
    """Write a file so that it is there whole or not at all, whatever happens meanwhile.

    The bytes go to a temporary file beside it, which takes its name once it is on the disk; a link is
    followed, the permissions of a replaced file are kept, but for setuid and its like. Devices, pipes and
    `/dev/stdout` are written to directly. To replace a file that the command has read takes `force`, which is None
    where the user cannot ask for it; with `new`, so does every file. `inputs` names those that it is still to
    read, also as `ARCHIVE::PATH`.

    Raises `WriteError` for everything that the operating system refuses, `BrokenPipeError` where the reader of
    a pipe has gone.
    """
    name = os.fspath(path)
    pieces: Iterable[bytes] = [data] if isinstance(data, bytes) else data
    replaceable = _Replaceable(name, force, new=new)
    with _translated(name):
        descriptor = _DESCRIPTOR.fullmatch(name)
        if descriptor:
            standard, *numbers = descriptor.groups()
            number = _STANDARD[standard] if standard else int(numbers[0] or numbers[1])
            replaceable.check(os.fstat(number))
            _write_descriptor(os.dup(number), pieces)
            return
        status = _status(name)
        if name.endswith("/") or (status is not None and stat.S_ISDIR(status.st_mode)):
            raise WriteError("this is a directory", source=name, hint="name a file in it")
        if status is not None and not stat.S_ISREG(status.st_mode):
            _write_descriptor(os.open(name, os.O_WRONLY | os.O_CLOEXEC), pieces)
            return
        if status is not None:
            replaceable.check(status, inputs)
        _replace(os.path.realpath(name), status, pieces, replaceable)


def write_text(path: str, pieces: Iterable[str], inputs: Iterable[str] = ()) -> None:
    """Write text to a file as `write_atomically` writes bytes, and never over an input."""
    write_atomically(path, (piece.encode() for piece in pieces), inputs=inputs)


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        hint = "the directory must exist" if error.errno in (errno.ENOENT, errno.ENOTDIR) else None
        raise WriteError(f"cannot be written: {error.strerror or error}", source=name, hint=hint) from error
    except ValueError as error:
        if "\0" not in name and not isinstance(error, UnicodeEncodeError):
            raise
        raise WriteError("this is no path", source=name) from error


def _status(name: str) -> os.stat_result | None:
    try:
        return os.stat(name)  # noqa: PTH116 - paths here are what the user typed, links and all
    except FileNotFoundError:
        return None


class _Replaceable:
    """Whether a file may be replaced: not one that is an input, unless the user says so."""

    def __init__(self, name: str, force: bool | None, *, new: bool = False) -> None:
        self._name = name
        self._force = force
        self._new = new

    def check(self, status: os.stat_result, inputs: Iterable[str] = ()) -> None:
        """Raise `WriteError` if this file was read, or is one that `inputs` names."""
        if not self._force and (was_read(status) or _is_named(status, inputs)):
            hint = "name another file" if self._force is None else "add --force to replace it"
            raise WriteError("this is an input", source=self._name, hint=hint)
        if self._new and not self._force and stat.S_ISREG(status.st_mode):
            raise self._exists()

    def put(self, temporary: str, name: str) -> None:
        """Give a file its name."""
        if not self._new or self._force:
            os.replace(temporary, name)  # noqa: PTH105
            return
        try:
            os.link(temporary, name)  # a name that came meanwhile stays what it is
        except FileExistsError:
            raise self._exists() from None
        os.unlink(temporary)  # noqa: PTH108

    def _exists(self) -> ExistingFileError:
        return ExistingFileError("there is a file already", source=self._name, hint="add --force to replace it")


def _is_named(status: os.stat_result, inputs: Iterable[str]) -> bool:
    for source in inputs:
        # A name may hold :: itself, so both readings of it are compared.
        for candidate in {source, source.partition("::")[0], source.rpartition("::")[0]}:
            with suppress(OSError, ValueError):
                if candidate and os.path.samestat(status, os.stat(candidate)):  # noqa: PTH116
                    return True
    return False


def _write_descriptor(descriptor: int, pieces: Iterable[bytes]) -> None:
    with writer(descriptor, closes=True) as stream:
        for piece in pieces:
            stream.write(piece)


def _replace(name: str, status: os.stat_result | None, pieces: Iterable[bytes], replaceable: _Replaceable) -> None:
    if status is not None:
        # The directory may allow to replace it, but whoever made it read-only meant something.
        os.close(os.open(name, os.O_WRONLY | os.O_CLOEXEC))
    folder = os.path.dirname(name)  # noqa: PTH120
    pieces = iter(pieces)
    # The first is made before there is a file: of a tree that is a directory, it would be one more property.
    first = next(pieces, b"")
    temporary = f"{folder}/.drmemctl-{os.urandom(6).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = None
    try:
        # Mode 666 lets the process's umask decide, as for any new file.
        descriptor = os.open(temporary, flags, 0o666)
        if status is not None:
            with suppress(PermissionError):
                os.fchmod(descriptor, status.st_mode & _PERMISSIONS)
        _write_descriptor(os.dup(descriptor), chain((first,), pieces))
        os.fsync(descriptor)
        # Inputs that were read while the pieces were made count as well.
        current = _status(name)
        if current is not None:
            replaceable.check(current)
        replaceable.put(temporary, name)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Put the new name on the disk; not every file system can, and the content is there already."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
