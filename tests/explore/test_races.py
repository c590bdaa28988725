# SPDX-License-Identifier: MIT
"""The races of docs/races.md: each found, its trace printed as it stands there, and none where it is cured."""

from __future__ import annotations

import re
import shlex

import pytest

from drmemctl.explore.answer import Answer, answer
from drmemctl.explore.policy import BY_NAME
from tests.cli.running import run
from tests.conftest import ROOT
from tests.explore.cases import CPU_BEFORE, question

DOCUMENT = ROOT / "docs" / "races.md"
BLOCK = re.compile(r"^```console\n\$ (drmemctl [^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    return BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("command", "printed"), blocks(), ids=lambda value: value[:0] or None)
def test_the_document_shows_what_is_printed(command: str, printed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = run(*shlex.split(command)[1:])
    assert done.code == 1, done.err
    assert done.out == printed


def test_the_document_has_all_of_them() -> None:
    assert len(blocks()) == 7


MIGRATED_REASSIGNED = ("lpm after", "prrn reassigned")
MIGRATED_READDED = ("lpm after", "prrn 2 0x80000002")
MIGRATED_FLUSHED = ("lpm after", "dlpar memory add indexed-count 1 0x80000002")
MIGRATED_REMOVED = ("lpm after", "dlpar memory remove count 1")
RELOADED = ("dlpar memory add count 1", "kdump")
SWITCHED = ("lpm after-v1", "dlpar memory remove count 1")


def found(threads: tuple[str, ...], kernel: str, locking: str) -> Answer:
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
        (RELOADED, "4.16", "DRM080"),
        (RELOADED, "latest", "DRM080"),
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
        (MIGRATED_READDED, "4.20", ("mutex", "both")),
        (MIGRATED_FLUSHED, "5.15", ("hotplug",)),
        (MIGRATED_FLUSHED, "latest", ("hotplug",)),
        (MIGRATED_REMOVED, "latest", ("hotplug",)),
        (SWITCHED, "latest", ("hotplug",)),
    ],
)
def test_a_cure_is_one(threads: tuple[str, ...], kernel: str, cures: tuple[str, ...]) -> None:
    assert [locking for locking in cures if found(threads, kernel, locking).races] == []


def test_the_window_of_4_20_has_updates_of_cpus_missed() -> None:
    threads = ("lpm cpu-after", "prrn cpu-reassigned")
    for kernel, locking, missed in (
        ("4.20", "kernel", True),
        ("4.20", "drain", False),
        ("4.20", "both", False),
        ("4.19", "kernel", False),
    ):
        made = answer(question(*threads, kernel=kernel, base=CPU_BEFORE), BY_NAME[locking])
        told = [
            verdict.message
            for end in made.races
            for verdict in end.raced
            if "its update was missed" in verdict.message
        ]
        assert bool(told) == missed, (kernel, locking)


def test_what_is_no_cure() -> None:
    assert all(found(MIGRATED_FLUSHED, "latest", locking).races for locking in ("mutex", "drain", "both"))
    assert found(MIGRATED_READDED, "4.20", "drain").races


def test_the_switch_to_v1_kills_kernels_up_to_5_2() -> None:
    for kernel, dies in (("4.20", True), ("5.2", True), ("5.3", False), ("latest", False)):
        ends = found(("lpm after-v1",), kernel, "kernel").bad
        assert any(verdict.rule == "DRM090" for end in ends for verdict in end.verdicts) == dies, kernel


def main() -> None:
    """Write into the document what its commands print: `python -m tests.explore.test_races`."""
    text = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.compile(r"^```console\n\$ (drmemctl [^\n]*)\n.*?^```$", re.MULTILINE | re.DOTALL)
    text = pattern.sub(lambda m: f"```console\n$ {m[1]}\n{run(*shlex.split(m[1])[1:]).out}```", text)
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
