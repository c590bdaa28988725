# SPDX-License-Identifier: MIT
"""RTAS answers for tests: recorded ones, and events as documents have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conftest import FIXTURES

MOBILITY = sorted((FIXTURES / "mobility").glob("*.json"))

PRRN_SCOPE_2 = bytes.fromhex("062060a000000002")
HP_INDEXED_COUNT = bytes.fromhex("4850001401001000020104000000000480000010")
HP_COUNT = bytes.fromhex("48500014010000000201030000000004")
"""Sections as documents show them; the second without the unused half of its union."""

QEMU_EVENT = bytes.fromhex(
    "063460e50000006c"
    "86008e00000000000000000049424d00"
    "504800300000000020240131125958000000000000000000480000030000000000000000000000000000000100000000"
    "554800180000000080000000000000000000000000000000"
    "4850001401000000020104000000000480000010"
)
"""What a QEMU that knows hotplug events gives for a DIMM of four LMBs."""


def answers(path: Path, call: str = "") -> list[Any]:
    """Return the recorded answers of a migration, those of one call if it is named."""
    steps = json.loads(path.read_text(encoding="utf-8"))["steps"]
    return [one for step in steps for one in step.get("answers", ()) if call in ("", one["call"])]


def areas(call: str) -> list[bytes]:
    """Return the work areas of every recorded answer of a call, filled up; there is at least one."""
    found = [bytes.fromhex(one["answer"]).ljust(4096, b"\0") for path in MOBILITY for one in answers(path, call)]
    assert found, f"no record has an answer of {call}"
    return found


def words(*numbers: int) -> bytes:
    """Return big-endian words."""
    return b"".join(number.to_bytes(4, "big") for number in numbers)


def nodes_area(*numbers: int) -> bytes:
    """Return a whole work area of ibm,update-nodes with these words after its header."""
    return (bytes(16) + words(*numbers)).ljust(4096, b"\0")


def properties_area(nprops: int, *descriptors: bytes, phandle: int = 0x1234) -> bytes:
    """Return a whole work area of ibm,update-properties with these descriptors."""
    head = words(phandle, 0, 0, 0, nprops)
    return (head + b"".join(descriptors)).ljust(4096, b"\0")


def described(name: bytes, word: int, value: bytes = b"") -> bytes:
    """Return one descriptor."""
    return name + b"\0" + words(word) + value
