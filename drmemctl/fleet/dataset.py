# SPDX-License-Identifier: MIT
"""A data set: a directory, here or in a store of objects, with one of numbered Parquet files for each table.

A part is the files of one number. It counts as soon as its last table (`inputs` of `fleet check`)
has its file: what a run left that was ended in between is none, and the next run takes it away.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pyarrow as pa

from drmemctl.errors import DrmemctlError, InputError, WriteError
from drmemctl.fleet.outcome import OUTCOME_COLUMNS, outcome_of
from drmemctl.fleet.storage import file_system, local_path, reading, reason_of
from drmemctl.fleet.tables import ALL_TABLES, KERNELS, SCHEMA, VERSION, read
from drmemctl.fleet.work import ALL_WORK, CHECK, Work
from drmemctl.read_files import check_regular, note, open_regular

_PART = re.compile(r"part-(\d{8})\.parquet")
_UNFINISHED = ".tmp"
JUDGED_AGAIN = "its inputs are then judged again"
"""What comes of moving a damaged part away."""


class DatasetError(DrmemctlError):
    """A data set that cannot be read or added to."""


class Dataset:
    """The parts at a URL.

    Attributes:
        url: where it is, as the user named it.
        work: what fills it.

    """

    def __init__(self, url: str, work: Work = CHECK) -> None:
        """Look for the parts; there may be none."""
        path = local_path(url)
        self.url = url
        self.work = work
        self.is_local = path is not None
        self.fs, root = file_system(url if path is None else os.path.abspath(path))  # noqa: PTH100
        self._root = root.rstrip("/")
        self._place: str = self.fs.unstrip_protocol(self._root) + "/"

    def holds(self, url: str) -> bool:
        """Whether a URL is of a file in it, which is no input although it may lie beside them."""
        return url.startswith(self._place)

    def check_work(self, hint: str) -> None:
        """Raise `DatasetError` where another command made what is there; `hint` says what to do then."""
        for work in ALL_WORK:
            if work != self.work and Dataset(self.url, work).parts():
                message = f"it has {work.commit} of {work.command}, not {self.work.commit} of {self.work.command}"
                raise DatasetError(message, source=self.url, hint=hint)

    def parts(self, table: str = "") -> list[int]:
        """Return the numbers of the parts that have a file for a table, ascending; by default those that count."""
        self.fs.invalidate_cache()
        # A store of objects has no empty folders: to list one is an error, to match nothing in it is not.
        pattern = f"{self._root}/{table or self.work.commit}/part-*.parquet"
        with reading(self.url):
            paths = self.fs.glob(pattern)
        matches = (_PART.fullmatch(posixpath.basename(path)) for path in paths)
        return sorted(int(match[1]) for match in matches if match)

    def path(self, table: str, part: int) -> str:
        """Return the path of a file in the file system `fs`."""
        return f"{self._root}/{table}/part-{part:08}.parquet"

    def paths(self, table: str) -> list[str]:
        """Return the paths of all files of a table that count, in the file system `fs`."""
        return [self.path(table, part) for part in self.parts()]

    def outcomes(self) -> dict[tuple[str, str], int]:
        """Return what became of the inputs that are there, by URL and version."""
        outcomes: dict[tuple[str, str], int] = {}
        columns = ("url", "version", *OUTCOME_COLUMNS[self.work.commit])
        for path in self.paths(self.work.commit):
            rows = self.columns(path, columns).to_pylist()
            outcomes.update(((row["url"], row["version"]), outcome_of(row)) for row in rows)
        return outcomes

    def columns(self, path: str, names: Sequence[str]) -> pa.Table:
        """Return columns of a file of the table by which a part counts; `DatasetError` where it is none."""
        schema = ALL_TABLES[self.work.commit]
        with self._opened(path) as stream:
            table = read(stream, names)
            name = (table.schema.metadata or {}).get(SCHEMA, b"").decode("utf-8", "replace")
            expected = schema.metadata[SCHEMA].decode()
            message = f"this is {name or 'Parquet of another program'}, not {expected}"
            if name == expected:
                message = f"this is {expected} with other columns"
            if name != expected or sorted(names) != sorted(table.column_names):
                raise DatasetError(message, source=path, hint="take the drmemctl that wrote it")
            # Arrow believes what a file says of its types and texts: here they become ours, or an error.
            fields = [schema.field(name) for name in table.column_names]
            table = table.cast(pa.schema(fields, metadata=table.schema.metadata))
            table.validate(full=True)
        return table

    def made_by(self) -> tuple[str, tuple[str, ...]] | None:
        """Return (version of drmemctl, kernels judged for) of the newest part; None without parts."""
        paths = self.paths(self.work.commit)
        if not paths:
            return None
        metadata = self.columns(paths[-1], ("url", "version")).schema.metadata
        version, kernels = (metadata.get(key, b"").decode("utf-8", "replace") for key in (VERSION, KERNELS))
        return version, tuple(kernels.split())

    @contextmanager
    def _opened(self, path: str) -> Iterator[Any]:
        try:
            with reading(path):
                part = open_regular(path) if self.is_local else self.fs.open(path, "rb")
            with part as stream:
                yield stream
        except (pa.ArrowException, OSError, ValueError) as error:
            message = f"this is no part of a data set: {error}"
            raise DatasetError(message, source=path, hint=f"move it away; {JUDGED_AGAIN}") from error

    def check_files(self) -> None:
        """Note the files of parts that count; `DatasetError` where one is missing, or keeps readers waiting."""
        for path in (path for table in self.work.tables for path in self.paths(table)):
            try:
                status = os.stat(path)  # noqa: PTH116
                check_regular(status)
                note(status)
            except OSError as error:
                part = posixpath.join(self.work.commit, posixpath.basename(path))
                hint = f"move {part} away; {JUDGED_AGAIN}"
                raise DatasetError(f"cannot be read: {error.strerror}", source=path, hint=hint) from error

    @contextmanager
    def writer(self) -> Iterator[DatasetWriter]:
        """Return what adds parts: in a directory of this machine one at a time."""
        with ExitStack() as resources:
            if self.is_local:
                resources.enter_context(self._locked())
            writer = DatasetWriter(self)
            writer.tidy()
            yield writer

    @contextmanager
    def _locked(self) -> Iterator[None]:
        import fcntl

        for table in self.work.tables:
            with _storage_errors(self.url):
                os.makedirs(f"{self._root}/{table}", exist_ok=True)  # noqa: PTH103 - as the user began it
        # The directory itself: a file of a lock would be one that somebody has to know.
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                hint = "wait for it, or name another data set"
                raise DatasetError("another process adds to it", source=self.url, hint=hint) from error
            except OSError:
                pass  # not every file system has locks
            yield
        finally:
            os.close(descriptor)


class DatasetWriter:
    """Adds parts to a data set.

    Attributes:
        work: what fills it.

    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self.work = dataset.work
        self._next = max(dataset.parts(), default=0) + 1

    def tidy(self) -> None:
        """Take away what is of no part that counts."""
        fs, counted = self._dataset.fs, set(self._dataset.parts())
        for table in self._dataset.work.tables:
            leftovers = [self._dataset.path(table, part) for part in set(self._dataset.parts(table)) - counted]
            if self._dataset.is_local:
                leftovers += fs.glob(f"{posixpath.dirname(self._dataset.path(table, 0))}/part-*{_UNFINISHED}")
            for path in leftovers:
                with _storage_errors(path):
                    fs.rm(path)

    def add(self, files: Mapping[str, bytes]) -> None:
        """Add a part: whole, or not at all."""
        for table in self._dataset.work.tables:
            path = self._dataset.path(table, self._next)
            with _storage_errors(path):
                if not self._dataset.is_local:
                    self._dataset.fs.pipe_file(path, files[table])
                    continue
                temporary = path + _UNFINISHED
                with open(temporary, "wb") as stream:  # noqa: PTH123
                    stream.write(files[table])
                    stream.flush()
                    os.fsync(stream.fileno())
                os.replace(temporary, path)  # noqa: PTH105
        self._next += 1


@contextmanager
def _storage_errors(path: str) -> Iterator[None]:
    """Turn the errors of a storage into `WriteError`."""
    try:
        yield
    except DrmemctlError:
        raise
    except Exception as error:
        raise WriteError(f"cannot be written: {reason_of(error)}", source=path) from error


def existing_dataset(url: str, works: Sequence[Work] = ALL_WORK) -> Dataset:
    """Return the data set at a URL, for reading; `DrmemctlError` where there is none that did some work."""
    for work in works:
        dataset = Dataset(url, work)
        if dataset.parts():
            return dataset
    Dataset(url, works[0]).check_work(f"name a data set of {works[0].command}")
    hint = f"{works[0].command} makes one"
    raise InputError("there is no data set", source=url, hint=hint)
