"""Trees in the forms that the input tests feed to the readers."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Node, Tree, encode_name
from tests.conftest import blob

NAMES = ("trees/form0", "trees/v1-dimm", "trees/numa4-form2-dist", "captures/6.1-lpm", "kernel-arrays/big-boot")


@cache
def tree(name: str = "trees/form0") -> Tree:
    return read_fdt(blob(name), name)


def content(tree: Tree) -> dict[tuple[str, str], bytes]:
    """Return all values by (path, property), nodes with an empty property name."""
    found = {}
    for path, node in tree.walk():
        found[path, ""] = b""
        found |= {(path, prop.name): prop.value for prop in node.properties}
    return found


def files(tree: Tree, prefix: str = "proc/device-tree") -> Iterator[tuple[str, bytes | None]]:
    """Yield every node (None) and property as (path below `prefix`, content)."""
    for path, node in tree.walk():
        place = f"{prefix}{path}".rstrip("/")
        yield place, None
        for prop in node.properties:
            yield f"{place}/{prop.name}", prop.value


def tar(*entries: tuple[str, bytes | None], format: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a tar archive of files, and directories where the content is None."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as archive:
        for name, data in entries:
            member = tarfile.TarInfo(name)
            if data is None:
                member.type = tarfile.DIRTYPE
            else:
                member.size = len(data)
            archive.addfile(member, io.BytesIO(data or b""))
    return stream.getvalue()


def tar_of(tree: Tree, prefix: str = "proc/device-tree", **options: int) -> bytes:
    return tar(*files(tree, prefix), **options)


def write_directory(node: Node, path: Path) -> Path:
    """Write a node and all below it as `/proc/device-tree` shows it."""
    path.mkdir(parents=True)
    for prop in node.properties:
        (path / os.fsdecode(encode_name(prop.name))).write_bytes(prop.value)
    for child in node.children:
        write_directory(child, path / os.fsdecode(encode_name(child.name)))
    return path
