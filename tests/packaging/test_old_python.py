# SPDX-License-Identifier: MIT
"""The single file on a Python that is too old: one line that says so, and nothing that it trips over."""

from __future__ import annotations

import ast
import runpy
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

MAIN: str = runpy.run_path(str(ROOT / ".ci" / "pyz.py"))["MAIN"]

AS_OLD = """
import runpy, sys
sys.version_info = ({version}, 0, "final", 0)
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return a single file that holds the beginning, and modules that only a new Python can compile."""
    path = tmp_path / "drmemctl.pyz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", MAIN)
        archive.writestr("drmemctl/__init__.py", "")
        archive.writestr(
            "drmemctl/cli.py", "def run():\n    match 1:\n        case 1:\n            print('runs')\n"
        )
    return path


def started(program: Path, version: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", AS_OLD.format(version=version), str(program)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("version", ["2, 7", "3, 6", "3, 8", "3, 9", "3, 10"])
def test_an_old_python_is_told_what_to_do(version: str, program: Path) -> None:
    done = started(program, version)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "needs Python 3.11; use `capture --script`" in done.stderr
    assert f"this is Python {version.replace(', ', '.')})" in done.stderr


@pytest.mark.parametrize("version", ["3, 11", "3, 13", "4, 0"])
def test_others_run_it(version: str, program: Path) -> None:
    done = started(program, version)
    assert (done.returncode, done.stdout, done.stderr) == (0, "runs\n", "")


def test_an_old_python_can_parse_it() -> None:
    for minor in range(4, 11):
        tree = ast.parse(MAIN, feature_version=(3, minor))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.Match, ast.NamedExpr, ast.AsyncFunctionDef)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    first = [type(node) for node in tree.body[:2]]
    assert first == [ast.Import, ast.If], "the version comes before everything that is imported"


def test_pip_is_told_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    assert "sys.version_info < (3, 11)" in MAIN
