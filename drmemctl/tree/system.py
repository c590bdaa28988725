# SPDX-License-Identifier: MIT
"""What lies beside a device tree: files of /proc and /sys about memory, in a directory or an archive.

They are looked for where `drmemctl capture` puts them, and where Linux has them (a running system, sosreport).
Links count by their names alone: `memory4/node1` says that block 4 is on node 1, whatever it points to.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from drmemctl.errors import LimitError
from drmemctl.tree.source import is_live
from drmemctl.tree.stream import CHUNK, Stream

_MEMORY, _NODE = "sys/devices/system/memory", "sys/devices/system/node"
_LARGEST = 16 << 20
"""Bytes of all such files together; /proc/iomem of a large system has a few MiB."""

_MOST = 1 << 20
"""Files and links: 64 TiB in memory blocks of 256 MiB have three for each."""

_WANTED = re.compile(
    r"(?P<root>|.*/)(?P<path>memory/(?:blocks|nodes|block_size_bytes)|proc/(?:iomem|cmdline|version)|uname|dmesg"
    rf"|{_MEMORY}/(?:block_size_bytes|memory\d+/(?:state|valid_zones|node\d+))"
    rf"|{_NODE}/node\d+/(?:distance|meminfo|cpulist|memory\d+))\Z"
)
_FIXED = (
    *("memory/blocks", "memory/nodes", "memory/block_size_bytes", "proc/iomem", "proc/cmdline", "proc/version"),
    *("uname", "dmesg", f"{_MEMORY}/block_size_bytes"),
)
_TREES = ("/proc/device-tree", "/sys/firmware/devicetree/base", "/sys/firmware/fdt")
_ENTRY = re.compile(r"(?:memory|node)\d+\Z")


@dataclass(frozen=True, slots=True)
class SystemFiles:
    """Files by their path without a leading slash, and the names of links and directories that say something."""

    files: dict[str, bytes] = field(default_factory=dict)
    links: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.files)


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


def system_files(source: str) -> SystemFiles:
    """Return what lies beside the tree of a TREE argument; nothing where that is a tree alone."""
    if is_live(source):
        return read_root("/")
    place = source.partition("::")[0] if not os.path.lexists(source) else source
    if os.path.isdir(place):  # noqa: PTH112 - paths as the user typed them
        return read_root(_root_of(place))
    if not os.path.isfile(place):  # noqa: PTH113
        return SystemFiles()
    return _from_archive(place)


def _root_of(place: str) -> str:
    full = os.path.abspath(place)  # noqa: PTH100
    for suffix in _TREES:
        if full.endswith(suffix):
            return full.removesuffix(suffix) or "/"
    names = [name for name in os.listdir(place) if os.path.isdir(f"{place}/{name}")]  # noqa: PTH112, PTH208
    # A capture that was unpacked: all of it is in one directory.
    return f"{place}/{names[0]}" if len(names) == 1 else place


def read_root(root: str) -> SystemFiles:
    """Return the files below a directory that stands for `/`."""
    found, room = SystemFiles(), _Room(root)
    for path in _FIXED:
        _read(found, root, path, room)
    for folder, names in ((_MEMORY, ("state", "valid_zones")), (_NODE, ("distance", "meminfo", "cpulist"))):
        for entry in _names(f"{root}/{folder}"):
            if _ENTRY.match(entry):
                for name in names:
                    _read(found, root, f"{folder}/{entry}/{name}", room)
                for name in filter(_ENTRY.match, _names(f"{root}/{folder}/{entry}")):
                    room.take(b"")
                    found.links.add(f"{folder}/{entry}/{name}")
    return found


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []


def _read(found: SystemFiles, root: str, path: str, room: _Room) -> None:
    try:
        with open(f"{root}/{path}", "rb") as stream:  # noqa: PTH123
            content = stream.read(room.most)
    except OSError:
        # A file that is not there, or that only root may read, is one that the rules do without.
        return
    room.take(content)
    found.files[path] = content


def _from_archive(place: str) -> SystemFiles:
    from drmemctl.tree.compression import decompressed
    from drmemctl.tree.tar import BLOCK, is_tar_header

    found: dict[str, SystemFiles] = {}
    with open(place, "rb") as raw:  # noqa: PTH123
        stream = decompressed(Stream(lambda: raw.read(CHUNK)), place, [])
        if is_tar_header(stream.peek(BLOCK)):
            for root, path, content in _members(stream, place):
                files = found.setdefault(root, SystemFiles())
                if content is None:
                    files.links.add(path)
                else:
                    files.files[path] = content
    return max(found.values(), key=lambda one: len(one.files), default=SystemFiles())


def _members(stream: Stream, place: str) -> Iterator[tuple[str, str, bytes | None]]:
    from drmemctl.tree.tar import members

    room = _Room(place)
    for member in members(stream, place):
        match = _WANTED.match(member.path)
        if match:
            content = stream.read(min(member.size, room.most)) if member.is_file else None
            room.take(content or b"")
            yield match["root"], match["path"], content
