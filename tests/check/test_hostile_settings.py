# SPDX-License-Identifier: MIT
"""Settings and a baseline that somebody else wrote: where they are looked for, and what they may cost."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from drmemctl.check.baseline import SCHEMA, Baseline
from drmemctl.check.cpus import n_cpus
from drmemctl.check.settings import SettingsError, find_settings, read_settings
from drmemctl.cli.check import _settings
from drmemctl.errors import InputError, LimitError
from tests.cli.outputs import FAULTY
from tests.cli.running import COMMAND, environment, process
from tests.conftest import ROOT


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("mark", [".git", ".hg"])
@pytest.mark.parametrize("is_file", [False, True], ids=["directory", "file of a worktree"])
def test_the_search_ends_at_the_root_of_the_repository(tmp_path: Path, mark: str, is_file: bool) -> None:
    inner = tmp_path / "repository" / "a" / "b"
    inner.mkdir(parents=True)
    top = tmp_path / "repository"
    if is_file:
        written(top / mark, "gitdir: x")
    else:
        (top / mark).mkdir()
    written(tmp_path / "drmemctl.toml", "jobs = 1")
    assert find_settings(str(inner)) is None
    own = written(top / "pyproject.toml", "[tool.drmemctl]")
    assert find_settings(str(inner)) == find_settings(str(top)) == own


def test_the_search_ends_at_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "home" / "a"
    inner.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    written(tmp_path / "drmemctl.toml", "jobs = 1")
    assert find_settings(str(inner)) is None
    own = written(tmp_path / "home" / "drmemctl.toml", "jobs = 1")
    assert find_settings(str(inner)) == own


def test_what_anybody_can_put_above_is_not_taken(tmp_path: Path) -> None:
    inner = tmp_path / "shared" / "mine" / "a"
    inner.mkdir(parents=True)
    (tmp_path / "shared").chmod(0o1777)
    written(tmp_path / "shared" / "drmemctl.toml", "jobs = 1")
    assert find_settings(str(inner)) is None
    own = written(tmp_path / "shared" / "mine" / "drmemctl.toml", "jobs = 1")
    assert find_settings(str(inner)) == own


PARTS = 20_000
HOSTILE = {
    "dotted key": ".".join(["a"] * PARTS) + " = 1",
    "header": "[" + "a." * PARTS + "b]",
    "array of tables": "[[" + "a . " * PARTS + "b]]",
    "quoted parts": '"a".' * PARTS + "b = 1",
    "literal parts": "'a'." * PARTS + "b = 1",
    "in a table": "x = {y = 1, " + "a." * PARTS + "b = 1}",
    "behind a string that ends in quotes": 'x = {y = """z"""", ' + "a." * PARTS + "b = 1}",
    "behind a string of several lines": 'x = """\n\\""" # "\n"""\n' + "a." * PARTS + "b = 1",
    "behind a comment": "# don't\n" + "a." * PARTS + "b = 1",
    "brackets": "a = " + "[" * PARTS,
    "braces": "a = " + "{b = " * PARTS,
    "large": "a = 1\n" * 100_000,
    "words": "select = '" + ",".join(f"{word:x}" for word in range(PARTS)) + "'",
    "a long word": "select = '" + "x" * 10 * PARTS + "'",
    "escaped quotes": '"\\"' * 4 * PARTS,
    "processes": "jobs = 1000000",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_would_take_long_is_refused_before_it_is_read(tmp_path: Path, text: str) -> None:
    path = written(tmp_path / "drmemctl.toml", text)
    before = time.process_time()
    with pytest.raises(SettingsError) as error:
        read_settings(path)
    assert str(error.value).startswith(f"{path}: ")
    assert time.process_time() - before < 1


def test_dots_in_strings_and_numbers_are_no_parts_of_keys(tmp_path: Path) -> None:
    dots = "." * 1000
    text = f'''
    [tool.other]  # {dots}
    a = "{dots}" # "{dots}
    b = '{dots}'
    c = """
    {dots} \\" {dots}"""
    d = [{"1.5, " * 100}]
    [tool.drmemctl]
    jobs = 2
    '''
    assert read_settings(written(tmp_path / "pyproject.toml", text)).jobs == 2


def test_settings_ask_for_no_more_processes_than_there_are_cpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "drmemctl.toml", "jobs = 1000")
    assert _settings({"jobs": None}).jobs == n_cpus()
    assert _settings({"jobs": 1000}).jobs == 1000


def test_settings_are_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "drmemctl.toml")
    assert find_settings(str(tmp_path)) is None
    for path in (str(tmp_path / "drmemctl.toml"), "/dev/zero"):
        with pytest.raises(SettingsError, match="cannot be read: it is no regular file"):
            read_settings(path)


def test_a_baseline_is_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("pipe", "link", "folder", "/dev/zero", "/dev/tty"):
        with pytest.raises(InputError, match="the baseline cannot be read: "):
            Baseline.read(str(tmp_path / name))
        written(tmp_path / "drmemctl.toml", f"baseline = '{name}'")
        done = process("check", "--config", tmp_path / "drmemctl.toml", FAULTY)
        assert (done.returncode, done.stderr.count(b"\n")) == (3, 1)


@pytest.mark.parametrize(
    "text",
    [
        " " * (8 << 20) + "{}",
        "[" + "[]," * (1 << 21) + "[]]",
        "[" * 100_000,
        '{"schema": ' + "9" * 100_000 + "}",
        json.dumps({"schema": SCHEMA, "findings": {"a": [{"fingerprint": 1e300}] * 10_000}}).replace(
            "1e+300", "1e999"
        ),
        json.dumps({"schema": SCHEMA, "findings": {"a": [[]]}}),
    ],
    ids=["large", "lists", "depth", "digits", "infinite", "of another kind"],
)
def test_a_baseline_of_any_content_costs_little(tmp_path: Path, text: str) -> None:
    path = tmp_path / "known.json"
    path.write_text(text)
    # What the tests before have left in memory is not looked at again for each list that is made.
    gc.freeze()
    before = time.process_time()
    with suppress(InputError, LimitError):
        Baseline.read(str(path))
    seconds = time.process_time() - before
    gc.unfreeze()
    assert seconds < 3


def test_a_current_directory_that_is_gone_has_no_settings(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = f'cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", command, "sh", *COMMAND, "check", FAULTY],
        capture_output=True,
        check=False,
        env=environment({"PYTHONPATH": str(ROOT)}),
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (1, b"")
