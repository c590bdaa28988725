# SPDX-License-Identifier: MIT
"""A tree as the content of a file: a flattened blob or device tree source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from drmemctl.tree.dts_text import is_name
from drmemctl.tree.limits import LIMITS, MIB, RAISE_VARIABLE
from drmemctl.tree.node import Tree
from drmemctl.wording import count_of

FORMATS = ("dtb", "dts")
_BLOCK = 1 << 18


def format_of(name: str) -> str | None:
    """Return the format that a file's name stands for, or None."""
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    return suffix if suffix in FORMATS else None


class FileContent:
    """The bytes of a file in pieces; `size` counts those that were taken."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.size += len(piece)
            yield piece


def content(tree: Tree, format: str, *, allow_cut: bool = False) -> FileContent:
    """Return the tree as `dtb` or `dts`; `WriteError`, at once, for what the format cannot hold.

    Values of which the source shows only the beginning are refused unless `allow_cut`.
    """
    from drmemctl.tree.writer import dts_pieces, fdt_pieces

    if format == "dtb":
        return FileContent(fdt_pieces(tree, allow_cut=allow_cut))
    return FileContent(_in_blocks(dts_pieces(tree, exact=not allow_cut)))


def _in_blocks(texts: Iterable[str]) -> Iterator[bytes]:
    """Yield text as bytes, in pieces that are worth a write each."""
    block = bytearray()
    for text in texts:
        block += text.encode("ascii")
        if len(block) >= _BLOCK:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def notes(tree: Tree, format: str, size: int) -> list[str]:
    """Return what the user of a written file should know."""
    said = []
    if size > LIMITS.max_bytes:
        said.append(f"{size:,} bytes: to read it again, set {RAISE_VARIABLE}={-(-size // MIB)}")
    if format != "dtb":
        names = sum(not is_name(prop.name) for _, node in tree.walk() for prop in node.properties)
        names += sum(not is_name(node.name) for path, node in tree.walk() if path != "/")
        if names:
            said.append(f"{count_of(names, 'name')} cannot be written in DTS; they are not as in the tree")
    return said
