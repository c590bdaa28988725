# SPDX-License-Identifier: MIT
"""What the recorded runs of real kernels and of a real QEMU hold, and how the simulation is held against them."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from drmemctl.kernel.state import KernelState
from drmemctl.qualify.replay import Blocks, Replayed, ReplayedRun, State, recorded_state, simulated, state_of
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Tree
from tests.conftest import FIXTURES, blob

__all__ = [
    "Blocks",
    "Replayed",
    "ReplayedRun",
    "State",
    "distances_in",
    "expected_properties",
    "record",
    "record_names",
    "recorded_state",
    "replay",
    "simulated",
    "state_of",
    "tree_of",
    "walk_file",
]


def tree_of(name: str) -> Tree:
    """Return a bundled tree, e.g. `captures/6.1-lpm`."""
    return read_fdt(blob(name), name)


def record_names(folder: str) -> list[str]:
    """Return the runs recorded in a folder, e.g. `captures/6.1-lpm`."""
    names = sorted(f"{folder}/{path.stem}" for path in (FIXTURES / folder).glob("*.json"))
    assert names
    return names


@cache
def record(name: str) -> dict[str, Any]:
    """Return a recorded run."""
    found: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def replay(name: str) -> ReplayedRun:
    """Do the steps of a bundled run on a simulated partition with the same kernel, once for all tests.

    mutmut notes which tests come past a function, and then forks for each change of it: every one of these tests
    has to come past, and none may find what was done before the change.
    """
    mutant = os.environ.get("MUTANT_UNDER_TEST", "")
    return _replayed.__wrapped__(name, mutant) if mutant == "stats" else _replayed(name, mutant)


@cache
def _replayed(name: str, _mutant: str) -> ReplayedRun:
    return simulated(record(name), tree_of(name))


def expected_properties(step: dict[str, Any]) -> dict[str, str]:
    """Return the properties that were recorded after a step."""
    found: dict[str, str] = step["properties"]
    return found


def walk_file(name: str = "qemu-lmb-walks") -> Path:
    """Return recorded walks through QEMU's connectors."""
    return FIXTURES / "drc" / f"{name}.json"


def distances_in(kernel: KernelState) -> dict[str, list[int | None]] | None:
    """Return the nodes that are online, each with its distances to all of them; None without affinity."""
    table, nodes = kernel.distances, sorted(kernel.online)
    if table is None:
        return None
    return {str(node): [table.distance(node, target) for target in nodes] for node in nodes}
