# SPDX-License-Identifier: MIT
"""Settings: where they are found, what they may say, and how errors name file and key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drmemctl.check.engine import Plan
from drmemctl.check.rule_words import suggestion, words
from drmemctl.check.settings import Settings, SettingsError, find_settings, read_settings
from drmemctl.kernel.profiles import profile
from tests.cli.running import run
from tests.conftest import FIXTURES

FULL = """
select = ["drmem", "DRM03"]
ignore = "DRM030, numa"
fail-on = "error"
kernel = "6.12"
jobs = 3
baseline = "known.json"
"""


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[project]\nname = 'x'\n[tool.drmemctl]" + FULL),
        ("drmemctl.toml", FULL),
        ("drmemctl.toml", "[tool.drmemctl]" + FULL),
        ("other.toml", FULL),
    ],
)
def test_every_key_is_read(tmp_path: Path, name: str, text: str) -> None:
    settings = read_settings(written(tmp_path / name, text))
    baseline = str(tmp_path / "known.json")
    assert settings == Settings(("drmem", "DRM03"), ("DRM030", "numa"), "error", profile("6.12"), 3, baseline)
    assert settings.plan == Plan(("drmem", "DRM03"), ("DRM030", "numa"), profile("6.12"))


def test_what_is_not_set_is_left_to_others() -> None:
    own = Settings(jobs=2, ignore=())
    assert own.over(Settings(jobs=5, ignore=("numa",), kernel=profile("6.1"))) == Settings(
        jobs=2, ignore=(), kernel=profile("6.1")
    )
    assert Settings().plan == Plan()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jobz = 3", "jobz: unknown key; did you mean jobs?"),
        ("xyz = 3", "xyz: unknown key; there are select, ignore, fail-on, kernel, jobs, basel"),
        ("jobs = 0", "jobs: this is no number from 1 on"),
        ("jobs = true", "jobs: this is no number from 1 on"),
        ("fail-on = 'bad'", "fail-on: 'bad' is none of error, warning, info, never"),
        ("kernel = 6.12", 'kernel: this is no text such as "6.12"'),
        ("kernel = 'new'", "kernel: no kernel 'new'; write e.g. 6.1 or latest"),
        ("select = 3", "select: this is no list of texts"),
        ("select = ['DRM030', 3]", "select: this is no list of texts"),
        (
            "ignore = ['nuna']",
            "ignore: 'nuna' is no rule, no beginning of a rule's id and no family; did you mean numa",
        ),
        ("baseline = ''", "baseline: this is no path"),
        ("hypervisor = 'xen'", "hypervisor: no hypervisor 'xen'; write qemu, qemu-VERSION or powervm"),
        ("hypervisor = 1", 'hypervisor: this is no text such as "powervm"'),
        ("kernel = '4.4'", "kernel: nothing is known of Linux 4.4; 4.14 is the oldest"),
        ("baseline = 1", "baseline: this is no path"),
        ("x", "this is no TOML: "),
        ("[tool]\ndrmemctl = 3", "tool.drmemctl: this is no table"),
    ],
)
def test_errors_name_the_file_and_the_key(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path / "drmemctl.toml", text)
    with pytest.raises(SettingsError) as error:
        read_settings(path)
    assert str(error.value).startswith(f"{path}: {said}")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"missing\.toml: cannot be read: No such file"):
        read_settings(str(tmp_path / "missing.toml"))
    (tmp_path / "latin").write_bytes(b"# \xff")
    with pytest.raises(SettingsError, match="this is no TOML"):
        read_settings(str(tmp_path / "latin"))


def test_a_file_of_windows_is_one(tmp_path: Path) -> None:
    (tmp_path / "drmemctl.toml").write_bytes(b"\xef\xbb\xbfjobs = 3\r\n")
    assert read_settings(str(tmp_path / "drmemctl.toml")) == Settings(jobs=3)


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    outer = written(tmp_path / "pyproject.toml", "[tool.drmemctl]\njobs = 1")
    assert find_settings(str(inner)) == outer
    written(tmp_path / "a" / "pyproject.toml", "[tool.other]\nabout = 'drmemctl'")
    assert find_settings(str(inner)) == outer, "a project that says nothing about us"
    nearer = written(tmp_path / "a" / "drmemctl.toml", "jobs = 2")
    assert find_settings(str(inner)) == nearer
    written(tmp_path / "a" / "b" / "pyproject.toml", "[tool.drmemctl]")
    own = written(tmp_path / "a" / "b" / "drmemctl.toml", "")
    assert find_settings(str(inner)) == own, "of two in one directory, the one that is all ours"


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert find_settings(str(tmp_path)) is None


def test_words_are_split_and_known() -> None:
    assert words(" drmem,DRM030 ,, drm03") == ("drmem", "DRM030", "drm03")
    with pytest.raises(ValueError, match=r"'DRMX' is no rule"):
        words("drmem,DRMX")


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("associativty", "; did you mean associativity?"),
        ("DRM3O0", "; did you mean DRM300 or DRM030?"),
        ("drm03", "; did you mean DRM030?"),
        ("", ""),
        ("zzz", ""),
    ],
)
def test_suggestions_are_near(word: str, near: str) -> None:
    assert suggestion(word, ["DRM300", "DRM030", "associativity"]) == near


def test_kernel_and_hypervisor_of_the_settings_hold_in_other_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "pyproject.toml", "[tool.drmemctl]\nkernel = '5.10.0'\nhypervisor = 'powervm'\n")
    tree = FIXTURES / "captures" / "6.1-lpm.dtb.gz"
    simulated = run("simulate", tree, "--format", "json")
    assert json.loads(simulated.out)["kernel"] == "5.10.0"
    assert "PowerVM's side was read in LoPAR" in simulated.err
    assert json.loads(run("lmb", tree, "--format", "json").out)["kernel"] == "5.10.0"
    asked = run("simulate", tree, "--format", "json", "--kernel", "6.1", "--hypervisor", "qemu")
    assert (json.loads(asked.out)["kernel"], asked.err) == ("6.1", "")
