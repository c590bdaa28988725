# SPDX-License-Identifier: MIT
"""Where in an archive or a directory the device trees are: by the names of files and directories alone.

Captures differ: a sosreport has the whole of `/proc/device-tree` (or a link to `sys/firmware/devicetree/base`
and that), test archives of hwloc hold only its `cpus`, bug reports a few nodes copied by hand. So a directory
is the root of a tree if its path says so, if it has the properties of a root, or if it has nodes that only a
root has; and the topmost of such directories counts, since inner nodes look alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from drmemctl.errors import InputError, LimitError
from drmemctl.formats.cells import ADDRESS_CELLS, LMB_SIZE
from drmemctl.formats.dynamic_memory import V1, V2
from drmemctl.tree.builder import shown
from drmemctl.tree.limits import LIMITS, MIB
from drmemctl.tree.node import Tree

DRMEM_NODE = "ibm,dynamic-reconfiguration-memory"
"""The node that holds the LMBs (LoPAR C.6.6.2)."""

_CELLS, _IDENTITY, _LMBS, _ANY_FILE, _DRMEM_CHILD = 1, 2, 4, 8, 16
_FILES = {
    ADDRESS_CELLS: _CELLS,
    **dict.fromkeys(("compatible", "model", "device_type"), _IDENTITY),
    **dict.fromkeys((LMB_SIZE, V1, V2), _LMBS),
}
# Nodes that stand below the root only (LoPAR appendix B, Devicetree Specification chapter 3); a bit each, to
# count how many of them a directory has.
_ROOT_NODES = (
    *("chosen", "cpus", "rtas", "aliases", "options"),
    *("openprom", "vdevice", "event-sources", "memory@0"),
)
_CHILDREN = {DRMEM_NODE: _DRMEM_CHILD, **{name: 32 << bit for bit, name in enumerate(_ROOT_NODES)}}
_CHILD_MASK = sum(_CHILDREN.values())
# Looked for in whole paths: prefixes made one after the other cost the square of the depth.
_NODES_IN_PATH = re.compile(rf"(?:^|/)({'|'.join(map(re.escape, _CHILDREN))})(?=/|\Z)")

_MOST_LOOKS = 4 * LIMITS.max_members
"""Names of such nodes in all paths of an input: a member of a real archive has one, seldom two."""

_MOST_CHARACTERS = 32 * MIB
"""Characters of the paths that are kept: 65,536 nodes with paths of 512."""

COMPARED = 4
"""How many trees are read to see whether they are one at several paths: each may cost a pass over the input."""

_LISTED = 20
"""How many trees the message that there are several names."""


class TreeRoot(NamedTuple):
    """A directory that is the root of a device tree; `path` is "" for the top.

    `is_drmem` says that it is the node `ibm,dynamic-reconfiguration-memory` alone.
    """

    path: str
    is_drmem: bool = False

    @property
    def prefix(self) -> str:
        """What the paths of all that lies in it begin with."""
        return f"{self.path}/" if self.path else ""

    @property
    def names(self) -> tuple[str, ...]:
        """The node of the tree that it is."""
        return (DRMEM_NODE,) if self.is_drmem else ()


class Container(NamedTuple):
    """What holds trees: its name, and what joins it and the path of one."""

    name: str
    joint: str


ARCHIVE = Container("archive", "::")
DIRECTORY = Container("directory", "/")


def names_tree(path: str) -> bool:
    """Whether the path is one where Linux shows its device tree, or a copy with the same last names."""
    return f"/{path}".endswith(("/device-tree", "/devicetree/base"))


def inside_named_tree(path: str) -> bool:
    """Whether the path lies below a directory that `names_tree` knows."""
    return "/device-tree/" in (place := f"/{path}") or "/devicetree/base/" in place


class Finder:
    """Takes paths as they come and says which directories are roots; keeps only what can be one."""

    def __init__(self, source: str, top: str = "") -> None:
        """Start with no paths; `top` is the path of the directory that they are relative to."""
        self._source = source
        self._top = top
        self._flags: dict[str, int] = {}
        self._last = ""
        self._looks = self._characters = 0

    def member(self, path: str, *, is_file: bool, is_directory: bool) -> None:
        """Take what an archive or a directory holds; what is neither file nor directory is no part of a tree."""
        if is_file:
            self.file(path)
        elif is_directory:
            self.directory(path)

    def file(self, path: str) -> None:
        """Take a regular file."""
        parent, _, name = path.rpartition("/")
        self.directory(parent)
        flag = _FILES.get(name, 0) | (0 if parent and not names_tree(parent) else _ANY_FILE)
        if flag:
            self._flag(parent, flag)

    def directory(self, path: str) -> None:
        """Take a directory, and those it lies in; `LimitError` where more look like trees than any input has."""
        if path == self._last:
            return
        self._last = path
        for match in _NODES_IN_PATH.finditer(path):
            self._looks += 1
            self._flag(path[: max(0, match.start())], _CHILDREN[match[1]])
        if self._looks > _MOST_LOOKS:
            message = f"more than {_MOST_LOOKS:,} names of nodes that only a device tree's root has"
            raise LimitError(message, source=self._source)

    def roots(self) -> list[TreeRoot]:
        """Return the topmost roots, in the order of their paths."""
        roots = (root for path, flags in self._flags.items() if (root := self._judge(path, flags)))
        topmost: list[TreeRoot] = []
        above = ""
        # A directory sorts right before all that lies in it.
        for inside, root in sorted((f"{root.path}/".lstrip("/").replace("/", "\0"), root) for root in roots):
            if not topmost or not inside.startswith(above):
                above = inside
                topmost.append(root)
        return sorted(topmost)

    def _flag(self, path: str, flag: int) -> None:
        flags = self._flags.get(path)
        if flags is None:
            self._characters += len(path)
            if self._characters > _MOST_CHARACTERS:
                message = "more directories look like a device tree than any input has"
                raise LimitError(message, source=self._source)
        self._flags[path] = (flags or 0) | flag

    def _judge(self, path: str, flags: int) -> TreeRoot | None:
        named = names_tree(path or self._top)
        if (
            flags & _DRMEM_CHILD
            or (flags & _CHILD_MASK).bit_count() >= 2
            or (flags & _CELLS and flags & _IDENTITY)
            or (named and flags & (_ANY_FILE | _CHILD_MASK))
        ):
            return TreeRoot(path)
        return TreeRoot(path, is_drmem=True) if flags & _LMBS else None


def only_tree(roots: list[TreeRoot], read: Callable[[TreeRoot], Tree], container: Container, source: str) -> Tree:
    """Return the tree at several roots, all with equal content: Linux gives it two names.

    Raises `InputError` where the trees differ, or are too many to be compared.
    """
    if len(roots) <= COMPARED:
        tree = read(roots[0])
        if all(read(root).root == tree.root for root in roots[1:]):
            return tree
    raise several_trees(container, [root.path for root in roots], source)


def several_trees(container: Container, paths: list[str], source: str) -> InputError:
    """Return the error that an archive or a directory holds several trees, and how to name one."""
    names = ", ".join(shown(path, 100) or "." for path in paths[:_LISTED])
    more = f" and {len(paths) - _LISTED:,} more" if len(paths) > _LISTED else ""
    return InputError(
        f"the {container.name} holds {len(paths):,} device trees: {names}{more}",
        source=source,
        hint=f"name one, as in {source.rstrip('/')}{container.joint}{shown(paths[0], 100) or '.'}",
    )
