# SPDX-License-Identifier: MIT
"""Read, check, compare and simulate the dynamic memory of IBM pseries partitions from their device trees.

>>> import drmemctl
>>> tree = drmemctl.load("/proc/device-tree")
>>> len(drmemctl.lmb(tree))
>>> drmemctl.check(tree)
>>> drmemctl.diff(tree, drmemctl.load("before.dtb")).same

Each command has a function that returns what the command prints, as values. Nothing here prints; every error is a
`DrmemctlError` with source, path and offset.
"""

from __future__ import annotations

from importlib import import_module

from drmemctl._version import __version__

# Not that of typing: an interrupt while that is imported would be nobody's to catch.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from drmemctl.api.act import explore, kdump, kexec, memblock, removable, repair
    from drmemctl.api.judge import decode, encode
    from drmemctl.api.look import address_map, assoc, blocks, convert, dtb, dts, history, lmb, numa, overview
    from drmemctl.api.take import CapturedFiles, capture, capture_dump, report, watch
    from drmemctl.check.decoding import Decoding
    from drmemctl.check.finding import Finding
    from drmemctl.compare.diff import Diff, diff
    from drmemctl.compare.history import History
    from drmemctl.errors import DrmemctlError
    from drmemctl.kernel.profiles import Profile, profile
    from drmemctl.kernel.registered_memory import RegisteredMemory
    from drmemctl.model.address_map import AddressMap
    from drmemctl.model.associativity import Associativity
    from drmemctl.model.conversion import Conversion
    from drmemctl.model.drmem import Drmem, LmbTable
    from drmemctl.model.lookup_usage import LookupUsage
    from drmemctl.model.numa import NumaLayout
    from drmemctl.model.overview import Overview
    from drmemctl.model.run import Lmb, Run
    from drmemctl.simulate.boot_blocks import BootBlocks
    from drmemctl.simulate.files import Files
    from drmemctl.simulate.interleave.exploration import Exploration
    from drmemctl.simulate.kexec import CrashKernel, NextKernel
    from drmemctl.simulate.partition import StepResult
    from drmemctl.simulate.removable import Removable
    from drmemctl.simulate.repair import Repair
    from drmemctl.simulate.session import Session, simulate
    from drmemctl.simulate.simulation import Simulation
    from drmemctl.tree.node import Node, Property, Tree
    from drmemctl.tree.source import load

    # ruff: noqa: D103 - documented where they are defined
    # At run time `check` and `simulate` are the packages of these names, which can be called.
    def check(
        tree: Tree,
        *,
        before: Tree | None = None,
        kernel: str | None = None,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
    ) -> tuple[Finding, ...]: ...


__all__ = [
    "AddressMap",
    "Associativity",
    "BootBlocks",
    "CapturedFiles",
    "Conversion",
    "CrashKernel",
    "Decoding",
    "Diff",
    "Drmem",
    "DrmemctlError",
    "Exploration",
    "Files",
    "Finding",
    "History",
    "Lmb",
    "LmbTable",
    "LookupUsage",
    "NextKernel",
    "Node",
    "NumaLayout",
    "Overview",
    "Profile",
    "Property",
    "RegisteredMemory",
    "Removable",
    "Repair",
    "Run",
    "Session",
    "Simulation",
    "StepResult",
    "Tree",
    "__version__",
    "address_map",
    "assoc",
    "blocks",
    "capture",
    "capture_dump",
    "check",
    "convert",
    "decode",
    "diff",
    "dtb",
    "dts",
    "encode",
    "explore",
    "history",
    "kdump",
    "kexec",
    "lmb",
    "load",
    "memblock",
    "numa",
    "overview",
    "profile",
    "removable",
    "repair",
    "report",
    "simulate",
    "watch",
]

_HOMES = {
    "api.act": "explore kdump kexec memblock removable repair",
    "api.judge": "decode encode",
    "api.look": "address_map assoc blocks convert dtb dts history lmb numa overview",
    "api.take": "CapturedFiles capture capture_dump report watch",
    "check.decoding": "Decoding",
    "check.finding": "Finding",
    "compare.diff": "Diff diff",
    "compare.history": "History",
    "errors": "DrmemctlError",
    "kernel.profiles": "Profile profile",
    "kernel.registered_memory": "RegisteredMemory",
    "model.address_map": "AddressMap",
    "model.associativity": "Associativity",
    "model.conversion": "Conversion",
    "model.drmem": "Drmem LmbTable",
    "model.lookup_usage": "LookupUsage",
    "model.numa": "NumaLayout",
    "model.overview": "Overview",
    "model.run": "Lmb Run",
    "simulate.boot_blocks": "BootBlocks",
    "simulate.files": "Files",
    "simulate.interleave.exploration": "Exploration",
    "simulate.kexec": "CrashKernel NextKernel",
    "simulate.partition": "StepResult",
    "simulate.removable": "Removable",
    "simulate.repair": "Repair",
    "simulate.session": "Session",
    "simulate.simulation": "Simulation",
    "tree.node": "Node Property Tree",
    "tree.source": "load",
}
"""The modules that public names are in."""

_CALLED = ("check", "simulate")
"""Packages that can be called."""


def __getattr__(name: str) -> Any:
    # Imported when asked for: `drmemctl --version` imports this module too.
    if name in _CALLED:
        return import_module(f"drmemctl.{name}")
    home = next((home for home, names in _HOMES.items() if name in names.split()), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"drmemctl.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
