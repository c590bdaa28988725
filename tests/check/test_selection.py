# SPDX-License-Identifier: MIT
"""Which rules words mean, by ruff's manners: the more exact word counts, what is selected anew begins anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drmemctl.check.engine import Plan, all_rules
from drmemctl.check.finding import Severity
from drmemctl.check.rule_words import path_ignores, severity_overrides
from drmemctl.check.selection import RuleSelection
from drmemctl.check.settings import Settings, SettingsError, read_settings
from tests.cli.running import run
from tests.conftest import FIXTURES

BAD = FIXTURES / "boot" / "aa-out-of-range.dtb.gz"
"""Two findings of DRM030, of the family associativity, and nothing else."""


def ids(plan: Plan) -> set[str]:
    return {rule.id for rule in plan.rules()}


def family(name: str) -> set[str]:
    return {rule.id for rule in all_rules().values() if rule.family == name}


EVERYTHING = set(all_rules())


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        ("ALL", "", EVERYTHING),
        ("all", "", EVERYTHING),
        ("DRM", "", EVERYTHING),
        ("", "ALL", set()),
        ("ALL", "ALL", set()),
        ("ALL", "numa", EVERYTHING - family("numa")),
        ("numa", "ALL", family("numa")),
        ("DRM030", "associativity", {"DRM030"}),
        ("associativity", "DRM030", family("associativity") - {"DRM030"}),
        ("DRM030", "DRM030", set()),
        ("DRM03", "DRM", {rule for rule in EVERYTHING if rule.startswith("DRM03")}),
        ("DRM03", "DRM030", {rule for rule in EVERYTHING if rule.startswith("DRM03")} - {"DRM030"}),
    ],
)
def test_the_more_exact_word_counts(select: str, ignore: str, expected: set[str]) -> None:
    assert ids(Plan(tuple(filter(None, [select])), tuple(filter(None, [ignore])))) == expected


def test_what_extends_is_on_top() -> None:
    project = Settings(select=("numa",), ignore=("DRM040",), extensions=(RuleSelection(("drmem",), ()),))
    assert ids(project.plan) == (family("numa") | family("drmem")) - {"DRM040"}
    on_top = Settings(extensions=(RuleSelection(("DRM040", "DRM030"), ("drmem",)),)).over(project)
    assert ids(on_top.plan) == family("numa") | {"DRM040", "DRM030"}


def test_to_select_on_the_command_line_is_to_begin_anew() -> None:
    project = Settings(select=("numa",), ignore=("DRM030",), extensions=(RuleSelection((), ("DRM030",)),))
    assert ids(Settings(select=("DRM030",)).over(project).plan) == {"DRM030"}
    assert ids(Settings(ignore=("numa",)).over(project).plan) == set()


def covered(pattern: str, source: str, folder: str = "/p") -> bool:
    (entry,) = path_ignores([f"{pattern}:ALL"], folder)
    return entry.covers(source)


@pytest.mark.parametrize(
    ("pattern", "source", "expected"),
    [
        ("*.dts", "/q/a.dts", True),
        ("*.dts", "/q/a.dtb", False),
        ("a.dtb", "/q/a.dtb", True),
        ("old/*", "/p/old/a.dtb", True),
        ("old/*", "/p/old/deep/a.dtb", True),
        ("old/", "/p/old/deep/a.dtb", True),
        ("old/", "/p/older/a.dtb", False),
        ("old/*", "/q/old/a.dtb", False),
        ("/q/old/*", "/q/old/a.dtb", True),
        ("../q/*", "/q/a.dtb", True),
        ("[ab].dtb", "/p/b.dtb", True),
        ("!new/*", "/p/new/a.dtb", False),
        ("!new/*", "/p/old/a.dtb", True),
        ("sos.tar", "/p/sos.tar::host/proc/device-tree", True),
        ("*::host*/*", "/p/sos.tar::host/proc/device-tree", True),
        ("-", "-", True),
        ("live", "live", True),
        ("*.dtb", "live", False),
        ("a:b.dtb", "/p/a:b.dtb", True),
    ],
)
def test_patterns_are_a_shells(pattern: str, source: str, expected: bool) -> None:
    assert covered(pattern, source) is expected


def test_names_are_relative_to_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert covered("sub/*", "a.dtb", str(tmp_path))
    assert not covered("sub/*", "a.dtb", "")


@pytest.mark.parametrize(
    "text", ["DRM030", ":DRM030", "a:", "!:DRM030", "a:DRMX", "a\0b:DRM030", "x" * 5000 + ":numa"]
)
def test_what_is_no_path_ignore_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not PATTERN:RULES|is no rule|no path can match"):
        path_ignores([text])


@pytest.mark.parametrize("text", ["DRM030", "DRM030=bad", "=error", "DRMX=info", "DRM030=INFO"])
def test_what_is_no_severity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not RULES=SEVERITY|is no rule"):
        severity_overrides([text])


def test_the_severity_is_that_of_the_most_exact_word() -> None:
    rule = all_rules()["DRM030"]
    texts = ["DRM030=info", "associativity=warning", "ALL=error"]
    from drmemctl.check.selection import overridden

    assert overridden(severity_overrides(texts), rule, Severity.ERROR) == Severity.INFO
    assert overridden(severity_overrides(texts[1:]), rule, Severity.ERROR) == Severity.WARNING
    assert (
        overridden(severity_overrides(["DRM030=info", "DRM03,DRM030=warning"]), rule, Severity.ERROR) == "warning"
    )
    assert overridden(severity_overrides(["numa=info"]), rule, Severity.ERROR) == Severity.ERROR


SETTINGS = """
[tool.drmemctl]
select = ["ALL"]
fail-on = "warning"
extend-ignore = ["numa"]
[tool.drmemctl.check]
fail-on = "error"
[tool.drmemctl.check.per-path-ignores]
"old/*" = ["DRM030"]
[tool.drmemctl.check.severity]
"DRM121" = "warning"
"""


def test_settings_have_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(SETTINGS)
    settings = read_settings(str(path))
    assert settings.fail_on == "error", "the table of the command counts more"
    assert settings.extensions == (RuleSelection((), ("numa",)),)
    assert settings.severity == severity_overrides(["DRM121=warning"])
    assert settings.per_path_ignores == path_ignores(["old/*:DRM030"], str(tmp_path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("check = 3", "check: this is no table"),
        ("severity = 3", "severity: this is no table such as"),
        ("severity = {DRM030 = 3}", "severity: 'DRM030=3' is not RULES=SEVERITY"),
        ("[check]\nper-path-ignores = ['a']", "per-path-ignores: this is no table such as"),
        ("per-path-ignores = {a = 3}", "per-path-ignores: this is no list of texts"),
        ("per-path-ignores = {a = 'DRMX'}", "per-path-ignores: 'DRMX' is no rule"),
        ("extend-select = 'nuna'", "extend-select: 'nuna' is no rule"),
    ],
)
def test_wrong_settings_name_the_key(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "drmemctl.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as error:
        read_settings(str(path))
    assert str(error.value).startswith(f"{path}: {said}")


def checked(*arguments: str) -> list[tuple[str, str]]:
    outcome = run("check", "--isolated", "-j1", BAD, "--format", "json", *arguments)
    return [(finding["rule"], finding["severity"]) for finding in json.loads(outcome.out)["findings"]]


def test_the_options_reach_the_findings() -> None:
    assert checked() == [("DRM030", "error")] * 2
    assert checked("--severity", "DRM030=info") == [("DRM030", "info")] * 2
    assert checked("--per-path-ignores", "*.dtb.gz:DRM03,numa") == []
    assert checked("--per-path-ignores", "*.dts:DRM03") == [("DRM030", "error")] * 2
    assert checked("--ignore", "ALL", "--extend-select", "DRM030") == [("DRM030", "error")] * 2
    assert checked("--extend-ignore", "associativity") == []


def test_a_severity_decides_what_fails() -> None:
    assert run("check", "--isolated", BAD, "--severity", "DRM030=info").code == 0
    junit = run("check", "--isolated", BAD, "--severity", "associativity=warning", "--format", "junit").out
    assert '<failure type="warning"' in junit
    statistics = run("check", "--isolated", BAD, "--severity", "ALL=info", "--statistics").out
    assert statistics.splitlines()[1].split()[:4] == ["2", "1", "DRM030", "info"]


def test_a_directory_that_was_removed_has_no_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert covered("*.dtb", "/q/a.dtb", "")
    assert not covered("sub/*", "/q/a.dtb", "")
