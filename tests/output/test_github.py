# SPDX-License-Identifier: MIT
"""Annotations of GitHub Actions, read back as its runner reads them."""

from __future__ import annotations

import re

from drmemctl.check.finding import Severity
from drmemctl.check.report import Report
from tests.output.reports import HOSTILE, drawn, finding, hostile, unreadable

COMMAND = re.compile(r"::(?P<command>[a-z]+) (?P<properties>.*?)::(?P<data>.*)")
"""How the runner takes a line apart: the properties end at the first `::`."""


def unescaped(text: str) -> str:
    for code, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, char)
    return text


def commands(*reports: Report) -> list[tuple[str, dict[str, str], str]]:
    """Return the commands of the output; every other line begins with our name."""
    found = []
    for line in re.split(r"\r\n|\r|\n", drawn(reports, "github")):
        match = COMMAND.fullmatch(line)
        if match is None:
            assert not line or line.startswith("drmemctl: "), line
            continue
        pairs = (pair.split("=", 1) for pair in match["properties"].split(","))
        found.append((match["command"], {key: unescaped(value) for key, value in pairs}, unescaped(match["data"])))
    return found


def test_a_finding_is_an_annotation_of_its_file() -> None:
    ((command, properties, data),) = commands(Report("dir/a,b:c.dtb", (finding(message="100% lost"),)))
    assert command == "error"
    assert properties == {"file": "dir/a,b:c.dtb", "title": "DRM030 assigned LMB whose node cannot be found"}
    assert data.splitlines() == [
        "100% lost",
        "/ibm,dynamic-reconfiguration-memory:ibm,dynamic-memory-v2, offset 0x1c",
        "0x50000000-0x6fffffff  512 MiB  2 LMBs  DRC 0x80000005-0x80000006  aa 5  no node  assigned",
    ]


def test_severities_have_their_commands() -> None:
    findings = tuple(finding(severity=severity) for severity in Severity)
    assert [command for command, _, _ in commands(Report("a", findings))] == ["error", "warning", "notice"]


def test_what_is_no_file_has_no_file() -> None:
    assert "file" not in commands(Report("-", (finding(),)))[0][1]


def test_an_unreadable_input_is_an_error() -> None:
    command, properties, data = commands(unreadable())[0]
    assert (command, properties["title"]) == ("error", "unreadable input")
    assert data == "bad.dtb: no such file or directory"


def test_foreign_text_is_no_command() -> None:
    found = commands(hostile(), unreadable(HOSTILE))
    assert [command for command, _, _ in found] == ["error", "error", "error"]
    assert all("\x1b" not in data for _, _, data in found)


def test_the_summary_comes_last() -> None:
    text = drawn([Report("a.dtb", (finding(),)), Report("::error::b")], "github")
    assert text.splitlines()[-1] == "drmemctl: 1 error in 1 of 2 trees"
