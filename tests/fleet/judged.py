# SPDX-License-Identifier: MIT
"""Inputs judged as a worker judges them, in this process, and tables as JSON documents that have schemas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed (it has no wheels for ppc64le)")
pytest.importorskip("distributed", reason="distributed is not installed")

from pyarrow import parquet  # noqa: E402

from drmemctl.fleet.dataset import Dataset  # noqa: E402
from drmemctl.fleet.listing import list_inputs  # noqa: E402
from drmemctl.fleet.worker import InputLimits, judge  # noqa: E402

LIMITS = InputLimits(60, 1 << 30)


def tables(urls: Iterable[str | Path], kernels: Sequence[str] = ()) -> dict[str, Any]:
    """Return the tables of inputs, by name."""
    packed = judge(tuple(list_inputs(map(str, urls))), kernels, LIMITS)
    return {name: parquet.read_table(pa.BufferReader(data)) for name, data in packed.files.items()}


def document(table: Any) -> Any:
    """Return a table as JSON has it."""
    rows = table.to_pylist()
    for row in rows:
        if row.get("taken") is not None:
            row["taken"] = row["taken"].isoformat()
    return json.loads(json.dumps({"schema": table.schema.metadata[b"schema"].decode(), "rows": rows}))


def rows_in(dataset: Dataset, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table of a data set, wherever that is."""
    rows: list[dict[str, Any]] = []
    for path in dataset.paths(table):
        with dataset.fs.open(path, "rb") as stream:
            rows += parquet.read_table(stream).to_pylist()
    return rows


def content(dataset: Path) -> dict[str, bytes]:
    """Return the files of a data set by name."""
    return {str(path.relative_to(dataset)): path.read_bytes() for path in dataset.rglob("*") if path.is_file()}
