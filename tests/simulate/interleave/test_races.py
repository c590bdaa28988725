# SPDX-License-Identifier: MIT
"""The races of docs/races.md: each found, and none where it is cured. Its transcripts are held by `tests.docs`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drmemctl.simulate.interleave.answer import PolicyAnswer, answer
from drmemctl.simulate.interleave.policy import BY_NAME
from tests.simulate.interleave.cases import CPU_BEFORE, question

MIGRATED_REASSIGNED = ("lpm after", "prrn reassigned")
MIGRATED_READDED = ("lpm after", "prrn 2 0x80000002")
MIGRATED_FLUSHED = ("lpm after", "dlpar memory add indexed-count 1 0x80000002")
MIGRATED_REMOVED = ("lpm after", "dlpar memory remove count 1")
RELOADED = ("dlpar memory add count 1", "kdump")
SWITCHED = ("lpm after-v1", "dlpar memory remove count 1")


def found(threads: tuple[str, ...], kernel: str, locking: str) -> PolicyAnswer:
    made = answer(question(*threads, kernel=kernel), BY_NAME[locking])
    assert made.complete
    return made


@pytest.mark.parametrize(
    ("threads", "kernel", "rule"),
    [
        (MIGRATED_REASSIGNED, "4.16", "DRM081"),
        (MIGRATED_REASSIGNED, "4.20", "DRM081"),
        (MIGRATED_READDED, "4.20", "DRM081"),
        (MIGRATED_FLUSHED, "5.15", "DRM085"),
        (MIGRATED_FLUSHED, "6.1", "DRM085"),
        (MIGRATED_FLUSHED, "latest", "DRM085"),
        (MIGRATED_REMOVED, "latest", "DRM080"),
        (RELOADED, "4.20", "DRM080"),
        (("dlpar memory remove count 1", "kdump"), "4.16", "DRM080"),
        (RELOADED, "6.9", "DRM080"),
        (SWITCHED, "latest", "DRM080"),
    ],
)
def test_a_known_race_is_found(threads: tuple[str, ...], kernel: str, rule: str) -> None:
    races = found(threads, kernel, "kernel").races
    assert rule in {verdict.rule for end in races for verdict in end.raced}


@pytest.mark.parametrize(
    ("threads", "kernel", "cures"),
    [
        (MIGRATED_REASSIGNED, "4.16", ("mutex", "drain", "both")),
        (MIGRATED_REASSIGNED, "4.20", ("mutex", "drain", "both")),
        (MIGRATED_REASSIGNED, "5.4", ("kernel",)),
        (MIGRATED_REASSIGNED, "latest", ("kernel",)),
        (MIGRATED_READDED, "4.19", ("mutex", "both")),
        (MIGRATED_FLUSHED, "5.15", ("hotplug",)),
        (MIGRATED_FLUSHED, "latest", ("hotplug",)),
        (MIGRATED_REMOVED, "latest", ("hotplug",)),
        (SWITCHED, "latest", ("hotplug",)),
        (RELOADED, "6.10", ("kernel",)),
    ],
)
def test_a_cure_is_one(threads: tuple[str, ...], kernel: str, cures: tuple[str, ...]) -> None:
    assert [locking for locking in cures if found(threads, kernel, locking).races] == []


def test_the_window_of_4_20_has_updates_of_cpus_missed() -> None:
    threads = ("lpm cpu-after", "prrn cpu-reassigned")
    for kernel, locking, missed in (
        ("4.20", "kernel", True),
        ("4.20", "drain", True),
        ("4.20", "both", True),
        ("4.19.0", "kernel", False),
    ):
        made = answer(question(*threads, kernel=kernel, base=CPU_BEFORE), BY_NAME[locking])
        raced = {verdict.rule for end in made.races for verdict in end.raced}
        assert ("DRM087" in raced) == missed, (kernel, locking)


def test_a_reassignment_that_comes_within_the_window_is_lost() -> None:
    """handle_rtas_event asks prrn_is_enabled once, when the event comes: nothing puts it off."""
    raced = [end for end in found(MIGRATED_READDED, "4.20", "both").races if end.raced]
    assert [{verdict.rule for verdict in end.raced} for end in raced] == [{"DRM085"}]


def test_what_is_no_cure() -> None:
    assert all(found(MIGRATED_FLUSHED, "latest", locking).races for locking in ("mutex", "drain", "both"))
    assert found(MIGRATED_READDED, "4.20", "drain").races


def test_the_switch_to_v1_kills_kernels_up_to_5_2() -> None:
    for kernel, dies in (("4.20", True), ("5.2.2", True), ("5.3", False), ("latest", False)):
        ends = found(("lpm after-v1",), kernel, "kernel").bad
        assert any(verdict.rule == "DRM090" for end in ends for verdict in end.verdicts) == dies, kernel


@pytest.mark.parametrize(
    ("threads", "rules"),
    [
        # Between two LMBs that the guest gives back; before the second, and never unplugged any more.
        (("unplug 0x80000002 2", "qemu-migrate"), {"DRM083", "DRM089"}),
        # An unplug that the guest was never asked for is forgotten on the way.
        (("detach 0x80000002 2", "qemu-migrate"), {"DRM089"}),
        (("attach 0x80000004 2", "qemu-migrate"), set()),
    ],
)
def test_what_a_migration_of_qemu_loses(threads: tuple[str, ...], rules: set[str]) -> None:
    made = answer(replace(question(*threads), hypervisor="qemu"), BY_NAME["kernel"])
    assert made.complete
    assert {verdict.rule for end in made.bad for verdict in end.verdicts} == rules
