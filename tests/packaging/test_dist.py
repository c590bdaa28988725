# SPDX-License-Identifier: MIT
"""What is in the wheel, the sources and the single-file program that `make dist-check` has built.

`DRMEMCTL_DIST` names the directory that they are in; without it there is nothing to look at.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

import drmemctl
from drmemctl.cli.app import COMMANDS
from drmemctl.cli.fleet import COMMANDS as FLEET
from drmemctl.tree.capture import script
from tests.conftest import ROOT

DIST = os.environ.get("DRMEMCTL_DIST", "")
pytestmark = pytest.mark.skipif(not DIST, reason="nothing was built: make dist-check does")


def the_one(pattern: str) -> Path:
    (found,) = Path(DIST).glob(pattern)
    return found


PORTABLE = "drmemctl-*-portable.tar.gz"


@pytest.fixture(scope="module")
def wheel() -> zipfile.ZipFile:
    return zipfile.ZipFile(the_one("*.whl"))


@pytest.fixture(scope="module")
def sources() -> set[str]:
    (path,) = set(Path(DIST).glob("*.tar.gz")) - {the_one(PORTABLE)}
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def tracked() -> set[str]:
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=False, cwd=ROOT)
    if done.returncode:
        pytest.skip("not a git checkout")
    return {name for name in done.stdout.decode().split("\0") if name}


def in_wheel(wheel: zipfile.ZipFile, folder: str) -> set[str]:
    """Return the files that an installation puts below `share/…`."""
    match = re.compile(rf"[^/]+\.data/data/{re.escape(folder)}/(.+)")
    return {found[1] for name in wheel.namelist() if (found := match.fullmatch(name))}


def test_the_wheel_has_the_package_and_nothing_else_to_import(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if not re.match(r"[^/]+\.(data|dist-info)/", name)}
    package = {name for name in tracked() if name.startswith("drmemctl/")}
    assert names - {"drmemctl/_build.py"} == package
    assert {"drmemctl/py.typed", "drmemctl/tree/capture.sh"} <= names


def test_the_wheel_has_pages_completion_and_schemas(wheel: zipfile.ZipFile) -> None:
    names = (*COMMANDS, *(f"fleet-{name}" for name in FLEET))
    assert in_wheel(wheel, "share/man/man1") == {"drmemctl.1", *(f"drmemctl-{name}.1" for name in names)}
    assert in_wheel(wheel, "share/bash-completion/completions") == {"drmemctl"}
    assert in_wheel(wheel, "share/zsh/site-functions") == {"_drmemctl"}
    assert in_wheel(wheel, "share/fish/vendor_completions.d") == {"drmemctl.fish"}
    assert in_wheel(wheel, "share/drmemctl/schemas") == {path.name for path in (ROOT / "docs/schemas").iterdir()}


def test_the_pages_have_a_date_that_is_not_that_of_the_build(wheel: zipfile.ZipFile) -> None:
    (page,) = (name for name in wheel.namelist() if name.endswith("/drmemctl.1"))
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%cs"], capture_output=True, check=False, cwd=ROOT, text=True
    )
    assert f'1 "{commit.stdout.strip()}"' in wheel.read(page).decode()


def test_the_sources_have_every_file_of_the_project(sources: set[str]) -> None:
    assert {name for name in tracked() - sources if not name.startswith(".git")} == set()


def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def test_the_metadata(wheel: zipfile.ZipFile) -> None:
    found = metadata(wheel)
    assert (found["Name"], found["Version"]) == ("drmemctl", drmemctl.__version__)
    assert found["License-Expression"] == "MIT"
    assert found["Description-Content-Type"] == "text/markdown"
    required = [text for text in found.get_all("Requires-Dist", []) if "extra ==" not in text]
    assert all(">=" in text for text in required)


def test_the_single_file_runs_from_anywhere_without_an_environment(tmp_path: Path) -> None:
    program = the_one("*.pyz").rename(tmp_path / "with blank.pyz")
    try:
        command = [sys.executable, "-I", "-S", str(program), "--version"]
        done = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path)
        assert done.stdout.startswith(f"drmemctl, version {drmemctl.__version__}".encode())
        assert os.access(program, os.X_OK)
    finally:
        program.rename(Path(DIST) / "drmemctl.pyz")


def test_the_single_file_says_where_it_was_made_nowhere() -> None:
    with zipfile.ZipFile(the_one("*.pyz")) as archive:
        names = archive.namelist()
        assert [name for name in names if name.endswith((".so", "RECORD", "direct_url.json"))] == []
        texts = {name: archive.read(name) for name in names}
    home = str(Path(DIST).resolve()).encode()
    assert [name for name, data in texts.items() if home in data] == []
    # Modules name their files from the archive on.
    assert [name for name, data in texts.items() if name.endswith(".pyc") and b"/app/cpython-" in data] == []


def test_the_portable_archive_has_the_single_file_the_script_and_what_goes_with_them() -> None:
    with tarfile.open(the_one(PORTABLE)) as archive:
        members = {member.name.partition("/")[2]: member for member in archive.getmembers()}
        texts = {name: archive.extractfile(member).read() for name, member in members.items()}  # type: ignore[union-attr]
    assert texts["capture.sh"].decode() == script()
    assert texts["drmemctl.pyz"] == the_one("*.pyz").read_bytes()
    assert {name for name, member in members.items() if member.mode == 0o755} == {"capture.sh", "drmemctl.pyz"}
    assert {"README", "share/man/man1/drmemctl.1", "share/zsh/site-functions/_drmemctl"} <= texts.keys()
    bundled = set(re.findall(r"^(\S+)==", texts["requirements.txt"].decode(), re.MULTILINE))
    assert {name.split("/")[1] for name in texts if name.startswith("licenses/")} == {"drmemctl", *bundled}
    # The Debian package has no file for each: one has to name them all.
    stanzas = re.findall(r"^Files: (.*)", (ROOT / "packaging/debian/copyright").read_text(), re.MULTILINE)
    assert {name for line in stanzas for name in line.split()} == {"*", *bundled}


def test_the_description_has_no_link_that_leads_nowhere(wheel: zipfile.ZipFile) -> None:
    text = metadata(wheel).get_payload()
    assert isinstance(text, str)
    assert [target for target in re.findall(r"\]\(([^)]*)\)", text) if not target.startswith("https://")] == []
