# SPDX-License-Identifier: MIT
"""Directories that stand for the / of a running system, made of what was recorded of real kernels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.system_tables import BlockLine
from drmemctl.tree.node import Node, Tree
from tests.encoders import encode_blocks
from tests.simulate.records import record, tree_of

MEMORY = "sys/devices/system/memory"
NODES = "sys/devices/system/node"


def states(name: str) -> list[dict[str, Any]]:
    """Return the states of a recorded run: after boot, and after each step."""
    found = record(name)
    return [found["boot"], *found["steps"]]


def tree_at(name: str, state: dict[str, Any]) -> Tree:
    """Return the tree as it was in a recorded state."""
    tree = tree_of(name)
    held = tree.find(NODE)
    assert held is not None
    known = {"ibm,dynamic-memory", "ibm,dynamic-memory-v2", *state["properties"]}
    kept = replace(held, properties=tuple(prop for prop in held.properties if prop.name not in known))
    for prop, value in state["properties"].items():
        kept = kept.with_property(prop, bytes.fromhex(value))
    children = tuple(kept if child is held else child for child in tree.root.children)
    return replace(tree, root=replace(tree.root, children=children))


def zone_of(name: str) -> str:
    """Return the zone that hot-removable memory is in, which is all that is told apart here."""
    return "Movable" if "movable_node" in record(name)["cmdline"] else "Normal"


def files_of(name: str, state: dict[str, Any]) -> dict[str, bytes]:
    """Return the files of a capture that are about a recorded state."""
    found = record(name)
    blocks = [
        BlockLine(one["block"], one["state"], () if one["node"] is None else (one["node"],), (zone_of(name),))
        for one in state["blocks"]
    ]
    texts = {
        "memory/block_size_bytes": f"{found['block_size']:x}\n",
        "memory/blocks": encode_blocks(blocks),
        "proc/iomem": _iomem(state, found["block_size"]),
        "proc/cmdline": found["cmdline"] + "\n",
        "proc/version": f"Linux version {found['kernel']} (a@b) #1\n",
    }
    return {path: text.encode() for path, text in texts.items()}


def _iomem(state: dict[str, Any], size: int) -> str:
    ram = [(one["block"] * size, (one["block"] + 1) * size - 1) for one in state["blocks"]]
    return "".join(f"{first:08x}-{last:08x} : System RAM\n" for first, last in ram)


def make_root(place: Path, name: str, state: dict[str, Any], zone: str = "") -> Path:
    """Write the tree and sysfs of a recorded state below a directory, as Linux has them; return it."""
    tree = tree_at(name, state).root
    wanted = ("chosen", "rtas", "cpus", "memory", NODE[1:])
    write_tree(
        place / "proc/device-tree",
        replace(tree, children=tuple(child for child in tree.children if child.base_name in wanted)),
    )
    files = files_of(name, state)
    for path in ("proc/iomem", "proc/cmdline", "proc/version"):
        write(place / path, files[path].decode())
    write(place / MEMORY / "block_size_bytes", files["memory/block_size_bytes"].decode())
    for block in state["blocks"]:
        folder = place / MEMORY / f"memory{block['block']}"
        write(folder / "state", block["state"] + "\n")
        write(folder / "valid_zones", (zone or zone_of(name)) + "\n")
        if block["node"] is not None:
            (folder / f"node{block['node']}").symlink_to(f"../../node/node{block['node']}")
    for node in sorted({block["node"] for block in state["blocks"]} - {None}):
        write(place / NODES / f"node{node}/cpulist", "0-3\n")
        write(place / NODES / f"node{node}/meminfo", f"Node {node} MemTotal:       1024 kB\n")
    return place


def write(path: Path, text: str) -> None:
    """Write a file and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_tree(place: Path, node: Node) -> None:
    """Write a node as a directory."""
    place.mkdir(parents=True, exist_ok=True)
    for prop in node.properties:
        (place / prop.name).write_bytes(prop.value)
    for child in node.children:
        write_tree(place / child.name, child)
