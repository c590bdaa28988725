# SPDX-License-Identifier: MIT
"""How large a property may be that is decoded: a tree that is only shown or copied may hold larger ones."""

from __future__ import annotations

from drmemctl.errors import LimitError
from drmemctl.formats.drc import INDEXES, NAMES, POWER_DOMAINS, TYPES
from drmemctl.formats.dynamic_memory import V1, V2
from drmemctl.formats.registry import is_known
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY
from drmemctl.tree.limits import LIMITS, MIB, NOT_REAL
from drmemctl.tree.node import Tree

_BY_LMB = frozenset({V2, NAMES, DRCONF_USABLE_MEMORY})
"""Properties that grow with the number of LMBs, as v1 does; that one only the tree's size bounds."""

_BY_CONNECTOR = frozenset({INDEXES, TYPES, POWER_DOMAINS})
"""The same with four bytes for each."""


def _most(name: str) -> int:
    if name in _BY_LMB:
        return LIMITS.max_value_by_lmb
    return LIMITS.max_value_by_connector if name in _BY_CONNECTOR else LIMITS.max_value


def within_bounds(tree: Tree) -> Tree:
    """Return the tree; `LimitError` for a property that is decoded and larger than that of any partition."""
    for path, node in tree.walk():
        for prop in node.properties:
            size = len(prop.value)
            if size > LIMITS.max_value and prop.name != V1:
                most = _most(prop.name)
                if size > most and is_known(prop.name):
                    message = f"{size:,} bytes, more than {most // MIB} MiB"
                    source = tree.source or None
                    raise LimitError(message, source=source, path=path, property=prop.name, hint=NOT_REAL)
    return tree
