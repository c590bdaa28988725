# SPDX-License-Identifier: MIT
"""What `check` calls deadly a simulated boot dies of, and the other way round, for each kernel and many trees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drmemctl
from drmemctl.check.boot_consequence import DEADLY_RULES
from drmemctl.check.engine import Judge, Plan
from drmemctl.check.finding import Finding
from drmemctl.check.subject import Subject
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.kernel.boot import boot
from drmemctl.kernel.capabilities import NEWEST, OLDEST
from drmemctl.kernel.profiles import profile
from drmemctl.tree.node import Node, Tree
from tests.conftest import FIXTURES
from tests.kernel.partitions import LMB, UNSET, lmbs, memory_node, tree, u32
from tests.wide import examples, pairs

_LAST = {4: 20, 5: 19, 6: 19}
RELEASES = [
    f"{major}.{minor}"
    for major in range(OLDEST[0], NEWEST[0] + 1)
    for minor in range(_LAST.get(major, NEWEST[1]) + 1)
    if OLDEST <= (major, minor) <= NEWEST
]
KERNELS = [None, "latest", "arrayless", "5.10.0", *RELEASES]

POINTS, DOMAINS = "ibm,associativity-reference-points", "ibm,max-associativity-domains"
INDEX, DISTANCE = "ibm,numa-lookup-index-table", "ibm,numa-distance-table"


def findings(tree: Tree, kernel: str | None) -> tuple[Finding, ...]:
    plan = Plan(select=tuple(DEADLY_RULES), kernel=None if kernel is None else profile(kernel))
    return Judge(plan).findings(Subject(tree))


def assert_one_answer(tree: Tree, kernel: str | None) -> bool:
    """Return whether the kernel dies, which both say."""
    state, faults = boot(tree, profile(kernel or "latest"))
    deadly = [finding for finding in findings(tree, kernel) if finding.deadly]
    assert bool(state.dead) == bool(deadly), (kernel, state.dead, deadly)
    for finding in deadly:
        assert finding.severity.value == "error"
        assert finding.message.endswith((": the kernel dies at boot", ": Linux panics while it boots"))
    if state.dead:
        assert faults[-1].path in {finding.path for finding in deadly}
    return bool(deadly)


def damaged() -> Iterator[Tree]:
    """Yield trees that are damaged in one way each, those of the kinds that the rules are about."""
    sound = tree(lmbs(2, 4, 1, 8))
    yield sound
    yield from damaged_lists(sound)
    yield from damaged_rtas(sound)
    yield from damaged_memory(sound)


def damaged_lists(sound: Tree) -> Iterator[Tree]:
    for aa, flags in ((2, 8), (UNSET, 8), (0, 0x48), (7, 0), (7, 0x88), (UNSET, 0x108)):
        yield tree(lmbs(2, 2, aa, flags))
        yield tree(lmbs(2, 2, aa, flags), v1=True)
        yield tree(lmbs(2, 2, aa, flags), bootargs="numa=off")
    for row in ((0xFFFF,), (255,), (256,), (0xFFFFFFFF,)):
        yield tree(lmbs(2, 2, 1, 8), rows=((0,), row))
    for cells in ((), (1,), (2, 1), (3, 1, 0, 1), (0x80000001, 2, 0, 0), (2, 0), (0, 1)):
        yield sound.with_property(NODE, LOOKUP_ARRAYS, u32(*cells))
    yield sound.with_property(NODE, LOOKUP_ARRAYS, None)
    for node in (0xFFFF, 256, 255, 0xFFFFFFFF):
        yield tree(lmbs(2, 2, 1, 8), memory=[memory_node(0, 2 * LMB, node)])
    for data in (None, b"", u32(0), u32(1), u32(0xFFFFFFFF), u32(5, 0), b"\0\0"):
        yield sound.with_property("/memory@0", "ibm,associativity", data)


def damaged_rtas(sound: Tree) -> Iterator[Tree]:
    for points in ((), (0,), (1,), (2,), (4,), (0x7FFFFFFF,), (0x80000000,), (0xFFFFFFFF,), (1, 0xFFFFFFFF)):
        for vector in (0x00, 0x80, 0xA0, 0x20):
            pointed = sound.with_property("/rtas", POINTS, u32(*points))
            bytes_5 = b"\x19" + bytes(4) + bytes([vector, 5]) + bytes(19)
            yield pointed.with_property("/chosen", "ibm,architecture-vec-5", bytes_5)
    for name in (POINTS, DOMAINS, INDEX, DISTANCE):
        for data in (None, b"", u32(0), u32(1), u32(0xFFFFFFFF), u32(1, 0x1000), u32(300, *range(300))):
            yield sound.with_property("/rtas", name, data)


def damaged_memory(sound: Tree) -> Iterator[Tree]:
    for size in (0, 1, 0x800000, 0x1000000, 0x18000000, 1 << 32, 3 << 32, 1 << 63):
        yield sound.with_property(NODE, "ibm,lmb-size", size.to_bytes(8, "big"))
    yield sound.with_property(NODE, "ibm,lmb-size", None)
    yield sound.with_property("/memory@0", "device_type", None)
    yield sound.with_property("/memory@0", "reg", None)
    yield sound.with_property("/memory@0", "status", b"disabled\0")
    yield tree(lmbs(2, 2, 1, 8), memory=[])
    yield tree(memory=[])
    yield tree(lmbs(2, 2), memory=[])
    for second in (0x18000000, 0x800000, LMB):
        yield tree(memory=[memory_node(0, 2 * LMB), memory_node(2 * LMB, second)])
    yield without(sound, "chosen")
    yield without(sound, "rtas")
    yield without(sound, "cpus")


def without(tree: Tree, name: str) -> Tree:
    children = tuple(child for child in tree.root.children if child.name != name)
    return tree.with_root(Node("", tree.root.properties, children))


def test_both_say_the_same_of_damaged_trees() -> None:
    dead = [assert_one_answer(made, kernel) for kernel, made in pairs(KERNELS, [*damaged()], 3)]
    assert True in dead
    assert False in dead


def test_both_say_the_same_of_all_fixtures() -> None:
    paths = [path for folder in ("boot", "cases", "trees") for path in sorted((FIXTURES / folder).iterdir())]
    dies = {
        path.name.split(".")[0]
        for path in paths
        for kernel in (None, "4.15", "5.2", "5.4", "5.10.0", "5.15", "6.1", "6.12")
        if assert_one_answer(drmemctl.load(str(path)), kernel)
    }
    assert {
        "aa-out-of-range",
        "lmb-not-power-of-two",
        "memory-node-without-a-node",
        "form2-bad-tables",
        "v1-nvdimm",
    } == dies


@pytest.mark.parametrize(
    ("kernel", "dies"),
    [
        (None, True),
        ("4.15", False),
        ("5.9", False),
        ("5.10.0", False),
        ("5.10", True),
        ("5.14", False),
        ("5.15", True),
    ],
)
def test_a_memory_node_without_a_node(kernel: str | None, dies: bool) -> None:
    # Read in numa.c: 8ddc6448ec5a (5.15, and 5.10.y with form 2) leaves out the fall back to node 0.
    tree = drmemctl.load(f"{FIXTURES}/cases/memory-node-without-a-node.dts")
    assert assert_one_answer(tree, kernel) is dies


@pytest.mark.parametrize(("kernel", "dies"), [("5.14", False), ("5.15", True), ("6.12", True), (None, True)])
def test_form_2_without_its_tables(kernel: str | None, dies: bool) -> None:
    tree = drmemctl.load(f"{FIXTURES}/cases/form2-bad-tables.dts")
    assert assert_one_answer(tree, kernel) is dies
    if dies:
        assert [finding.rule for finding in findings(tree, kernel) if finding.deadly] == ["DRM042", "DRM042"]


cells = st.lists(st.one_of(st.integers(0, 5), st.sampled_from([255, 256, 0xFFFF, 0xFFFFFFFF])), max_size=6)


@settings(max_examples=examples(150), deadline=None)
@given(
    kernel=st.sampled_from(KERNELS),
    places=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    (NODE, LOOKUP_ARRAYS),
                    ("/memory@0", "ibm,associativity"),
                    ("/memory@0", "reg"),
                    ("/memory@0", "linux,usable-memory"),
                    ("/rtas", POINTS),
                    ("/rtas", INDEX),
                    ("/rtas", DISTANCE),
                    ("/rtas", DOMAINS),
                    (NODE, "ibm,lmb-size"),
                    (NODE, "linux,drconf-usable-memory"),
                ]
            ),
            st.one_of(st.none(), cells),
        ),
        max_size=3,
    ),
    aa=st.integers(0, 3),
    v1=st.booleans(),
)
def test_both_say_the_same_of_any_tree(
    kernel: str | None, places: list[tuple[tuple[str, str], list[int] | None]], aa: int, v1: bool
) -> None:
    made = tree(lmbs(2, 2, aa, 8), lmbs(4, 2), v1=v1)
    for (path, name), value in places:
        made = made.with_property(path, name, None if value is None else u32(*value))
    assert_one_answer(made, kernel)
