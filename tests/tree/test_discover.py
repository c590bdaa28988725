# SPDX-License-Identifier: MIT
"""Trees below a directory: a tree under both of Linux's names for it is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from drmemctl.errors import DrmemctlError
from drmemctl.tree.directory import read_directory
from drmemctl.tree.discover import candidates
from drmemctl.tree.node import Node, Property
from tests.live_roots import write_tree

ROOT = Node("", (Property("model", b"IBM,9009-42A\0"),), (Node("rtas"), Node("cpus")))
NAMES = ("proc/device-tree", "sys/firmware/devicetree/base")


def test_a_tree_under_both_names_is_one_while_they_agree(tmp_path: Path) -> None:
    first, second = (tmp_path / name for name in NAMES)
    write_tree(first, ROOT)
    assert candidates(str(tmp_path))[0] == [str(first)]
    write_tree(second, ROOT)
    assert candidates(str(tmp_path))[0] == [str(first)]
    (second / "model").write_bytes(b"another\0")
    assert sorted(candidates(str(tmp_path))[0]) == [str(first), str(second)]


def test_a_tree_whose_twin_cannot_be_read_is_kept(tmp_path: Path) -> None:
    first, second = (tmp_path / name for name in NAMES)
    write_tree(first, ROOT)
    write_tree(second, ROOT)
    (second / ("n/" * 100)).mkdir(parents=True)
    with pytest.raises(DrmemctlError):
        read_directory(str(second), "capture")
    assert sorted(candidates(str(tmp_path))[0]) == [str(first), str(second)]
