# SPDX-License-Identifier: MIT
"""Rules of the family dump: recorded dumps, and those with another history or another array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from drmemctl import check, load
from drmemctl.check.finding import Finding
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.memory.cores import DRMEM, V2, Lmb, Set, core_with, lmbs_of, recorded, v2

UNSET = 0xFFFFFFFF
BOOT: Set = (4, 0, 0, UNSET, 0xA0)
FIRST = (1, 0x40000000, 0x80000004)
SETS: tuple[Set, ...] = (
    BOOT,
    (*FIRST, 1, 8),
    (2, 0x50000000, 0x80000005, 0, 8),
    (5, 0x70000000, 0x80000007, UNSET, 0),
)
"""6.1-radix64k-plugged as it is."""

MARK = 0x80000000
FAMILY = ("DRM140", "DRM141", "DRM142", "DRM143")


def found(**changes: Any) -> dict[str, Finding]:
    tree = load(core_with(recorded("6.1-radix64k-plugged"), **changes))
    return {finding.rule: finding for finding in check(tree) if finding.rule in FAMILY}


@each("path", sorted((FIXTURES / "vmcores").glob("*.xz")))
def test_what_real_dumps_show(path: Any) -> None:
    rules = {finding.rule for finding in check(load(path)) if finding.rule in FAMILY}
    assert rules == ({"DRM140"} if "written-back" in path.name else set())


def test_the_written_back_guest() -> None:
    tree = load(FIXTURES / "vmcores" / "6.1-radix64k-written-back.core.xz")
    (finding,) = (finding for finding in check(tree) if finding.rule == "DRM140")
    assert "1 LMB has state free where it was made assigned" in finding.message
    assert [(lmbs.base, lmbs.count) for lmbs in finding.lmbs] == [(0x80000000, 1)]


MIGRATED = (
    (V2, v2(BOOT, (*FIRST, 0, 8), (7, 0x50000000, 0x80000005, UNSET, 0))),
    (V2, v2(BOOT, (*FIRST, 1, 8), (7, 0x50000000, 0x80000005, UNSET, 0))),
)
"""What a migration delivered, and what was before: with SETS as the value now, an add wrote the source's back."""


def test_the_aa_index_of_the_source_written_back() -> None:
    finding = found(replaced=MIGRATED, release=b"5.10.0-50-powerpc64l")["DRM140"]
    assert "aa_index 1 where it was made 0" in finding.message
    # A kernel that took the aa_index over cannot have done it.
    assert "DRM140" not in found(replaced=MIGRATED)


def test_what_was_right_again_later_is_no_finding() -> None:
    now = v2(BOOT, (*FIRST, 0, 8), *SETS[2:])
    array = lmbs_of(BOOT, (*FIRST, 1, 8), *SETS[2:])
    assert "DRM140" not in found(
        current={V2: now}, replaced=[(V2, v2(*SETS)), *MIGRATED], array=array, release=b"5.10.0-50-powerpc64l"
    )


def marked(*numbers: int) -> list[Lmb]:
    lmbs = lmbs_of(*SETS)
    return [(*lmb[:3], lmb[3] | MARK) if i in numbers else lmb for i, lmb in enumerate(lmbs)]


@each(
    ("array", "words"),
    [
        (marked(5, 6), "2 LMBs are marked by a request that had not ended, all as the tree has them"),
        (
            [*marked(7)[:7], (0x70000000, 0x80000007, 0, MARK | 8), *marked()[8:]],
            "1 LMB is marked by a request that had not ended, 1 of them in another state than in the tree",
        ),
        (marked(), ""),
    ],
)
def test_a_request_that_was_under_way(array: Sequence[Lmb], words: str) -> None:
    rules = found(array=array)
    assert words in rules["DRM141"].message if words else "DRM141" not in rules
    assert "DRM143" not in rules


@each(
    ("array", "words"),
    [
        (lmbs_of(*SETS)[:-1], "11 LMBs in the array, 12 at boot"),
        ([*lmbs_of(*SETS)[:-1], (0x100000000, 0x8000000B, UNSET, 0)], "1 LMB has another address than at boot"),
        ([*lmbs_of(*SETS)[:-1], (0xB0000000, 0x8000000C, UNSET, 0)], "1 LMB has another DRC index than at boot"),
        ([*lmbs_of(*SETS)[:-1], (0xB0000000, 0x8000000B, UNSET, 0x100)], "flags 0x100, which were 0x0 at boot"),
        ([*lmbs_of(*SETS)[:-1], (0xB0000000, 0x8000000B, 1, MARK | 8)], ""),
    ],
)
def test_an_array_that_is_not_of_boot(array: Sequence[Lmb], words: str) -> None:
    rules = found(array=array)
    assert words in rules["DRM143"].message if words else "DRM143" not in rules


@each(
    ("path", "current", "replaced", "words"),
    [
        (
            "/rtas",
            {},
            [("ibm,associativity-reference-points", bytes(8))],
            "at boot it was 00000000 00000000, and it is",
        ),
        (
            "/rtas",
            {"ibm,max-associativity-domains": None},
            [("ibm,max-associativity-domains", b"\0")],
            "it is gone",
        ),
        ("/", {}, [("#size-cells", b"")], "at boot it was empty"),
        ("/", {}, [("model", b"x")], ""),
        (DRMEM, {}, [("ibm,lmb-size", (1 << 28).to_bytes(8, "big"))], ""),
        (DRMEM, {}, [("ibm,lmb-size", bytes(8)), ("ibm,lmb-size", (1 << 28).to_bytes(8, "big"))], ""),
    ],
)
def test_what_is_read_at_boot_alone(
    path: str, current: Mapping[str, bytes | None], replaced: Sequence[tuple[str, bytes]], words: str
) -> None:
    rules = found(path=path, current=current, replaced=replaced)
    assert words in rules["DRM142"].message if words else "DRM142" not in rules


def test_old_values_that_are_too_much_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    many = v2(*((1, i << 28, i, i & 1, 8) for i in range(70_000)))
    assert set(found(replaced=[(V2, many)])) <= {"DRM143"}


def test_what_a_message_cuts_is_three_dots_in_each_format(tmp_path: Path) -> None:
    # Our own … is no character of the tree's, to be shown as an escape.
    path = tmp_path / "vmcore"
    path.write_bytes(
        core_with(
            recorded("6.1-radix64k-plugged"),
            path="/rtas",
            replaced=[("ibm,associativity-reference-points", bytes(200))],
        )
    )
    for format in ("text", "concise", "sarif", "junit", "github", "gitlab", "markdown"):
        shown = run("check", path, "--format", format).out
        assert "00000000 ..." in shown, format
        assert "{2026}" not in shown, format
