# SPDX-License-Identifier: MIT
"""LMBs in the words that all tables share: addresses, DRC indexes, domains."""

from __future__ import annotations

from collections.abc import Sequence

_ADDRESSES = 1 << 64
_DRC_INDEXES = 1 << 32
_DOMAINS_SHOWN = 8


def address_range(base: int, size: int, width: int = 0) -> str:
    """Return the first and the last of `size` addresses, each padded to `width` characters; they may wrap."""
    return f"{base:#0{width}x}-{(base + size - 1) % _ADDRESSES:#0{width}x}"


def drc_range(first: int, count: int, *, same: bool = False) -> str:
    """Return the DRC indexes of consecutive LMBs; `same` where each has the first one's."""
    if same:
        return f"{first:#010x} each"
    return f"{first:#010x}" if count == 1 else f"{first:#010x}-{(first + count - 1) % _DRC_INDEXES:#010x}"


def domains_text(domains: Sequence[int]) -> str:
    """Return an associativity list, the first of it if it is long."""
    shown = " ".join(map(str, domains[:_DOMAINS_SHOWN]))
    return f"{shown} …" if len(domains) > _DOMAINS_SHOWN else shown
