# SPDX-License-Identifier: MIT
"""JUnit XML: suites, cases and counts, and that nothing breaks the document."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from drmemctl.check.engine import Plan, all_rules
from drmemctl.check.finding import Severity
from drmemctl.check.report import Report
from tests.cases import each
from tests.output.reports import HOSTILE, drawn, finding, hostile, unreadable

PLAN = Plan(select=("associativity",))


def suites(*reports: Report, fail_on: str = "warning") -> list[ET.Element]:
    root = ET.fromstring(drawn(reports, "junit", plan=PLAN, fail_on=fail_on))
    assert root.tag == "testsuites"
    return list(root)


def test_a_suite_for_each_input_and_a_case_for_each_rule() -> None:
    first, second = suites(Report("a.dtb", (finding(),)), Report("b.dtb"))
    rules = [rule for rule in all_rules().values() if rule.family == "associativity"]
    assert [case.get("name") for case in first] == [f"{rule.id} {rule.title}" for rule in rules]
    assert {case.get("classname") for case in first} == {"a.dtb"}
    counts = {"tests": str(len(rules)), "failures": "1", "errors": "0", "skipped": "0"}
    assert {key: first.get(key) for key in counts} == counts
    assert (second.get("name"), second.get("failures")) == ("b.dtb", "0")


def test_a_failure_tells_all_findings_of_the_rule() -> None:
    (suite,) = suites(Report("a.dtb", (finding(), finding(message="another"))))
    (failure,) = suite.iter("failure")
    assert failure.get("type") == "error"
    assert failure.get("message") == "2 LMBs are assigned, but without a node (and 1 more)"
    assert failure.text is not None
    assert "another" in failure.text
    assert "DRC 0x80000005-0x80000006" in failure.text


def test_what_does_not_fail_is_only_told() -> None:
    (suite,) = suites(Report("a.dtb", (finding(severity=Severity.ERROR),)), fail_on="never")
    assert suite.get("failures") == "0"
    assert not list(suite.iter("failure"))
    assert [out.text is not None for out in suite.iter("system-out")] == [True]


def test_an_unreadable_input_is_an_error() -> None:
    (suite,) = suites(unreadable())
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")
    (error,) = suite.iter("error")
    assert error.get("message") == "bad.dtb: no such file or directory"


def test_foreign_text_breaks_nothing() -> None:
    first, second = suites(hostile(), unreadable(HOSTILE))
    assert str(first.get("name")).startswith("dir/\\x1b[2J")
    assert "</testsuite>" in str(first.get("name"))
    assert second.get("errors") == "1"


@each("code", [*range(0x20), 0x7F, 0x85, 0xFFFE, 0xFFFF, 0xD800, 0x10FFFF])
def test_no_character_is_invalid_in_xml(code: int) -> None:
    (suite,) = suites(Report(f"a{chr(code)}", (finding(message=chr(code)),)))
    assert suite.get("failures") == "1"
