# SPDX-License-Identifier: MIT
"""Options by variables and by files of settings, and `drmemctl config`, which says what counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from drmemctl.check.settings import _KEYS
from drmemctl.cli.app import app
from drmemctl.cli.option_sources import IN_FILES, NOT_IN_FILES, long_name, may_be_in_files, options_of
from tests.cases import each
from tests.cli.running import run
from tests.cli.test_vocabulary import commands
from tests.conftest import FIXTURES

TREE = FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what writes the file of settings of the current directory."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return (tmp_path / "pyproject.toml").write_text


def shown(*words: str) -> dict[tuple[str, str], tuple[Any, str, str]]:
    done = run("config", *words, "--json")
    assert done.code == 0, done.err
    return {
        (entry["command"], entry["option"]): (entry["value"], entry["from"], entry["where"])
        for entry in json.loads(done.out)["settings"]
    }


def test_every_option_is_for_files_or_it_is_said_why_not() -> None:
    reasons = {name: reason for reason, names in NOT_IN_FILES.items() for name in names.split()}
    both = {"--output", "--before"}
    of_check = {f"--{key}" for key in _KEYS}
    for words, command in commands(app, ()):
        for option in options_of(command):
            name = long_name(option)
            if words != "check" or name not in of_check:
                assert (name in IN_FILES) != (name in reasons) or name in both, f"{words} {name}"
            if isinstance(option.type, click.Path):
                assert not may_be_in_files(option), f"{words} {name}"


def test_the_command_line_counts_more_than_a_variable_and_that_more_than_a_file(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def columns(*arguments: str) -> str:
        return run("lmb", TREE, "-n", *arguments).out.split("\n")[0]

    of_file, of_variable = columns("-o", "size,base"), columns("-o", "count")
    whole = columns()
    project("[tool.drmemctl.lmb]\noutput = 'size,base'\n")
    assert columns() == of_file != whole
    monkeypatch.setenv("DRMEMCTL_LMB_OUTPUT", "count")
    assert columns() == of_variable
    assert columns("-o", "size,base") == of_file
    assert shown()["lmb", "--output"] == ("count", "environment", "DRMEMCTL_LMB_OUTPUT")
    monkeypatch.delenv("DRMEMCTL_LMB_OUTPUT")
    value, origin, where = shown()["lmb", "--output"]
    assert (value, origin) == ("size,base", "file")
    assert where.endswith("/pyproject.toml: tool.drmemctl.lmb.output")
    assert run("--isolated", "lmb", TREE, "-n").out.split("\n")[0] == whole


def test_a_command_shows_all_its_options(project: Any) -> None:
    project("[tool.drmemctl]\nkernel = '6.1'\nselect = ['drmem']\n[tool.drmemctl.fleet.check]\nmax-seconds = 20\n")
    settings = shown("lmb")
    assert settings["lmb", "--limit"][1] == "default"
    assert settings["lmb", "--kernel"][:2] == ("6.1", "file")
    assert shown("fleet")["fleet check", "--max-seconds"][:2] == ("20", "file")
    assert shown()["check", "--select"][:2] == ("drmem", "file")
    assert ("lmb", "--select") not in shown("lmb")


@each(
    "line",
    [
        "lmb|limt = 3|lmb.limt: there is no such option; did you mean limit?",
        "lmb|limit = 'x'|lmb.limit: a number is expected here",
        "lmb|limit = true|lmb.limit: a number is expected here",
        "lmb|limit = 0|lmb.limit: 0 is not in the range x>=1",
        "lmb|expand = 1|lmb.expand: true or false is expected here",
        "lmb|format = 'xml'|lmb.format: 'xml' is not one of 'text', 'json', 'csv', 'ndjson'",
        "lmb|kernel = '2.6'|lmb.kernel: nothing is known of Linux 2.6",
        "lmb|kernel = 6.1|lmb.kernel: a text, or a list of texts, is expected here",
        "lmb|symbols = 'x'|lmb.symbols: no file can set this: a file or directory is named by the user",
        "simulate|output = 'x.dtb'|simulate.output: no file can set this: a file or directory",
        "simulate|step = ['reboot']|simulate.step: no file can set this: steps read files",
        "report|output = 'x.html'|report.output: no file can set this: a file or directory is named by the user",
        "capture|force = true|capture.force: no file can set this: it replaces files, or needs root",
        "check|new = 3|check.new: there is no such option",
        "lbm|limit = 3|lbm: there is no such command; did you mean lmb?",
        "fleet.chek|jobs = 3|fleet.chek: there is no such command",
        "fleet|check = 3|fleet.check: there is no such command",
    ],
)
def test_a_file_of_settings_that_makes_no_sense_is_an_error(line: str, tmp_path_factory: Any) -> None:
    table, text, said = line.split("|")
    folder = tmp_path_factory.mktemp("settings")
    path = folder / "settings.toml"
    path.write_text(f"[tool.drmemctl.{table}]\n{text}\n")
    arguments = {
        "report": ("report", TREE),
        "capture": ("capture",),
        "fleet.chek": ("fleet", "check"),
        "fleet": ("fleet", "check"),
    }.get(table, (table if table in ("simulate", "check") else "lmb", TREE))
    done = run("--config", path, *arguments)
    assert (done.code, done.out) == (2, "")
    assert f"Error: {path}: tool.drmemctl.{said}" in done.err
    assert "Traceback" not in done.err
    shown = run("--config", path, "config")
    assert (shown.code, shown.err.splitlines()[-1]) == (2, done.err.splitlines()[-1])


def test_a_variable_that_makes_no_sense_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRMEMCTL_LMB_LIMIT", "many")
    done = run("lmb", TREE)
    assert (done.code, done.out) == (2, "")
    assert "'many' is not a valid number. (from DRMEMCTL_LMB_LIMIT)" in done.err


def test_variables_of_no_option_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRMEMCTL_LBM_LIMIT", "1")
    monkeypatch.setenv("DRMEMCTL_DEBUG", "0")
    done = run("config")
    assert "DRMEMCTL_LBM_LIMIT is a variable of no option" in done.err
    assert "DRMEMCTL_DEBUG" in done.out
    assert "DRMEMCTL_DEBUG" not in done.err


def test_several_texts_of_a_variable_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRMEMCTL_SIMULATE_STEP", "expect ok\nexpect consistent")
    done = run("simulate", TREE, "--json")
    assert [step["step"] for step in json.loads(done.out)["steps"]] == ["expect ok", "expect consistent"]


def test_a_file_sets_bounds_only_lower(project: Any) -> None:
    expanded = ("lmb", FIXTURES / "trees" / "v2-gap.dtb.gz", "--expand")
    project("[tool.drmemctl.lmb]\nlimit = 18\n")
    assert run(*expanded).code == 3
    assert run(*expanded, "--limit", "19").code == 0
    project("[tool.drmemctl.lmb]\nlimit = 9223372036854775808\n")
    assert run(*expanded).code == 0


def test_the_config_of_no_command_is_refused() -> None:
    done = run("config", "nonsense")
    assert (done.code, done.out) == (2, "")
    assert "No such command 'nonsense'" in done.err
    assert "No such command 'lmbb'. Did you mean 'lmb'?" in run("config", "lmbb").err


def test_config_refuses_what_check_refuses_and_names_keys_as_written(project: Any, tmp_path: Path) -> None:
    project("[tool.drmemctl]\nplugin = ['os']\n")
    assert [
        (run(*words).code, "plugin: unknown key" in run(*words).err) for words in (("config",), ("check", TREE))
    ] == [(2, True)] * 2
    (tmp_path / "below").mkdir()
    project("[tool.drmemctl.check]\nbaseline = 'below/known.json'\n")
    assert shown("check")["check", "--baseline"][2].endswith("/pyproject.toml: tool.drmemctl.check.baseline")


def test_a_file_that_was_found_names_no_baseline_elsewhere(project: Any, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to("/etc/passwd")
    for name in ("/etc/passwd", "../known.json", "below/../../known.json", "link.json"):
        for table in ("drmemctl", "drmemctl.check"):
            project(f"[tool.{table}]\nbaseline = '{name}'\n")
            for words in (("check", TREE), ("config", "check")):
                done = run(*words)
                assert (done.code, "in its own directory only" in done.err) == (2, True), (name, words, done)


def test_nothing_set_is_said(project: Any) -> None:
    project("")
    assert run("config").out == (
        "there is no file of settings; every option has its default, which `drmemctl config COMMAND` shows\n"
    )
