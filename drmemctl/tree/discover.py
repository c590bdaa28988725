# SPDX-License-Identifier: MIT
"""Which inputs there are below a directory: trees as directories, and files that hold one.

Links are not followed and hidden directories not entered, so that nothing is met twice and no repository's
`.git` is searched. Files are told by their first bytes, as everywhere.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import IO, NamedTuple

from drmemctl.errors import DrmemctlError, LimitError
from drmemctl.formats.fdt_header import MAGIC
from drmemctl.formats.file_magics import ELF
from drmemctl.tree.below_root import OPEN_FILE
from drmemctl.tree.compression import decompressed
from drmemctl.tree.finder import Finder
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.node import decode_name
from drmemctl.tree.plain_input import TREES
from drmemctl.tree.stream import CHUNK, Stream
from drmemctl.tree.tar import BLOCK, is_tar_header, members

_HEAD = 1 << 16
"""How many bytes of a text are looked at."""


class InputPath(NamedTuple):
    """An input: a path, and what it seems to be.

    A `tree` is one, so is a kernel's dump. An `archive` need not hold a tree, what looks like the `text` of lsprop
    may be any table, and a `core` may be that of a process.
    """

    path: str
    kind: str = "tree"


def discover(path: str) -> list[InputPath]:
    """Return the inputs at or below a directory, sorted by path.

    A directory that is a tree, that holds none or that cannot be read comes back itself: reading it will
    give the tree, or say what is wrong.
    """
    trees, files = candidates(path)
    inputs = [InputPath(place) for place in trees]
    for place in files:
        kind = _kind_of(partial(open_without_links, place), place)
        if kind is not None:
            inputs.append(InputPath(place, kind))
    return sorted(inputs) or [InputPath(path)]


def candidates(path: str, most: int | None = None) -> tuple[list[str], list[str]]:
    """Return the trees at or below a directory, and the files that may hold one, which are not looked at.

    `LimitError` where there are more than `most` files, or than a directory may have.
    """
    survey = _FolderSurvey(path, most)
    if survey.is_tree:
        return [path], []
    roots = [root.path for root in survey.finder.roots()]
    inside_trees = tuple(f"{root}/" for root in roots)
    files = [place for relative, place in survey.files if not relative.startswith(inside_trees)]
    places = {root: os.path.join(path, root) for root in roots}  # noqa: PTH118 - paths as the user began them
    trees = [place for root, place in places.items() if not _is_second_copy(root, places)]
    return trees + survey.unreadable, files


def _is_second_copy(root: str, places: Mapping[str, str]) -> bool:
    """Whether a tree is there by its other name already, as where the link was followed (scp, zip)."""
    name, other_name = reversed(TREES)
    if not f"/{root}".endswith(f"/{name}"):
        return False
    twin = places.get(root.removesuffix(name) + other_name)
    if twin is None:
        return False
    from drmemctl.tree.directory import read_directory

    try:
        here, there = (read_directory(place, place)[0] for place in (places[root], twin))
    except DrmemctlError:
        return False
    return here.root == there.root


class _FolderSurvey:
    """What the names of all directories and files say."""

    def __init__(self, path: str, most: int | None = None) -> None:
        self._most = LIMITS.max_members if most is None else most
        self.finder = Finder(path, os.path.realpath(path))
        self.files: list[tuple[str, str]] = []
        self.unreadable: list[str] = []
        self._seen = 0
        below = self._look(path, "")
        # /proc/device-tree has thousands of files: no need to see them all.
        self.is_tree = [root.path for root in self.finder.roots()[:1]] == [""]
        while below and not self.is_tree:
            below.extend(self._look(*below.pop()))

    def _look(self, place: str, relative: str) -> list[tuple[str, str]]:
        """Take what is in a directory; return the directories to look into, with their relative paths."""
        below: list[tuple[str, str]] = []
        prefix = f"{relative}/" if relative else ""
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    self._seen += 1
                    if self._seen > self._most:
                        raise LimitError(f"more than {self._most:,} files to look for trees in", source=place)
                    name = prefix + decode_name(os.fsencode(entry.name))
                    if entry.is_file(follow_symlinks=False):
                        self.finder.file(name)
                        self.files.append((name, entry.path))
                    elif entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                        self.finder.directory(name)
                        below.append((entry.path, name))
        except OSError:
            self.unreadable.append(place)
            return []
        return below


OpenFile = Callable[[], IO[bytes] | io.FileIO]


def is_tree_file(open_file: OpenFile, source: str) -> bool:
    """Whether a file that cannot be read as a tree is one all the same, and does not only lie beside trees."""
    kind = _kind_of(open_file, source)
    return kind == "tree" or (kind == "archive" and _holds_tree(open_file, source))


def open_without_links(path: str) -> io.FileIO:
    """Open a file that was met in a directory: no link, and nothing that would keep us waiting."""
    return io.FileIO(os.open(path, OPEN_FILE))


def _unpacked(raw: IO[bytes] | io.FileIO, source: str) -> Stream:
    return decompressed(Stream(lambda: raw.read(CHUNK) or b""), source, [])


def _kind_of(open_file: OpenFile, source: str) -> str | None:
    """Return the kind of a file by its first bytes, None if it is none of ours."""
    try:
        with open_file() as raw:
            return _kind_of_stream(_unpacked(raw, source))
    except (OSError, DrmemctlError):
        return None


def _kind_of_stream(stream: Stream) -> str | None:
    # A little at a time: of a damaged file the first bytes may be all that can be had.
    if stream.peek(len(MAGIC)) == MAGIC:
        return "tree"
    if is_tar_header(stream.peek(BLOCK)):
        return "archive"
    head = stream.peek(_HEAD)
    if head.startswith(_DUMPS):
        return _kind_of_dump(head)
    from drmemctl.tree.dts import is_dts
    from drmemctl.tree.lsprop import is_lsprop

    text, zero, _ = head.partition(b"\0")
    # Source with a zero in it is damaged, and its reader says where.
    if is_dts(text):
        return "tree"
    return "text" if not zero and is_lsprop(text) else None


_DUMPS = (ELF, b"KDUMP", b"makedumpfile")
"""How dumps of a kernel's memory begin; looked at more closely where a file does so."""


def _kind_of_dump(head: bytes) -> str | None:
    """Return `tree` for what can be nothing but a dump of a ppc64 kernel, None for what can be no such dump."""
    from drmemctl.formats.elf_core import HEADER_SIZE, PPC64, decode_core_header
    from drmemctl.memory.physical import is_dump

    if not is_dump(head):
        return None
    if not head.startswith(ELF):
        return "tree"
    header = decode_core_header(head[:HEADER_SIZE])
    if header is None or header.machine != PPC64:
        return None
    # The notes of a vmcore are at its beginning.
    return "tree" if b"VMCOREINFO\0" in head else "core"


def is_meant(source: InputPath) -> bool:
    """Whether something that could not be read is a tree all the same, and not only looked like one."""
    path = source.path
    return source.kind == "tree" or (
        source.kind == "archive" and _holds_tree(partial(open_without_links, path), path)
    )


def _holds_tree(open_file: OpenFile, source: str) -> bool:
    """Whether there is any tree in an archive; True also where it is too damaged to tell."""
    finder = Finder(source)
    try:
        with open_file() as raw:
            stream = _unpacked(raw, source)
            for member in members(stream, source):
                if member.is_file and stream.peek(len(MAGIC)) == MAGIC:
                    return True
                finder.member(member.path, is_file=member.is_file, is_directory=member.is_directory)
    except (OSError, DrmemctlError):
        return True
    return bool(finder.roots())
