# SPDX-License-Identifier: MIT
"""Real trees: a healthy one has no error, a deadly one has one that says what will happen."""

from __future__ import annotations

from pathlib import Path

import pytest

from drmemctl.check.engine import all_rules
from drmemctl.check.finding import Severity
from drmemctl.check.rule import SECTIONS
from tests.check.mutations import findings, fixture
from tests.conftest import fixture_trees, tree_name

ERRORS = {
    "boot/aa-out-of-range": {"DRM030": "dies at boot"},
    "boot/lmb-not-power-of-two": {"DRM011": "panics", "DRM022": "lost"},
    "boot/no-lmb-size": {"DRM010": "none of the LMBs becomes memory", "DRM022": "lost"},
    "captures/6.1-merge": {"DRM015": "corrupts the property"},
    "captures/7.2-merge": {"DRM015": "corrupts the property"},
    "captures/7.2-bit31": {"DRM021": "removes their memory"},
    "captures/7.2-reserved-assigned": {"DRM022": "lost"},
    "captures/7.2-kdump": {"DRM064": "on the node of this LMB"},
    "trees/v1-nvdimm": {"DRM030": "dies at boot"},
}
"""Trees that a real kernel does not come up with as they say, or that were edited for kexec: rule → consequence.

`v1-nvdimm` is what QEMU makes: its v1 has NVDIMMs as assigned LMBs without an aa_index.
"""


@pytest.mark.parametrize("path", fixture_trees(), ids=tree_name)
def test_only_deadly_trees_have_errors(path: Path) -> None:
    name = tree_name(path)
    errors = [item for item in findings(fixture(name)) if item.severity is Severity.ERROR]
    expected = ERRORS.get(name, {})
    assert {item.rule for item in errors} == {*expected}
    for item in errors:
        assert expected[item.rule].replace("removes", "remove") in item.message.replace("removes", "remove")


def test_every_rule_has_a_whole_page() -> None:
    for rule in all_rules().values():
        page = rule.page
        assert page["Summary"].count("\n") == 0, rule.id
        assert all(page.get(section) for section in SECTIONS), rule.id
        assert rule.references, rule.id
        assert rule.title == rule.title.strip(" .")
        assert len(rule.title) <= 72, rule.id
