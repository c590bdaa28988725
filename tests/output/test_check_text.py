# SPDX-License-Identifier: MIT
"""The text of a check: what is said, in which order, and that it fits a screen."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from drmemctl.check.finding import Finding, Severity
from drmemctl.check.report import Report
from drmemctl.output.check_text import SCREEN
from drmemctl.output.screen import Screen
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.output.reports import LMBS, drawn, finding, hostile, unreadable


def test_a_finding_is_told_with_its_rule_message_place_and_lmbs() -> None:
    assert drawn([Report("a.dtb", (finding(),))], "text") == (
        "a.dtb: 1 error\n"
        "error   DRM030  assigned LMB whose node cannot be found\n"
        "  2 LMBs are assigned, but without a node\n"
        "    /ibm,dynamic-reconfiguration-memory:ibm,dynamic-memory-v2, offset 0x1c\n"
        "    0x50000000-0x6fffffff  512 MiB  2 LMBs  DRC 0x80000005-0x80000006  aa 5  no node  assigned\n"
        "\n"
        "drmemctl explain DRM030: what it means and what to do\n"
    )


def test_a_clean_tree_is_one_line() -> None:
    assert drawn([Report("a.dtb")], "text") == "a.dtb: no findings\n"


def test_what_was_not_judged_or_is_known_is_said() -> None:
    assert drawn([Report("a.dtb", note="no node /x; rules about it were not run", known=2)], "text") == (
        "a.dtb: no findings, 2 known from the baseline (no node /x; rules about it were not run)\n"
    )


def test_many_trees_have_one_summary() -> None:
    info = finding(rule="DRM900", severity=Severity.INFO, title="odd", lmbs=(), offset=None, path="", property="")
    text = drawn([Report("a"), Report("b", (info,)), Report("c"), unreadable(), Report("d", known=1)], "text")
    assert text == (
        "a: no findings\n"
        "\n"
        "b: 1 info\n"
        "info    DRM900  odd\n"
        "  2 LMBs are assigned, but without a node\n"
        "\n"
        "c: no findings\n"
        "d: no findings, 1 known from the baseline\n"
        "\n"
        "1 info in 1 of 4 trees; 1 known from the baseline; 1 unreadable\n"
        "drmemctl explain DRM900: what it means and what to do\n"
    )


def test_nothing_read_is_said() -> None:
    assert drawn([unreadable()], "text") == ""
    assert drawn([unreadable(), unreadable()], "text") == "no findings in 0 trees; 2 unreadable\n"


def many(rules: int, each: int, ranges: int) -> list[Finding]:
    lmbs = tuple(replace(LMBS, base=LMBS.base + number * LMBS.base) for number in range(ranges))
    return [finding(rule=f"DRM{900 + rule}", lmbs=lmbs) for rule in range(rules) for _ in range(each)]


@pytest.mark.parametrize("rules", [1, 2, 5, 7, 19, 20, 21, 22, 60])
@each(("each", "ranges"), [(1, 0), (1, 1), (3, 2), (40, 0), (1, 100)])
def test_a_tree_takes_a_screen_at_most(rules: int, each: int, ranges: int) -> None:
    report = Report("a.dtb", tuple(many(rules, each, ranges)))
    lines = drawn([report], "text").splitlines()
    assert len(lines) <= SCREEN
    assert lines[1].startswith("error   DRM900")
    whole = drawn([report], "text", everything=True).splitlines()
    assert ("--all" in "".join(lines)) == (len(whole) > SCREEN)
    if len(whole) > SCREEN:
        assert len(lines) > SCREEN - 4, "room is left unused"


def test_the_worst_rule_has_what_room_there_is() -> None:
    lines = drawn([Report("a.dtb", tuple(many(3, 1, 100)))], "text").splitlines()
    shown = [sum("DRC" in line for line in part) for part in (lines[1:15], lines[15:])]
    assert shown[0] > shown[1]
    assert "more ranges" in "".join(lines)


def test_lines_that_a_terminal_wraps_count_as_many() -> None:
    narrow = Screen(terminal=True, width=40)
    lines = drawn([Report("a.dtb", tuple(many(9, 3, 3)))], "text", screen=narrow).splitlines()
    assert sum(max(1, -(-len(line) // 40)) for line in lines) <= SCREEN


def test_colour_follows_severity() -> None:
    warning = finding(rule="DRM901", severity=Severity.WARNING)
    text = drawn([Report("a.dtb", (finding(), warning))], "text", screen=Screen(color=True))
    assert "\x1b[1;31merror   DRM030" in text
    assert "\x1b[33mwarning DRM901" in text


def test_foreign_text_stays_text() -> None:
    text = drawn([hostile()], "text", everything=True)
    assert set(text) - {"\n", "…"} <= set(map(chr, range(32, 127)))
    assert not any(line.startswith(("::", "##")) for line in text.splitlines())


FORMS = ("text", "sarif", "junit", "github", "gitlab", "markdown")


def test_addresses_of_a_small_partition_are_not_padded() -> None:
    tree = FIXTURES / "tutorial" / "lpar7-after.tar.xz"
    first = r"\b0x0*40000000\b"
    listed = set(re.findall(first, run("lmb", tree).out))
    assert listed == {"0x40000000"}
    for form in FORMS:
        outcome = run("check", tree, "--format", form, "--all")
        assert set(re.findall(first, outcome.out)) == listed, form
    before = FIXTURES / "tutorial" / "lpar7-before.tar.xz"
    assert set(re.findall(first, run("diff", before, tree).out)) == listed


def test_ranges_of_lmbs_have_the_digits_of_the_partition() -> None:
    """The messages of rules have addresses without padding."""
    tree = FIXTURES / "captures" / "7.2-merge.dtb.gz"
    first = r"0x0*80000000-"
    listed = set(re.findall(first, run("lmb", tree).out))
    assert listed == {"0x080000000-"}
    for form in FORMS:
        assert set(re.findall(first, run("check", tree, "--format", form, "--all").out)) == listed, form
    other = FIXTURES / "captures" / "7.2-bit31.dtb.gz"
    assert set(re.findall(first, run("diff", tree, other).out)) == listed
