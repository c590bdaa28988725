# SPDX-License-Identifier: MIT
"""The two tables of a capture: memory blocks and nodes as sysfs had them, a line each.

`memory/blocks`: number, physical index, state, nodes (comma-separated), zones (comma-separated), removable.
`memory/nodes`: number, distances (comma-separated), MemTotal in kB, CPU list. `-` stands for what was not there.
Source: Linux drivers/base/memory.c, drivers/base/node.c; written by `drmemctl capture` and by its shell script.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

YES_NO = {"0": False, "1": True, "no": False, "yes": True}
"""Whether a memory block is removable, in sysfs and as lsmem prints it (util-linux sys-utils/lsmem.c)."""

_NUMBERS = re.compile(r"[0-9]{1,9}(?:,[0-9]{1,9})*\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class BlockLine:
    """A memory block.

    Attributes:
        block: its number.
        state: `online`, `offline` or `going-offline`; untrusted text.
        nodes: the nodes below which it is linked.
        zones: the zones that it may be in; the first is the one that it is in. Untrusted text.
        removable: whether it could be taken offline, None where sysfs did not say. Since 5.7 it always says so.

    """

    block: int
    state: str
    nodes: tuple[int, ...] = ()
    zones: tuple[str, ...] = ()
    removable: bool | None = None


@dataclass(frozen=True, slots=True)
class NodeLine:
    """A node.

    Attributes:
        node: its number.
        distances: to all online nodes, ascending.
        total_kib: its memory in KiB, None where unknown.
        cpus: its CPU list; untrusted text.

    """

    node: int
    distances: tuple[int, ...] = ()
    total_kib: int | None = None
    cpus: str = ""


def decode_blocks(text: str) -> Iterator[BlockLine]:
    """Yield the blocks of a table; lines that are none are passed over."""
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and words[0].isascii() and words[0].isdigit() and len(words[0]) < 20:
            nodes, zones, removable = (*words[3:6], *"---")[:3]
            in_zones = () if zones == "-" else tuple(zones.split(","))
            yield BlockLine(int(words[0]), words[2], _numbers(nodes), in_zones, YES_NO.get(removable))


def decode_nodes(text: str) -> Iterator[NodeLine]:
    """Yield the nodes of a table; lines that are none are passed over."""
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0].isascii() and words[0].isdigit() and len(words[0]) < 10:
            total, cpus = (*words[2:4], *"--")[:2]
            total_kib = next(iter(_numbers(total)), None)
            yield NodeLine(int(words[0]), _numbers(words[1]), total_kib, "" if cpus == "-" else cpus)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if _NUMBERS.match(text) else ()
