# SPDX-License-Identifier: MIT
"""Members of an archive that have no content of their own: hard links are resolved, of others it is told."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from drmemctl.errors import InputError
from drmemctl.tree.node import Tree
from drmemctl.tree.source import load
from tests.conftest import blob

ROOT = "capture/proc/device-tree"


def stored(members: list[tuple[str, bytes | str]], format: int = tarfile.GNU_FORMAT) -> bytes:
    """Return an archive of files (bytes) and hard links (the path of what they are to)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.LNKTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def values(tree: Tree) -> dict[str, bytes]:
    return {
        f"{path.rstrip('/')}/{prop.name}": prop.value for path, node in tree.walk() for prop in node.properties
    }


LONG = "d" * 120
TARGETS = {
    "in the tree": f"{ROOT}/model",
    "outside": "elsewhere/model",
    "in another tree": "other/x",
    "a long name": f"{LONG}/model",
}


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_hard_link_has_the_content_of_what_it_is_to(target: str, large: bool, format: int) -> None:
    if format == tarfile.USTAR_FORMAT and target.startswith(LONG):
        target = f"{'d' * 80}/model"
    content = b"x" * (100_000 if large else 10) + b"\0"
    tree = load(
        stored(
            [
                (target, content),
                (f"{ROOT}/compatible", b"IBM\0"),
                (f"{ROOT}/copy", target),
                (f"{ROOT}/chosen/again", f"{ROOT}/copy"),
            ],
            format,
        )
    )
    found = values(tree)
    assert found["/copy"] == found["/chosen/again"] == content
    assert not tree.defects


def test_it_is_as_gnu_tar_writes_two_names_of_a_file(tmp_path: Path) -> None:
    place = tmp_path / "proc" / "device-tree"
    (place / "cpus").mkdir(parents=True)
    (place / "a").write_bytes(b"1234")
    for name in ("b", "cpus/c"):
        os.link(place / "a", place / name)
    subprocess.run(["tar", "-cf", "a.tar", "proc"], cwd=tmp_path, check=True)
    listed = subprocess.run(["tar", "-tvf", "a.tar"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert listed.stdout.count("link to") == 2
    tree = load(str(tmp_path / "a.tar"))
    assert (
        values(tree) == {"/a": b"1234", "/b": b"1234", "/cpus/c": b"1234"} == values(load(str(tmp_path / "proc")))
    )
    assert not tree.defects


def test_sparse_files_as_gnu_tar_writes_them_are_told(tmp_path: Path) -> None:
    place = tmp_path / "proc" / "device-tree"
    place.mkdir(parents=True)
    (place / "compatible").write_bytes(b"IBM\0")
    with (place / "holes").open("wb") as stream:
        stream.truncate(1 << 20)
        stream.seek(1 << 19)
        stream.write(b"data")
    for options in (
        ["--format=gnu"],
        *(["--format=posix", f"--sparse-version={v}"] for v in ("0.0", "0.1", "1.0")),
    ):
        subprocess.run(["tar", "-S", *options, "-cf", "a.tar", "proc"], cwd=tmp_path, check=True)
        tree = load(str(tmp_path / "a.tar"))
        assert values(tree) == {"/compatible": b"IBM\0"}, options
        assert [(d.code, d.path, d.property, d.message) for d in tree.defects] == [
            ("not-regular", "/", "holes", "left out: a sparse file")
        ]


def test_links_and_pipes_are_told_as_of_a_directory(tmp_path: Path) -> None:
    place = tmp_path / "proc" / "device-tree"
    (place / "chosen").mkdir(parents=True)
    (place / "compatible").write_bytes(b"IBM\0")
    (place / "chosen" / "link").symlink_to("../compatible")
    os.mkfifo(place / "pipe")
    subprocess.run(["tar", "-cf", "a.tar", "proc"], cwd=tmp_path, check=True)
    archive, folder = load(str(tmp_path / "a.tar")), load(str(tmp_path / "proc"))
    assert archive.root == folder.root
    assert set(archive.defects) == set(folder.defects)
    assert len(archive.defects) == 2


@pytest.mark.parametrize("target", ["none", f"{ROOT}/later", f"{ROOT}/self", "", "../../..", "x" * 4090])
def test_a_hard_link_to_nothing_is_told(target: str) -> None:
    tree = load(
        stored(
            [
                (f"{ROOT}/compatible", b"IBM\0"),
                (f"{ROOT}/self", target),
                (f"{ROOT}/later", b"1"),
                ("elsewhere/link", "none"),
            ]
        )
    )
    assert set(values(tree)) == {"/compatible", "/later"}
    (defect,) = tree.defects
    assert (defect.code, defect.path, defect.property) == ("not-regular", "/", "self")
    assert defect.message.startswith("left out: a hard link")


def test_a_file_that_replaces_a_link_is_read() -> None:
    tree = load(stored([(f"{ROOT}/a", "none"), (f"{ROOT}/a", b"new"), (f"{ROOT}/b", b"2")]))
    assert values(tree) == {"/a": b"new", "/b": b"2"}
    assert not tree.defects


def test_another_name_of_a_blob_is_not_another_tree(tmp_path: Path) -> None:
    content = blob("trees/v2-gap")
    path = tmp_path / "a.tar"
    path.write_bytes(stored([("one.dtb", content), ("two.dtb", "one.dtb"), ("three.dtb", "two.dtb")]))
    assert load(str(path)).root == load(f"{path}::two.dtb").root == load(f"{path}::three.dtb").root
    with pytest.raises(InputError, match="no member four"):
        load(f"{path}::four.dtb")


def test_very_many_links_cost_little() -> None:
    members: list[tuple[str, bytes | str]] = [(f"{ROOT}/compatible", b"IBM\0" * 1000)]
    members += [(f"etc/{number}", f"{ROOT}/compatible" if number % 2 else "none") for number in range(20_000)]
    assert set(values(load(stored(members)))) == {"/compatible"}
