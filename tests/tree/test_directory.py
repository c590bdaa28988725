from __future__ import annotations

import io
import os
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from drmemctl.errors import DrmemctlError, InputError, LimitError
from drmemctl.tree import builder as builder_module
from drmemctl.tree import directory as directory_module
from drmemctl.tree.finder import DRMEM_NODE
from drmemctl.tree.limits import Limits
from drmemctl.tree.node import Tree
from drmemctl.tree.source import load
from tests.cases import each
from tests.conftest import Tool, fixture_trees, gunzip, tree_name
from tests.tree.samples import content, tree, write_directory
from tests.wide import share


@pytest.fixture
def device_tree(tmp_path: Path) -> Path:
    return write_directory(tree().root, tmp_path / "device-tree")


def refused(path: Path | str, message: str, kind: type[DrmemctlError] = InputError) -> DrmemctlError:
    with pytest.raises(DrmemctlError, match=message) as caught:
        load(path)
    assert type(caught.value) is kind
    return caught.value


@each("path", share(fixture_trees(), 1, 3), ids=tree_name)
def test_every_bundled_tree_as_a_directory(path: Path, tmp_path: Path) -> None:
    expected = load(gunzip(path))
    read = load(write_directory(expected.root, tmp_path / "any name"))
    assert (read.kind, read.defects) == ("directory", ())
    assert content(read) == content(expected)


def test_the_same_as_dtc_reads(device_tree: Path, dtc: Tool) -> None:
    blob = dtc("-q", "-f", "-I", "fs", "-O", "dtb", device_tree).stdout
    assert content(load(device_tree)) == content(load(blob))


def test_names_are_sorted_by_their_bytes(tmp_path: Path) -> None:
    for name in ("b", "a", "B", "#a", "\udcff"):
        (tmp_path / "t" / "cpus" / name).mkdir(parents=True)
        (tmp_path / "t" / "rtas").mkdir(exist_ok=True)
        (tmp_path / "t" / "rtas" / name).write_bytes(b"")
    read = load(tmp_path / "t")
    assert [node.name for node in read.node("/cpus").children] == ["#a", "B", "a", "b", "\udcff"]
    assert [prop.name for prop in read.node("/rtas").properties] == ["#a", "B", "a", "b", "\udcff"]


def test_the_name_properties_of_open_firmware_are_kept(device_tree: Path) -> None:
    (device_tree / "cpus" / "name").write_bytes(b"cpus\0")
    assert load(device_tree).get("/cpus", "name") == b"cpus\0"


def test_the_directory_may_be_named_by_a_link(device_tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(device_tree)
    assert load(tmp_path / "link").root == load(f"{device_tree}/").root == load(device_tree).root


def test_an_unpacked_sosreport(tmp_path: Path) -> None:
    (tmp_path / "sos/var/log").mkdir(parents=True)
    (tmp_path / "sos/var/log/messages").write_text("x")
    write_directory(tree().root, tmp_path / "sos/sys/firmware/devicetree/base")
    (tmp_path / "sos/proc").mkdir()
    (tmp_path / "sos/proc/device-tree").symlink_to("../sys/firmware/devicetree/base")
    assert content(load(tmp_path / "sos")) == content(load(tmp_path)) == content(tree())


def test_two_equal_trees_are_one_and_two_different_ones_are_listed(tmp_path: Path) -> None:
    write_directory(tree().root, tmp_path / "a/device-tree")
    write_directory(tree().root, tmp_path / "b/device-tree")
    assert content(load(tmp_path)) == content(tree())
    (tmp_path / "b/device-tree/model").write_bytes(b"other\0")
    error = refused(tmp_path, "the directory holds 2 device trees: a/device-tree, b/device-tree")
    assert error.hint == f"name one, as in {tmp_path}/a/device-tree"
    assert load(f"{tmp_path}::b").root.get("model") == b"other\0"


def test_parts_of_a_tree(device_tree: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.mkdir()
    (device_tree / DRMEM_NODE).rename(part / DRMEM_NODE)
    expected = tree().node(f"/{DRMEM_NODE}").properties
    assert sorted(load(part).node(f"/{DRMEM_NODE}").properties, key=str) == sorted(expected, key=str)
    assert load(part / DRMEM_NODE).root == load(part).root


def test_a_part_at_the_place_of_the_tree(device_tree: Path) -> None:
    for entry in list(device_tree.iterdir()):
        if entry.is_file():
            entry.unlink()
    (device_tree / "model").write_bytes(b"x\0")
    assert load(device_tree).root.get("model") == b"x\0"


def test_a_directory_without_a_tree(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    error = refused(tmp_path, "no device tree in the directory")
    assert "/proc/device-tree" in (error.hint or "")
    refused(f"{tmp_path}/nope", "no such file or directory")


def test_links_inside_are_not_followed(device_tree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (device_tree / "link").symlink_to(tmp_path / "secret")
    (device_tree / "cpus" / "up").symlink_to("..")
    (device_tree / "cpus" / "loop").symlink_to("loop")
    read = load(device_tree)
    assert content(read) == content(tree())
    assert {(d.code, d.path, d.property) for d in read.defects} == {
        ("not-regular", "/", "link"),
        ("not-regular", "/cpus", "up"),
        ("not-regular", "/cpus", "loop"),
    }


def test_pipes_are_left_out_and_do_not_hang(device_tree: Path) -> None:
    os.mkfifo(device_tree / "pipe")
    read = load(device_tree)
    assert [str(defect) for defect in read.defects] == ["/:pipe: left out: no regular file"]


def failing(name: str, error: OSError) -> Callable[..., int]:
    real = os.open

    def opened(path: str, flags: int, mode: int = 0o777) -> int:
        if os.fspath(path).endswith(name):
            raise error
        return real(path, flags, mode)

    return opened


@pytest.mark.parametrize(
    ("error", "code"), [(PermissionError(13, "Permission denied"), "unreadable"), (FileNotFoundError(), "changed")]
)
def test_a_property_that_cannot_be_read(
    device_tree: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, code: str
) -> None:
    monkeypatch.setattr("drmemctl.tree.directory.os.open", failing("/rtas/rtas-size", error))
    read = load(device_tree)
    assert [(d.code, d.path, d.property) for d in read.defects] == [(code, "/rtas", "rtas-size")]
    assert read.get("/rtas", "rtas-size") is None
    assert read.get("/rtas", "rtas-event-scan-rate") == tree().get("/rtas", "rtas-event-scan-rate")


def test_a_node_that_cannot_be_read(device_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("/rtas"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("drmemctl.tree.directory.os.scandir", scandir)
    read = load(device_tree)
    assert [str(d) for d in read.defects] == ["/rtas: the node cannot be read: Permission denied"]
    assert read.node("/rtas").properties == ()


def test_the_directory_itself_cannot_be_read(device_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(path: str) -> object:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("drmemctl.tree.directory.os.scandir", scandir)
    refused(device_tree, "cannot be read: Permission denied")


def test_a_file_that_grows_while_it_is_read(device_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.read
    grown: list[int] = []

    def read(descriptor: int, size: int) -> bytes:
        data = real(descriptor, size)
        if data and not grown:
            grown.append(descriptor)
            return data + b"more"
        return data

    monkeypatch.setattr("drmemctl.tree.directory.os.read", read)
    assert [defect.code for defect in load(device_tree).defects] == ["changed"]


def test_a_tree_that_changes_all_the_time_raises_nothing_else(device_tree: Path) -> None:
    end = threading.Event()

    def churn() -> None:
        while not end.is_set():
            path = device_tree / "cpus" / f"x{time.monotonic_ns() % 50}"
            path.mkdir(exist_ok=True)
            (path / "reg").write_bytes(b"1")
            (path / "reg").unlink()
            path.rmdir()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(30):
            assert load(device_tree).get("/rtas", "rtas-size") == tree().get("/rtas", "rtas-size")
    finally:
        end.set()
        thread.join()


def test_a_large_file_is_not_read_whole(device_tree: Path) -> None:
    with (device_tree / "huge").open("wb") as stream:
        stream.truncate(1 << 40)
    refused(device_tree, "MiB that a device tree may have", LimitError)


def test_files_outside_the_tree_may_be_large(device_tree: Path, tmp_path: Path) -> None:
    with (tmp_path / "core").open("wb") as stream:
        stream.truncate(1 << 40)
    assert content(load(tmp_path)) == content(tree())


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(max_nodes=3), "more than 3 nodes"),
        (Limits(max_properties=20), "more than 20 properties"),
        (Limits(max_depth=2), "more than 2 levels"),
        (Limits(max_bytes=1000), "MiB that a device tree may have"),
        (Limits(max_name=10), "more than 10"),
    ],
)
def test_every_limit_holds(
    device_tree: Path, monkeypatch: pytest.MonkeyPatch, limits: Limits, message: str
) -> None:
    monkeypatch.setattr(builder_module, "LIMITS", limits)
    refused(device_tree, message, LimitError)


def test_looking_for_a_tree_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abcdefgh":
        (tmp_path / name / name).mkdir(parents=True)
    monkeypatch.setattr(directory_module, "LIMITS", Limits(max_members=10))
    refused(tmp_path, "more than 10 directories", LimitError)


def test_a_directory_and_a_tar_of_it_are_the_same_tree_and_the_same_is_left_out(device_tree: Path) -> None:
    node = device_tree / "cpus"
    for place, target in (
        ("to-file", "model"),
        ("to-folder", "cpus"),
        ("dangling", "nowhere"),
        ("out", "/etc/passwd"),
    ):
        (device_tree / place).symlink_to(target)
    (node / "up").symlink_to("../..")
    os.mkfifo(node / "pipe")
    (device_tree / "empty").mkdir()
    (node / "nothing").write_bytes(b"")
    odd = os.fsencode(node) + b"/\xff\n\x1b[31m"
    with open(odd, "wb") as stream:  # noqa: PTH123 - a name that is no text
        stream.write(b"odd")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(device_tree, "proc/device-tree")
    read, unpacked = load(device_tree), load(packed.getvalue())

    def nodes(tree: Tree) -> dict[str, dict[str, bytes]]:
        return {path: {prop.name: prop.value for prop in entry.properties} for path, entry in tree.walk()}

    assert nodes(read) == nodes(unpacked)
    left_out = sorted(map(str, read.defects))
    assert left_out == sorted(map(str, unpacked.defects))
    assert len(left_out) == 6
