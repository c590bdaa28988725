# SPDX-License-Identifier: MIT
"""The archives of the tutorial hold what was recorded of a real kernel, and nothing else."""

from __future__ import annotations

import lzma
import tarfile

import pytest

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.model.live_system import LiveSystem
from drmemctl.tree.source import load
from tests.docs.sosreport import TOPS, archive, path_of, state

pytestmark = pytest.mark.one_python

EACH = pytest.mark.parametrize("which", TOPS)


@EACH
def test_the_archive_is_the_one_that_is_made(which: str) -> None:
    assert lzma.decompress(path_of(which).read_bytes()) == archive(which)


@EACH
def test_the_tree_has_the_recorded_properties(which: str) -> None:
    tree = load(str(path_of(which)))
    for prop, value in state(which)["properties"].items():
        assert tree.get(NODE, prop) == bytes.fromhex(value)


@EACH
def test_the_blocks_are_the_recorded_ones(which: str) -> None:
    files, links = {}, []
    with tarfile.open(path_of(which)) as archived:
        for member in archived:
            path = member.name.partition("/")[2]
            content = archived.extractfile(member) if member.isfile() else None
            if content is None:
                links.append(path)
            else:
                files[path] = content.read()
    system = LiveSystem.from_files(files, links)
    assert system.block_size == 1 << 28
    expected = [(one["block"], one["state"], (one["node"],)) for one in state(which)["blocks"]]
    assert sorted((one.block, one.state, one.nodes) for one in system.blocks.values()) == expected
