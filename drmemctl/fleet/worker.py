# SPDX-License-Identifier: MIT
"""What runs on a worker: a batch of inputs judged and packed as files of Parquet.

A module that others import, so that what is sent to a worker is the name of a function.
"""

from __future__ import annotations

import faulthandler
import gc
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

import pyarrow as pa

from drmemctl._version import __version__
from drmemctl.fleet.isolated import rows_alone
from drmemctl.fleet.outcome import outcome_of
from drmemctl.fleet.rows import Rows
from drmemctl.fleet.storage import close_archives
from drmemctl.fleet.tables import ALL_TABLES, KERNELS, VERSION, parquet_of, read
from drmemctl.fleet.work import CHECK, Item, Work

_AT_ONCE = 50
"""Inputs whose rows are held as such, which take some ten times the memory of a table."""

_ALLOCATIONS = 100_000
"""Allocations between two collections of cycles."""


class InputLimits(NamedTuple):
    """What judging one input may take.

    Attributes:
        seconds: of time.
        memory: bytes, in a process of its own.

    """

    seconds: float
    memory: int


class Packed(NamedTuple):
    """A batch of inputs as tables.

    Attributes:
        files: a file of Parquet for each table, by its name.
        outcomes: what became of each input.

    """

    files: dict[str, bytes]
    outcomes: bytes


def judge(batch: Sequence[Item], kernels: Sequence[str], limits: InputLimits, work: Work = CHECK) -> Packed:
    """Return the tables of a batch; the worker ends where an input takes too long."""
    # A task of Dask cannot be stopped, a process can: whatever it is doing, and without the interpreter.
    with open(os.devnull, "wb") as nowhere, _few_collections():  # noqa: PTH123
        try:
            return _packed(work, _watched(work, batch, kernels, limits.seconds, nowhere.fileno()), kernels)
        finally:
            faulthandler.cancel_dump_traceback_later()
            close_archives()


@contextmanager
def _few_collections() -> Iterator[None]:
    """Let Python look for cycles less often, as the command line does: trees have none."""
    before = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _watched(
    work: Work, batch: Iterable[Item], kernels: Sequence[str], seconds: float, log: int
) -> Iterable[Rows]:
    rows_of = work.functions.rows_of
    for source in batch:
        faulthandler.dump_traceback_later(seconds, exit=True, file=log)
        yield rows_of(source, kernels)
    faulthandler.cancel_dump_traceback_later()


def judge_alone(batch: Sequence[Item], kernels: Sequence[str], limits: InputLimits, work: Work = CHECK) -> Packed:
    """Return the same of a batch that may be what ended a worker."""
    return _packed(work, rows_alone(work, batch, kernels, limits.seconds, limits.memory), kernels)


def _packed(work: Work, rows_by_input: Iterable[Rows], kernels: Sequence[str]) -> Packed:
    metadata = {VERSION: __version__, KERNELS: " ".join(kernels)}
    schemas = {name: ALL_TABLES[name] for name in work.tables}
    schemas = {name: schema.with_metadata({**schema.metadata, **metadata}) for name, schema in schemas.items()}
    tables: dict[str, list[pa.Table]] = {name: [] for name in schemas}
    outcomes = bytearray()
    remaining = iter(rows_by_input)
    while chunk := list(islice(remaining, _AT_ONCE)):
        for name, schema in schemas.items():
            rows = [row for input_rows in chunk for row in input_rows.get(name, ())]
            tables[name].append(pa.Table.from_pylist(rows, schema))
        outcomes += bytes(outcome_of(row) for input_rows in chunk for row in input_rows[work.commit])
    return Packed({name: parquet_of(pa.concat_tables(tables[name])) for name in schemas}, bytes(outcomes))


def merged_files(batches: Sequence[Packed]) -> dict[str, bytes]:
    """Return the files of a part that has several batches."""
    if len(batches) == 1:
        return batches[0].files
    return {
        name: parquet_of(pa.concat_tables([read(pa.BufferReader(batch.files[name])) for batch in batches]))
        for name in batches[0].files
    }
