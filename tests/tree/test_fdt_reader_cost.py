# SPDX-License-Identifier: MIT
"""Blobs made to cost time or memory: each read or refused within bounds, in a process that has no more."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from itertools import accumulate
from typing import Any

import pytest

from drmemctl.tree.limits import Limits
from tests.blobs import Struct, blob, header, nested, patched, small
from tests.conftest import ROOT

pytestmark = pytest.mark.one_python

MIB = 1 << 20
ROOT_AT = 40 + 16
"""Where the structure block begins behind a header and an empty list of reservations."""


RESERVATIONS_LAST = blob(small(), order=("struct", "strings", "reservations"))


def deep() -> bytes:
    return blob(nested(200_000))


def long_node_name() -> bytes:
    return blob(Struct().begin().begin(b"n" * (32 * MIB)).end().end().finish())


def long_property_name() -> bytes:
    return blob(Struct().begin().prop(b"p" * (32 * MIB)).end().finish())


def shared_long_name() -> bytes:
    content = Struct().begin()
    for _ in range(2000):
        content.prop(b"p" * 65_536)
    return blob(content.end().finish())


def endless_reservations() -> bytes:
    data = RESERVATIONS_LAST[:-16] + b"\xff" * (32 * MIB)
    return patched(data, totalsize=len(data))


def claims(totalsize: int) -> bytes:
    return patched(blob(Struct().begin().end().finish()), totalsize=totalsize)


def claims_4_gib() -> bytes:
    return claims(0xFFFFFFFF)


def claims_2_gib() -> bytes:
    return claims(0x7FFFFFFF)


def large_value() -> bytes:
    return blob(Struct().begin().prop(b"p", bytes(32 * MIB)).end().finish())


def many_nops() -> bytes:
    content = Struct().begin()
    content.data += bytes.fromhex("00000004") * 8_000_000
    return blob(content.end().finish())


def nops_in_groups() -> bytes:
    """255 NOPs and a property, again and again: neither many NOPs at once nor many properties."""
    content = Struct().begin()
    group = bytes.fromhex("00000004") * 255 + bytes.fromhex("00000003 00000000") + bytes(4)
    content.name(b"p")
    content.data += group * (8_000_000 // 258)
    return blob(content.end().finish())


def names_in_names() -> bytes:
    """200,000 names of 127 bytes on average in as many bytes, which would be 24 MiB of text."""
    content = Struct().begin()
    content.strings += (b"x" * 254 + b"\0") * 785
    content.data += b"".join(struct.pack(">III", 3, 0, place) for place in range(200_000))
    return blob(content.end().finish())


def same_siblings() -> bytes:
    content = Struct().begin()
    content.data += bytes.fromhex("00000001 6e000000 00000002") * 60_000
    return blob(content.end().finish())


def many_nodes() -> bytes:
    content = Struct().begin()
    content.data += bytes.fromhex("00000001 6e000000 00000002") * 2_000_000
    return blob(content.end().finish())


NAME_LIMIT = "a name of more than 255 bytes"
RESERVATION_4097 = header(RESERVATIONS_LAST, "off_mem_rsvmap") + 16 * 4096

TOO_MANY_NAMES = next(
    at for at, total in enumerate(accumulate(254 - place % 255 for place in range(200_000))) if total > 16 * MIB
)

CASES = {
    deep: (Limits(), f"nodes nested deeper than 64 at {ROOT_AT + 64 * 8}"),
    long_node_name: (Limits(), f"{NAME_LIMIT} at {ROOT_AT + 8 + 4}"),
    long_property_name: (Limits(), f"{NAME_LIMIT} at {ROOT_AT + 8 + 12 + 8 + 4}"),
    shared_long_name: (Limits(), f"{NAME_LIMIT} at {ROOT_AT + 8 + 2000 * 12 + 8}"),
    endless_reservations: (Limits(), f"more than 4096 memory reservations at {RESERVATION_4097}"),
    claims_4_gib: (Limits(), "totalsize 4294967295 cannot be, a blob has 40 to 2147483647 bytes at 4"),
    claims_2_gib: (Limits(), "the header promises 2147483647 bytes, there are 72: the blob is cut off at 72"),
    large_value: (Limits(), "1 properties, 0 children"),
    many_nops: (Limits(), "0 properties, 0 children"),
    nops_in_groups: (Limits(), f"{8_000_000 // 258} properties, 0 children"),
    names_in_names: (
        Limits(max_bytes=16 * MIB),
        f"the names of properties come to more than 16 MiB at {ROOT_AT + 8 + TOO_MANY_NAMES * 12}",
    ),
    same_siblings: (Limits(), "0 properties, 60000 children"),
    many_nodes: (Limits(), f"more than 65536 nodes at {ROOT_AT + 8 + 65_535 * 12}"),
}
"""Maker of a blob → the limits to read it with, and what comes of it."""

RAISED = {
    deep: (Limits(max_depth=200_000, max_nodes=200_001), "0 properties, 1 children"),
    shared_long_name: (Limits(max_name=65_536), "2000 properties, 0 children"),
}
"""The same with limits that let them in: these are not what keeps the reader from breaking."""

SCRIPT = """
import json, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from drmemctl.errors import DrmemctlError
from drmemctl.tree.fdt_reader import read_fdt
from tests.tree import test_fdt_reader_cost as cases

def peak():
    # ru_maxrss outlives exec and would be the parent's.
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024

maker = getattr(cases, sys.argv[1])
limits, _ = getattr(cases, sys.argv[2])[maker]
blob = maker()
before, start = peak(), time.process_time()
try:
    root = read_fdt(blob, limits=limits).root
    outcome = f"{len(root.properties)} properties, {len(root.children)} children"
except DrmemctlError as error:
    outcome = f"{error.message} at {error.offset}"
json.dump([outcome, time.process_time() - start, peak() - before], sys.stdout)
"""


def measured(case: str, table: str) -> tuple[Any, float, float]:
    """Return the outcome of reading a blob in a process of 1 GiB, its CPU seconds and MiB beyond the blob."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, case, table], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    outcome, seconds, mib = json.loads(done.stdout)
    return outcome, seconds, mib


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures by /proc")
@pytest.mark.parametrize("maker", CASES, ids=lambda maker: maker.__name__)
def test_a_hostile_blob_costs_little(maker: Any) -> None:
    outcome, seconds, mib = measured(maker.__name__, "CASES")
    assert outcome == CASES[maker][1]
    assert seconds < 10
    assert mib < 128


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures by /proc")
@pytest.mark.parametrize("maker", RAISED, ids=lambda maker: maker.__name__)
def test_without_the_limit_it_still_costs_little(maker: Any) -> None:
    outcome, seconds, mib = measured(maker.__name__, "RAISED")
    assert outcome == RAISED[maker][1]
    assert seconds < 10
    assert mib < 512
