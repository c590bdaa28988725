# SPDX-License-Identifier: MIT
"""The archives of the tutorial hold what was recorded of a real kernel, and nothing else."""

from __future__ import annotations

import lzma

import pytest

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.model.live_system import LiveSystem
from drmemctl.tree.source import load
from drmemctl.tree.system import system_files
from tests.docs.sosreport import FOLDER, WHEN, archive, name, state

BOTH = pytest.mark.parametrize("which", WHEN)


@BOTH
def test_the_archive_is_the_one_that_is_made(which: str) -> None:
    assert lzma.decompress((FOLDER / f"{name(which)}.tar.xz").read_bytes()) == archive(which)


@BOTH
def test_the_tree_has_the_recorded_properties(which: str) -> None:
    tree = load(str(FOLDER / f"{name(which)}.tar.xz"))
    for prop, value in state(which)["properties"].items():
        assert tree.get(NODE, prop) == bytes.fromhex(value)


@BOTH
def test_the_blocks_are_the_recorded_ones(which: str) -> None:
    files = system_files(str(FOLDER / f"{name(which)}.tar.xz"))
    system = LiveSystem.from_files(files.files, files.links)
    assert system.block_size == 1 << 28
    expected = [(one["block"], one["state"], (one["node"],)) for one in state(which)["blocks"]]
    assert sorted((one.block, one.state, one.nodes) for one in system.blocks.values()) == expected
