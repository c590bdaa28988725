# SPDX-License-Identifier: MIT
"""Data sets of captures with times and hosts, written part by part as any program that has pyarrow could."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.fleet.judged import pa, tables
from tests.live_roots import make_root, states, write

MOVED = "captures/6.1-lpm"


def add_part(dataset: Path, number: int, part: Mapping[str, Any]) -> None:
    """Write the tables of a part."""
    for name, table in part.items():
        (dataset / name).mkdir(parents=True, exist_ok=True)
        pa.parquet.write_table(table, dataset / name / f"part-{number:08}.parquet")


def add_inputs(dataset: Path, number: int, inputs: Iterable[Path]) -> None:
    """Judge inputs in this process, and write them as a part."""
    add_part(dataset, number, tables(inputs))


def captures(folder: Path, record: str = MOVED, host: str = "lpar7") -> list[Path]:
    """Write the states of a recorded kernel as unpacked captures, a day between each; return their trees."""
    roots = []
    for day, state in enumerate(states(record), 1):
        root = make_root(folder / f"{host}-{day}", record, state)
        write(root / "capture.txt", f"taken: 2026-11-{day:02}T09:15:00Z\nhost: {host}\n")
        roots.append(root / "proc/device-tree")
    return roots


def with_row(table: Any, changes: Mapping[str, Any]) -> Any:
    """Return a table of one row: the first of another one, changed."""
    return pa.Table.from_pylist([table.slice(0, 1).to_pylist()[0] | changes], schema=table.schema)
