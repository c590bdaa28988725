# SPDX-License-Identifier: MIT
"""Writer of trees: as a flattened blob of version 17, or as device tree source."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.errors import WriteError
from drmemctl.tree.builder import shown
from drmemctl.tree.dts_text import is_name, value_text
from drmemctl.tree.node import Node, Tree

__all__ = ["to_dts", "value_text", "write_fdt"]


def write_fdt(tree: Tree, *, allow_cut: bool = False) -> bytes:
    """Return the tree as a flattened blob: version 17, blocks in dtc's order, no padding.

    Reading it gives the same content: names, values, order, duplicates, reservations, boot CPU.
    Raises `WriteError` for a name that is not printable ASCII, and, unless `allow_cut`, where the source
    showed only the beginning of a value.
    """
    return b"".join(fdt_pieces(tree, allow_cut=allow_cut))


def fdt_pieces(tree: Tree, *, allow_cut: bool = False) -> list[bytes]:
    """Return what `write_fdt` does in pieces, without a copy of large values."""
    if not allow_cut:
        _refuse_cut(tree)
    from drmemctl.tree.fdt_package import blob_pieces

    return blob_pieces(tree)


def to_dts(subject: Tree | Node, *, exact: bool = False) -> str:
    r"""Return a tree, or a node with all below it, as source that dtc reads back to the same bytes.

    What source cannot hold is shown all the same, for people: other characters in names as `\xNN`, how much
    of a cut value is missing as a comment. With `exact` it raises `WriteError` instead.
    """
    return "".join(dts_pieces(subject, exact=exact))


def dts_pieces(subject: Tree | Node, *, exact: bool = False) -> Iterator[str]:
    """Return subject `to_dts` does in pieces: text is several times as large as the bytes it stands for.

    `WriteError` comes before the first of them.
    """
    from drmemctl.tree.fdt_package import node_pieces, text_pieces

    tree = subject if isinstance(subject, Tree) else Tree(subject)
    if exact:
        _refuse_cut(tree)
        for path, node in tree.walk():
            for name in (node.name, *(prop.name for prop in node.properties)):
                if not is_name(name) and not (node is tree.root and name == node.name):
                    message = f"source cannot hold the name {shown(name)!r}"
                    raise WriteError(message, source=tree.source or None, path=shown(path), hint="write a .dtb")
    return text_pieces(tree) if subject is tree else node_pieces(tree.root)


def _refuse_cut(tree: Tree) -> None:
    for path, prop in ((path, prop) for path, node in tree.walk() for prop in node.properties):
        if prop.total is not None:
            raise WriteError(
                f"only {len(prop.value)} of {prop.total} bytes of the value are known",
                source=tree.source or None,
                path=path,
                property=prop.name,
                hint="capture the tree whole, with tar or `lsprop -R -m 100000000`",
            )
