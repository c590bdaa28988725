# SPDX-License-Identifier: MIT
"""Device trees as directories: nodes are directories, properties are files, as in `/proc/device-tree`.

Links inside are not followed, so nothing outside the named directory is read; what is no regular file or
cannot be read is left out and noted. Names are sorted, since directories have no order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from drmemctl.errors import InputError, LimitError
from drmemctl.tree.below_root import OPEN_FILE, regular_content
from drmemctl.tree.finder import DIRECTORY, Finder, TreeRoot, only_tree
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.members import Member, Read, assembled, listed, no_content
from drmemctl.tree.node import Tree, encode_name


def read_directory(path: str, source: str) -> tuple[Tree, str]:
    """Return the tree of a directory, or of the only one below it that is the root of one, and which that is.

    Raises `InputError` if there is none, several, or the directory cannot be read; `LimitError` beyond
    `LIMITS`. What cannot be read inside is a defect, see `assembled`.
    """
    roots = _find_roots(path, source)
    if not roots:
        raise InputError(
            "no device tree in the directory",
            source=source,
            hint="name a file in it, a copy of /proc/device-tree, or a directory that holds one",
        )

    def read(root: TreeRoot) -> Tree:
        return assembled(_members(_place(path, root), source), root, DIRECTORY, source)

    return only_tree(roots, read, DIRECTORY, source), _place(path, roots[0])


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


def _look(place: str, path: str, finder: Finder) -> list[tuple[str, str]]:
    """Give a directory's entries to the finder; return the directories in it, with their relative paths."""
    below = []
    for at, member in listed(place, path):
        finder.member(member.path, is_file=member.is_file, is_directory=member.is_directory)
        if member.is_directory:
            below.append((at, member.path))
    return below


def _place(path: str, root: TreeRoot) -> str:
    return f"{path.rstrip('/')}/{os.fsdecode(encode_name(root.path))}"


def _members(top: str, source: str) -> Iterator[tuple[Member, Read]]:
    """Yield what is in the directory of a root: the entries of a directory, then those of the first one in it."""
    stack = [(top, "")]
    while stack:
        place, path = stack.pop()
        try:
            entries = sorted(listed(place, path), key=lambda entry: os.fsencode(entry[0]))
        except OSError as error:
            if not path:
                raise _unreadable(error, source) from None
            yield Member(path, is_directory=True, oddity=f"cannot be read: {error.strerror}"), no_content
            continue
        for at, member in entries:
            yield member, partial(_read_file, at)
        stack.extend((at, member.path) for at, member in reversed(entries) if member.is_directory)


def _read_file(place: str, most: int) -> tuple[bytes, int]:
    return regular_content(os.open(place, OPEN_FILE), most)
