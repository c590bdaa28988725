# SPDX-License-Identifier: MIT
"""A running system beside its tree: memory blocks with state, nodes and zones, distances, /proc/iomem."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from drmemctl.formats.system_tables import YES_NO, BlockLine, NodeLine, decode_blocks, decode_nodes
from drmemctl.model.intervals import Intervals

SYSTEM_RAM = "System RAM"
PERSISTENT_MEMORY = "Persistent Memory"

_MEMORY, _NODE = "sys/devices/system/memory", "sys/devices/system/node"
_RANGE = re.compile(r"( *)([0-9a-f]{1,16})-([0-9a-f]{1,16}) : (.*)\Z", re.ASCII)
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]{1,16}\Z", re.ASCII)
_LINK = re.compile(
    rf"{_MEMORY}/memory(\d{{1,9}})/node(\d{{1,9}})|{_NODE}/node(\d{{1,9}})/memory(\d{{1,9}})", re.ASCII
)
_TOTAL = re.compile(r"MemTotal:\s+(\d{1,15})")

_LISTED = re.compile(
    r"^0x(?P<first>[0-9a-f]{1,16})-0x(?P<last>[0-9a-f]{1,16})[ ]+\S+[ ]+(?P<state>online|offline)"
    r"[ ]+(?P<removable>\S+)[ ]+(?P<zones>\S+)[ ]+(?P<node>[0-9]{1,9})[ ]+(?P<block>[0-9]{1,9})[ ]*$",
    re.ASCII | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Resource:
    """A line of /proc/iomem: `last` is the last address; `depth` 0 is the outermost. The name is untrusted."""

    base: int
    last: int
    name: str
    depth: int = 0


@dataclass(frozen=True, slots=True)
class LiveSystem:
    """What is known of a running system; empty or None is unknown.

    Attributes:
        block_size: bytes of a memory block.
        blocks: the memory blocks by number.
        nodes: the nodes by number.
        resources: /proc/iomem.
        release: the kernel's release, as `uname -r` prints it; untrusted text.
        cmdline: its command line; untrusted text.

    """

    block_size: int | None = None
    blocks: Mapping[int, BlockLine] = field(default_factory=dict)
    nodes: Mapping[int, NodeLine] = field(default_factory=dict)
    resources: tuple[Resource, ...] = ()
    release: str = ""
    cmdline: str = ""

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], links: Iterable[str] = ()) -> LiveSystem:
        """Return what the files of a capture, or those of /proc and /sys, say."""
        text = {path: data.decode("utf-8", "replace") for path, data in files.items()}
        size = text.get("memory/block_size_bytes", text.get(f"{_MEMORY}/block_size_bytes", "")).strip()
        # `lsmem -a -o RANGE,SIZE,STATE,REMOVABLE,ZONES,NODE,BLOCK` lists a block a line, all of the same size.
        listed = text.get("lsmem", "")
        first = _LISTED.search(listed)
        listed_size = None if first is None else int(first["last"], 16) - int(first["first"], 16) + 1
        table, nodes = text.get("memory/blocks"), text.get("memory/nodes")
        blocks = list(_sysfs_blocks(text, links) if table is None else decode_blocks(table))
        if not blocks:
            blocks = [
                BlockLine(
                    int(match["block"]),
                    match["state"],
                    (int(match["node"]),),
                    (match["zones"].split("/")[0],),
                    YES_NO.get(match["removable"]),
                )
                for match in _LISTED.finditer(listed)
            ]
        release = (text.get("proc/version") or text.get("uname") or "").split()[2:3]
        return cls(
            block_size=int(size, 16) or None if _HEX.match(size) else listed_size,
            blocks={line.block: line for line in blocks},
            nodes={line.node: line for line in (_sysfs_nodes(text) if nodes is None else decode_nodes(nodes))},
            resources=tuple(_resources(text.get("proc/iomem", ""))),
            release="".join(release),
            cmdline=text.get("proc/cmdline", "").strip(),
        )

    def __bool__(self) -> bool:
        return bool(self.blocks) and self.block_size is not None

    def spans(self, name: str) -> Intervals:
        """Return the ranges of /proc/iomem whose names begin with `name`; their owners are positions in it."""
        spans = Intervals()
        for position, resource in enumerate(self.resources):
            if resource.name.startswith(name):
                spans.add(resource.base, resource.last - resource.base + 1, position)
        return spans


def _sysfs_blocks(text: Mapping[str, str], links: Iterable[str]) -> Iterator[BlockLine]:
    nodes: dict[int, set[int]] = {}
    for link in links:
        match = _LINK.fullmatch(link)
        if match:
            block, node = (match[1], match[2]) if match[1] else (match[4], match[3])
            nodes.setdefault(int(block), set()).add(int(node))
    for path, content in text.items():
        match = re.fullmatch(rf"{_MEMORY}/memory(\d{{1,9}})/state", path, re.ASCII)
        if match:
            block = int(match[1])
            zones = text.get(f"{_MEMORY}/memory{match[1]}/valid_zones", "").split()
            removable = YES_NO.get(text.get(f"{_MEMORY}/memory{match[1]}/removable", "").strip())
            yield BlockLine(block, content.strip(), tuple(sorted(nodes.get(block, ()))), tuple(zones), removable)


def _sysfs_nodes(text: Mapping[str, str]) -> Iterator[NodeLine]:
    for path, content in text.items():
        match = re.fullmatch(rf"{_NODE}/node(\d{{1,9}})/distance", path, re.ASCII)
        if match:
            folder = path.rpartition("/")[0]
            total = _TOTAL.search(text.get(f"{folder}/meminfo", ""))
            distances = tuple(int(word) for word in content.split() if word.isascii() and word.isdigit())
            cpus = text.get(f"{folder}/cpulist", "").strip()
            yield NodeLine(int(match[1]), distances, int(total[1]) if total else None, cpus)


def _resources(text: str) -> Iterator[Resource]:
    """Yield the ranges; who is not root sees zeros only, which say nothing."""
    for line in text.splitlines():
        match = _RANGE.match(line)
        if match and int(match[3], 16):
            yield Resource(int(match[2], 16), int(match[3], 16), match[4], len(match[1]) // 2)
