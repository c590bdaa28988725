# SPDX-License-Identifier: MIT
"""Which kernel a tree is taken to run: the one named, else the one that lies beside it, else the newest."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from drmemctl.kernel.choice import kernel_for
from drmemctl.kernel.profiles import ProfileError
from drmemctl.tree.node import Node, Tree
from drmemctl.tree.source import load

DEBIAN = b"Linux version 6.1.0-50-powerpc64le (x@y) (gcc) #1 SMP Debian 6.1.176-1 (2026-09-01)\n"
UNAME = b"Linux lpar7 5.14.0-427.13.1.el9_4.ppc64le #1 SMP Wed Apr 10 2024 ppc64le ppc64le ppc64le GNU/Linux\n"
MODEL = ("proc/device-tree/ibm,dynamic-reconfiguration-memory/ibm,lmb-size", b"\0\0\0\0\x10\0\0\0")


def archive(path: Path, *files: tuple[str, bytes]) -> str:
    with tarfile.open(path, "w") as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return str(path)


def directory(path: Path, *files: tuple[str, bytes]) -> Path:
    for name, content in files:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def named(tree: Tree) -> str:
    return kernel_for(tree).profile.name


@pytest.mark.parametrize(
    ("name", "content", "release"),
    [
        ("proc/version", DEBIAN, "6.1.0-50-powerpc64le"),
        ("uname", UNAME, "5.14.0-427.13.1.el9_4.ppc64le"),
        ("sos_commands/kernel/uname_-a", UNAME, "5.14.0-427.13.1.el9_4.ppc64le"),
        ("sos_commands/host/uname_-a", UNAME, "5.14.0-427.13.1.el9_4.ppc64le"),
    ],
)
def test_the_input_names_its_kernel(tmp_path: Path, name: str, content: bytes, release: str) -> None:
    for files in ((MODEL, (name, content)), ((name, content), MODEL)):
        packed = [(f"sosreport-x/{path}", data) for path, data in files]
        assert named(load(archive(tmp_path / "sos.tar", *packed))) == release
    root = directory(tmp_path / "unpacked", MODEL, (name, content))
    for place in (root / "proc/device-tree",):
        assert named(load(str(place))) == release


def test_in_an_archive_of_several_systems_the_nearest_counts(tmp_path: Path) -> None:
    other = MODEL[0], b"\0\0\0\0\x20\0\0\0"
    files = [
        (f"a/{MODEL[0]}", MODEL[1]),
        ("a/proc/version", DEBIAN),
        (f"b/{other[0]}", other[1]),
        ("b/uname", UNAME),
    ]
    place = archive(tmp_path / "both.tar", *files)
    assert named(load(f"{place}::a/proc/device-tree")) == "6.1.0-50-powerpc64le"
    assert named(load(f"{place}::b")) == "5.14.0-427.13.1.el9_4.ppc64le"


def test_what_is_named_counts_more_than_the_input() -> None:
    tree = Tree(Node(""), kernel=DEBIAN.decode())
    assert kernel_for(tree, "5.4", "4.19").profile.name == "5.4"
    assert kernel_for(tree, None, "4.19").profile.name == "4.19"
    assert kernel_for(tree).profile.name == "6.1.0-50-powerpc64le"
    assert kernel_for(tree).notes == ("the kernel is 6.1.0-50-powerpc64le, which the input names",)
    assert kernel_for(tree, "5.4", added=["form2"]).profile.capabilities >= {"form2"}
    for option, setting in (("six", None), (None, "six")):
        with pytest.raises(ProfileError, match="no kernel 'six'"):
            kernel_for(tree, option, setting)


def test_without_a_name_it_is_the_newest() -> None:
    choice = kernel_for(Tree(Node("")))
    assert (choice.profile.name, choice.named, choice.notes) == ("latest", False, ())
    assert choice.judged is None


@pytest.mark.parametrize(
    ("banner", "name", "note"),
    [
        (
            "Linux version 3.10.0-1160.el7 (x) #1 SMP",
            "4.14",
            "the input's kernel is 3.10.0-1160.el7, older than 4.14, the oldest that is known: taken as that",
        ),
        ("\x1b[31m", "latest", "the input's kernel '\\x1b[31m' is not known: taken as the newest that is known"),
        (
            "Linux version 9.9.1",
            "9.9.1",
            "9.9.1 is newer than 7.3, the newest release that is known: taken as that",
        ),
    ],
)
def test_an_input_may_name_what_it_likes(banner: str, name: str, note: str) -> None:
    choice = kernel_for(Tree(Node(""), kernel=banner))
    assert choice.profile.name == name
    assert choice.notes[-1] == note


def test_a_fifo_beside_a_tree_is_not_waited_for(tmp_path: Path) -> None:
    import os

    root = directory(tmp_path, MODEL)
    os.mkfifo(root / "proc/version")
    assert named(load(str(root / "proc/device-tree"))) == "latest"
