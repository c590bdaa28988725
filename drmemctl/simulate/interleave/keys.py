# SPDX-License-Identifier: MIT
"""Keys of partitions: all that a later action or a rule can tell apart, which equal partitions share."""

from __future__ import annotations

import struct
from collections.abc import Hashable
from dataclasses import fields
from operator import attrgetter, itemgetter
from typing import Any

from drmemctl.hypervisor.topology import DeliveredTopology
from drmemctl.kernel.state import KernelState
from drmemctl.model.distances import Form1
from drmemctl.model.drmem import READ_FROM
from drmemctl.simulate.partition import Hypervisor, Partition, machine_key
from drmemctl.simulate.state_changes import changed_properties
from drmemctl.tree.node import Tree

_MARK = struct.Struct("=7I")
"""Of the parts of a key."""

_NO_MARK = bytes(_MARK.size)

_OWN_PARTS = frozenset({"tree", "table", "blocks", "distances"})
"""What the key has in another form than the kernel."""

_AS_BOOTED = frozenset({"profile", "block_size", "kept", "listed"})
"""What only a boot changes: no action boots a kernel."""

SAME_IN_SEARCH = {
    "last": "the result of a step of a simulation: an action is none",
    "boot": "what `expect` asks for, which is no thread's step",
    "flush": "which step wrote the LMB property: threads go through actions, not steps",
    "boot_tree": "what kexec, reboot and `removable` read, which are no thread's steps",
}
"""Fields of a partition that no action of a thread reads or changes, and why: no key has them."""

_TELLING = attrgetter(
    *(part.name for part in fields(KernelState) if part.compare and part.name not in _OWN_PARTS | _AS_BOOTED)
)

_MOST_KNOWN = 20_000
"""Trees and topologies that are known by their identity."""


class Keys:
    """Makes the keys, as small as they go.

    A tree is known by what differs from the first one, since actions change single properties. Trees and
    topologies are held on to while something is known by their identity: no other may take it.

    A mark has each part of a key as a number (G. Holzmann, State Compression in SPIN, 1997): there are far fewer
    LMB tables, trees and machines than partitions made of them.
    """

    def __init__(self, first: Tree) -> None:
        self._first = first
        self._trees: dict[int, tuple[Tree, Hashable]] = {}
        self._topologies: dict[int, tuple[DeliveredTopology, Hashable]] = {}
        self._machine_trees: dict[int, Tree] = {}
        self._parts: tuple[dict[Hashable, int], ...] = tuple({} for _ in range(_MARK.size // 4))

    def mark(self, partition: Partition, before: Partition | None = None, mark: bytes = _NO_MARK) -> bytes:
        """Return a few bytes that tell a partition from all others that these keys were asked for.

        `before` is the partition that it was made from by an action, and `mark` the mark of that: what both hold
        has the same numbers.
        """
        kernel, machine, crash = partition.kernel, partition.machine, partition.crash_tree
        numbers = [*_MARK.unpack(mark)]
        old = None if before is None else before.kernel
        if kernel is not old:
            if old is None or kernel.tree is not old.tree:
                numbers[0] = self._number(0, self._tree(kernel.tree))
            if old is None or kernel.table is not old.table:
                numbers[1] = self._number(1, kernel.table.runs.packed())
            if old is None or kernel.blocks is not old.blocks:
                numbers[2] = self._number(2, kernel.blocks)
            numbers[3] = self._number(3, _rest(kernel))
        if before is None or machine is not before.machine:
            self._machine_trees[id(machine.tree)] = machine.tree
            numbers[4] = self._number(4, self._machine(machine))
        numbers[5] = self._number(5, _threads(partition))
        if before is None or crash is not before.crash_tree:
            numbers[6] = self._number(6, _dumped(crash))
        return _MARK.pack(*numbers)

    def of(self, partition: Partition) -> tuple[Any, ...]:
        """Return the key of a partition."""
        kernel = partition.kernel
        return (
            self._tree(kernel.tree),
            kernel.table.runs.packed(),
            kernel.blocks,
            _rest(kernel),
            self._machine(partition.machine),
            _threads(partition),
            _dumped(partition.crash_tree),
        )

    def _number(self, part: int, key: Hashable) -> int:
        numbers = self._parts[part]
        return numbers.setdefault(key, len(numbers))

    def _tree(self, tree: Tree) -> Hashable:
        """Return what tells a tree from others: the properties that the first one has not."""
        if id(tree) not in self._trees:
            self._forget_some()
            changed = sorted(changed_properties(self._first, tree).items(), key=itemgetter(0))
            self._trees[id(tree)] = tree, tuple(changed)
        return self._trees[id(tree)][1]

    def _machine(self, machine: Hypervisor) -> Hashable:
        delivered = machine.delivered
        if id(delivered) not in self._topologies:
            self._forget_some()
            self._topologies[id(delivered)] = delivered, delivered.key
        return machine_key(machine), self._topologies[id(delivered)][1]

    def _forget_some(self) -> None:
        if len(self._trees) + len(self._topologies) > _MOST_KNOWN:
            self._trees.clear()
            self._topologies.clear()


def _threads(partition: Partition) -> Hashable:
    """Return what threads leave to one another, and did wrong."""
    return partition.faults, partition.locks, partition.queued, partition.uevent


def _dumped(tree: Tree | None) -> Hashable:
    """Return what a crash kernel knows of memory: all that its LMBs are read from."""
    return None if tree is None else tuple(tree.get(*place) for place in READ_FROM)


def _rest(kernel: KernelState) -> Hashable:
    """Return what can change of a kernel besides its tree, its table and its memory blocks."""
    distances = kernel.distances
    return _TELLING(kernel), frozenset(distances.rows.items()) if isinstance(distances, Form1) else None
