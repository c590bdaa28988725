# SPDX-License-Identifier: MIT
"""What lies beside a device tree: files of /proc and /sys about memory, in a directory or an archive.

They are looked for where `drmemctl capture` puts them, and where Linux has them (a running system, sosreport).
Links count by their names alone: `memory4/node1` says that block 4 is on node 1, whatever it points to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from drmemctl.errors import InputError, LimitError
from drmemctl.formats import capture_text
from drmemctl.formats.capture_text import UNKNOWN, decode_capture_text
from drmemctl.tree.below_root import Root
from drmemctl.tree.kernel_banner import banner_below
from drmemctl.tree.limits import check_environment
from drmemctl.tree.members import Member
from drmemctl.tree.node import Tree
from drmemctl.tree.plain_input import TREES
from drmemctl.tree.stream import Stream
from drmemctl.tree.system_files import ARRAY, MEMORY, NODES, REPLACED, KeptFiles, SystemFiles

_LARGEST = 16 << 20
"""Bytes of all such files together; /proc/iomem of a large system has a few MiB."""

_MOST = 1 << 20
"""Files and links: 64 TiB in memory blocks of 256 MiB have three for each."""

_LSMEM = "sos_commands/memory/lsmem_-a_-o_RANGE_SIZE_STATE_REMOVABLE_ZONES_NODE_BLOCK"
_ALIASES = {
    _LSMEM: "lsmem",
    "sos_commands/kernel/uname_-a": "uname",
    "sos_commands/host/uname_-a": "uname",
    "sos_commands/kernel/dmesg": "dmesg",
}
"""What sosreport calls the output of commands."""

_FIXED = (
    *("memory/blocks", "memory/nodes", "memory/block_size_bytes", "proc/iomem", "proc/cmdline", "proc/version"),
    *(ARRAY, REPLACED, capture_text.NAME),
    *("uname", "dmesg", f"{MEMORY}/block_size_bytes"),
)
_OF_BLOCK, _OF_NODE = ("state", "valid_zones", "removable"), ("distance", "meminfo", "cpulist")
"""Files of each memory block and of each node."""

_WANTED = (
    rf"(?P<root>|.*?/)(?P<path>{'|'.join(map(re.escape, (*_FIXED, *_ALIASES)))}"
    rf"|{MEMORY}/memory\d+/(?:{'|'.join(_OF_BLOCK)}|node\d+)|{NODES}/node\d+/(?:{'|'.join(_OF_NODE)}|memory\d+))\Z"
)
_SMALL = 4096
_ENTRY = re.compile(r"(?:memory|node)\d+\Z")


class _Room:
    """What the files beside one tree may still take; `LimitError` where they want more."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._bytes = _LARGEST
        self._entries = _MOST

    @property
    def most(self) -> int:
        """Bytes to read of a file: one more than there is room for."""
        return self._bytes + 1

    def take(self, content: bytes) -> None:
        """Make out whether one more file or link fits."""
        self._bytes -= len(content)
        self._entries -= 1
        if self._bytes < 0 or self._entries < 0:
            most = f"{_LARGEST >> 20} MiB of" if self._bytes < 0 else f"{_MOST:,}"
            message = f"more than {most} files about memory lie beside the tree"
            raise LimitError(message, source=self._source, hint="take the tree out, and check that alone")


def read_root(root: str) -> SystemFiles:
    """Return the files below a directory that stands for `/`."""
    beside, room = SystemFiles(), _Room(root)
    with suppress(OSError), Root(root) as top:
        # A file that is not there, or that only root may read, is one that the rules do without.
        for path in (*_FIXED, *_ALIASES):
            content = top.read(path, room.most)
            if content is not None:
                room.take(content)
                beside.files[_ALIASES.get(path, path)] = content
        _read_entries(top, beside, room, MEMORY, _OF_BLOCK)
        _read_entries(top, beside, room, NODES, _OF_NODE)
    return beside


def _read_entries(top: Root, beside: SystemFiles, room: _Room, path: str, files: Sequence[str]) -> None:
    """Read what there is about each memory block or node, and the names of the links among them."""
    with top.folder(path) as folder:
        if folder is None:
            return
        for entry in filter(_ENTRY.match, folder.names()):
            with folder.folder(entry) as place:
                if place is None:
                    continue
                for name in files:
                    content = place.read(name, room.most)
                    if content is not None:
                        room.take(content)
                        beside.files[f"{path}/{entry}/{name}"] = content
                for name in filter(_ENTRY.match, place.names()):
                    room.take(b"")
                    beside.links.add(f"{path}/{entry}/{name}")


def with_beside(tree: Tree, root: str) -> Tree:
    """Return a tree with what lies beside it below a directory that stands for `/`."""
    provenance = UNKNOWN
    with suppress(OSError), Root(root) as top:  # of a capture that was unpacked there
        provenance = decode_capture_text(top.read(capture_text.NAME, _SMALL) or b"")
    return replace(tree, kernel=banner_below(root), provenance=provenance, beside=BesideDirectory(root))


def load_root(root: str) -> Tree:
    """Return the tree of a directory that stands for `/`: it may be behind links, but none that lead out."""
    from drmemctl.tree.directory import read_directory

    check_environment()
    source = f"{root.rstrip('/')}/{TREES[0]}"
    real = None
    with suppress(OSError), Root(root) as top:
        real = top.folder_path(TREES[0])
    if real is None:
        raise InputError("no such file or directory", source=source, hint="name a directory that stands for /")
    tree, _ = read_directory(f"{root.rstrip('/')}/{real}", source)
    return with_beside(tree, root)


@dataclass(frozen=True, slots=True)
class BesideDirectory:
    """What lies beside a tree that is a directory; read only when somebody asks: of most trees nobody does."""

    root: str

    def files(self) -> SystemFiles:
        """Return the files."""
        return read_root(self.root)


class SystemsInArchive:
    """Keeps what of an archive lies beside trees, by the directory that stands for `/`."""

    def __init__(self, source: str) -> None:
        self._roots: dict[str, SystemFiles] = {}
        self._room = _Room(source)
        self._error: LimitError | None = None

    def __call__(self, stream: Stream, member: Member) -> None:
        """Look at a member that is no part of a tree."""
        match = None if self._error else re.match(_WANTED, member.path)  # compiled when the first archive is read
        if match is None:
            return
        try:
            content = stream.read(min(member.size, self._room.most)) if member.is_file else b""
            self._room.take(content)
        except LimitError as error:
            # It matters only to who asks for the files.
            self._error = error
            self._roots.clear()
            return
        system = self._roots.setdefault(match["root"], SystemFiles())
        path = _ALIASES.get(match["path"], match["path"])
        if member.is_file:
            system.files[path] = content
        else:
            system.links.add(path)

    def beside(self, wanted: str | None) -> KeptFiles | None:
        """Return what lies beside the tree: nearest above the path that was asked for, else where most is."""
        if self._error is not None:
            return KeptFiles(SystemFiles(), self._error)
        roots = self._roots
        if wanted is None:
            return KeptFiles(max(roots.values(), key=lambda beside: len(beside.files))) if roots else None
        place = wanted.strip("/") + "/"
        above = max((root for root in roots if place.startswith(root)), key=len, default=None)
        return None if above is None else KeptFiles(roots[above])
