# SPDX-License-Identifier: MIT
"""Device trees as directories: nodes are directories, properties are files, as in `/proc/device-tree`.

Links inside are not followed, so nothing outside the named directory is read; what is no regular file or
cannot be read is left out and noted. Names are sorted, since directories have no order.
"""

from __future__ import annotations

import os
import stat
from itertools import islice

from drmemctl.defect import Defect
from drmemctl.errors import InputError, LimitError
from drmemctl.read_files import note
from drmemctl.tree.builder import Draft, TreeBuilder
from drmemctl.tree.finder import DIRECTORY, Finder, TreeRoot, only_tree
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.node import Tree, decode_name, encode_name

_PIECE = 1 << 20
"""Bytes read at once."""

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_directory(path: str, source: str) -> Tree:
    """Return the tree of a directory, or of the only directory below it that is the root of one."""
    return read_directory_at(path, source)[0]


def read_directory_at(path: str, source: str) -> tuple[Tree, str]:
    """Return the same, and which directory that is.

    Raises `InputError` if there is none, several, or the directory cannot be read; `LimitError` beyond
    `LIMITS`. What cannot be read inside is a defect: `unreadable`, `not-regular`, `changed`.
    """
    roots = _find_roots(path, source)
    if not roots:
        raise InputError(
            "no device tree in the directory",
            source=source,
            hint="name a copy of /proc/device-tree, or a directory that holds one",
        )
    tree = only_tree(roots, lambda root: _read_root(path, root, source), DIRECTORY, source)
    return tree, _place(path, roots[0])


def _find_roots(path: str, source: str) -> list[TreeRoot]:
    """Return the roots at or below a directory; the whole of it is looked through only if it is none itself."""
    finder = Finder(source, os.path.realpath(path))
    try:
        below = _look(path, "", finder)
    except OSError as error:
        raise _unreadable(error, source) from None
    if finder.roots()[:1] in ([TreeRoot("")], [TreeRoot("", is_drmem=True)]):
        return finder.roots()
    seen = len(below)
    while below:
        place, relative = below.pop()
        try:
            more = _look(place, relative, finder)
        except OSError:
            continue
        seen += 1 + len(more)
        if seen > LIMITS.max_members:
            message = f"more than {LIMITS.max_members:,} directories to look for a device tree in"
            raise LimitError(message, source=source, hint="name the directory that holds it")
        below.extend(more)
    return finder.roots()


def _unreadable(error: OSError, source: str) -> InputError:
    return InputError(f"the directory cannot be read: {error.strerror}", source=source)


def _look(place: str, relative: str, finder: Finder) -> list[tuple[str, str]]:
    """Give a directory's entries to the finder; return the directories in it, with their relative paths."""
    below = []
    prefix = f"{relative}/" if relative else ""
    with os.scandir(place) as entries:
        for entry in islice(entries, LIMITS.max_members):
            path = prefix + decode_name(os.fsencode(entry.name))
            is_directory = entry.is_dir(follow_symlinks=False)
            finder.member(path, is_file=entry.is_file(follow_symlinks=False), is_directory=is_directory)
            if is_directory:
                below.append((entry.path, path))
    return below


def _read_root(path: str, root: TreeRoot, source: str) -> Tree:
    builder = TreeBuilder(source, DIRECTORY.name)
    stack = [(_place(path, root), builder.at(root.names))]
    while stack:
        stack.extend(reversed(_read_node(*stack.pop(), builder)))
    return builder.finish()


def _place(path: str, root: TreeRoot) -> str:
    return f"{path.rstrip('/')}/{os.fsdecode(encode_name(root.path))}"


def _read_node(place: str, node: Draft, builder: TreeBuilder) -> list[tuple[str, Draft]]:
    """Take over a directory's files; return its directories with the nodes that they are."""
    try:
        with os.scandir(place) as scan:
            entries = sorted(islice(scan, LIMITS.max_members), key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        if node.parent is None:
            raise _unreadable(error, builder.source) from None
        builder.note(Defect("unreadable", f"the node cannot be read: {error.strerror}", node.path))
        return []
    below = []
    for entry in entries:
        name = decode_name(os.fsencode(entry.name))
        if entry.is_dir(follow_symlinks=False):
            below.append((entry.path, builder.child(node, name)))
        else:
            _read_property(entry, name, node, builder)
    return below


def _read_property(entry: os.DirEntry[str], name: str, node: Draft, builder: TreeBuilder) -> None:
    if not entry.is_file(follow_symlinks=False):
        reason = "a link; links are not followed" if entry.is_symlink() else "no regular file"
        builder.note(Defect("not-regular", f"left out: {reason}", node.path, name))
        return
    try:
        value, size = _read_file(entry.path, builder.room())
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


def _read_file(path: str, most: int) -> tuple[bytes, int]:
    """Return at most one byte more than `most` of a regular file, and the size that it claims."""
    descriptor = os.open(path, _OPEN)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "no regular file any more")
        note(status)
        parts, missing = [], most + 1
        while missing > 0 and (part := os.read(descriptor, min(missing, _PIECE))):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts), status.st_size
    finally:
        os.close(descriptor)
