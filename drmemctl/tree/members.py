# SPDX-License-Identifier: MIT
"""What a directory or an archive holds, by paths, and the tree that it is.

Both are read as members: a path, what is there, and its bytes for whoever wants them. What of them becomes a node
or a property, and what is left out and noted, is decided here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from drmemctl.defect import Defect
from drmemctl.tree.builder import Draft, TreeBuilder, shown
from drmemctl.tree.finder import Container, TreeRoot
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.node import Tree, decode_name

LINK = "a link; links are not followed"
NO_FILE = "no regular file"


class Member(NamedTuple):
    """Something with a path.

    `path` is relative and without empty, `.` or `..` parts. `oddity` says what one is that has no content here:
    links and devices, and what a tar archive has besides; of a directory, why nobody can look into it. `size` is
    that of its content in an archive, from `offset` on; `target` is the path of the member that a hard link is to.
    """

    path: str
    is_file: bool = False
    is_directory: bool = False
    size: int = 0
    offset: int = 0
    target: str = ""
    oddity: str = ""

    @property
    def reason(self) -> str:
        """Why it is left out."""
        return f"{self.oddity} to {shown(self.target)}, which is not before it" if self.target else self.oddity


Read = Callable[[int], tuple[bytes, int]]
"""Returns a file's bytes, at most as many as it is asked for, and how many the file claims, 0 if none."""


def no_content(_most: int) -> tuple[bytes, int]:
    """Stand for the bytes of what is no file."""
    return b"", 0


def listed(place: str, path: str) -> Iterator[tuple[str, Member]]:
    """Yield what is in a directory, as it comes: where, and as a member; `path` is that of the directory."""
    prefix = f"{path}/" if path else ""
    with os.scandir(place) as entries:
        for entry in islice(entries, LIMITS.max_members):
            is_file = entry.is_file(follow_symlinks=False)
            is_directory = not is_file and entry.is_dir(follow_symlinks=False)
            oddity = "" if is_file or is_directory else LINK if entry.is_symlink() else NO_FILE
            name = prefix + decode_name(os.fsencode(entry.name))
            yield entry.path, Member(name, is_file, is_directory, oddity=oddity)


def assembled(members: Iterable[tuple[Member, Read]], root: TreeRoot, container: Container, source: str) -> Tree:
    """Return the tree of the members below a root; their paths are from there on.

    What cannot be read is a defect: `unreadable`, `not-regular`, `changed`. Raises `LimitError` beyond `LIMITS`.
    """
    builder = TreeBuilder(source, container.name)
    top = node = builder.at(root.names)
    node_path = ""
    for member, read in members:
        parent, _, name = member.path.rpartition("/")
        if not (member.is_file or member.is_directory):
            place = "/" + "/".join(filter(None, (*root.names, parent)))
            builder.note(Defect("not-regular", f"left out: {member.reason}", place, name))
            continue
        # Members of a directory come together: of a tree of devices, dozens of files each.
        if parent != node_path:
            node_path, node = parent, builder.at(parent.split("/") if parent else (), top)
        if member.is_file:
            _add(builder, node, name, read)
        else:
            child = builder.at((name,), node)
            if member.oddity:
                builder.note(Defect("unreadable", f"the node {member.oddity}", child.path))
    return builder.finish()


def _add(builder: TreeBuilder, node: Draft, name: str, read: Read) -> None:
    try:
        value, size = read(builder.room() + 1)
    except FileNotFoundError:
        builder.note(Defect("changed", "left out: it vanished while the tree was read", node.path, name))
    except OSError as error:
        builder.note(Defect("unreadable", f"left out: {error.strerror}", node.path, name))
    else:
        # Zero is what files of procfs say whose length is known only once they are read.
        if size not in (0, len(value)) and len(value) <= builder.room():
            message = f"{len(value)} bytes were read of a file of {size}: it may have changed meanwhile"
            builder.note(Defect("changed", message, node.path, name))
        builder.add(node, name, value)
