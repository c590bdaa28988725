# SPDX-License-Identifier: MIT
"""Every command that takes a TREE takes a dump: what it says is what it says of the guest's own tree."""

from __future__ import annotations

import json
from pathlib import Path

from drmemctl import load
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES

DUMPS = sorted(path for path in (FIXTURES / "vmcores").glob("*.xz") if "16384" not in path.name)
PLUGGED = FIXTURES / "vmcores" / "6.1-radix64k-plugged.core.xz"
SAME = (
    ("map", "--format", "json"),
    ("numa", "--format", "json"),
    ("assoc", "--format", "json"),
    ("lmb", "--format", "json"),
    ("prop", "/rtas", "--format", "json"),
    ("memblock", "--format", "json"),
    ("kexec", "--crashkernel", "256M", "--format", "json"),
)
KERNEL = ("--kernel", "6.1")


@each("path", DUMPS)
def test_what_is_said_of_a_dump_is_said_of_its_tree(path: Path) -> None:
    guest = path.with_name(f"{path.name.rsplit('.', 2)[0]}.guest.tree.gz")
    for command, *more in SAME:
        options = (*more, *(() if command == "prop" else KERNEL))
        dumped, told = run(command, path, *options), run(command, guest, *options)
        assert dumped.code == told.code
        if command != "prop":  # the kernel makes a property `name`, which dtc leaves out
            # The kernel has its nodes in another order than dtc found them in.
            assert json.loads(dumped.out) == json.loads(told.out), command


@each("path", DUMPS)
def test_files_made_of_a_dump(path: Path) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        blob, page = Path(folder) / "tree.dtb", Path(folder) / "page.html"
        assert run("convert", path, "-o", blob).code == 0
        assert load(blob).root == load(path).root
        assert run("report", path, PLUGGED, "-o", page).code in (0, 1)
        assert "6.1.0-50-powerpc64le" in page.read_text(encoding="utf-8")


def test_two_dumps_are_compared() -> None:
    result = run("diff", PLUGGED, FIXTURES / "vmcores" / "6.1-radix64k-stale.core.xz")
    assert result.code == 1
    assert "0x50000000" in result.out
    assert run("diff", PLUGGED, PLUGGED).code == 0


def test_threads_run_on_the_array_of_a_dump() -> None:
    threads = ("--thread", "dlpar memory add count 1", "--thread", "dlpar memory remove count 1")
    result = run("explore", FIXTURES / "vmcores" / "6.1-radix64k-stale.core.xz", *threads, "--max-states", "50")
    assert result.code in (0, 1)
    assert "Linux 6.1.0-50-powerpc64le" in result.out
