# SPDX-License-Identifier: MIT
"""Real trees, changed in one point: what breaks a rule, and what just does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from itertools import starmap

import pytest

from drmemctl.check.engine import Judge, Plan
from drmemctl.check.finding import Violation
from drmemctl.check.subject import Running, Subject
from drmemctl.formats import drc
from drmemctl.formats.dynamic_memory import NODE, V1, V2, encode_entries
from drmemctl.formats.lrdr_capacity import LRDR_CAPACITY
from drmemctl.formats.memory_reg import REG, MemoryRange, encode_reg
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.model.run import Run
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Node, Property, Tree
from tests.conftest import blob

LMB = 0x10000000
PLUGGED = "captures/7.2-v2-to-v1"
"""512 MiB each in memory@0 and memory@20000000, and a core, PowerPC,POWER9@0, on node 0.

Sets of 4 reserved LMBs, 2 assigned from 0x40000000 (DRC 0x80000004) on with aa_index 1, 2 with 0, and 24 free;
lookup arrays (0) and (1).
"""

Change = Callable[[Tree], Tree]


@cache
def fixture(name: str) -> Tree:
    """Return the bundled tree called `name`, e.g. `captures/6.1-lpm`."""
    return read_fdt(blob(name), name)


def words(*cells: int) -> bytes:
    """Return u32 cells as bytes."""
    return b"".join(cell.to_bytes(4, "big") for cell in cells)


def with_prop(tree: Tree, path: str, name: str, value: bytes | None) -> Tree:
    """Return the tree with a property set, or without it."""
    return tree.with_property(path, name, value)


def edited(tree: Tree, path: str, edit: Callable[[Node], Node | None]) -> Tree:
    """Return the tree with a node replaced by what `edit` makes of it; None removes it."""
    names = [name for name in path.split("/") if name]

    def rebuilt(node: Node, depth: int) -> Node | None:
        if depth == len(names):
            return edit(node)
        target = node.child(names[depth])
        children = (rebuilt(child, depth + 1) if child is target else child for child in node.children)
        return replace(node, children=tuple(child for child in children if child is not None))

    root = rebuilt(tree.root, 0)
    assert root is not None
    return replace(tree, root=root)


def unlisted(name: str = PLUGGED) -> Tree:
    """Return a tree that says nowhere else which LMBs there are: other ones contradict nothing."""
    tree = with_prop(fixture(name), "/rtas", LRDR_CAPACITY, None)
    for prop in (drc.INDEXES, drc.NAMES, drc.TYPES, drc.POWER_DOMAINS):
        tree = with_prop(tree, "/", prop, None)
    return tree


def reg(path: str, base: int, size: int) -> Change:
    """Return the change of a memory node to one range."""
    return lambda tree: with_prop(tree, path, REG, encode_reg([MemoryRange(base, size)]))


def without_node(tree: Tree, path: str) -> Tree:
    """Return the tree without a node."""
    return edited(tree, path, lambda _: None)


def with_child(tree: Tree, path: str, child: Node) -> Tree:
    """Return the tree with one more node, the last child of the one at `path`."""
    return edited(tree, path, lambda node: replace(node, children=(*node.children, child)))


def with_cut(tree: Tree, path: str, name: str, size: int) -> Tree:
    """Return the tree with a value of which the source shows only the first `size` bytes."""

    def cut(prop: Property) -> Property:
        return Property(name, prop.value[:size], len(prop.value)) if prop.name == name else prop

    return edited(tree, path, lambda node: replace(node, properties=tuple(map(cut, node.properties))))


def entries(tree: Tree) -> list[Run]:
    """Return the entries of the property that Linux reads: in their order."""
    found = Drmem.from_tree(tree).entries
    assert found is not None
    return list(starmap(Run, found))


def with_entries(tree: Tree, new: Iterable[Run], property: str | None = None) -> Tree:
    """Return the tree with other entries, in the property that it has or in another one (then that one only)."""
    has_v1 = tree.get(NODE, V1) is not None
    old = V1 if has_v1 else V2
    name = property or old
    if name != old:
        tree = with_prop(tree, NODE, old, None)
    return with_prop(tree, NODE, name, encode_entries(name, new))


def with_entry(tree: Tree, index: int, *, split: int = 0, **changes: int) -> Tree:
    """Return the tree with fields of one entry changed: `count`, `base`, `drc`, `aa`, `flags`.

    `split` cuts the entry of a v2 property after so many LMBs first, and changes the second part.
    """
    fields = ("base", "count", "drc", "aa", "flags")
    all_entries = entries(tree)
    values = dict(zip(fields, all_entries[index], strict=True))
    before = []
    if split:
        size = Drmem.from_tree(tree).table.lmb_size or 0
        before = [all_entries[index]._replace(lmbs=split)]
        values["count"] -= split
        values["base"] += split * size
        values["drc"] += split
    values |= changes
    all_entries[index : index + 1] = [*before, Run(*values.values())]
    return with_entries(tree, all_entries)


def table(tree: Tree) -> LmbTable:
    """Return the LMBs of a tree."""
    return LmbTable.from_tree(tree)


def findings(
    tree: Tree, *, before: Tree | None = None, running: Running | None = None, plan: Plan | None = None
) -> list[Violation]:
    """Return what check says of a tree."""
    subject = Subject(tree, running=running, before=None if before is None else Subject(before))
    return Judge(plan).violations(subject)


def found(tree: Tree, *, before: Tree | None = None, running: Running | None = None) -> Counter[str]:
    """Return the rules that a tree breaks, with how often."""
    return Counter(finding.rule for finding in findings(tree, before=before, running=running))


def added(name: str, changed: Tree, *, before: Tree | None = None, running: Running | None = None) -> set[str]:
    """Return the rules that `changed` breaks and the fixture that it was made from does not."""
    return {*found(changed, before=before, running=running)} - {*found(fixture(name))}


def messages(tree: Tree, rule: str, *, before: Tree | None = None, running: Running | None = None) -> list[str]:
    """Return the messages of one rule about a tree."""
    return [item.message for item in findings(tree, before=before, running=running) if item.rule == rule]


def broken_anew(
    base: Tree, changed: Tree, *, before: Tree | None = None, running: Running | None = None
) -> set[str]:
    """Return the rules that `changed` breaks and the tree that it was made from does not."""
    return {*found(changed, before=before, running=running)} - {*found(base)}


def cases(table: Mapping[str, Iterable[object]]) -> list[object]:
    """Return a parameter set for each case of each rule: the rule's id, and what the case is, a tuple in parts."""
    return [
        pytest.param(rule, *(case if isinstance(case, tuple) else (case,)), id=f"{rule}-{number}")
        for rule, several in table.items()
        for number, case in enumerate(several)
    ]


def rules_of(family: str) -> set[str]:
    """Return the ids of a family's rules."""
    return {rule.id for rule in Plan(select=(family,)).rules()}
