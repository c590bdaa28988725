# SPDX-License-Identifier: MIT
"""Which kernel ran on a tree, as the files beside it say: /proc/version, or what `uname -a` printed for sosreport.

A capture has `capture/proc/version`, a sosreport both; an unpacked one and a running system are directories.
"""

from __future__ import annotations

import os
from contextlib import suppress

from drmemctl.tree.below_root import Root
from drmemctl.tree.members import Member
from drmemctl.tree.plain_input import TREES
from drmemctl.tree.stream import Stream

BANNERS = ("proc/version", "uname", "sos_commands/kernel/uname_-a", "sos_commands/host/uname_-a")
"""Files that name the kernel, the best first."""

_LARGEST = 4096
"""Bytes of such a file that are looked at; Linux prints some 300."""

_MARKS = (*BANNERS, "memory/blocks", "sys/devices/system/memory", "sos_commands/memory")
"""What there is in a directory that stands for `/`."""


def first_line(content: bytes) -> str:
    """Return the line that names the kernel, untrusted text."""
    return content[:_LARGEST].decode("utf-8", "replace").strip().partition("\n")[0]


def release_in(banner: str) -> str:
    """Return the release in such a line: its third word; empty without one."""
    return "".join(banner.split()[2:3])


def root_of(named: str, tree: str) -> str:
    """Return the directory that stands for `/` beside a tree's directory, which is the one named or below it."""
    top, full = os.path.abspath(named), os.path.abspath(tree)  # noqa: PTH100
    for name in TREES:
        if full.endswith(f"/{name}"):
            return full.removesuffix(f"/{name}") or "/"
    # Else it is the nearest directory with such files. This machine's own belong to no copy of a tree.
    place = os.path.dirname(full)  # noqa: PTH120
    while place != "/":
        if any(os.path.lexists(f"{place}/{name}") for name in _MARKS):
            return place
        if len(place) <= len(top):
            break
        place = os.path.dirname(place)  # noqa: PTH120
    return top


def banner_below(root: str) -> str:
    """Return what the files below a directory that stands for `/` say; empty where there are none."""
    with suppress(OSError), Root(root) as top:
        for name in BANNERS:
            line = first_line(top.read(name, _LARGEST) or b"")
            if line:
                return line
    return ""


class BannersInArchive:
    """Keeps what the members of an archive say of a kernel, by the directory that stands for `/`."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, int], str] = {}

    def __call__(self, stream: Stream, member: Member) -> None:
        """Look at a member that is no part of a tree."""
        if not member.is_file:
            return
        for rank, name in enumerate(BANNERS):
            if member.path.endswith(name) and len(self._lines) < _LARGEST:
                root = member.path[: -len(name)]
                if root and not root.endswith("/"):
                    continue
                # Others may want to read it, too.
                line = first_line(stream.peek(min(member.size, _LARGEST)))
                if line:
                    self._lines[root, rank] = line
                return

    def beside(self, wanted: str | None) -> str:
        """Return what lies beside the tree: the nearest above the path that was asked for, else the uppermost."""
        place = (wanted or "").strip("/") + "/"
        above = [key for key in self._lines if wanted and place.startswith(key[0])]
        if above:
            return self._lines[min(above, key=lambda key: (-len(key[0]), key[1]))]
        if wanted or not self._lines:
            return ""
        return self._lines[min(self._lines, key=lambda key: (key[0].count("/"), key[1], key[0]))]
