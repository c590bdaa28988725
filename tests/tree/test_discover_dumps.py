# SPDX-License-Identifier: MIT
"""Dumps of a kernel's memory below a directory: found by content, and told from cores of processes."""

from __future__ import annotations

import lzma
import struct
from pathlib import Path

from drmemctl.check.inputs import find_inputs
from drmemctl.tree.discover import InputPath, discover
from tests.cli.running import run
from tests.conftest import FIXTURES

DUMPS = FIXTURES / "vmcores"


def content(name: str) -> bytes:
    return lzma.decompress((DUMPS / f"{name}.xz").read_bytes())


def test_dumps_are_found_whatever_they_are_called(tmp_path: Path) -> None:
    core, kdump = content("6.1-radix64k-stale.core"), content("6.1-kdump.zlib")
    (tmp_path / "127.0.0.1-2026-11-29").mkdir()
    (tmp_path / "127.0.0.1-2026-11-29" / "vmcore").write_bytes(kdump)
    (tmp_path / "guest.elf").write_bytes(core)
    (tmp_path / "guest.xz").write_bytes(lzma.compress(core))
    found = [Path(each.path).name for each in discover(str(tmp_path))]
    assert found == ["vmcore", "guest.elf", "guest.xz"]
    result = run("check", tmp_path, "--isolated")
    assert result.code == 1
    assert result.out.count("which the input names") == 3


def test_cores_of_processes_and_other_machines_are_passed_over(tmp_path: Path) -> None:
    core = bytearray(content("6.1-radix64k-stale.core"))
    others = {"x86": (18, 62), "object": (16, 1)}
    for name, (at, value) in others.items():
        data = bytearray(core)
        struct.pack_into("<H", data, at, value)
        (tmp_path / name).write_bytes(data)
    process = bytes(core).replace(b"VMCOREINFO\0", b"CORE\0\0\0\0\0\0\0")
    (tmp_path / "process").write_bytes(process[:65536])
    (tmp_path / "tree.dtb.gz").write_bytes((FIXTURES / "trees" / "v2-gap.dtb.gz").read_bytes())
    assert discover(str(tmp_path)) == [
        InputPath(str(tmp_path / "process"), "core"),
        InputPath(str(tmp_path / "tree.dtb.gz")),
    ]
    # What could be a dump and cannot be read as one is none.
    result = run("check", tmp_path, "--isolated")
    assert result.code in (0, 1)
    assert str(tmp_path / "process") not in result.out + result.err


def test_a_dump_that_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / "vmcore").write_bytes(content("6.1-radix64k-stale.core")[:70_000])
    (tmp_path / "flat").write_bytes(b"makedumpfile".ljust(4096, b"\0"))
    assert len(find_inputs([str(tmp_path)])) == 2
    result = run("check", tmp_path, "--isolated")
    assert result.code == 3
    assert "vmcore: " in result.err
    assert "flat: " in result.err
