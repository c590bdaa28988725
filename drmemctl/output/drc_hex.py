# SPDX-License-Identifier: MIT
"""DRC indexes in hex beside the numbers: so they stand in a kernel's log, and are searched there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEY = "drc_index"
HEX = "drc_index_hex"


def hex_text(drc_index: int | None) -> str | None:
    """Return a DRC index in hex, None for none."""
    return None if drc_index is None else f"{drc_index:#010x}"


def with_hex(value: Any) -> Any:
    """Return what is to be JSON with the text beside each DRC index in it."""
    if isinstance(value, Mapping):
        facts: dict[str, Any] = {}
        for key, item in value.items():
            facts[key] = with_hex(item) if isinstance(item, Mapping | list | tuple) else item
        # Last, as in CSV, where columns keep their places.
        if KEY in facts:
            facts[HEX] = hex_text(facts[KEY])
        return facts
    if isinstance(value, list | tuple):
        return [with_hex(item) if isinstance(item, Mapping | list | tuple) else item for item in value]
    return value
