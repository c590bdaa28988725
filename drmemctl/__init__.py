# SPDX-License-Identifier: MIT
"""Read, check, compare and simulate the dynamic memory of IBM pseries partitions from their device trees.

>>> import drmemctl
>>> tree = drmemctl.load("/proc/device-tree")
>>> drmemctl.LmbTable.from_tree(tree).n_lmbs

Nothing here prints; every error is a `DrmemctlError` with source, path and offset.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from drmemctl._version import __version__

if TYPE_CHECKING:
    from drmemctl.errors import DrmemctlError
    from drmemctl.model.associativity import Associativity
    from drmemctl.model.drmem import Drmem
    from drmemctl.model.lmbs import Lmb, LmbTable, Run
    from drmemctl.scenario.simulation import Simulation
    from drmemctl.tree.node import Node, Property, Tree
    from drmemctl.tree.source import load

__all__ = [
    "Associativity",
    "Drmem",
    "DrmemctlError",
    "Lmb",
    "LmbTable",
    "Node",
    "Property",
    "Run",
    "Simulation",
    "Tree",
    "__version__",
    "load",
]

_HOMES = {
    "Associativity": "drmemctl.model.associativity",
    "Drmem": "drmemctl.model.drmem",
    "DrmemctlError": "drmemctl.errors",
    "Lmb": "drmemctl.model.lmbs",
    "LmbTable": "drmemctl.model.lmbs",
    "Node": "drmemctl.tree.node",
    "Property": "drmemctl.tree.node",
    "Run": "drmemctl.model.lmbs",
    "Simulation": "drmemctl.scenario.simulation",
    "Tree": "drmemctl.tree.node",
    "load": "drmemctl.tree.source",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: `drmemctl --version` imports this module too.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
