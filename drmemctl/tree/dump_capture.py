# SPDX-License-Identifier: MIT
"""A capture out of a dump: its tree, array, replaced values, memory blocks, release, command line and messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import accumulate

from drmemctl.errors import InputError
from drmemctl.formats import capture_text
from drmemctl.tree.capture import MESSAGES, redacted, redacted_tree, secret_texts
from drmemctl.tree.kept_dump import replaced_document
from drmemctl.tree.node import Node, Property, Tree
from drmemctl.tree.plain_input import BOOTED, TREES
from drmemctl.tree.system_files import ARRAY, REPLACED
from drmemctl.tree.writer import write_fdt

_LARGEST_HISTORY = 4 << 20
"""Bytes of replaced values that are kept, the newest of each node first: whoever reads a capture has 16 MiB."""


def captured_dump(
    tree: Tree, boot: Tree | None, array: bytes | None, *, redact: bool
) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of all that a capture of a dump holds.

    `boot` is its tree of boot, `array` the document of its array, as far as it has them. `InputError` for what is
    no dump, and for names that no file can have.
    """
    if tree.dump is None:
        hint = "drmemctl capture takes one of this machine, drmemctl convert writes any tree"
        raise InputError("this is no dump of a kernel's memory", source=tree.source, hint=hint)
    replaced, secrets = _newest(tree.dump.replaced), list[bytes]()
    if redact:
        former = ((prop.name, prop.value) for values in replaced.values() for prop in values)
        current = ((prop.name, prop.value) for _, node in tree.walk() for prop in node.properties)
        secrets = secret_texts((*former, *current))
        tree, boot = redacted_tree(tree), None if boot is None else redacted_tree(boot)
        replaced = {
            path: tuple(replace(prop, value=redacted(prop.name, prop.value, secrets)) for prop in values)
            for path, values in replaced.items()
        }
    if provenance := tree.provenance.encode():
        yield capture_text.NAME, provenance
    yield from _properties(tree.root, TREES[0], tree.source)
    if boot is not None:
        yield BOOTED, write_fdt(boot)
    if array is not None:
        yield ARRAY, array
    yield REPLACED, replaced_document(replaced)
    for path, data in _files(tree):
        yield path, redacted("", data, secrets) if redact else data


def _newest(replaced: Mapping[str, tuple[Property, ...]]) -> dict[str, tuple[Property, ...]]:
    """Return the values that there is room for."""
    newest: dict[str, tuple[Property, ...]] = {}
    room = _LARGEST_HISTORY
    for path, values in replaced.items():
        sizes = accumulate(len(prop.value) for prop in values)
        newest[path] = values[: sum(size <= room for size in sizes)]
        room -= sum(len(prop.value) for prop in newest[path])
    return newest


def _properties(node: Node, path: str, source: str) -> Iterator[tuple[str, bytes]]:
    for prop in node.properties:
        yield f"{path}/{_file_name(prop.name, source)}", prop.value
    for child in node.children:
        yield from _properties(child, f"{path}/{_file_name(child.name, source)}", source)


def _file_name(name: str, source: str) -> str:
    """Return a name that a file can have: the memory of a damaged kernel holds any."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        message = f"a node or property called {name[:_SHOWN]!r} can be no file"
        raise InputError(message, source=source, hint="the dump is damaged; drmemctl tree shows it")
    return name


_SHOWN = 80


def _files(tree: Tree) -> Iterator[tuple[str, bytes]]:
    """Yield what lies beside the tree, of the messages those that captures have."""
    for path, data in (tree.beside.files().files if tree.beside is not None else {}).items():
        if path == "dmesg":
            data = b"".join(line + b"\n" for line in data.splitlines() if MESSAGES.search(line))  # noqa: PLW2901
        if path != capture_text.NAME:
            yield path, data
