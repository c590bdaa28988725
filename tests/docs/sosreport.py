# SPDX-License-Identifier: MIT
"""The archives of the tutorial, made of one recorded migration; `python -m tests.docs.sosreport` writes them.

`mobility/basic-5.10` holds what a real 5.10 had in its tree and in sysfs before a migration and behind it. Here
the same is laid out as sosreport does, `proc/device-tree` as files and sysfs beside it, and as `drmemctl capture`
does.
"""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from drmemctl.formats.system_tables import BlockLine
from drmemctl.tree.node import Node
from tests.conftest import FIXTURES, blob
from tests.encoders import encode_blocks
from tests.live_roots import MEMORY, tree_at
from tests.simulate.records import record

RECORD = "mobility/basic-5.10"
FOLDER = FIXTURES / "tutorial"
TOPS = {"before": "sosreport-lpar7-2026-11-02", "after": "sosreport-lpar7-2026-11-03", "capture": "capture"}
"""The archives and what is at their top: the state at boot, and twice that behind the migration."""

Member = tuple[str, bytes | str]
"""Path and content; a string is where a link leads."""


def state(which: str) -> dict[str, Any]:
    """Return the recorded state that an archive holds."""
    found = record(RECORD)
    chosen: dict[str, Any] = found["boot"] if which == "before" else found["steps"][0]
    return chosen


def path_of(which: str) -> Path:
    """Return where an archive is."""
    return FOLDER / f"lpar7-{which}.tar.xz"


def members(which: str) -> Iterator[Member]:
    """Yield what an archive holds below its top directory."""
    recorded = state(which)
    yield from _node(tree_at(RECORD, recorded).root, "proc/device-tree")
    yield "proc/version", f"Linux version {record(RECORD)['kernel']}\n".encode()
    size = f"{record(RECORD)['block_size']:x}\n".encode()
    if which == "capture":
        yield "sys/firmware/fdt", blob(RECORD)
        yield "memory/block_size_bytes", size
        blocks = (BlockLine(one["block"], one["state"], (one["node"],), ()) for one in recorded["blocks"])
        yield "memory/blocks", encode_blocks(blocks).encode()
        return
    yield f"{MEMORY}/block_size_bytes", size
    for block in recorded["blocks"]:
        place = f"{MEMORY}/memory{block['block']}"
        yield f"{place}/state", f"{block['state']}\n".encode()
        yield f"{place}/node{block['node']}", f"../../node/node{block['node']}"


def _node(node: Node, place: str) -> Iterator[Member]:
    for each in node.properties:
        yield f"{place}/{each.name}", each.value
    for child in node.children:
        yield from _node(child, f"{place}/{child.name}")


def archive(which: str) -> bytes:
    """Return an archive, uncompressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in members(which):
            member = tarfile.TarInfo(f"{TOPS[which]}/{path}")
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for which in TOPS:
        path_of(which).write_bytes(lzma.compress(archive(which), preset=9))


if __name__ == "__main__":
    main()
