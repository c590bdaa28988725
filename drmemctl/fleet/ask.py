# SPDX-License-Identifier: MIT
"""A data set as views of DuckDB, and the answers to SQL about them.

Arrow reads the files, wherever they lie; DuckDB is forbidden to read or write any. So SQL can see the views and
nothing else, and what it does ends with the connection.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
from pyarrow import dataset as arrow_dataset
from pyarrow import fs as arrow_fs

from drmemctl.errors import DrmemctlError
from drmemctl.fleet.dataset import JUDGED_AGAIN, Dataset, DatasetError, existing_dataset
from drmemctl.fleet.questions import PARTITIONS, SCENARIOS, NamedQuestion
from drmemctl.fleet.storage import reading
from drmemctl.fleet.tables import ALL_TABLES
from drmemctl.fleet.work import ALL_WORK, CHECK, Work

_AT_ONCE = 1024
"""Rows that are fetched at a time."""

_LOCKS = (
    "set autoinstall_known_extensions = false",
    "set autoload_known_extensions = false",
    "set python_enable_replacements = false",
    "set temp_directory = ''",
    "set timezone = 'UTC'",
    "set enable_external_access = false",
    "set lock_configuration = true",
)
"""No files, no extensions, no variables of this program; the last of them makes the others stay."""


class QueryError(DrmemctlError):
    """SQL that cannot be answered."""


class QueryAnswer(NamedTuple):
    """The answer to a question.

    Attributes:
        columns: the names of the columns, no two alike.
        types: what DuckDB calls their types.
        rows: the rows, which can be taken once.

    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


class Fleet:
    """The data set at a URL, as long as its `views` are open.

    Attributes:
        work: what filled it.

    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, work: Work) -> None:
        self.work = work
        self._connection = connection

    def ask(self, sql: str) -> QueryAnswer:
        """Return the answer to a query; `QueryError` for anything but one query, and for one that fails."""
        with _translated():
            statements = self._connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise QueryError("this is not one query; begin it with select, with, from or describe")
            self._connection.execute(statements[0])
            description = self._connection.description or []
        return QueryAnswer(
            tuple(_distinct([column[0] for column in description])),
            tuple(str(column[1]) for column in description),
            self._rows(),
        )

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        while True:
            with _translated():
                rows = self._connection.fetchmany(_AT_ONCE)
            if not rows:
                return
            yield from rows


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what DuckDB or Arrow refuses into `QueryError`, of one line."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, RuntimeError, OSError, ValueError) as error:
        # Behind an empty line it quotes the query, with a mark below it.
        reason = " ".join(str(error).partition("\n\n")[0].split())
        raise QueryError(reason or type(error).__name__, source="query") from error


def _distinct(names: Sequence[str]) -> Iterator[str]:
    """Yield names of columns, a number behind those that were there before."""
    used_names: set[str] = set()
    for name in names:
        number, unused = 1, name
        while unused in used_names:
            number += 1
            unused = f"{name}_{number}"
        used_names.add(unused)
        yield unused


@contextmanager
def fleet(url: str, works: Sequence[Work] = ALL_WORK) -> Iterator[Fleet]:
    """Open the data set at a URL; `DrmemctlError` where there is none, or none that did some of this work."""
    dataset = existing_dataset(url, works)
    parts = dataset.parts()
    with _local_copy(dataset, parts) as place, duckdb.connect(":memory:") as connection:
        for name in dataset.work.tables:
            connection.register(f"{name}_parts", _arrow_table(place, name, parts))
        if dataset.work == CHECK:
            connection.register("newest", _newest(dataset, parts))
        place.check_files()
        for name in dataset.work.tables:
            view = f"create view {name} as select * exclude (part) from {name}_parts"  # noqa: S608 - our own names
            # A capture has many scenarios, and is one state of an input only.
            newest = " semi join newest using (url, version, part)" if dataset.work == CHECK else ""
            connection.execute(view + newest)
        if dataset.work == CHECK:
            connection.execute(f"create view partitions as {PARTITIONS}")
        else:
            connection.execute(f"create view scenarios as {SCENARIOS}{dataset.work.commit}")
        for lock in _LOCKS:
            connection.execute(lock)
        yield Fleet(connection, dataset.work)


def check_asked_of(question: NamedQuestion, work: Work, url: str) -> None:
    """Raise `QueryError` where a question is not asked of the data sets that some work makes."""
    if work not in question.works:
        commands = " and ".join(maker.command for maker in question.works)
        message = f"{question.name} is asked of data sets of {commands}, and this is one of {work.command}"
        raise QueryError(message, source=url, hint=f"drmemctl fleet ask {url} lists the questions")


@contextmanager
def _local_copy(dataset: Dataset, parts: Sequence[int]) -> Iterator[Dataset]:
    """Yield a data set of this machine: of one that lies elsewhere a copy, as long as it is entered.

    Threads of Arrow's that read by way of Python would wait for DuckDB's, which hold Python and wait for them.
    """
    if dataset.is_local:
        yield dataset
        return
    with TemporaryDirectory(prefix="drmemctl-") as folder:
        copy = Dataset(folder, dataset.work)
        for name in dataset.work.tables:
            os.mkdir(f"{folder}/{name}")  # noqa: PTH102
            for part in parts:
                path = dataset.path(name, part)
                with reading(path):
                    dataset.fs.get_file(path, copy.path(name, part))
        yield copy


def _arrow_table(dataset: Dataset, name: str, parts: Sequence[int]) -> arrow_dataset.Dataset:
    """Return a table whose rows have the number of their part as well; it is read as far as it is asked."""
    return arrow_dataset.FileSystemDataset.from_paths(
        [dataset.path(name, part) for part in parts],
        schema=ALL_TABLES[name].append(pa.field("part", pa.int32())),
        format=arrow_dataset.ParquetFileFormat(),
        filesystem=arrow_fs.LocalFileSystem(),
        partitions=[arrow_dataset.field("part") == part for part in parts],
    )


def _newest(dataset: Dataset, parts: Sequence[int]) -> pa.Table:
    """Return URL, version and part of each input as it was when it was judged last."""
    newest: dict[str, tuple[str, int]] = {}
    for part in parts:
        path = dataset.path("inputs", part)
        keys = dataset.columns(path, ("url", "version")).to_pydict()
        if len({*keys["url"]}) < len(keys["url"]):
            # Each question joins by URL and version: with the square of those that are alike.
            raise DatasetError("an input is there twice", source=path, hint=f"move it away; {JUDGED_AGAIN}")
        for url, version in zip(keys["url"], keys["version"], strict=True):
            newest[url] = (version, part)
    versions, numbers = zip(*newest.values(), strict=True) if newest else ((), ())
    types = {"url": pa.string(), "version": pa.string(), "part": pa.int32()}
    return pa.table([list(newest), versions, numbers], schema=pa.schema(types.items()))
