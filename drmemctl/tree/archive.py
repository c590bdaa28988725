# SPDX-License-Identifier: MIT
"""Device trees in tar archives, read from the stream: nothing is unpacked, only the tree itself is kept.

The archive is read once where the trees lie at a path that Linux gives them, else twice: first to find them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from drmemctl.errors import InputError
from drmemctl.formats.fdt_header import MAGIC
from drmemctl.tree.builder import TreeBuilder, shown
from drmemctl.tree.finder import (
    COMPARED,
    DRMEM_NODE,
    Finder,
    Root,
    inside_named_tree,
    several_trees,
)
from drmemctl.tree.limits import LIMITS, too_large
from drmemctl.tree.node import Tree
from drmemctl.tree.stream import Stream
from drmemctl.tree.tar import Member, members

Restart = Callable[[], Stream]
"""Returns the archive's bytes from their start, decompressed."""

Watch = Callable[[Stream, Member], None]
"""Is shown each member that is no part of a tree, and may read its content."""

ReadFile = Callable[[bytes, str], Tree]
"""Reads a member that is a tree by itself (a blob, a text): its content and how to call it in messages."""


class _Contents:
    """What of an archive is kept: the files of some directories, the names of the directories below them."""

    def __init__(self, source: str, *, bounded: bool) -> None:
        self._source = source
        self._bounded = bounded
        self._room = LIMITS.max_bytes
        self.complete = True
        self.entries: dict[str, bytes | None] = {}

    def keep(self, stream: Stream, member: Member) -> None:
        """Keep a file's content or a directory's name; drop everything where it is more than one tree's."""
        if not self.complete or not (member.is_file or member.is_directory):
            return
        self._room -= member.size
        if self._room < 0 or len(self.entries) > LIMITS.max_properties + LIMITS.max_nodes:
            if not self._bounded:
                raise too_large(None, self._source, f"the tree at {shown(member.path)}")
            self.complete = False
            self.entries.clear()
            return
        # As for tar: a later member of the same path replaces the earlier one.
        self.entries[member.path] = _content(stream, member, self._source) if member.is_file else None


class _Survey:
    """What one pass over an archive shows: roots, blobs by their magic, and what could be kept on the way."""

    def __init__(self, stream: Stream, source: str, watch: Watch | None) -> None:
        finder = Finder()
        self.kept = _Contents(source, bounded=True)
        self.blobs: list[str] = []
        self.members = 0
        for member in members(stream, source):
            self.members += 1
            if member.is_file:
                finder.file(member.path)
            elif member.is_directory:
                finder.directory(member.path)
            if inside_named_tree(member.path):
                self.kept.keep(stream, member)
                continue
            if member.is_file and stream.peek(len(MAGIC)) == MAGIC and len(self.blobs) < LIMITS.max_candidates:
                self.blobs.append(member.path)
            if watch is not None:
                watch(stream, member)
        self.roots = finder.roots()


def _content(stream: Stream, member: Member, source: str) -> bytes:
    if member.size > LIMITS.max_bytes:
        raise too_large(member.size, source, f"the member {shown(member.path)}")
    content = stream.read(member.size)
    if len(content) < member.size:
        raise InputError(
            f"the archive ends within {shown(member.path)}",
            source=source,
            offset=stream.offset,
            hint="copy or create it again",
        )
    return content


def read_archive(
    restart: Restart, source: str, wanted: str | None, read_file: ReadFile, watch: Watch | None = None
) -> Tree:
    """Return the tree of a tar archive.

    `wanted` is the path of a directory or a member that holds the tree, None for the only one there is; `watch` is
    shown what else is there.
    Raises `InputError` if there is none or several different ones, or where the archive is damaged.
    """
    if wanted is not None:
        return _read_wanted(restart, source, wanted.strip("/"), read_file, watch)
    survey = _Survey(restart(), source, watch)
    if len(survey.roots) > 1:
        return _read_one_of(restart, source, survey)
    if survey.roots:
        return _read_root(restart, source, survey, survey.roots[0])
    if len(survey.blobs) == 1:
        return _read_member(restart, source, survey.blobs[0], read_file)
    if survey.blobs:
        raise several_trees("archive", "::", survey.blobs, source)
    raise InputError(
        f"no device tree in the archive ({survey.members:,} members)",
        source=source,
        hint="it should hold a copy of /proc/device-tree, or a .dtb; ARCHIVE::PATH names a member of another kind",
    )


def _read_root(restart: Restart, source: str, survey: _Survey | None, root: Root) -> Tree:
    prefix = f"{root.path}/" if root.path else ""
    if survey is not None and survey.kept.complete and inside_named_tree(prefix):
        return _assemble(survey.kept.entries, root, source)
    contents = _Contents(source, bounded=False)
    stream = restart()
    for member in members(stream, source):
        if member.path.startswith(prefix):
            contents.keep(stream, member)
    return _assemble(contents.entries, root, source)


def _read_one_of(restart: Restart, source: str, survey: _Survey) -> Tree:
    """Return the tree that stands at several paths with equal content: the two names that Linux gives it."""
    if len(survey.roots) > COMPARED:
        raise several_trees("archive", "::", [root.path for root in survey.roots], source)
    first = _read_root(restart, source, survey, survey.roots[0])
    for root in survey.roots[1:]:
        if _read_root(restart, source, survey, root).root != first.root:
            raise several_trees("archive", "::", [root.path for root in survey.roots], source)
    return first


def _read_wanted(restart: Restart, source: str, wanted: str, read_file: ReadFile, watch: Watch | None) -> Tree:
    """Return the tree at a path: a root, a directory with one root inside, a member, or any directory."""
    finder, is_directory, is_file = Finder(wanted), wanted in ("", "."), False
    path = "" if wanted == "." else wanted
    prefix = f"{path}/" if path else ""
    stream = restart()
    for member in members(stream, source):
        if watch is not None and not inside_named_tree(member.path):
            watch(stream, member)
        is_file |= member.is_file and member.path == path
        if not member.path.startswith(prefix):
            continue
        is_directory = True
        if member.is_file:
            finder.file(member.path[len(prefix) :])
        elif member.is_directory:
            finder.directory(member.path[len(prefix) :])
    if is_file:
        return _read_member(restart, source, path, read_file)
    if not is_directory:
        raise InputError(f"no member {shown(wanted)} in the archive", source=source, hint="see `tar -tf`")
    roots = [root._replace(path=(prefix + root.path).rstrip("/")) for root in finder.roots()]
    if len(roots) > 1:
        raise several_trees("archive", "::", [root.path for root in roots], source)
    # A directory that looks like no root is read all the same: it was asked for by name.
    return _read_root(restart, f"{source}::{shown(wanted)}", None, roots[0] if roots else Root(path))


def _read_member(restart: Restart, source: str, path: str, read_file: ReadFile) -> Tree:
    stream = restart()
    found: bytes | None = None
    for member in members(stream, source):
        if member.is_file and member.path == path:
            found = _content(stream, member, source)
    if found is None:
        raise InputError(f"no file {shown(path)} in the archive", source=source)
    return read_file(found, f"{source}::{shown(path)}")


def _assemble(entries: dict[str, bytes | None], root: Root, source: str) -> Tree:
    builder = TreeBuilder(source, "archive")
    top = builder.at((DRMEM_NODE,)) if root.is_drmem else builder.root
    prefix = f"{root.path}/" if root.path else ""
    base = (DRMEM_NODE,) if top is not builder.root else ()
    for path, content in _below(entries, prefix):
        *parents, name = path.split("/")
        if content is None:
            builder.at((*base, *parents, name))
        else:
            builder.add(builder.at((*base, *parents)), name, content)
    return builder.finish()


def _below(entries: dict[str, bytes | None], prefix: str) -> Iterable[tuple[str, bytes | None]]:
    for path, content in entries.items():
        if path.startswith(prefix) and len(path) > len(prefix):
            yield path[len(prefix) :], content
