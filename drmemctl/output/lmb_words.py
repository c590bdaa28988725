# SPDX-License-Identifier: MIT
"""LMBs as all outputs have them: addresses, DRC indexes, domains, and what JSON says of a run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from drmemctl.formats.plain import record
from drmemctl.model.run import ADDRESSES, DRC_INDEXES

if TYPE_CHECKING:
    from drmemctl.check.finding import LmbRange
    from drmemctl.model.run import Run

_DOMAINS_SHOWN = 8


def address_range(base: int, size: int, width: int) -> str:
    """Return the first and the last of `size` addresses, each padded to `width` characters; they may wrap.

    Of no bytes, as LMBs of a hostile size have, there is no last one.
    """
    if not size:
        return f"{base:#0{width}x}"
    return f"{base:#0{width}x}-{(base + size - 1) % ADDRESSES:#0{width}x}"


def width_of(highest: int) -> int:
    """Return the characters of the highest address, to which all addresses of an output are padded."""
    return len(f"{max(highest, 0):#x}")


def drc_range(first: int, count: int, *, same: bool = False) -> str:
    """Return the DRC indexes of consecutive LMBs; `same` where each has the first one's."""
    if same:
        return f"{first:#010x} each"
    return f"{first:#010x}" if count == 1 else f"{first:#010x}-{(first + count - 1) % DRC_INDEXES:#010x}"


def run_facts(run: Run | LmbRange) -> dict[str, Any]:
    """Return a run as JSON has it, without what its aa_index and flags mean."""
    return record(run, "base count drc_index aa_index flags")


def domains_text(domains: Sequence[int]) -> str:
    """Return an associativity list, the first of it if it is long."""
    # A list may have a million domains: to look the whole of it up costs more than to write the beginning.
    return _domains_text(tuple(domains[: _DOMAINS_SHOWN + 1]))


@lru_cache(4096)
def _domains_text(domains: tuple[int, ...]) -> str:
    shown = " ".join(map(str, domains[:_DOMAINS_SHOWN]))
    return f"{shown} …" if len(domains) > _DOMAINS_SHOWN else shown
