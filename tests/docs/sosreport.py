# SPDX-License-Identifier: MIT
"""The two archives of the tutorial, made of one recorded migration; `python -m tests.docs.sosreport` writes them.

`mobility/basic-5.10` holds what a real 5.10 had in its tree and in sysfs before a migration and behind it. Here
the same is laid out as sosreport does: `proc/device-tree` as files, and sysfs beside it.
"""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Iterator
from typing import Any

from drmemctl.tree.node import Node
from tests.conftest import FIXTURES
from tests.live_roots import MEMORY, tree_at
from tests.scenario.records import record

RECORD = "mobility/basic-5.10"
FOLDER = FIXTURES / "tutorial"
WHEN = {"before": "2026-11-02", "after": "2026-11-03"}
"""The archives: the state at boot, and the one behind the migration, which is the record's first step."""

Member = tuple[str, bytes | str]
"""Path and content; a string is where a link leads."""


def state(which: str) -> dict[str, Any]:
    """Return the recorded state that an archive holds."""
    found = record(RECORD)
    chosen: dict[str, Any] = found["boot"] if which == "before" else found["steps"][0]
    return chosen


def name(which: str) -> str:
    """Return the name of an archive, which is that of its top directory as well."""
    return f"sosreport-lpar7-{which}-{WHEN[which]}"


def members(which: str) -> Iterator[Member]:
    """Yield what an archive holds below its top directory."""
    recorded = state(which)
    yield from _node(tree_at(RECORD, recorded).root, "proc/device-tree")
    yield "proc/version", f"Linux version {record(RECORD)['kernel']}\n".encode()
    yield f"{MEMORY}/block_size_bytes", f"{record(RECORD)['block_size']:x}\n".encode()
    for block in recorded["blocks"]:
        place = f"{MEMORY}/memory{block['block']}"
        yield f"{place}/state", f"{block['state']}\n".encode()
        yield f"{place}/node{block['node']}", f"../../node/node{block['node']}"
    yield "var/log/dmesg", "".join(f"{line}\n" for line in recorded.get("log", ())).encode()


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
            member = tarfile.TarInfo(f"{name(which)}/{path}")
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def main() -> None:
    """Write both."""
    FOLDER.mkdir(exist_ok=True)
    for which in WHEN:
        (FOLDER / f"{name(which)}.tar.xz").write_bytes(lzma.compress(archive(which), preset=9))


if __name__ == "__main__":
    main()
