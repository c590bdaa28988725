# SPDX-License-Identifier: MIT
"""Readers of flattened trees that are not ours: libfdt through ctypes, and the `fdtget` of the machine."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from drmemctl.tree.node import Node
from tests.conftest import Tool

# libfdt.h, FDT_ERR_NOTFOUND = 1 and following.
ERRORS = (
    "",
    "FDT_ERR_NOTFOUND",
    "FDT_ERR_EXISTS",
    "FDT_ERR_NOSPACE",
    "FDT_ERR_BADOFFSET",
    "FDT_ERR_BADPATH",
    "FDT_ERR_BADPHANDLE",
    "FDT_ERR_BADSTATE",
    "FDT_ERR_TRUNCATED",
    "FDT_ERR_BADMAGIC",
    "FDT_ERR_BADVERSION",
    "FDT_ERR_BADSTRUCTURE",
    "FDT_ERR_BADLAYOUT",
    "FDT_ERR_INTERNAL",
    "FDT_ERR_BADNCELLS",
    "FDT_ERR_BADVALUE",
    "FDT_ERR_BADOVERLAY",
    "FDT_ERR_NOPHANDLES",
    "FDT_ERR_BADFLAGS",
    "FDT_ERR_ALIGNMENT",
)


class OracleNode(NamedTuple):
    """A node as libfdt sees it: how deep it is (the root 0), its name and properties."""

    depth: int
    name: bytes
    properties: list[tuple[bytes, bytes]]


class Libfdt:
    """libfdt itself, as pylibfdt carries it; its Python side offers no `fdt_check_full`."""

    def __init__(self, binding: Any) -> None:
        self._lib = ctypes.CDLL(binding._libfdt.__file__)
        for name in ("fdt_check_full", "fdt_num_mem_rsv", "fdt_get_mem_rsv"):
            getattr(self._lib, name).restype = ctypes.c_int
        for name in ("fdt_get_name", "fdt_getprop_by_offset"):
            getattr(self._lib, name).restype = ctypes.c_void_p
        self._lib.fdt_check_full.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

    def check(self, blob: bytes) -> str:
        """Return the name of the error of `fdt_check_full`, "" if the blob is well-formed."""
        return ERRORS[-self._lib.fdt_check_full(blob, len(blob))]

    def nodes(self, blob: bytes) -> list[OracleNode]:
        """Return all nodes in libfdt's own order."""
        nodes = []
        depth = ctypes.c_int(-1)
        offset = self._lib.fdt_next_node(blob, -1, ctypes.byref(depth))
        while offset >= 0 and depth.value >= 0:
            nodes.append(OracleNode(depth.value, self._name(blob, offset), list(self._properties(blob, offset))))
            offset = self._lib.fdt_next_node(blob, offset, ctypes.byref(depth))
        return nodes

    def _name(self, blob: bytes, offset: int) -> bytes:
        length = ctypes.c_int()
        address = self._lib.fdt_get_name(blob, offset, ctypes.byref(length))
        return ctypes.string_at(address, length.value)

    def _properties(self, blob: bytes, node: int) -> Iterator[tuple[bytes, bytes]]:
        offset = self._lib.fdt_first_property_offset(blob, node)
        while offset >= 0:
            name, length = ctypes.c_char_p(), ctypes.c_int()
            value = self._lib.fdt_getprop_by_offset(blob, offset, ctypes.byref(name), ctypes.byref(length))
            assert value is not None
            assert name.value is not None
            yield name.value, ctypes.string_at(value, length.value)
            offset = self._lib.fdt_next_property_offset(blob, offset)

    def reservations(self, blob: bytes) -> list[tuple[int, int]]:
        """Return the (address, size) pairs of the memory reservation block."""
        pairs = []
        for index in range(self._lib.fdt_num_mem_rsv(blob)):
            address, size = ctypes.c_uint64(), ctypes.c_uint64()
            assert self._lib.fdt_get_mem_rsv(blob, index, ctypes.byref(address), ctypes.byref(size)) == 0
            pairs.append((address.value, size.value))
        return pairs


def fdtget_values(fdtget: Tool, path: Path, wanted: list[tuple[str, str]]) -> list[bytes]:
    """Return the values of (node path, property name) pairs as `fdtget` reads them."""
    arguments = [text for pair in wanted for text in pair]
    done = fdtget("-t", "bx", path, *arguments)
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().split("\n")[:-1]
    return [bytes(int(byte, 16) for byte in line.split()) for line in lines]


def fdtget_value(fdtget: Tool, path: Path, node: str, name: str) -> bytes | None:
    """Return one property's value as `fdtget` reads it, None where it finds no such property."""
    done = fdtget("-t", "bx", path, node, name)
    return None if done.returncode else bytes(int(byte, 16) for byte in done.stdout.split())


def as_bytes(name: str) -> bytes:
    """Return the bytes of a name as the reader keeps it: ASCII, any other byte as a surrogate (PEP 383)."""
    return name.encode("ascii", "surrogateescape")


def content_of(root: Node) -> list[OracleNode]:
    """Return one of our trees in libfdt's form: nodes in document order, names as bytes."""
    nodes = []
    stack = [(0, root)]
    while stack:
        depth, node = stack.pop()
        properties = [(as_bytes(prop.name), prop.value) for prop in node.properties]
        nodes.append(OracleNode(depth, as_bytes(node.name), properties))
        stack.extend((depth + 1, child) for child in reversed(node.children))
    return nodes
