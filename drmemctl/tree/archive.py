# SPDX-License-Identifier: MIT
"""Device trees in tar archives, read from the stream: nothing is unpacked, only the tree itself is kept.

The archive is read once, and what may be a tree is kept on the way. It is read again where that is too much: a
tree at a path that Linux does not give it, among very many other files or with large properties.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from drmemctl.errors import InputError
from drmemctl.formats.fdt_header import MAGIC
from drmemctl.tree.builder import shown
from drmemctl.tree.finder import ARCHIVE, Finder, TreeRoot, inside_named_tree, only_tree, several_trees
from drmemctl.tree.limits import LIMITS, too_large
from drmemctl.tree.members import Member, Read, assembled, no_content
from drmemctl.tree.node import Tree
from drmemctl.tree.stream import Stream
from drmemctl.tree.tar import members

Restart = Callable[[], Stream]
"""Returns the archive's bytes from their start, decompressed."""

Watch = Callable[[Stream, Member], None]
"""Is shown each member that is no part of a tree, and may read its content."""

ReadFile = Callable[[bytes, str], Tree]
"""Reads a member that is a tree by itself (a blob, a text): its content and how to call it in messages."""

_MOST_PROPERTIES = 64 << 10
"""Bytes of a file that is kept although nothing says yet that it lies in a tree: most properties are smaller."""

_MOST_BLOB = 4 << 20
"""Bytes of the flattened tree that is kept until it is known that there is no other."""

_MOST_NAMES = 16 << 20
_NAME = 256
"""Bytes of the names of members without content, and what is kept of each beside its name."""

_MARKS = 1 << 18
"""Marks for the names of files that were seen."""


class _Contents:
    """What of an archive is kept: the files of some directories, the names of the directories below them."""

    def __init__(self, source: str, *, bounded: bool, share: int = 1) -> None:
        """Keep nothing yet; at most what one tree may have, divided by `share`."""
        self._source = source
        self._bounded = bounded
        self._room = LIMITS.max_bytes // share
        self._most = (LIMITS.max_properties + LIMITS.max_nodes) // share
        self.complete = True
        self.entries: dict[str, bytes | None] = {}

    def keep(self, stream: Stream, member: Member) -> None:
        """Keep a file's content or a directory's name; drop everything where it is more than one tree's."""
        if self.has_room(member):
            # As for tar: a later member of the same path replaces the earlier one.
            self.entries[member.path] = _content(stream, member, self._source) if member.is_file else None

    def has_room(self, member: Member) -> bool:
        """Whether a member can be kept, for which room is then taken."""
        if not self.complete or not (member.is_file or member.is_directory):
            return False
        self._room -= member.size
        if self._room < 0 or len(self.entries) > self._most:
            if not self._bounded:
                raise too_large(None, self._source, f"the tree at {shown(member.path)}")
            self.drop()
        return self.complete

    def drop(self) -> None:
        """Keep nothing any more."""
        self.complete = False
        self.entries.clear()


class _ArchiveSurvey:
    """What one pass over an archive shows, and what could be kept on the way.

    Attributes:
        members: how many there are.
        roots: the topmost directories that are trees.
        blobs: the members that are flattened trees, by path.
        files: the content of the member that was asked for, or of the only flattened tree, if it was kept.
        odd_members: the members that have no content of their own: hard links, and what is no file.
        is_file: whether what was asked for is a file.
        is_directory: whether what was asked for is a directory, or one that something lies in.

    """

    def __init__(self, stream: Stream, source: str, watch: Watch | None, wanted: str = "") -> None:
        self._source = source
        self._watch = watch
        self._wanted = wanted
        self._prefix = f"{wanted}/" if wanted else ""
        self._finder = Finder(source, wanted)
        self._named = _Contents(source, bounded=True)
        self._small = _Contents(source, bounded=True, share=4)
        self._with_large: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.members = 0
        self.blobs: list[str] = []
        self.is_file, self.is_directory = False, not wanted
        self.odd_members = _OddMembers()
        # Not the names, of which there may be many: that two share a mark costs another pass at most.
        self._files_seen = bytearray(_MARKS)
        for member in members(stream, source):
            self.members += 1
            if member.oddity:
                self.odd_members.add(member)
            elif member.is_file:
                self.odd_members.remove(member.path)
                self._files_seen[hash(member.path) % _MARKS] = 1
            self._see(*_as_file(stream, member, self._named.entries, self._small.entries, self.files))
        self.roots = [root._replace(path=(self._prefix + root.path).rstrip("/")) for root in self._finder.roots()]

    def is_lost(self, member: Member, entries: Mapping[str, bytes | None]) -> bool:
        """Whether a hard link to a file that is in the archive is not among what was kept."""
        if entries.get(member.path) is not None:
            return False
        return any(
            self._files_seen[hash(target) % _MARKS] for target in self.odd_members.targets_of(member.path)[-1:]
        )

    def _see(self, stream: Stream, member: Member) -> None:
        inside = member.path.startswith(self._prefix)
        if inside:
            path = member.path[len(self._prefix) :]
            self._finder.member(path, is_file=member.is_file, is_directory=member.is_directory)
            self.is_directory = True
        if inside_named_tree(member.path):
            if inside:
                self._named.keep(stream, member)
        elif member.is_file and member.path == self._wanted:
            self.is_file = True
            self.files = {member.path: _content(stream, member, self._source)}
        elif not inside:
            self._show(stream, member)
        elif member.is_file and stream.peek(len(MAGIC)) == MAGIC and len(self.blobs) < LIMITS.max_candidates:
            self._keep_blob(stream, member)
        elif member.size <= _MOST_PROPERTIES and self._small.has_room(member):
            content = _content(stream, member, self._source)
            self._small.entries[member.path] = content if member.is_file else None
            self._show(_stream_of(content), member)
        else:
            self._note_large(member)
            self._show(stream, member)

    def _show(self, stream: Stream, member: Member) -> None:
        if self._watch is not None:
            self._watch(stream, member)

    def _keep_blob(self, stream: Stream, member: Member) -> None:
        """Keep the only blob; one can also be a file of a tree (`linux,initrd`, a copy of another machine's)."""
        self.blobs.append(member.path)
        self._note_large(member)
        self.files.clear()
        if len(self.blobs) == 1 and member.size <= _MOST_BLOB:
            content = _content(stream, member, self._source)
            self.files[member.path] = content
            stream = _stream_of(content)
        self._show(stream, member)

    def _note_large(self, member: Member) -> None:
        if member.is_file and self._small.complete:
            self._with_large.add(member.path.rpartition("/")[0])
            if len(self._with_large) > LIMITS.max_candidates:
                self._small.drop()

    def entries_of(self, root: TreeRoot) -> dict[str, bytes | None] | None:
        """Return what was kept of a tree, among other things; None if that may not be all of it."""
        prefix = root.prefix
        if inside_named_tree(prefix):
            return self._named.entries if self._named.complete else None
        if not (self._small.complete and self._named.complete):
            return None
        elsewhere = (*self._with_large, *self._named.entries)
        return None if any(f"{path}/".startswith(prefix) for path in elsewhere) else self._small.entries


class _OddMembers:
    """Members without content, by path: as many as the names of which there is room for."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._room = _MOST_NAMES

    def add(self, member: Member) -> None:
        """Keep a member in mind."""
        self._room -= len(member.path) + len(member.target) + _NAME
        if self._room >= 0:
            self._members[member.path] = member

    def remove(self, path: str) -> None:
        """Forget one that a file replaces."""
        self._members.pop(path, None)

    def below(self, prefix: str) -> list[Member]:
        """Return those in a directory."""
        return [member for path, member in self._members.items() if path.startswith(prefix)]

    def targets_of(self, path: str) -> list[str]:
        """Return what a hard link is to, and what that is to if it is one as well; nothing for what is none."""
        targets: list[str] = []
        while (member := self._members.get(path)) is not None and member.target and member.target not in targets:
            path = member.target
            targets.append(path)
        return targets


def _as_file(stream: Stream, member: Member, *contents: Mapping[str, bytes | None]) -> tuple[Stream, Member]:
    """Return a hard link to a file that was kept as that file, with its content; anything else as it is."""
    if not member.target:
        return stream, member
    content = next(
        (entries[member.target] for entries in contents if entries.get(member.target) is not None), None
    )
    # Another name of a flattened tree does not make it two of them.
    if content is None or (content.startswith(MAGIC) and not inside_named_tree(member.path)):
        return stream, member
    return _stream_of(content), member._replace(is_file=True, size=len(content), target="", oddity="")


def _stream_of(content: bytes) -> Stream:
    return Stream(iter((content, b"")).__next__)


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
    survey = _ArchiveSurvey(restart(), source, watch)
    if survey.roots:
        return only_tree(survey.roots, lambda root: _read_root(restart, source, survey, root), ARCHIVE, source)
    if len(survey.blobs) == 1:
        return _read_member(restart, source, survey, survey.blobs[0], read_file)
    if survey.blobs:
        raise several_trees(ARCHIVE, survey.blobs, source)
    raise InputError(
        f"no device tree in the archive ({survey.members:,} members)",
        source=source,
        hint="it should hold a copy of /proc/device-tree, or a .dtb; ARCHIVE::PATH names a member of another kind",
    )


def _read_root(restart: Restart, source: str, survey: _ArchiveSurvey, root: TreeRoot) -> Tree:
    entries, odd_members = survey.entries_of(root), survey.odd_members.below(root.prefix)
    if entries is None or any(survey.is_lost(member, entries) for member in odd_members):
        # Another pass, for the tree and for what the hard links in it are to.
        targets = {target for member in odd_members for target in survey.odd_members.targets_of(member.path)}
        contents, stream, prefix = _Contents(source, bounded=False), restart(), root.prefix
        entries = contents.entries
        for unresolved in members(stream, source):
            content, member = _as_file(stream, unresolved, entries)
            if member.path.startswith(prefix) or member.path in targets:
                contents.keep(content, member)
    return assembled(_below(entries, root, odd_members), root, ARCHIVE, source)


def _read_wanted(restart: Restart, source: str, wanted: str, read_file: ReadFile, watch: Watch | None) -> Tree:
    """Return the tree at a path: a root, a directory with one root inside, a member, or any directory."""
    path = "" if wanted == "." else wanted
    survey = _ArchiveSurvey(restart(), source, watch, path)
    if survey.is_file:
        return _read_member(restart, source, survey, path, read_file)
    targets = survey.odd_members.targets_of(path)
    if targets:
        return read_file(_content_at(restart(), source, targets[-1]), f"{source}::{shown(path)}")
    if not survey.is_directory:
        raise InputError(f"no member {shown(wanted)} in the archive", source=source, hint="see `tar -tf`")
    if len(survey.roots) > 1:
        raise several_trees(ARCHIVE, [root.path for root in survey.roots], source)
    # A directory that looks like no root is read all the same: it was asked for by name.
    root = survey.roots[0] if survey.roots else TreeRoot(path)
    return _read_root(restart, f"{source}::{shown(wanted)}", survey, root)


def _read_member(restart: Restart, source: str, survey: _ArchiveSurvey, path: str, read_file: ReadFile) -> Tree:
    content = survey.files.get(path)
    if content is None:
        content = _content_at(restart(), source, path)
    return read_file(content, f"{source}::{shown(path)}")


def _content_at(stream: Stream, source: str, path: str) -> bytes:
    content: bytes | None = None
    for member in members(stream, source):
        if member.is_file and member.path == path:
            content = _content(stream, member, source)
    if content is None:
        raise InputError(f"no file {shown(path)} in the archive", source=source)
    return content


def _below(
    entries: dict[str, bytes | None], root: TreeRoot, odd_members: Iterable[Member]
) -> Iterator[tuple[Member, Read]]:
    """Yield what was kept of a tree, then what is left out of it."""
    begin = len(root.prefix)
    for path, content in entries.items():
        if path.startswith(root.prefix) and len(path) > begin:
            is_file = content is not None
            yield Member(path[begin:], is_file, not is_file), partial(_kept, content or b"")
    for member in odd_members:
        if entries.get(member.path) is None:
            yield member._replace(path=member.path[begin:]), no_content


def _kept(content: bytes, _most: int) -> tuple[bytes, int]:
    return content, len(content)
