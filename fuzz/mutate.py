# SPDX-License-Identifier: MIT
"""Changes that leave a flattened tree well-formed: bytes changed at random rarely get past its reader.

An input may go on behind its blob (`split`): with steps, or with a second tree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from drmemctl.errors import DrmemctlError
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Node, Property, Tree
from drmemctl.tree.writer import write_fdt
from fuzz.seeds import values
from fuzz.target import Mutate

_WORDS = (0, 1, 2, 3, 4, 8, 0x28, 0x40, 0x80, 0x108, 0xFF, 0x10000000, 1 << 31, (1 << 31) - 1, (1 << 32) - 1)
_ENTRY = 24
"""Bytes of an entry of ibm,dynamic-memory and -v2."""

_LONGEST_VALUE = 4096


def split(data: bytes) -> tuple[bytes, bytes]:
    """Return the blob that an input begins with, as its header has its size, and what is behind it."""
    size = int.from_bytes(data[4:8], "big")
    return data[:size], data[size:]


def changed_tree(data: bytes, chosen: Random, mutate: Mutate) -> bytes | None:
    """Return a blob with one or a few of its nodes and values changed; what is behind it stays."""
    first, rest = split(data)
    try:
        tree = read_fdt(first)
        for _ in range(chosen.choice((1, 1, 2, 4))):
            tree = _changed(tree, chosen, mutate)
        return write_fdt(tree) + rest
    except DrmemctlError:
        return None


def changed_pair(data: bytes, chosen: Random, mutate: Mutate) -> bytes | None:
    """Return two blobs, one behind the other, of which one is changed, or has become the other."""
    first, second = split(data)
    kind = chosen.random()
    if kind < 0.1:
        return first + (changed_tree(first, chosen, mutate) or first)
    if kind < 0.55:
        return changed_tree(data, chosen, mutate)
    other = changed_tree(second, chosen, mutate)
    return None if other is None else first + other


def _changed(tree: Tree, chosen: Random, mutate: Mutate) -> Tree:
    """Return the tree with one change, at a node by chance, those of memory and affinity more often."""
    paths = [path for path, node in tree.walk() if node.properties] or ["/"]
    wanted = [path for path in paths if path.startswith(("/ibm,dynamic", "/rtas", "/memory", "/chosen"))]
    path = chosen.choice(wanted if wanted and chosen.random() < 0.7 else paths)
    steps = [name for name in path.split("/") if name]
    return replace(tree, root=_at(tree.root, steps, chosen, mutate))


def _at(node: Node, steps: list[str], chosen: Random, mutate: Mutate) -> Node:
    if not steps:
        return _changed_node(node, chosen, mutate)
    at = next((i for i, child in enumerate(node.children) if child.name == steps[0]), None)
    if at is None:
        return node
    children = list(node.children)
    children[at] = _at(children[at], steps[1:], chosen, mutate)
    return replace(node, children=tuple(children))


def _changed_node(node: Node, chosen: Random, mutate: Mutate) -> Node:
    kind = chosen.random()
    if kind < 0.03 and node.children:
        gone = chosen.randrange(len(node.children))
        return replace(node, children=node.children[:gone] + node.children[gone + 1 :])
    if kind < 0.06 and node.children:
        twin = chosen.choice(node.children)
        base, _, _ = twin.name.partition("@")
        twin = replace(twin, name=chosen.choice((twin.name, f"{base}@{chosen.choice(_WORDS):x}")))
        return replace(node, children=(*node.children, twin))
    if kind < 0.16:
        name, value = chosen.choice(values())
        return node.with_property(name, value)
    if not node.properties:
        return node
    at = chosen.randrange(len(node.properties))
    properties = list(node.properties)
    if kind < 0.21:
        properties.pop(at)
    elif kind < 0.23:
        properties.append(Property(properties[at].name, b""))
    else:
        old = properties[at]
        how = chosen.choice(_VALUES)
        properties[at] = Property(old.name, how(old, chosen, mutate)[:_LONGEST_VALUE])
    return replace(node, properties=tuple(properties))


def _random(old: Property, _chosen: Random, mutate: Mutate) -> bytes:
    return mutate(old.value, len(old.value) + 64)


def _word(old: Property, chosen: Random, _mutate: Mutate) -> bytes:
    """Replace a word by one that means something, or by its neighbour."""
    at = 4 * chosen.randrange(max(len(old.value) // 4, 1))
    here = int.from_bytes(old.value[at : at + 4], "big")
    new = chosen.choice((chosen.choice(_WORDS), here + 1, here - 1, here ^ 1 << chosen.randrange(32)))
    return old.value[:at] + (new % (1 << 32)).to_bytes(4, "big") + old.value[at + 4 :]


def _length(old: Property, chosen: Random, _mutate: Mutate) -> bytes:
    size = max(0, len(old.value) + chosen.choice((-24, -16, -8, -4, -1, 1, 4, 8, 16, 24)))
    return old.value[:size].ljust(size, b"\0")


def _another(old: Property, chosen: Random, _mutate: Mutate) -> bytes:
    same = [value for name, value in values() if name == old.name]
    return chosen.choice(same) if same else b""


def _entries(old: Property, chosen: Random, mutate: Mutate) -> bytes:
    """Repeat or move an entry of the LMB array, or drop it, and keep the count right."""
    entries = [old.value[at : at + _ENTRY] for at in range(4, len(old.value) - _ENTRY + 1, _ENTRY)]
    if not old.name.startswith("ibm,dynamic-memory") or not entries:
        return _word(old, chosen, mutate)
    picked = entries[chosen.randrange(len(entries))]
    if chosen.random() < 0.4:
        entries.remove(picked)
    if chosen.random() < 0.7:
        entries.insert(chosen.randrange(len(entries) + 1), _word(Property("", picked), chosen, mutate))
    return len(entries).to_bytes(4, "big") + b"".join(entries)


_VALUES: tuple[Callable[[Property, Random, Mutate], bytes], ...] = (
    _random,
    _word,
    _word,
    _length,
    _another,
    _entries,
    _entries,
)
