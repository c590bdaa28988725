# SPDX-License-Identifier: MIT
"""How large a property may be that is decoded: a tree that is only shown or copied may hold larger ones."""

from __future__ import annotations

from drmemctl.errors import LimitError
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.tree.limits import LIMITS, MIB, NOT_REAL
from drmemctl.tree.node import Tree

_DOMAINS = 64
"""Domains of a list that are allowed for each of as many runs as a tree may have; real lists have 4 to 8."""

LISTS = 65_536
"""Lookup arrays that are listed, unless more are asked for."""


def listed_within_bounds(number: int, source: str) -> None:
    """Raise `LimitError` if so many domains are to be written: each run may have a list of a million."""
    most = LIMITS.max_runs * _DOMAINS
    if number > most:
        message = (
            f"the associativity lists of all LMBs have {number:,} domains, more than the {most:,} that are written"
        )
        hint = f"without --format only the first of each are shown; {NOT_REAL}"
        raise LimitError(message, source=source or None, path=NODE, property=LOOKUP_ARRAYS, hint=hint)


def blocks_within_bounds(number: int, source: str) -> None:
    """Raise `LimitError` if so many stretches of memory blocks are to be listed, each with what lies in it."""
    most = LIMITS.max_listed_blocks
    if number > most:
        message = f"{number:,} stretches of memory blocks, more than the {most:,} that are listed"
        raise LimitError(message, source=source or None, path=NODE, hint=NOT_REAL)


def most_decoded(name: str) -> int:
    """Return how many bytes a property of a layout that is known may have to be decoded."""
    # Few trees have a property that is asked about: the catalogue is not imported for all others.
    from drmemctl.formats.registry import Growth, growth

    return {
        Growth.FIXED: LIMITS.max_value,
        Growth.BY_CONNECTOR: LIMITS.max_value_by_connector,
        Growth.BY_LMB: LIMITS.max_value_by_lmb,
        Growth.V1: LIMITS.max_bytes,
    }[growth(name)]


def within_bounds(tree: Tree) -> Tree:
    """Return the tree; `LimitError` for a property that is decoded and larger than that of any partition."""
    for path, node in tree.walk():
        for prop in node.properties:
            size = len(prop.value)
            if size > LIMITS.max_value:
                from drmemctl.formats.registry import is_known

                most = most_decoded(prop.name)
                if size > most and is_known(prop.name):
                    message = f"{size:,} bytes, more than {most // MIB} MiB"
                    source = tree.source or None
                    raise LimitError(message, source=source, path=path, property=prop.name, hint=NOT_REAL)
    return tree
