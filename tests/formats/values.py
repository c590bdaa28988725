# SPDX-License-Identifier: MIT
"""What is in the bundled trees, as libfdt reads it: the decoders under test have no part in it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from tests.conftest import fixture_trees, gunzip, libfdt_or_skip, tree_name


class Value(NamedTuple):
    """A property in a bundled tree."""

    tree: str
    path: str
    name: str
    data: bytes


def _properties(tree: Any, offset: int) -> Iterator[tuple[str, bytes]]:
    quiet = [libfdt_or_skip().NOTFOUND]
    found = tree.first_property_offset(offset, quiet)
    while found >= 0:
        prop = tree.get_property_by_offset(found)
        yield prop.name, bytes(prop)
        found = tree.next_property_offset(found, quiet)


def _walk(name: str, blob: bytes) -> Iterator[Value]:
    libfdt = libfdt_or_skip()
    tree = libfdt.FdtRo(blob)
    offset = depth = 0
    while offset >= 0 and depth >= 0:
        path = tree.get_path(offset, len(blob))
        for prop, data in _properties(tree, offset):
            yield Value(name, path, prop, data)
        offset, depth = tree.next_node(offset, depth, (libfdt.NOTFOUND,))


@cache
def all_values() -> tuple[Value, ...]:
    """Return every property of every bundled tree."""
    return tuple(value for path in fixture_trees() for value in _walk(tree_name(path), gunzip(path)))


def values_of(name: str, path: str = "") -> list[Value]:
    """Return the properties of a name, in nodes whose path begins so; there is at least one."""
    found = [value for value in all_values() if value.name == name and value.path.startswith(path)]
    assert found, f"no bundled tree has {path}:{name}"
    return found


def value_in(tree: str, name: str, path: str = "") -> bytes:
    """Return the one such property of a tree."""
    (found,) = (value.data for value in values_of(name, path) if value.tree == tree)
    return found


def codes(decoded: object) -> list[str]:
    """Return the codes of a decoder's defects."""
    defects = getattr(decoded, "defects")  # noqa: B009 - of any decoder's result
    return [defect.code for defect in defects]


def unhex(text: str) -> bytes:
    """Return the bytes of hexadecimal groups."""
    return bytes.fromhex(text)
