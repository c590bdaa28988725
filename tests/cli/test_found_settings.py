# SPDX-License-Identifier: MIT
"""Whether a project's file may hold settings of ours, without reading it in earnest."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from drmemctl.cli.found_settings import found_settings


@pytest.mark.parametrize(
    "text",
    [
        "[tool.drmemctl]\nkernel = '6.1'",
        "[ tool . 'drmemctl' ]\nkernel = '6.1'",
        "[tool]\ndrmemctl.kernel = '6.1'",
        "tool.drmemctl.kernel = '6.1'",
        "tool = {drmemctl = {kernel = '6.1'}}",
    ],
)
def test_settings_are_found_however_toml_lets_them_be_written(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tomllib.loads(text)["tool"]["drmemctl"] == {"kernel": "6.1"}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(text)
    found = found_settings()
    assert found is not None
    assert found.kernel is not None
    assert found.kernel.name == "6.1"


def test_a_project_of_others_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'drmemctl'\n[tool.ruff]\nline-length = 115\n")
    assert found_settings() is None
