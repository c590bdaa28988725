# SPDX-License-Identifier: MIT
"""What the page about Python shows is what Python prints, and every command is in its table."""

from __future__ import annotations

import contextlib
import doctest
import io
import pkgutil
import re
import runpy

import pytest

import drmemctl
from drmemctl.cli.app import COMMANDS
from drmemctl.plugin import REPLACEABLE
from tests.conftest import ROOT

PAGE = ROOT / "docs/python.md"
TEXT = PAGE.read_text(encoding="utf-8")
BEFORE, AFTER = (f"fixtures/tutorial/lpar7-{name}.tar.xz" for name in ("before", "after"))


def test_the_prompts_show_what_python_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    blocks = "\n".join(re.findall(r"^```pycon\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
    test = doctest.DocTestParser().get_doctest(blocks, {}, PAGE.name, str(PAGE), 0)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        results = doctest.DocTestRunner().run(test)
    assert results.attempted > 20
    assert results.failed == 0, said.getvalue()


def test_the_table_has_every_command_and_names_what_there_is() -> None:
    (table,) = re.findall(r"^\| command \|.*?(?=\n\n)", TEXT, re.MULTILINE | re.DOTALL)
    rows = [row.split("|")[1:4] for row in table.splitlines()[2:]]
    assert {name for row in rows for name in re.findall(r"`([a-z]+)`", row[0])} == set(COMMANDS)
    linked = [target for row in rows for target in re.findall(r"\(#([\w.]+)\)", row[1])]
    named = [name for row in rows for name in re.findall(r"\[`(\w+)`\]", row[1])]
    for name, target in zip(named, linked, strict=True):
        value = pkgutil.resolve_name(target)
        assert value is getattr(drmemctl, name) or name in ("check", "simulate"), target
    assert set(named) <= set(drmemctl.__all__)


def test_what_the_reference_is_made_of_is_there() -> None:
    for target in re.findall(r"^::: ([\w.]+)$", TEXT, re.MULTILINE):
        value = pkgutil.resolve_name(target)
        assert value.__doc__, target


def test_the_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["moved.py", BEFORE, AFTER])
    runpy.run_path(str(ROOT / "docs/examples/moved.py"), run_name="__main__")
    assert capsys.readouterr().out.splitlines() == [
        "0x80000004 at 0x40000000: node 1 -> 0",
        "0x80000005 at 0x50000000: node 1 -> 0",
    ]
    monkeypatch.setattr("sys.argv", ["moved.py", "absent", AFTER])
    with pytest.raises(SystemExit, match="absent: no such file or directory"):
        runpy.run_path(str(ROOT / "docs/examples/moved.py"), run_name="__main__")


def test_the_page_about_plugins_shows_the_file() -> None:
    page = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
    code = (ROOT / "docs/plugins/notifier_parameter.py").read_text(encoding="utf-8")
    blocks = re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    assert [block for block in blocks if block not in code] == []
    assert [function for function in REPLACEABLE if f"`{function}`" not in page] == []
