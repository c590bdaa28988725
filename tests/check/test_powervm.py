# SPDX-License-Identifier: MIT
"""What each rule's page says about PowerVM, and a partition as public reports have PowerVM's."""

from __future__ import annotations

import struct

import pytest

from drmemctl.check.engine import all_rules
from drmemctl.check.pages import Page
from drmemctl.check.powervm import POWERVM
from drmemctl.check.subject import Subject
from drmemctl.model.drmem import LmbTable
from drmemctl.model.numa import NumaLayout
from drmemctl.output.rules import page_markdown, page_text
from drmemctl.tree.node import Node, Tree
from drmemctl.tree.source import load
from tests.check.mutations import findings, with_prop
from tests.conftest import FIXTURES

CASES = FIXTURES / "cases"
DRMEM = "/ibm,dynamic-reconfiguration-memory"


def powervm() -> Tree:
    return load(CASES / "powervm.dts")


def test_every_rule_says_what_is_known_on_powervm() -> None:
    assert set(POWERVM) == set(all_rules())
    for rule in all_rules().values():
        page = Page.of(rule)
        assert page.powervm == POWERVM[rule.id]
        assert f"**PowerVM:** {page.powervm}" in page_markdown(page)
        assert f"PowerVM: {page.powervm}" in page_text(page)


def test_rules_that_were_tried_on_it_are_rules_that_apply_to_it() -> None:
    tried = [rule for rule in all_rules().values() if "tried on a partition" in POWERVM[rule.id]]
    assert len(tried) > 50
    for rule in tried:
        assert rule.applies(Subject(powervm()), None), rule.id
        assert not [*rule.judge(Subject(powervm()))], rule.id


def test_the_partition_has_what_reports_say() -> None:
    """The LMBs, lookup arrays and reference points of a described guest: all LMBs are on node 2."""
    table = LmbTable.from_tree(powervm())
    assert (table.n_lmbs, table.lmb_size) == (398, 0x10000000)
    layout = NumaLayout.from_tree(powervm())
    assert (layout.form, layout.primary_index, [node.node for node in layout.nodes]) == (1, 4, [2])


def v1(tree: Tree) -> Tree:
    """Return the tree with the same LMBs as ibm,dynamic-memory, as older firmware has them."""
    rows = (struct.pack(">QIIII", 0x10000000 * n, 0x80000000 + n, 0, 1, 8) for n in range(2, 400))
    changed = with_prop(tree, DRMEM, "ibm,dynamic-memory", struct.pack(">I", 398) + b"".join(rows))
    changed = with_prop(changed, DRMEM, "ibm,dynamic-memory-v2", None)
    vector = bytearray(tree.get("/chosen", "ibm,architecture-vec-5") or b"")
    vector[22] = 0x40
    return with_prop(changed, "/chosen", "ibm,architecture-vec-5", bytes(vector))


def without_package_handles(tree: Tree) -> Tree:
    for path, _ in [*tree.walk()]:
        for name in ("phandle", "linux,phandle"):
            tree = with_prop(tree, path, name, None)
    return tree


@pytest.mark.parametrize(
    "changed", [lambda tree: tree, v1, without_package_handles], ids=["v2", "v1", "no-handles"]
)
def test_no_rule_finds_anything_in_it(changed: object) -> None:
    assert callable(changed)
    assert findings(changed(powervm())) == []


def test_a_handle_that_differs_from_ibm_phandle_is_no_finding() -> None:
    tree = load(CASES / "of-handle-and-ibm-phandle.dts")
    assert findings(tree) == []


def nodes(tree: Tree) -> list[Node]:
    return [node for _, node in tree.walk()]


def test_what_the_fixture_is_for_is_in_it() -> None:
    both = [node for node in nodes(powervm()) if node.get("phandle") and node.get("ibm,phandle")]
    assert len(both) >= 4
    assert all(node.get("phandle") != node.get("ibm,phandle") for node in both)
