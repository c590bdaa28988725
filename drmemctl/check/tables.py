# SPDX-License-Identifier: MIT
"""LMB tables as ranges of addresses or of DRC indexes."""

from __future__ import annotations

from collections.abc import Callable

from drmemctl.check.spans import Spans
from drmemctl.formats.dynamic_memory import DRC_INVALID
from drmemctl.model.lmbs import LmbTable

_DRC_INDEXES = 1 << 32


def spans_of_addresses(table: LmbTable, wanted: Callable[[int], bool]) -> Spans:
    """Return the bytes of the runs whose flags are wanted; the owner is the run's position."""
    size = table.lmb_size or 0
    spans = Spans()
    for index, (count, base, _, _, flags) in enumerate(table.runs.entries()):
        if wanted(flags):
            spans.add(base, count * size, index)
    return spans


def spans_of_drc_indexes(table: LmbTable) -> Spans:
    """Return the DRC indexes of the runs that have one; the owner is the run's position."""
    spans = Spans()
    for index, (count, _, drc, _, flags) in enumerate(table.runs.entries()):
        if not flags & DRC_INVALID:
            spans.add(drc, min(count, _DRC_INDEXES - drc), index)
    return spans
