# SPDX-License-Identifier: MIT
"""Trees that nobody means well with: no rule crashes, none takes long, none says more than it may."""

from __future__ import annotations

import random
import struct
import time
from array import array
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.check.bounds import MAX_RUNS, MAX_VIOLATIONS, limited
from drmemctl.check.engine import all_rules
from drmemctl.check.finding import Violation
from drmemctl.check.select import AffectedLmbs
from drmemctl.check.subject import MemoryBlock, Running, Subject
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2
from drmemctl.formats.memory_reg import REG
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY
from drmemctl.model.drmem import LmbTable
from drmemctl.model.intervals import Intervals, shared, side_by_side
from drmemctl.model.run import Run
from drmemctl.tree.node import Node, Property, Tree
from tests.check.mutations import fixture, table, with_entries, with_prop, words
from tests.conftest import fixture_trees, tree_name

PLUGGED = "captures/7.2-v2-to-v1"

NAMES = sorted(tree_name(path) for path in fixture_trees() if "huge" not in path.name and "big" not in path.name)

u32 = st.sampled_from([0, 1, 2, 3, 0x7FFFFFFF, 0x80000000, 0x80000004, 0xFFFFFFFF]) | st.integers(0, (1 << 32) - 1)
u64 = st.sampled_from([0, 1 << 28, 1 << 51, (1 << 64) - 1]) | st.integers(0, (1 << 64) - 1)
flags = st.sampled_from([0, 0x8, 0x108, 0x80, 0xA0, 0x88, 0x48, 0x20, 0x80000008]) | u32
entry = st.builds(Run, u64, st.integers(0, 5) | u32, u32, st.integers(0, 3) | u32, flags)


def all_findings(tree: Tree, before: Tree | None = None, running: Running | None = None) -> list[Violation]:
    """Return what every rule says, each on its own, checked for its bounds."""
    subject = Subject(tree, running=running, before=None if before is None else Subject(before))
    said = []
    for rule in all_rules().values():
        if rule.applies(subject, None):
            violations = list(rule.violations(subject))
            assert all(len(item.lmbs) <= MAX_RUNS for item in violations), rule.id
            assert all(item.message and "\x1b" not in item.message for item in violations), rule.id
            said += violations
    return said


def judged(tree: Tree, before: Tree | None = None, running: Running | None = None) -> None:
    all_findings(tree, before, running)


@st.composite
def changed_values(draw: st.DrawFn, tree: Tree) -> Tree:
    """A tree with some of its values cut, grown, flipped or gone."""
    places = [
        (path, prop.name)
        for path, node in tree.walk()
        for prop in node.properties
        if path in ("/", NODE, "/rtas", "/chosen") or "memory" in path
    ]
    for path, name in draw(st.lists(st.sampled_from(places), min_size=1, max_size=4)):
        data = tree.get(path, name) or b""
        tree = with_prop(tree, path, name, draw(mangled(data)))
    return tree


@st.composite
def mangled(draw: st.DrawFn, data: bytes) -> bytes | None:
    """A value made of another one."""
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return None
    if kind == 1:
        return data[: draw(st.integers(0, len(data)))]
    if kind == 2:
        return data + draw(st.binary(max_size=24))
    if kind == 3:
        return draw(st.binary(max_size=64))
    at = draw(st.integers(0, max(len(data) - 1, 0)))
    return data[:at] + draw(st.binary(min_size=1, max_size=4)) + data[at + 4 :]


@given(data=st.data())
def test_mutated_real_trees_crash_no_rule(data: st.DataObject) -> None:
    base = fixture(data.draw(st.sampled_from(NAMES)))
    tree = data.draw(changed_values(base))
    judged(tree)
    judged(tree, before=base)
    judged(base, before=tree)


@given(
    new=st.lists(entry, max_size=12),
    old=st.lists(entry, max_size=12),
    size=st.sampled_from([1 << 28, 1 << 24, 1 << 32, 0x18000000, 0, 1, (1 << 64) - 1]),
)
def test_any_sets_crash_no_rule(new: list[Run], old: list[Run], size: int) -> None:
    base = with_prop(fixture(PLUGGED), NODE, "ibm,lmb-size", size.to_bytes(8, "big"))
    tree, before = with_entries(base, new), with_entries(base, old)
    running = Running(
        LmbTable.of(old, size), {n: n % 4 for n in range(0x80000000, 0x80000010)}, {2: MemoryBlock(2, 1)}, 1 << 28
    )
    judged(tree, before, running)


@given(stream=st.binary(max_size=200), size_cells=st.integers(0, 5), address_cells=st.integers(0, 5))
def test_any_usable_memory_and_cells_crash_no_rule(stream: bytes, size_cells: int, address_cells: int) -> None:
    tree = with_prop(fixture("captures/7.2-kdump"), NODE, DRCONF_USABLE_MEMORY, stream)
    tree = with_prop(tree, "/", "#size-cells", words(size_cells))
    judged(with_prop(tree, "/", "#address-cells", words(address_cells)))


@given(text=st.binary(max_size=40), reg=st.binary(max_size=40))
def test_any_bootargs_and_reg_crash_no_rule(text: bytes, reg: bytes) -> None:
    tree = with_prop(fixture(PLUGGED), "/chosen", "bootargs", b"mem=" + text)
    judged(with_prop(tree, "/memory@0", REG, reg))


def random_v1(n: int) -> Tree:
    """Return a tree of n v1 entries without any order."""
    rand = random.Random(1)
    packed = b"".join(
        struct.pack(
            ">QIIII", rand.randrange(1 << 48), rand.randrange(1 << 32), 0, rand.randrange(4), rand.randrange(512)
        )
        for _ in range(n)
    )
    return with_prop(with_prop(fixture(PLUGGED), NODE, V2, None), NODE, V1, words(n) + packed)


def many_lookup_rows(n: int) -> Tree:
    return with_prop(fixture(PLUGGED), NODE, LOOKUP_ARRAYS, words(n, 1) + bytes(range(256)) * (n // 64))


def many_memory_nodes(n: int) -> Tree:
    tree = fixture(PLUGGED)
    kind = Property("device_type", b"memory\0")
    nodes = tuple(
        Node(f"memory@{i:x}", (kind, Property(REG, struct.pack(">QQ", i << 20, 1 << 28)))) for i in range(n)
    )
    return replace(tree, root=replace(tree.root, children=(*tree.root.children, *nodes)))


def long_reg(n: int) -> Tree:
    pairs = b"".join(struct.pack(">QQ", (i * 7919 % n) << 20, 1 << 21) for i in range(n))
    return with_prop(fixture(PLUGGED), "/memory@0", REG, pairs)


def long_stream(n: int) -> Tree:
    tree = with_entries(fixture(PLUGGED), [Run(0, (1 << 31) - 1, 0, 1, 8)])
    return with_prop(tree, NODE, DRCONF_USABLE_MEMORY, struct.pack(">QQQ", 1, 1, 1) * n)


def wide_rows(n: int) -> Tree:
    """Return a tree with one list of n domains, which many runs refer to."""
    tree = with_prop(fixture(PLUGGED), NODE, LOOKUP_ARRAYS, words(1, n) + bytes(4 * n))
    return with_entries(tree, [Run(i << 29, 1, 0x80000000 + 2 * i, 0, 8) for i in range(n)])


@pytest.mark.parametrize(
    "make",
    [random_v1, many_lookup_rows, many_memory_nodes, long_reg, long_stream, wide_rows],
    ids=lambda it: it.__name__,
)
@pytest.mark.one_python
def test_cost_grows_with_size_and_no_faster(make: Callable[[int], Tree]) -> None:
    """Four times the size may take some six times as long, not sixteen times."""

    def seconds(n: int) -> float:
        tree = make(n)
        best = float("inf")
        for _ in range(2):
            start = time.process_time()
            assert len(all_findings(tree, before=tree)) < 60 * MAX_VIOLATIONS
            best = min(best, time.process_time() - start)
        return best

    small, large = seconds(2_000), seconds(8_000)
    assert large < 9 * small + 0.2


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=12)


def intervals_of(parts: list[tuple[int, int]]) -> Intervals:
    result = Intervals()
    for owner, (start, count) in enumerate(parts):
        result.add(start, count, owner)
    return result


def numbers(parts: Intervals) -> set[int]:
    return {number for start, last, _ in parts for number in range(start, last + 1)}


@given(parts=spans)
def test_disjoint_spans_hold_the_same_numbers_once(parts: list[tuple[int, int]]) -> None:
    whole = intervals_of(parts)
    apart = whole.disjoint()
    assert numbers(apart) == numbers(whole)
    assert sum(last - start + 1 for start, last, _ in apart) == len(numbers(whole))
    for start, last, owner in apart:
        first, count = parts[owner]
        assert first <= start <= last < first + count
    for number in range(90):
        found = apart.first_in(number, 1)
        assert (found is not None) == (number in numbers(whole))


@given(parts=spans)
def test_overlaps_are_found_if_there_are_any(parts: list[tuple[int, int]]) -> None:
    whole = intervals_of(parts)
    size = sum(last - start + 1 for start, last, _ in whole)
    assert bool(list(whole.overlaps())) == (size > len(numbers(whole)))
    for one, other in whole.overlaps():
        first, second = parts[one], parts[other]
        assert max(first[0], second[0]) < min(sum(first), sum(second))


@given(left=spans, right=spans)
def test_side_by_side_covers_both_lists_once(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    one, other = intervals_of(left).disjoint(), intervals_of(right).disjoint()
    seen: set[int] = set()
    for start, count, in_left, in_right in side_by_side(one, other):
        piece = set(range(start, start + count))
        assert piece
        assert not piece & seen
        seen |= piece
        assert (in_left is not None) == (piece <= numbers(one)) == bool(piece & numbers(one))
        assert (in_right is not None) == (piece <= numbers(other)) == bool(piece & numbers(other))
    assert seen == numbers(one) | numbers(other)


@given(left=spans, right=spans)
def test_shared_is_what_both_lists_have(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    one, other = intervals_of(left).disjoint(), intervals_of(right).disjoint()
    both = [piece for piece in side_by_side(one, other) if None not in piece]
    assert list(shared(one, other)) == both


@given(parts=spans.map(lambda parts: [part for part in parts if part[1]]), unit=st.integers(0, 3))
def test_spans_of_columns_are_those_added_one_by_one(parts: list[tuple[int, int]], unit: int) -> None:
    starts, counts = (array("Q", (part[field] for part in parts)) for field in (0, 1))
    owners = array("Q", range(len(parts)))
    whole = Intervals.of(starts, counts, owners, unit=unit)
    assert list(whole) == list(intervals_of([(start, count * unit) for start, count in parts]))
    cut = Intervals.of(starts, counts, owners, largest=60)
    assert list(cut) == list(intervals_of([(start, min(count, 61 - start)) for start, count in parts]))


def test_spans_end_at_64_bits() -> None:
    whole = Intervals()
    whole.add((1 << 64) - 2, 1 << 70, 0)
    whole.add(1 << 64, 5, 1)
    assert list(whole) == [((1 << 64) - 2, (1 << 64) - 1, 0)]
    assert list(side_by_side(whole, whole.disjoint())) == [((1 << 64) - 2, 2, 0, 0)]


@given(count=st.integers(0, 60))
def test_limited_says_how_many_there_are(count: int) -> None:
    said = list(limited((Violation(f"number {n}") for n in range(count)), "things"))
    assert len(said) == min(count, MAX_VIOLATIONS)
    if count > MAX_VIOLATIONS:
        assert said[-1].message == f"{count - MAX_VIOLATIONS + 1} more things like these"
    else:
        assert [item.message for item in said] == [f"number {n}" for n in range(count)]


def test_found_counts_all_and_lists_some() -> None:
    subject = Subject(fixture(PLUGGED))
    found = AffectedLmbs(subject, (Run(n << 29, 3, n, 0, 0) for n in range(MAX_RUNS + 5)))
    assert (found.n_lmbs, found.n_runs, len(found.runs)) == (3 * (MAX_RUNS + 5), MAX_RUNS + 5, MAX_RUNS)
    assert AffectedLmbs(subject, [Run(0, 1, 0, 0, 0)]).are == "1 LMB is"
    assert table(fixture(PLUGGED)).n_lmbs == 32
