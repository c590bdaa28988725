# SPDX-License-Identifier: MIT
"""Users of lookup arrays: recounted from the LMB arrays of running kernels, and small cases by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drmemctl.errors import LimitError, NotInTreeError
from drmemctl.model.lookup_usage import LookupUsage, Users
from tests.model.partitions import (
    AI_INVALID,
    ASSIGNED,
    KERNEL_ARRAYS,
    LMB,
    RESERVED,
    cells,
    drmem,
    fixture_tree,
    kernel_lmbs,
    partition,
)

UNSET = 0xFFFFFFFF


def recounted(lmbs: list[list[int]]) -> dict[int, list[int]]:
    """Return assigned, free and reserved LMBs by aa_index."""
    found: dict[int, list[int]] = {}
    for _, _, aa_index, flags in lmbs:
        counts = found.setdefault(aa_index, [0, 0, 0])
        counts[2 if flags & RESERVED else 0 if flags & ASSIGNED else 1] += 1
    return found


def counts(users: Users) -> list[int]:
    return [users.assigned, users.free, users.reserved]


@pytest.mark.parametrize("name", KERNEL_ARRAYS)
def test_users_are_those_of_the_kernels_own_array(name: str) -> None:
    usage = LookupUsage.from_tree(fixture_tree(f"kernel-arrays/{name}"))
    expected = recounted(kernel_lmbs(name))
    found = {one.index: counts(one.users) for one in usage.arrays if one.users.lmbs}
    found |= {one.aa_index: counts(one.users) for one in usage.outsiders if one.aa_index is not None}
    assert found == expected
    assert usage.unused == len(usage.arrays) - len({*expected} - {UNSET})


def test_each_array_says_its_domains_node_users_and_duplicates() -> None:
    sets = [(2, 0, 1, 0, ASSIGNED), (1, 4 * LMB, 3, 0, 0), (3, 2 * LMB, 9, 2, ASSIGNED)]
    usage = LookupUsage.from_tree(partition(drmem(sets, ((0, 7), (0, 8), (0, 7))), points=(2,)))
    first, second, third = usage.arrays
    assert (first.domains, first.node, first.same_as) == ((0, 7), 7, None)
    assert first.users == Users(2, 1, 0, ((0, 2), (4 * LMB, 1)), 2)
    assert (second.node, second.same_as, second.users) == (8, None, Users())
    assert (third.node, third.same_as, third.users.ranges) == (7, 0, ((2 * LMB, 3),))
    assert (usage.unused, usage.duplicates) == (1, 1)


def test_those_without_an_array_are_told_apart_by_why() -> None:
    sets = [
        (1, 0, 1, 5, ASSIGNED),
        (2, LMB, 2, UNSET, 0),
        (3, 3 * LMB, 4, 0, ASSIGNED | AI_INVALID),
        (4, 6 * LMB, 7, UNSET, ASSIGNED),
    ]
    usage = LookupUsage.from_tree(partition(drmem(sets, ((1,),))))
    assert [(one.reason, one.aa_index, one.users.lmbs, one.users.assigned) for one in usage.outsiders] == [
        ("unset", UNSET, 6, 4),
        ("ai-invalid", None, 3, 3),
        ("out-of-range", 5, 1, 1),
    ]
    assert usage.arrays[0].users.lmbs == 0


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4), st.sampled_from([0, 0x8, 0x80, 0x48])), max_size=12)
)
def test_no_lmb_is_lost_or_counted_twice(found: list[tuple[int, int, int]]) -> None:
    sets = [(count, 16 * i * LMB, 16 * i, aa, flags) for i, (count, aa, flags) in enumerate(found)]
    usage = LookupUsage.from_tree(partition(drmem(sets, ((0,), (1,), (0,)))))
    by_index = [one.users for one in usage.arrays] + [one.users for one in usage.outsiders]
    assert sum(users.lmbs for users in by_index) == sum(count for count, _, _ in found)
    for one in usage.arrays:
        assert one.users.lmbs == sum(n for n, aa, flags in found if aa == one.index and not flags & AI_INVALID)


def test_4_billion_arrays_of_nothing_are_not_listed() -> None:
    tree = partition(drmem([(1, 0, 0, 3, ASSIGNED)]))
    tree = tree.with_property(
        "/ibm,dynamic-reconfiguration-memory", "ibm,associativity-lookup-arrays", cells(0xFFFFFFFF, 0)
    )
    usage = LookupUsage.from_tree(tree)
    assert (usage.n_arrays, usage.array_sz, usage.arrays) == (0xFFFFFFFF, 0, ())
    assert [(one.reason, one.aa_index) for one in usage.outsiders] == [("out-of-range", 3)]


def test_more_arrays_than_the_limit_are_refused() -> None:
    tree = partition(drmem([], [(domain,) for domain in range(5)]))
    assert len(LookupUsage.from_tree(tree, 5).arrays) == 5
    with pytest.raises(LimitError, match="more than 4 lookup arrays"):
        LookupUsage.from_tree(tree, 4)


def test_more_wrong_indexes_than_the_limit_are_refused() -> None:
    tree = partition(drmem([(1, i * LMB, i, 10 + i, ASSIGNED) for i in range(5)], ((0,),)))
    assert len(LookupUsage.from_tree(tree, 5).outsiders) == 5
    with pytest.raises(LimitError, match="aa_index"):
        LookupUsage.from_tree(tree, 4)


def test_arrays_that_linux_does_not_take_have_no_node() -> None:
    tree = partition(drmem([(1, 0, 0, 0, ASSIGNED)]))
    tree = tree.with_property(
        "/ibm,dynamic-reconfiguration-memory", "ibm,associativity-lookup-arrays", cells(2, 1, 5)
    )
    usage = LookupUsage.from_tree(tree)
    assert not usage.usable
    assert [(one.index, one.domains, one.node) for one in usage.arrays] == [(0, (5,), None)]


def test_without_dynamic_memory_there_is_nothing_to_show() -> None:
    with pytest.raises(NotInTreeError, match="offers this partition no dynamic memory"):
        LookupUsage.from_tree(fixture_tree("trees/nomaxmem"))
