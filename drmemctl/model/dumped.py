# SPDX-License-Identifier: MIT
"""What a dumped kernel had besides its tree: its LMB array, and the tree as it was before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from drmemctl.errors import NotInTreeError
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.tree.node import Tree

if TYPE_CHECKING:
    from drmemctl.memory.lmb_array import LmbArray

ARRAY_ABSENT = "array-absent"
"""The defect that the array is there, but its LMBs are not in the dump."""

ARRAY = "drmem_info"
"""The kernel's variable: what stands for the property of the LMBs where the array is shown."""

_FROM_TREE = "--from tree shows the LMBs of the device tree"


def array_in(tree: Tree) -> LmbTable | None:
    """Return the kernel's own array, None where the input is no dump or has none.

    It is of no property: what rules say of its LMBs, they say of the tree's.
    """
    array = None if tree.dump is None else tree.dump.array
    return None if array is None else _table_of(array)


def named_array(tree: Tree) -> LmbTable:
    """Return the kernel's own array under the name of its variable; `NotInTreeError` if there is none to show."""
    array = array_in(tree)
    if array is not None:
        return replace(array, property_name=ARRAY)
    message = "this is no kernel dump, and only those have the kernel's LMB array"
    if tree.dump is not None:
        message = "the kernel's LMB array (drmem_info) is not found in this dump"
        message = next((defect.message for defect in tree.defects if defect.code == ARRAY_ABSENT), message)
    raise NotInTreeError(message, source=tree.source, hint=_FROM_TREE)


def read_table(path: str) -> LmbTable:
    """Return the array in a file of drmemctl.array/1; `InputError` for what is none, `LimitError`."""
    from drmemctl.tree.kept_dump import read_array
    from drmemctl.tree.plain_input import read_input

    return _table_of(read_array(read_input(path, _LARGEST_ARRAY), path))


_LARGEST_ARRAY = 64 << 20


def _table_of(array: LmbArray) -> LmbTable:
    return LmbTable.of((Run(base, 1, drc, aa, flags) for base, drc, aa, flags in array), array.lmb_size)


def no_dump(tree: Tree) -> NotInTreeError:
    """Return the error that an input has no tree of boot."""
    message = "this is no kernel dump, and only those have a tree of boot besides the tree"
    return NotInTreeError(message, source=tree.source, hint=_FROM_TREE)


class PastMoment(NamedTuple):
    """When a property got a value.

    Attributes:
        value: the value, None where the property was not there then.
        before: the tree right before; None for the oldest value, which nothing came before.
        after: the tree right after.

    """

    value: bytes | None
    before: Tree | None
    after: Tree


def past_values(tree: Tree, path: str, name: str) -> Iterator[PastMoment]:
    """Yield the values that a property of a dumped kernel has had, the newest first.

    of_remove_property and __of_update_property (drivers/of/base.c) put what they take out in front of the node's
    `deadprops`: to take these changes back, the last first, leads through all states of the node.
    """
    node = after = tree.node(path)
    value = node.get(name)
    for prop in () if tree.dump is None else tree.dump.replaced.get(path, ()):
        before = node.with_property(prop.name, prop.value)
        if prop.name == name:
            yield PastMoment(value, tree.with_node(path, before), tree.with_node(path, node))
            value, after = prop.value, before
        node = before
    yield PastMoment(value, None, tree.with_node(path, after))


def at_boot(tree: Tree, path: str) -> Tree:
    """Return the tree with a node as it was before anything in it was replaced or removed.

    A property that was added later is still in it: adding leaves no trace.
    """
    node = tree.node(path)
    for prop in () if tree.dump is None else tree.dump.replaced.get(path, ()):
        node = node.with_property(prop.name, prop.value)
    return tree.with_node(path, node)
