# SPDX-License-Identifier: MIT
"""What a run does with each of its items, and into which tables: names alone, which any process can be sent."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple, Protocol


class Item(Protocol):
    """What a row is about: an input of `fleet check`, or a scenario of a campaign; a tuple that JSON can hold."""

    @property
    def url(self) -> str:
        """Where the input or capture is."""

    @property
    def version(self) -> str:
        """Which state of it, or which scenario on it: with the URL the key of a row."""

    @property
    def size(self) -> int | None:
        """Bytes that are read for it, None where nobody knows."""


class Work(NamedTuple):
    """Work on items.

    Attributes:
        module: has the type of items, `ITEM`, and the functions `rows_of` and `failed`.
        tables: the tables that it fills, in the order in which they are written: a part counts with the last.
        command: the command that does it.

    """

    module: str
    tables: tuple[str, ...]
    command: str

    @property
    def commit(self) -> str:
        """The table by which a part counts; it has a row for each item."""
        return self.tables[-1]

    @property
    def functions(self) -> Any:
        """The module, which may not load Arrow or Dask: an item that nobody trusts gets a small process."""
        return import_module(self.module)


CHECK = Work("drmemctl.fleet.rows", ("lmb_runs", "nodes", "findings", "inputs"), "drmemctl fleet check")
SIMULATE = Work("drmemctl.fleet.simulating", ("simulations",), "drmemctl fleet simulate")
EXPLORE = Work("drmemctl.fleet.exploring", ("explorations",), "drmemctl fleet explore")

ALL_WORK = (CHECK, SIMULATE, EXPLORE)
