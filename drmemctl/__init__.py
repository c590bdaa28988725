# SPDX-License-Identifier: MIT
"""Read, check, compare and simulate the dynamic memory of IBM pseries partitions from their device trees.

>>> import drmemctl
>>> tree = drmemctl.load("/proc/device-tree")
>>> drmemctl.LmbTable.from_tree(tree).n_lmbs
>>> drmemctl.check(tree)
>>> drmemctl.diff(tree, drmemctl.load("before.dtb")).same

Nothing here prints; every error is a `DrmemctlError` with source, path and offset.
"""

from __future__ import annotations

from importlib import import_module

from drmemctl._version import __version__

# Not that of typing: an interrupt while that is imported would be nobody's to catch.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from drmemctl.check.finding import Finding
    from drmemctl.compare.diff import Diff, diff
    from drmemctl.errors import DrmemctlError
    from drmemctl.model.associativity import Associativity
    from drmemctl.model.drmem import Drmem, LmbTable
    from drmemctl.model.run import Lmb, Run
    from drmemctl.simulate.simulation import Simulation
    from drmemctl.tree.node import Node, Property, Tree
    from drmemctl.tree.source import load

    # At run time the name is the package drmemctl.check, which can be called.
    def check(  # noqa: D103 - its documentation is where it is defined
        tree: Tree,
        *,
        before: Tree | None = None,
        kernel: str | None = None,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
    ) -> tuple[Finding, ...]: ...


__all__ = [
    "Associativity",
    "Diff",
    "Drmem",
    "DrmemctlError",
    "Finding",
    "Lmb",
    "LmbTable",
    "Node",
    "Property",
    "Run",
    "Simulation",
    "Tree",
    "__version__",
    "check",
    "diff",
    "load",
]

_HOMES = {
    "Associativity": "drmemctl.model.associativity",
    "Diff": "drmemctl.compare.diff",
    "Drmem": "drmemctl.model.drmem",
    "DrmemctlError": "drmemctl.errors",
    "Finding": "drmemctl.check.finding",
    "Lmb": "drmemctl.model.run",
    "LmbTable": "drmemctl.model.drmem",
    "Node": "drmemctl.tree.node",
    "Property": "drmemctl.tree.node",
    "Run": "drmemctl.model.run",
    "Simulation": "drmemctl.simulate.simulation",
    "Tree": "drmemctl.tree.node",
    "diff": "drmemctl.compare.diff",
    "load": "drmemctl.tree.source",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: `drmemctl --version` imports this module too.
    if name == "check":
        return import_module("drmemctl.check")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
