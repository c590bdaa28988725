# SPDX-License-Identifier: MIT
"""`diff` as a gate: what fails, what is printed of it, in which form."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from drmemctl.compare.gate import FAIL_ON, PARTS
from tests.cli.running import Outcome, run
from tests.conftest import FIXTURES
from tests.output.test_sarif import validator

ARRAYS = FIXTURES / "kernel-arrays"
BOOT, PLUG1 = ARRAYS / "numa2-boot.dtb.gz", ARRAYS / "numa2-plug1.dtb.gz"
"""Four LMBs were plugged, none is on another node than before; for a migration that is an error."""

BEFORE, AFTER = FIXTURES / "races" / "before.dts", FIXTURES / "races" / "after.dts"
"""Lookup arrays renumbered: nothing moved; before 5.15 a warning."""


def diff(old: Path, new: Path, *arguments: str) -> Outcome:
    return run("diff", old, new, *arguments)


@pytest.mark.parametrize(
    ("pair", "fails"),
    [
        ((BOOT, BOOT), set()),
        ((BOOT, PLUG1), {"lmbs", "finding", "anything"}),
        ((BEFORE, AFTER), {"finding", "anything"}),
    ],
    ids=["same", "plugged", "renumbered"],
)
def test_each_word_fails_by_itself(pair: tuple[Path, Path], fails: set[str]) -> None:
    codes = {word: diff(*pair, "--fail-on", word, "-q").code for word in FAIL_ON}
    assert {word for word, code in codes.items() if code} == fails
    assert set(codes.values()) <= {0, 1}


def test_words_add_up_and_may_be_capitals() -> None:
    assert diff(BEFORE, AFTER, "--fail-on", "lmbs", "--fail-on", "numa", "-q").code == 0
    assert diff(BEFORE, AFTER, "--fail-on", "LMBs", "--fail-on", "finding", "-q").code == 1
    assert diff(BEFORE, AFTER, "--fail-on", "some").code == 2


def test_quiet_prints_nothing() -> None:
    assert diff(BOOT, PLUG1, "-q") == Outcome(1, "", "")
    assert diff(BOOT, BOOT, "--quiet") == Outcome(0, "", "")


def test_rules_are_selected() -> None:
    def rules(*arguments: str) -> set[str]:
        found = json.loads(diff(BOOT, PLUG1, "--format", "json", *arguments).out)["findings"]
        return {finding["rule"] for finding in found}

    everything = rules()
    assert "DRM072" in everything
    assert rules("--select", "DRM072") == {"DRM072"}
    assert rules("--ignore", "DRM072") == everything - {"DRM072"}
    assert rules("--select", "numa") == set()
    assert diff(BOOT, PLUG1, "--fail-on", "finding", "--ignore", "ALL", "-q").code == 0
    assert diff(BOOT, PLUG1, "--select", "nuna").code == 2


def test_what_was_compared_is_said() -> None:
    words = "compared: 8 LMBs, 2 lookup arrays, NUMA facts, features and the properties on memory and affinity"
    assert diff(BEFORE, AFTER).out.splitlines()[-1].startswith(words)
    assert words in diff(BEFORE, AFTER, "--format", "markdown").out
    assert json.loads(diff(BEFORE, AFTER, "--format", "json").out)["compared"].startswith(words)
    assert diff(BEFORE, BOOT).out.splitlines()[-1].startswith("compared: 8 and 64 LMBs, 2 lookup arrays")


def test_sarif_is_valid_and_says_what_fails() -> None:
    def results(*arguments: str) -> list[tuple[str, str]]:
        outcome = diff(BOOT, PLUG1, "--format", "sarif", *arguments)
        document = json.loads(outcome.out)
        validator().validate(document)
        (done,) = document["runs"]
        assert all(done["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] == r["ruleId"] for r in done["results"])
        said = [entry["message"]["text"] for entry in done["invocations"][0]["toolExecutionNotifications"]]
        assert said[0] == "4 LMBs (1 GiB) went from free to assigned on node 1"
        return [(result["ruleId"], result["level"]) for result in done["results"]]

    assert ("lmbs", "error") in results()
    assert ("DRM072", "error") in results()
    assert ("lmbs", "note") in results("--fail-on", "finding")
    validator().validate(json.loads(diff(BOOT, BOOT, "--format", "sarif").out))


def test_junit_has_a_case_for_each_part() -> None:
    def failing(*arguments: str) -> set[str | None]:
        (suite,) = ET.fromstring(diff(BOOT, PLUG1, "--format", "junit", *arguments).out)
        cases = suite.findall("testcase")
        assert [case.get("name") for case in cases] == list(PARTS)
        failed = {case.get("name") for case in cases if case.find("failure") is not None}
        assert suite.get("failures") == str(len(failed))
        said = suite.find("system-out")
        assert said is not None
        assert str(said.text).startswith("4 LMBs (1 GiB) went from free")
        return failed

    assert failing() == {"LMBs"}
    assert failing("--fail-on", "finding") == {"what a migration may change"}
    assert failing("--fail-on", "never") == set()
