# SPDX-License-Identifier: MIT
"""The fuzz targets themselves, without a fuzzer: what they begin with passes, what they change stays sound."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from drmemctl.tree.fdt_reader import read_fdt
from fuzz.campaign import outcome_of
from fuzz.mutate import changed_pair, changed_tree, split
from fuzz.seeds import small_trees
from fuzz.targets import TARGETS
from fuzz.trees import changed_scenario
from tests.conftest import ROOT

pytestmark = pytest.mark.one_python

MODULES = sorted((ROOT / "fuzz").glob("*.py"))


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_what_it_begins_with_and_anything_else(name: str) -> None:
    target = TARGETS[name]
    seeds = list(islice(target.seeds(), 6))
    assert seeds
    for data in (*seeds, b"", b"\0", b"\xff" * 100, seeds[0][:-1], seeds[0] + b"\0"):
        target.run(data)


def no_change(data: bytes, most: int) -> bytes:
    return data[:most]


def test_changes_leave_trees_well_formed_and_do_change_them() -> None:
    first, second = small_trees()[:2]
    changed = 0
    for seed in range(200):
        tree = changed_tree(first + b"steps", Random(seed), no_change)
        pair = changed_pair(first + second, Random(seed), no_change)
        scenario = changed_scenario(first + b"\0\0\0\0\nreboot", Random(seed), no_change)
        assert tree is not None
        assert tree.endswith(b"steps")
        assert pair is not None
        assert scenario is not None
        for data in (tree, scenario, pair, split(pair)[1]):
            read_fdt(data)
        changed += read_fdt(tree).root != read_fdt(first).root
    assert changed > 150


def encoders() -> Iterator[str]:
    for path in sorted((ROOT / "drmemctl" / "formats").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("encode_"):
                yield node.name


REACHED_THROUGH_OTHERS = {
    "encode_words",
    "encode_flags_mask",
    "encode_preservation_time",
    "encode_features",
    "encode_name",
    "encode_blocks",
    "encode_nodes",
    "encode_update_nodes",
    "encode_update_properties",
}
"""Called by those that are named, or building from values rather than from what was decoded."""


def test_every_layout_that_is_encoded_has_a_target() -> None:
    text = (ROOT / "fuzz" / "values.py").read_text(encoding="utf-8")
    assert [name for name in encoders() if name not in text and name not in REACHED_THROUGH_OTHERS] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len((ast.get_docstring(ast.parse(text)) or "").split()) >= 3
    assert len(text.splitlines()) <= 400


def again(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fuzz", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, cwd=ROOT, text=True)


def test_a_find_can_be_run_again(tmp_path: Path) -> None:
    path = tmp_path / "find"
    path.write_bytes(small_trees()[0])
    done = again("fdt", path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{path}: ")
    assert again("none", path).returncode == 2


def test_what_libfuzzer_says_becomes_a_line() -> None:
    said = (
        "#13\tINITED cov: 619 ft: 1100 corp: 11/12003b exec/s: 0 rss: 91Mb\n"
        "#20\tNEW    cov: 658 ft: 1101 corp: 12/12b lim: 4096 exec/s: 0 rss: 91Mb L: 1/2 MS: 2 Custom-\n"
        "stat::number_of_executed_units: 14216\nstat::peak_rss_mb:              125\n"
    )
    found = outcome_of(said, None, ended=True)
    assert (found.executed, found.before, found.after, found.peak, found.ended) == (14216, 619, 658, 125, True)
    assert outcome_of("", None, ended=False).before is None
