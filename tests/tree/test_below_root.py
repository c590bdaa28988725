# SPDX-License-Identifier: MIT
"""What lies beside a tree: links are followed below the root only, and nothing but regular files is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from drmemctl import read_files
from drmemctl.tree.below_root import Root

LARGEST = 1000
SECRET = b"nobody's business"


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Root]:
    """Yield a root with links of all kinds, whose paths also exist outside."""
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_bytes(SECRET)
    place = tmp_path / "root"
    (place / "a" / "b").mkdir(parents=True)
    (place / "a" / "b" / "file").write_bytes(b"inside")
    (place / "file").write_bytes(b"the top's")
    links = {
        "relative": "a/b/file",
        "absolute": "/a/b/file",
        "folder": "/a/b",
        "up": "../../../../../../file",
        "a/up": "../a/./b/../../file",
        "twice": "folder/../b/file",
        "loop": "loop",
        "out": str(tmp_path / "secret"),
        "out-relative": "../secret",
        "out-folder": str(tmp_path / "out"),
        "device": "/dev/zero",
        "self": "/proc/self/mem",
    }
    for name, target in links.items():
        (place / name).symlink_to(target)
    os.mkfifo(place / "pipe")
    (place / "to-pipe").symlink_to("pipe")
    (place / "unreadable\udcff").write_bytes(b"")
    with Root(str(place)) as root:
        yield root


@pytest.mark.parametrize("path", ["a/b/file", "/a//b/./file", "relative", "absolute", "folder/file", "twice"])
def test_what_is_below(path: str, top: Root) -> None:
    assert top.read(path, LARGEST) == b"inside"
    assert top.read(path, 3) == b"ins"
    assert top.read(path, 3, last=True) == b"ide"


@pytest.mark.parametrize("path", ["file", "up", "a/up", "../file", "/../../file", "out-relative/../file"])
def test_above_the_root_there_is_only_the_root(path: str, top: Root) -> None:
    assert top.read(path, LARGEST) in (b"the top's", None)
    assert path.startswith("out") or top.read(path, LARGEST)


@pytest.mark.parametrize(
    "path",
    ["out", "out-relative", "out-folder/file", "device", "self", "loop", "pipe", "to-pipe", "a", "", "..", "none",
     "file/none", "a\0b", "x" * 300, "/".join("x" * 5000)],
)  # fmt: skip
def test_nothing_else_is_read(path: str, top: Root) -> None:
    assert top.read(path, LARGEST) is None


def test_folders(top: Root) -> None:
    with top.folder("folder") as folder:
        assert folder is not None
        assert (folder.path, folder.names(), folder.read("file", LARGEST)) == ("a/b", ["file"], b"inside")
    with top.folder("a") as folder:
        assert folder is not None
        assert [name for name in folder.names() if folder.is_folder(name)] == ["b"]
        assert folder.read("up", LARGEST) == b"the top's"
        with folder.folder("b") as inner:
            assert inner is not None
            assert inner.path == "a/b"
        with folder.folder("up") as inner:
            assert inner is None
    for path in ("out-folder", "pipe", "file", "loop"):
        with top.folder(path) as folder:
            assert folder is None
    assert top.folder_path("") == top.folder_path("..") == ""


def test_what_is_read_is_noted_and_no_descriptor_stays_open(top: Root, tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with read_files.kept():
        for path in ("absolute", "out", "loop", "pipe", "folder/none", "a/up"):
            top.read(path, LARGEST)
            top.folder_path(path)
        assert read_files.was_read((tmp_path / "root" / "a" / "b" / "file").stat())
        assert not read_files.was_read((tmp_path / "secret").stat())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
