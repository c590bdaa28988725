# SPDX-License-Identifier: MIT
"""Inputs to begin with, out of `fixtures/`: real trees without what no target looks at, and their values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from drmemctl.formats.registry import KNOWN
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Node, Tree
from drmemctl.tree.source import load
from drmemctl.tree.writer import write_fdt
from tests.conftest import FIXTURES, blob, fixture_trees, tree_name

LONGEST_TREE = 16384
_LARGEST_VALUE = 1024
_KEPT = ("memory", "ibm,dynamic-reconfiguration-memory", "cpus", "rtas", "chosen", "ibm,persistent-memory")
_CPUS = 2
_NAMES = frozenset(name for known in KNOWN if known.describer for name in known.names.split())
"""Properties whose layout is known: a random change hits one that matters."""


def _small(node: Node, depth: int = 0) -> Node:
    """Return a node without what makes trees large: further processors, devices, long lists of connectors."""
    children = [child for child in node.children if depth or child.base_name in _KEPT]
    if node.name == "cpus":
        children = children[:_CPUS]
    properties = tuple(
        prop for prop in node.properties if prop.name in _NAMES and len(prop.value) <= _LARGEST_VALUE
    )
    return replace(node, properties=properties, children=tuple(_small(child, depth + 1) for child in children))


@cache
def small_trees() -> tuple[bytes, ...]:
    """Return the bundled trees, small and each once, as blobs."""
    whole = [read_fdt(blob(tree_name(path))) for path in fixture_trees()]
    whole += [load(path) for path in sorted((FIXTURES / "races").glob("*.dts"))]
    small = {write_fdt(Tree(_small(tree.root), boot_cpu=tree.boot_cpu)): None for tree in whole}
    return tuple(data for data in small if len(data) <= LONGEST_TREE)


@cache
def values() -> tuple[tuple[str, bytes], ...]:
    """Return every value of the small trees with its property's name, each once."""
    found = {
        (prop.name, prop.value): None
        for data in small_trees()
        for _, node in read_fdt(data).walk()
        for prop in node.properties
    }
    return tuple(found)


def recorded_steps() -> Iterator[str]:
    """Yield the steps of every recorded run, one run a text."""
    for path in sorted((FIXTURES / "captures").glob("*.json")):
        yield "\n".join(step["step"] for step in json.loads(path.read_text())["steps"])


def recorded_answers() -> Iterator[tuple[str, bytes]]:
    """Yield call and answer of every recorded RTAS call."""
    for path in sorted((FIXTURES / "mobility").glob("*.json")):
        for step in json.loads(path.read_text())["steps"]:
            for one in step.get("answers", ()):
                yield one["call"], bytes.fromhex(one["answer"])
