# SPDX-License-Identifier: MIT
"""Real trees: a healthy one has no error, a deadly one has one that says what will happen."""

from __future__ import annotations

import re
from pathlib import Path

from drmemctl.check.finding import Severity
from drmemctl.tree.source import load
from tests.cases import each
from tests.check.mutations import findings, fixture
from tests.cli.running import run
from tests.conftest import FIXTURES, fixture_trees, tree_name

_ADDRESS = re.compile(r"0x[0-9a-f]+(?= \(DRC 0x)")
_ADDRESS_IN_TABLE = re.compile(r"^0x[0-9a-f]+", re.MULTILINE)

ERRORS = {
    "boot/aa-out-of-range": {"DRM030": "dies at boot"},
    "boot/lmb-not-power-of-two": {"DRM011": "panics", "DRM022": "lost"},
    "boot/no-lmb-size": {"DRM010": "none of the LMBs becomes memory", "DRM022": "lost"},
    "captures/6.1-merge": {"DRM015": "corrupts the property"},
    "captures/7.2-merge": {"DRM015": "corrupts the property"},
    "captures/7.2-bit31": {"DRM021": "removes their memory"},
    "captures/7.2-reserved-assigned": {"DRM022": "lost"},
    "captures/5.10-odd-lmbs": {"DRM015": "corrupts the property"},
    "captures/6.1-odd-lmbs": {"DRM015": "corrupts the property"},
    "captures/7.3-odd-lmbs": {"DRM015": "corrupts the property"},
    "captures/6.1-lmbs-1g": {"DRM015": "corrupts the property"},
    "captures/7.2-kdump": {"DRM064": "on the node of this LMB"},
    "trees/v1-nvdimm": {"DRM030": "dies at boot"},
}
"""Trees that a real kernel does not come up with as they say, or that were edited for kexec: rule → consequence.

`v1-nvdimm` is what QEMU makes: its v1 has NVDIMMs as assigned LMBs without an aa_index.
"""


_ABOVE_MEM = {
    f"memblock/{kernel}-{name}": "DRM065"
    for kernel in ("6.1", "7.2")
    for name in ("crashkernel", "crashkernel-no-base", "mem-movable-node", "mem-octal", "mem-page")
}
"""Booted with mem=, or with a crashkernel= that limits memory as it does, below assigned LMBs."""

REMARKS = {
    **_ABOVE_MEM,
    "captures/7.2-mem-limit": "DRM065",
    "boot/lmb-not-power-of-two": "DRM059",
    "captures/5.10-vectors-1": "DRM016 DRM024 DRM026 DRM027 DRM028 DRM029 DRM050 DRM059 DRM067",
    "captures/7.2-vectors-2": "DRM016 DRM029 DRM050 DRM059 DRM067",
    "captures/6.1-merge": "DRM016",
    "captures/7.2-merge": "DRM016",
    "captures/7.2-v1-slack": "DRM029 DRM047",
    **dict.fromkeys(
        ("captures/5.10-odd-lmbs", "captures/6.1-odd-lmbs", "captures/7.3-odd-lmbs"),
        "DRM016 DRM024 DRM059 DRM061 DRM067",
    ),
    **dict.fromkeys(("captures/6.1-lmbs-1g", "captures/6.1-lmbs-16m"), "DRM016 DRM059 DRM067"),
    "captures/6.1-holes-v1": "DRM024 DRM047",
    "nodes/6.1-distances": "DRM049",
    **dict.fromkeys(("trees/nomaxmem", "nodes/6.1-no-lmbs", "nodes/6.12-no-lmbs"), "DRM068 DRM104"),
    "trees/legacy-5.0": "DRM130",
    "captures/6.1-legacy": "DRM130",
}
"""Trees that were edited for kexec, or booted with less memory than they have, and what is odd about them.

`nomaxmem`, `*-no-lmbs` are what QEMU makes without maxmem: no drmem node, and 0 for the highest address. The
other trees are as real firmware and kernels made them, so that no rule has anything to say of them.
"""


@each("path", fixture_trees(), ids=tree_name)
def test_only_edited_trees_have_warnings(path: Path) -> None:
    name = tree_name(path)
    remarks = {item.rule for item in findings(fixture(name)) if item.severity is not Severity.ERROR}
    assert remarks == set(REMARKS.get(name, "").split())


def test_the_partitions_of_the_races_are_sound() -> None:
    races = {
        path.stem: {item.rule for item in findings(load(path))} for path in (FIXTURES / "races").glob("*.dts")
    }
    # A destination that knows v1 only, after v2 was agreed on, is what `after-v1` is about.
    assert races == {"before": set(), "after": set(), "reassigned": set(), "after-v1": {"DRM047"}}


@each("path", fixture_trees(), ids=tree_name)
def test_only_deadly_trees_have_errors(path: Path) -> None:
    name = tree_name(path)
    errors = [item for item in findings(fixture(name)) if item.severity is Severity.ERROR]
    expected = ERRORS.get(name, {})
    assert {item.rule for item in errors} == {*expected}
    for item in errors:
        assert expected[item.rule].replace("removes", "remove") in item.message.replace("removes", "remove")


@each("name", sorted({*ERRORS, *REMARKS}))
def test_messages_have_the_addresses_of_lmbs_as_the_table_of_lmbs_has_them(name: str) -> None:
    tree = fixture(name)
    said = [address for item in findings(tree) for address in _ADDRESS.findall(item.message)]
    if not said:
        return
    path = next(path for path in fixture_trees() if tree_name(path) == name)
    in_table = {len(address) for address in _ADDRESS_IN_TABLE.findall(run("lmb", path).out)}
    assert {len(address) for address in said} == in_table
