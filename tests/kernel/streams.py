# SPDX-License-Identifier: MIT
"""Migrations whose every answer of ibm,update-nodes and ibm,update-properties is written by hand."""

from __future__ import annotations

import json

from drmemctl.formats.dynamic_memory import NODE, V2, encode_entries
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import StepResult
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Tree
from tests.kernel.partitions import BOOT_MEMORY, lmbs, tree, u32

DRMEM = 0x1234
CHOSEN = 0x4000

NEW_V2 = encode_entries(V2, [BOOT_MEMORY, lmbs(2, 2, 0, 8), lmbs(4, 2)])
NEW_ARRAYS = u32(3, 1, 0, 1, 0)

Answer = tuple[str, bytes, int]


def descriptor(name: str, value: bytes, word: int | None = None) -> bytes:
    """Return one property of an ibm,update-properties work area; `word` instead of its size, if given."""
    return name.encode() + b"\0" + u32(len(value) if word is None else word) + value


def properties(*descriptors: bytes, path: bool = True, count: int | None = None, phandle: int = DRMEM) -> bytes:
    """Return an ibm,update-properties work area, with the node's path first unless told otherwise."""
    first = [descriptor("", NODE.encode() + b"\0")] if path else []
    listed = [*first, *descriptors]
    return u32(phandle, 0, 0, 0, len(listed) if count is None else count) + b"".join(listed)


def nodes(*words: int, status: int = 0) -> Answer:
    """Return an answer of ibm,update-nodes with these words behind its header."""
    return "update-nodes", bytes(16) + u32(*words), status


def updates(area: bytes, status: int = 0) -> Answer:
    """Return an answer of ibm,update-properties."""
    return "update-properties", area, status


def migrated(kernel: str, *answers: Answer, base: Tree | None = None) -> tuple[Simulation, StepResult]:
    """Return a partition with LMBs 2 and 3 assigned on node 1 after such a migration, and what came of it."""
    listed = [{"call": call, "answer": area.hex(), "status": status} for call, area, status in answers]
    files = Files(file=lambda _: json.dumps(listed).encode())
    before = tree(lmbs(2, 2, 1, 8), lmbs(4, 2)) if base is None else base
    partition = Simulation(before, kernel, "powervm", files=files)
    return partition, partition.run("migrate answers")
