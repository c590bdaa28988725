# SPDX-License-Identifier: MIT
"""The rules of the family state: arrays, connectors and memory blocks that contradict the tree, and real ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from drmemctl.check.subject import MemoryBlock, Running, SenseRange, Unplug
from drmemctl.formats.associativity import ASSOCIATIVITY
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, encode_entries
from drmemctl.formats.memory_reg import MemoryRange
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY, encode_usable_memory
from drmemctl.hypervisor.topology import DeliveredTopology
from drmemctl.kernel.profiles import profile
from drmemctl.kernel.state import Cpu
from drmemctl.model.distances import Form1
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.tree.node import Tree
from tests.cases import each
from tests.check.mutations import (
    LMB,
    PLUGGED,
    cases,
    findings,
    fixture,
    found,
    messages,
    rules_of,
    table,
    with_prop,
    words,
)
from tests.conftest import FIXTURES, fixture_trees, gunzip, tree_name

Change = Callable[[Running], Running]


def healthy(tree: Tree) -> Running:
    """Return what a kernel that booted from this tree would show."""
    array = table(tree)
    senses = {0x80000004 + n: 1 if n < 4 else 2 for n in range(28)}
    nodes = {0: 0, 1: 0, 2: 1, 3: 1, 4: 1, 5: 1, 6: 0, 7: 0}
    blocks = {number: MemoryBlock(number, node) for number, node in nodes.items()}
    cpus = (Cpu("/cpus/PowerPC,POWER9@0", (0,), 0),)
    return Running(array, senses, blocks, LMB, cpus=cpus, delivered=DeliveredTopology.of_tree(tree))


def array(first: int, count: int, *, aa: int | None = None, flags: int | None = None) -> Change:
    """Return the change of some LMBs of the array."""

    def change(running: Running) -> Running:
        assert running.array is not None
        return running._replace(array=running.array.with_changed(first, count, aa_index=aa, flags=flags))

    return change


def new_array(*entries: Run, lmb_size: int = LMB) -> Change:
    def change(running: Running) -> Running:
        assert running.array is not None
        kept = list(running.array.runs)[:1]
        return running._replace(array=LmbTable.of([*kept, *entries], lmb_size))

    return change


def senses_of(running: Running) -> Mapping[int, int]:
    assert not isinstance(running.senses, tuple)
    return running.senses or {}


def blocks_of(running: Running) -> Mapping[int, MemoryBlock]:
    assert not isinstance(running.blocks, tuple)
    return running.blocks or {}


def sense(drc: int, value: int) -> Change:
    return lambda running: running._replace(senses={**senses_of(running), drc: value})


def block(number: int, node: int | None, *, online: bool = True) -> Change:
    new = MemoryBlock(number, node, online)
    return lambda running: running._replace(blocks={**blocks_of(running), number: new})


def without_block(number: int) -> Change:
    return lambda running: running._replace(
        blocks={key: value for key, value in blocks_of(running).items() if key != number}
    )


def core(name: str, node: int) -> Change:
    """Return the change to one CPU that Linux knows by its path, and has on a node."""
    return lambda running: running._replace(cpus=(Cpu(f"/cpus/{name}", (0,), node),))


def told(first: int, count: int, *domains: int) -> Change:
    """Return the change of what connectors said last of some LMBs."""

    def change(running: Running) -> Running:
        assert running.delivered is not None
        return running._replace(delivered=running.delivered.configured(first, count, domains))

    return change


def delivered(name: str, value: bytes | None) -> Change:
    """Return the change of what the hypervisor delivered last."""

    def change(running: Running) -> Running:
        assert running.delivered is not None
        return running._replace(delivered=running.delivered.updated(name, value, fixture(PLUGGED)))

    return change


def distances(*domains: int) -> Change:
    """Return the change to a kernel without form 2 whose nodes 0, 1 … have these domains in its table."""
    rows = {node: (domain,) for node, domain in enumerate(domains)}
    return lambda running: running._replace(distances=Form1((1,), rows), profile=profile("5.4"))


def unplugging(waiting: int, pending: int | None) -> Change:
    """Return the change that a DIMM of two LMBs is to go, of which `waiting` are still to be given back."""
    parts = (SenseRange(0x80000006 - waiting, waiting, 1),) if waiting else ()
    return lambda running: running._replace(unplugs=(Unplug("dimm1", parts, pending),))


def block_size(size: int) -> Change:
    return lambda running: running._replace(block_size=size)


@dataclass(frozen=True)
class Case:
    """A change of what runs, and the rules that it cannot but break as well."""

    change: Change
    follows: frozenset[str] = frozenset()


FREE = 0xFFFFFFFF
SECOND = Run(0x60000000, 2, 0x80000006, 0, 0x108)
REST = Run(0x80000000, 24, 0x80000008, FREE, 0)

BREAKS: dict[str, list[Case]] = {
    "DRM080": [
        Case(array(4, 1, aa=FREE, flags=0x100), frozenset({"DRM081", "DRM083", "DRM084"})),
        Case(array(8, 2, flags=8), frozenset({"DRM083", "DRM084"})),
        Case(new_array(Run(0x40000000, 2, 0x80000004, 1, 0x108), SECOND)),
        Case(
            new_array(Run(0x40000000, 2, 0x80000004, 1, 0x108), SECOND, REST, lmb_size=2 * LMB),
            frozenset({"DRM084", "DRM085"}),
        ),
    ],
    "DRM081": [Case(array(4, 2, aa=0), frozenset({"DRM085"})), Case(array(8, 24, flags=0x100))],
    "DRM082": [
        Case(
            new_array(Run(0x40000000, 2, 0x80000004, 0, 0x108), Run(0x70000000, 2, 0x80000007, 0, 0x108)),
            frozenset({"DRM080", "DRM081", "DRM083", "DRM084", "DRM085"}),
        )
    ],
    "DRM083": [Case(sense(0x80000005, 2)), Case(sense(0x80000005, 0)), Case(sense(0x80000010, 1))],
    "DRM084": [
        Case(without_block(5)),
        Case(block(5, 1, online=False)),
        Case(block(9, 0)),
    ],
    "DRM085": [Case(block(5, 0)), Case(block(6, 1))],
    "DRM086": [Case(block_size(LMB // 2), frozenset({"DRM084", "DRM085"}))],
    "DRM087": [Case(core("PowerPC,POWER9@0", 1))],
    "DRM088": [
        Case(told(0x80000005, 1, 0)),
        Case(told(0x80000004, 8, 1)),  # 80000006 and 80000007 are on node 0
        Case(delivered(LOOKUP_ARRAYS, bytes.fromhex("00000002 00000001 00000000 00000002"))),
        Case(delivered(V2, encode_entries(V2, [Run(0x40000000, 2, 0x80000004, 0, 8)]))),
    ],
    "DRM089": [
        Case(unplugging(2, None)),
        Case(unplugging(1, None)),
        Case(unplugging(0, 1)),
        Case(unplugging(1, 2)),
    ],
    "DRM150": [Case(distances(0, 0)), Case(distances(1, 1))],
}

MISSES: dict[str, list[Change]] = {
    "DRM080": [array(4, 2, aa=0), array(0, 4, aa=0)],
    "DRM081": [array(4, 4, flags=0x80000108), array(4, 1, aa=1)],
    "DRM082": [new_array(Run(0x40000000, 2, 0x80000004, 0, 0x108), SECOND, REST)],
    "DRM083": [sense(0x80000003, 2), sense(0x80000010, 0), sense(0x90000000, 1)],
    "DRM084": [block(0, 0, online=False), without_block(1), block(100, 0)],
    "DRM085": [block(5, None), block(5, 0, online=False), block(9, 1), block(0, 1)],
    "DRM086": [block_size(LMB)],
    "DRM087": [
        core("PowerPC,POWER9@0", 0),
        core("PowerPC,POWER9@8", 1),
        lambda running: running._replace(cpus=()),
    ],
    "DRM088": [
        told(0x80000004, 2, 1),
        told(0x80000008, 24, 5),  # not assigned
        told(0x80000004, 2, 1, 7),  # longer than the lookup arrays' lists
        delivered(LOOKUP_ARRAYS, bytes.fromhex("00000003 00000001 00000000 00000001 00000005")),
        delivered(LOOKUP_ARRAYS, None),  # the hypervisor has no lists at all, and LMBs nowhere
        delivered(V2, encode_entries(V2, [Run(0x40000000, 2, 0x80000004, 1, 8)])),
        delivered(V2, encode_entries(V2, [Run(0x40000000, 2, 0x80000004, 0, 0)])),  # not assigned there
        delivered(V2, encode_entries(V2, [Run(0x40000000, 2, 0x80000004, 0, 0x48)])),  # the index is invalid
        delivered(V2, encode_entries(V2, [Run(0x40000000, 2, 0x80000004, 0xFFFFFFFF, 8)])),
        delivered(V2, None),
    ],
    "DRM089": [unplugging(2, 2), unplugging(1, 1), lambda running: running._replace(unplugs=())],
    "DRM150": [
        distances(0, 1),
        distances(1, 0),  # other domains, as far from one another
        lambda running: running._replace(distances=Form1((1, 1), {1: (0, 0)}), profile=profile("5.4")),
        lambda running: running._replace(distances=Form1((1,), {1: (0,)}), profile=profile("latest")),  # form 2
    ],
}


def judged(change: Change) -> set[str]:
    tree = fixture(PLUGGED)
    return {*found(tree, running=change(healthy(tree)))} - {*found(tree)}


@pytest.mark.parametrize(("rule", "case"), cases(BREAKS))
def test_a_state_breaks_exactly_this_rule(rule: str, case: Case) -> None:
    assert judged(case.change) - case.follows == {rule}


@pytest.mark.parametrize(("rule", "change"), cases(MISSES))
def test_a_near_miss_does_not(rule: str, change: Change) -> None:
    assert rule not in judged(change)


def test_every_rule_of_the_family_has_both() -> None:
    assert {*BREAKS} == {*MISSES} == rules_of("state")


def test_a_healthy_state_breaks_nothing() -> None:
    assert judged(lambda running: running) == set()


def sysfs_blocks(name: str) -> dict[int, MemoryBlock]:
    """Return the memory blocks that sysfs of a real kernel showed."""
    shown: dict[str, Any] = json.loads((FIXTURES / f"{name}.sysfs.json").read_text())
    return {
        number: MemoryBlock(number, int(node))
        for node, about in shown["nodes"].items()
        for number in about["memory_blocks"]
    }


@pytest.mark.parametrize("path", fixture_trees("kernel-arrays"), ids=tree_name)
def test_a_real_kernels_array_and_blocks_are_what_its_tree_says(path: Any) -> None:
    name = tree_name(path)
    lmbs = json.loads(gunzip(FIXTURES / f"{name}.lmbs.json.gz"))["lmbs"]
    live = LmbTable.of([Run(base, 1, drc, aa, flags) for base, drc, aa, flags in lmbs], LMB)
    tree = fixture(name)
    running = Running(live, None, sysfs_blocks(name), LMB)
    assert {*found(tree, running=running)} == {*found(tree)}


CAPTURES = [path for path in fixture_trees("captures") if "vectors" not in path.name]


@each("path", CAPTURES, ids=tree_name)
def test_the_blocks_of_a_real_boot_are_those_of_its_tree(path: Any) -> None:
    """Where they are not, the tree has an error of its own that says why."""
    name = tree_name(path)
    run = json.loads((FIXTURES / f"{name}.json").read_text())
    blocks = {
        item["block"]: MemoryBlock(item["block"], item["node"], item["state"] == "online")
        for item in run["boot"]["blocks"]
    }
    tree = fixture(name)
    said = findings(tree, running=Running(blocks=blocks, block_size=run["block_size"]))
    assert [item.rule for item in said if item.rule.startswith("DRM08")] == []


def after_step(name: str, number: int) -> tuple[Tree, Running]:
    """Return tree and blocks after a step of a capture."""
    run = json.loads((FIXTURES / f"captures/{name}.json").read_text())
    step = run["steps"][number]
    tree = fixture(f"captures/{name}")
    for prop in (V1, V2, LOOKUP_ARRAYS):
        data = step["properties"].get(prop)
        tree = with_prop(tree, NODE, prop, None if data is None else bytes.fromhex(data))
    blocks = {item["block"]: MemoryBlock(item["block"], item["node"]) for item in step["blocks"]}
    return tree, Running(blocks=blocks, block_size=run["block_size"])


def test_the_corruption_that_a_kernel_wrote_shows_against_its_blocks() -> None:
    """7.2 wrote the LMBs at 0x80000000 as LMBs at 0x60000000: there are blocks 8 and 9, and none 6 and 7."""
    tree, running = after_step("7.2-merge", 1)
    said = messages(tree, "DRM084", running=running)
    assert any(
        "2 LMBs are assigned, but without a memory block" in text and "0x060000000" in text for text in said
    )


def test_a_rollback_that_took_foreign_memory_shows_against_the_blocks() -> None:
    """7.2 with bit 31 set: the failing request took block 6 offline, which the tree still has as assigned."""
    tree, running = after_step("7.2-bit31", 2)
    said = messages(tree, "DRM084", running=running)
    assert any("0x060000000 (DRC 0x80000006)" in text for text in said)


def test_memory_beyond_mem_has_no_blocks_and_that_is_known() -> None:
    tree = with_prop(fixture(PLUGGED), "/chosen", "bootargs", b"mem=1536M\0")
    running = healthy(tree)
    for number in (6, 7):
        running = without_block(number)(running)
    assert messages(tree, "DRM084", running=running) == []
    assert messages(tree, "DRM084", running=without_block(5)(running)) != []


def test_a_crash_kernel_has_few_blocks() -> None:
    tree = with_prop(
        fixture(PLUGGED),
        NODE,
        DRCONF_USABLE_MEMORY,
        encode_usable_memory([[MemoryRange(0x40000000, LMB)], [], [], []]),
    )
    running = healthy(tree)._replace(blocks={4: MemoryBlock(4, 1)})
    assert messages(tree, "DRM084", running=running) == []


def test_a_cpu_that_the_tree_puts_nowhere_is_on_no_wrong_node() -> None:
    tree = fixture(PLUGGED)
    for value in (None, words(0), words(2, 0xFFFF, 0)):
        homeless = with_prop(tree, "/cpus/PowerPC,POWER9@0", ASSOCIATIVITY, value)
        assert messages(homeless, "DRM087", running=core("PowerPC,POWER9@0", 1)(healthy(tree))) == []


def test_a_cpu_is_named_with_both_nodes() -> None:
    tree = fixture(PLUGGED)
    moved = with_prop(tree, "/cpus/PowerPC,POWER9@0", ASSOCIATIVITY, words(2, 1, 0))
    assert messages(moved, "DRM087", running=healthy(tree)) == [
        "PowerPC,POWER9@0 is on node 0, where the tree says 1: Linux leaves it there"
    ]


def test_sets_of_all_indexes_are_compared_at_once() -> None:
    tree = fixture(PLUGGED)
    huge = LmbTable.of([Run(0x40000000, (1 << 32) - 1, 4, 0, 8)] * 2, LMB)
    running = healthy(tree)._replace(array=huge)
    assert {"DRM080", "DRM082", "DRM083", "DRM084"} <= {*found(tree, running=running)}
