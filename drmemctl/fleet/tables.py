# SPDX-License-Identifier: MIT
"""The tables of a data set: their columns, each described in its schema in docs/schemas.

Counts are int64, since SQL has little else: what a hostile tree makes larger
is the largest of those. Addresses are uint64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyarrow import parquet

_TEXT, _NUMBER, _ADDRESS, _TRUTH = pa.string(), pa.int64(), pa.uint64(), pa.bool_()


def _list_of(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", kind))  # as it is called in the file


def _columns(kind: pa.DataType, names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, kind) for name in names.split()]


_LMBS = [("base", _ADDRESS), *_columns(_NUMBER, "lmbs drc_index aa_index flags")]

LMB_RANGE = pa.struct([*_LMBS, ("node", _NUMBER)])
"""Consecutive LMBs of a finding, as `check --format json` has them in `lmbs`."""

_INPUTS = [
    ("size", _NUMBER),
    ("taken", pa.timestamp("ms", "UTC")),
    *_columns(_TEXT, "host error note kind tree model serial partition"),
    ("partition_no", _NUMBER),
    *_columns(_TEXT, "release cmdline"),
    *_columns(_NUMBER, "lmb_size lmbs runs assigned free reserved form lookup_arrays lookup_unused lookup_twice"),
    ("lookup_usable", _TRUTH),
    *_columns(_NUMBER, "defects errors warnings infos"),
    ("judged", _TRUTH),
    *_columns(_list_of(_TEXT), "kernels kernel_notes"),
]
_LMB_RUNS = [("position", _NUMBER), *_LMBS, ("assigned", _TRUTH), ("node", _NUMBER), ("bytes", _NUMBER)]
_NODES = _columns(_NUMBER, "node boot_bytes lmbs lmb_bytes cores bridges sysfs_bytes sysfs_blocks sysfs_online")
_FINDINGS = [
    *_columns(_TEXT, "rule severity message path property"),
    *_columns(_NUMBER, "offset line column"),
    ("fingerprint", _TEXT),
    *_columns(_NUMBER, "lmbs bytes"),
    ("lmb_ranges", _list_of(LMB_RANGE)),
    ("deadly", _TRUTH),
    ("ranges_left_out", _NUMBER),
    *_columns(_TEXT, "kernel title"),
    ("fix", _list_of(_TEXT)),
]

SCHEMA, KERNELS, VERSION = b"schema", b"kernels", b"drmemctl"
"""What the metadata of each file have: the name of its schema, the kernels that were judged for, and by whom."""


def _table(schema: str, columns: list[tuple[str, pa.DataType]]) -> pa.Schema:
    """Return the Arrow schema of a table; `schema` is its name in the metadata of each file."""
    return pa.schema([("url", _TEXT), ("version", _TEXT), *columns], metadata={SCHEMA: schema})


_CAPTURE = (("url", _TEXT), ("taken", pa.timestamp("s", "UTC")), ("release", _TEXT))

_OF_ONE_INPUT = ("deadly", "line", "column", "title", "fix")

PAIRS: pa.Schema = pa.schema(
    [
        ("partition", _TEXT),
        *((f"{side}_{name}", kind) for side in ("before", "after") for name, kind in _CAPTURE),
        *((name, kind) for name, kind in _FINDINGS if name not in _OF_ONE_INPUT),
        *_columns(_NUMBER, "memory_stayed stale written_back"),
        ("error", _TEXT),
    ],
    metadata={SCHEMA: "drmemctl.fleet.diff/1"},
)
"""What `fleet diff` finds about pairs of captures."""

_SCENARIO = [
    ("kernel", _TEXT),
    ("kernels", _list_of(_TEXT)),
    ("hypervisor", _TEXT),
    ("steps", _list_of(_TEXT)),
    *_columns(_TEXT, "outcome rule verdict error replay"),
]
_EXPLORED = [("policy", _TEXT), *_columns(_NUMBER, "states ends inconsistent by_race"), ("complete", _TRUTH)]

ALL_TABLES: dict[str, pa.Schema] = {
    "lmb_runs": _table("drmemctl.fleet.lmb_runs/1", _LMB_RUNS),
    "nodes": _table("drmemctl.fleet.nodes/1", _NODES),
    "findings": _table("drmemctl.fleet.findings/1", _FINDINGS),
    "inputs": _table("drmemctl.fleet.inputs/1", _INPUTS),
    "simulations": _table("drmemctl.fleet.simulations/1", [*_SCENARIO, ("seed", _NUMBER)]),
    "explorations": _table("drmemctl.fleet.explorations/1", [*_SCENARIO, *_EXPLORED]),
}
"""All tables by name."""


def read(stream: Any, columns: Sequence[str] | None = None) -> pa.Table:
    """Return what a file of a table holds, without threads: those of Arrow can abort a process that ends."""
    file = parquet.ParquetFile(stream, pre_buffer=False)
    return file.read(None if columns is None else list(columns), use_threads=False)


def parquet_of(table: pa.Table) -> bytes:
    """Return a table as a file."""
    sink = pa.BufferOutputStream()
    parquet.write_table(table.combine_chunks(), sink, compression="zstd")
    return bytes(sink.getvalue())
