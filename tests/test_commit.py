# SPDX-License-Identifier: MIT
"""Which commit a checkout is of, found without git: branches, packed ones, none, linked worktrees."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import drmemctl
from drmemctl import _commit
from drmemctl._commit import commit_of
from tests.cli.running import run

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "HOME": "/nonexistent",
}


def git(place: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=place, env=ENVIRONMENT, capture_output=True, check=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    place = tmp_path / "checkout"
    place.mkdir()
    git(place, "init", "-q", "-b", "main")
    (place / "hatch_build.py").write_text("")
    git(place, "add", ".")
    git(place, "commit", "-q", "-m", "one")
    return place


def head(place: Path) -> str:
    return git(place, "rev-parse", "HEAD")[:10]


def test_a_branch(checkout: Path) -> None:
    assert commit_of(str(checkout)) == head(checkout)
    git(checkout, "checkout", "-q", "-b", "topic/one")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "two")
    assert commit_of(str(checkout)) == head(checkout)


def test_a_packed_branch(checkout: Path) -> None:
    git(checkout, "branch", "main2")
    git(checkout, "tag", "-a", "v1", "-m", "v1")
    git(checkout, "pack-refs", "--all")
    assert not (checkout / ".git/refs/heads/main").exists()
    assert commit_of(str(checkout)) == head(checkout)


def test_no_branch(checkout: Path) -> None:
    git(checkout, "checkout", "-q", "--detach")
    assert commit_of(str(checkout)) == head(checkout)


@pytest.mark.parametrize("packed", [False, True])
def test_a_linked_worktree(checkout: Path, packed: bool) -> None:
    git(checkout, "worktree", "add", "-q", "../linked")
    linked = checkout.parent / "linked"
    git(linked, "commit", "-q", "--allow-empty", "-m", "two")
    if packed:
        git(checkout, "pack-refs", "--all")
    assert commit_of(str(linked)) == head(linked) != head(checkout)


@pytest.mark.parametrize("content", ["", "ref: refs/heads/gone\n", "ref: ../../x\n", "\udcff", "0" * 39, "x" * 40])
def test_nothing_that_tells_is_no_commit(checkout: Path, content: str) -> None:
    (checkout / ".git/HEAD").write_text(content, errors="surrogateescape")
    assert commit_of(str(checkout)) == ""


def test_a_repository_of_something_else_is_none(checkout: Path) -> None:
    (checkout / "hatch_build.py").unlink()
    assert commit_of(str(checkout)) == ""
    assert commit_of(str(checkout.parent)) == ""


def test_the_version_of_a_development_version_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_commit, "commit", lambda: "0123456789, changed")
    monkeypatch.setattr("drmemctl.cli.app.__version__", "1.2.dev0")
    assert run("--version") == (0, "drmemctl, version 1.2.dev0 (0123456789, changed)\n", "")
    monkeypatch.setattr(_commit, "commit", lambda: "")
    assert run("--version") == (0, "drmemctl, version 1.2.dev0\n", "")


def test_the_version_of_a_release_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_commit, "commit", lambda: "0123456789")
    monkeypatch.setattr("drmemctl.cli.app.__version__", "1.2")
    assert run("--version").out == "drmemctl, version 1.2\n"


def test_what_the_build_wrote_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    built = type(sys)("drmemctl._build")
    built.COMMIT = "abc"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "drmemctl._build", built)
    assert _commit.commit() == "abc"


def test_the_python_package_has_the_plain_version() -> None:
    assert " " not in drmemctl.__version__
