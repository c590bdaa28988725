# SPDX-License-Identifier: MIT
"""What TREE arguments stand for: trees, directories, patterns."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from drmemctl.check.engine import Plan
from drmemctl.check.inputs import find_inputs, reports
from drmemctl.errors import LimitError
from drmemctl.tree.limits import LIMITS
from tests.conftest import FIXTURES, blob

GOOD = blob("kernel-arrays/numa2-plug2")
LSPROP = 'model            "IBM,9009-22A"\nibm,lmb-size     00000000 10000000\n'


def found(*arguments: str | Path) -> list[str]:
    return [each.path for each in find_inputs(map(str, arguments))]


def checked(*arguments: str | Path) -> list[tuple[str, str]]:
    """Return name and error of every report on these arguments."""
    made = reports(find_inputs(map(str, arguments)), Plan(select=("DRM030",)), None, 1)
    return [(Path(each.source).name, each.error) for each in made]


def node(path: Path, **properties: bytes) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for name, value in properties.items():
        (path / name.replace("_", "-")).write_bytes(value)


def device_tree(path: Path) -> None:
    """Write a small tree as a directory."""
    node(path, model=b"x\0", compatible=b"x\0")
    (path / "#address-cells").write_bytes(bytes(4))
    node(path / "chosen", bootargs=b"\0")
    node(path / "cpus", name=b"cpus\0")


def archive(path: Path, *names: str, content: bytes = GOOD) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_other_arguments_are_themselves(tmp_path: Path) -> None:
    (tmp_path / "a.dtb").touch()
    names = [str(tmp_path / "a.dtb"), str(tmp_path / "missing"), "-", "live", f"{tmp_path}/a.tar::x"]
    assert found(*names) == names


def test_a_device_tree_directory_is_one_tree(tmp_path: Path) -> None:
    device_tree(tmp_path / "tree")
    (tmp_path / "tree" / "x.dtb").write_bytes(GOOD)
    assert found(tmp_path / "tree") == [str(tmp_path / "tree")]


def test_another_directory_is_every_tree_below_it(tmp_path: Path) -> None:
    device_tree(tmp_path / "sos" / "proc" / "device-tree")
    device_tree(tmp_path / "b-tree")
    (tmp_path / "c.blob").write_bytes(GOOD)
    (tmp_path / "notes.txt").write_text("nothing of ours")
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "a.dts").write_text('/dts-v1/;\n/ {\n\tmodel = "x";\n};\n')
    archive(tmp_path / "d.tar.gz", "proc/device-tree/model", content=b"x\0")
    (tmp_path / "e.dtb.gz").write_bytes((FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz").read_bytes())
    names = ["a.dts", "b-tree", "c.blob", "d.tar.gz", "e.dtb.gz", "sos/proc/device-tree"]
    assert found(tmp_path) == [str(tmp_path / name) for name in names]


def test_hidden_directories_and_links_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.dtb").write_bytes(GOOD)
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.dtb").write_bytes(GOOD)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "a.dtb").symlink_to("real/a.dtb")
    os.mkfifo(tmp_path / "pipe")
    assert found(tmp_path) == [str(tmp_path / "real" / "a.dtb")]


def test_a_directory_without_trees_is_said_to_have_none(tmp_path: Path) -> None:
    assert checked(tmp_path)[0][1].startswith(f"{tmp_path}: no device tree in the directory")


def test_a_damaged_tree_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.dtb").write_bytes(GOOD[:100])
    compressed = (FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz").read_bytes()
    (tmp_path / "b.dtb.gz").write_bytes(compressed[:-100])
    assert [(name, bool(error)) for name, error in checked(tmp_path)] == [("a.dtb", True), ("b.dtb.gz", True)]


def test_archives_without_a_tree_are_passed_over(tmp_path: Path) -> None:
    archive(tmp_path / "a.tar.gz", "some/file", content=b"x")
    archive(tmp_path / "b.tar.gz", "x.dtb", "y.dtb")
    archive(tmp_path / "c.tar.gz", "x.dtb")
    assert [(name, bool(error)) for name, error in checked(tmp_path)] == [("b.tar.gz", True), ("c.tar.gz", False)]
    assert checked(tmp_path / "a.tar.gz")[0][1], "named, it has to have one"


def test_tables_that_look_like_lsprop_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(LSPROP)
    (tmp_path / "b.json").write_text('{"x": 1}\n' + LSPROP)
    names = [name for name, error in checked(tmp_path) if not error]
    assert names in (["a.txt"], ["a.txt", "b.json"])
    assert not [error for _, error in checked(tmp_path) if error]


def test_patterns_are_matched_sorted(tmp_path: Path) -> None:
    for name in ("b.dtb", "a.dtb", "[x].dtb", "sub/c.dtb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(GOOD)
    assert found(f"{tmp_path}/?.dtb") == [f"{tmp_path}/a.dtb", f"{tmp_path}/b.dtb"]
    assert found(f"{tmp_path}/**/*.dtb") == [f"{tmp_path}/{n}" for n in ("[x].dtb", "a.dtb", "b.dtb", "sub/c.dtb")]
    assert found(f"{tmp_path}/[x].dtb") == [f"{tmp_path}/[x].dtb"], "a file of that very name"
    assert found(f"{tmp_path}/s*") == [f"{tmp_path}/sub/c.dtb"], "a directory that matches"


def test_a_pattern_without_matches_is_an_error(tmp_path: Path) -> None:
    assert checked(f"{tmp_path}/*.dtb") == [("*.dtb", f"{tmp_path}/*.dtb: no such file or directory")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_directory_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "a.dtb").write_bytes(GOOD)
    assert [name for name, error in checked(tmp_path) if error] == ["closed"]


def test_the_number_of_files_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setattr("drmemctl.tree.discover.LIMITS", replace(LIMITS, max_members=3))
    for number in range(4):
        (tmp_path / str(number)).touch()
    with pytest.raises(LimitError, match="more than 3 files"):
        find_inputs([str(tmp_path)])
