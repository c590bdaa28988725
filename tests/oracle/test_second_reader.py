# SPDX-License-Identifier: MIT
"""The second reader of dumps: what it makes of a core by itself, and with drgn where there is one."""

from __future__ import annotations

import importlib.util
import lzma
from dataclasses import replace
from pathlib import Path

import pytest

from drmemctl.memory.file import PlainFile
from drmemctl.memory.physical import CoreDump
from drmemctl.qualify.monitor import OracleError
from drmemctl.qualify.packages import Packages
from tests.cases import each
from tests.conftest import FIXTURES
from tests.oracle import CACHE, second_reader

KERNEL = CACHE / "debug" / "vmlinux-6.1.0-50-powerpc64le"


def unpacked(name: str, folder: Path) -> Path:
    path = folder / name
    path.write_bytes(lzma.decompress((FIXTURES / "vmcores" / f"{name}.xz").read_bytes()))
    return path


@each("name", ["6.1-radix64k-stale.core", "6.1-radix64k-stale-qemu.core"])
def test_it_has_the_memory_that_the_dump_has(name: str, tmp_path: Path) -> None:
    path = unpacked(name, tmp_path)
    core = second_reader.Core(path)
    assert core.vmcoreinfo().startswith(b"OSRELEASE=6.1.0-50-powerpc64le\n")
    with path.open("rb") as file:
        ours = CoreDump(PlainFile(file.fileno()), name)
        segments = sorted(core.segments(), key=lambda segment: segment.address)
        assert list(ours.ranges()) == [(segment.address, segment.size) for segment in segments]
        for segment in segments:
            assert segment.read(0, 16, segment.size - 16, None) == ours.read(
                segment.address + segment.size - 16, 16
            )


def test_it_says_what_differs(tmp_path: Path) -> None:
    ours = second_reader.our_reading(unpacked("6.1-radix64k-stale.core", tmp_path))
    theirs = replace(ours, tree={**ours.tree, "/": [], "/more": []}, lmbs=ours.lmbs[1:], blocks=None)
    assert second_reader.differences(ours, ours) == []
    wrong = second_reader.differences(ours, theirs)
    assert wrong[:2] == ["/: the properties differ", "/more: drmemctl does not see it"]
    assert [text.partition(":")[0] for text in wrong[2:]] == ["lmbs"]


def test_without_vmcoreinfo_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "core"
    path.write_bytes(b"OSRELEASE=no\0".ljust(9000, b"\0"))
    with pytest.raises(OracleError, match="no VMCOREINFO"):
        second_reader.Core(path).vmcoreinfo()


@pytest.mark.skipif(importlib.util.find_spec("drgn") is None, reason="drgn is not installed: make oracle DRGN=1")
@pytest.mark.skipif(not KERNEL.exists(), reason="no debug information here: make oracle DRGN=1 downloads it")
@each("name", ["6.1-radix64k-plugged.core", "6.1-radix64k-stale.core"])
def test_drgn_reads_the_same(name: str, tmp_path: Path) -> None:
    assert second_reader.judge(unpacked(name, tmp_path), Packages(CACHE)) == []
