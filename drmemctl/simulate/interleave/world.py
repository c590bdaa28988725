# SPDX-License-Identifier: MIT
"""What the threads share: kernel, hypervisor, locks; immutable, and known by a key that equal worlds share."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, fields, replace

from drmemctl.formats.dynamic_memory import NODE, V1, V2
from drmemctl.hypervisor.topology import DeliveredTopology
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.state import KernelState
from drmemctl.kernel.task import Action, Lock
from drmemctl.simulate.result import changed_properties
from drmemctl.simulate.simulation import Hypervisor
from drmemctl.tree.node import Tree

QUEUES = frozenset({Lock.WORKQUEUE, Lock.RTASD})


@dataclass(frozen=True, slots=True)
class World:
    """A partition between two actions.

    Attributes:
        kernel: the kernel.
        machine: the hypervisor's side.
        faults: what the kernel did wrong so far.
        held: locks and the numbers of the threads that hold them.
        queued: queues and the threads in them, in the order in which they came; the first is at work.
        uevent: whether user space has not seen yet that a memory block came or went.
        crash_tree: the tree that the crash kernel was loaded with, None where nobody loads one.

    """

    kernel: KernelState
    machine: Hypervisor
    faults: frozenset[Fault] = frozenset()
    held: frozenset[tuple[Lock, int]] = frozenset()
    queued: tuple[tuple[Lock, int], ...] = ()
    uevent: bool = False
    crash_tree: Tree | None = None

    @property
    def stopped(self) -> bool:
        """Whether nothing happens any more."""
        return self.machine.aborted

    def lets(self, thread: int, action: Action) -> bool:
        """Whether a thread need not wait for a lock or a queue."""
        lock = action.takes
        if lock is None:
            return True
        if lock in QUEUES:
            first = next((number for queue, number in self.queued if queue is lock), None)
            return first == thread or (first is None and action.drops is lock)
        return all(held is not lock for held, _ in self.held)

    def locked(self, thread: int, action: Action) -> World:
        """Return the world after a thread has queued for, taken or given back what an action says."""
        world = self
        if action.joins is not None:
            world = replace(world, queued=(*world.queued, (action.joins, thread)))
        if action.takes is not None and action.takes not in QUEUES:
            world = replace(world, held=world.held | {(action.takes, thread)})
        if action.drops is not None:
            world = replace(world, held=world.held - {(action.drops, thread)})
            left = tuple(one for one in world.queued if one != (action.drops, thread))
            world = replace(world, queued=left)
        return world


class Keys:
    """Keys of worlds: all that a later action or a rule can tell apart, as small as it goes.

    A tree is known by what differs from the first one, since actions change single properties.
    """

    def __init__(self, first: Tree) -> None:
        self._first = first
        self._trees: dict[int, tuple[Tree, Hashable]] = {}
        self._topologies: dict[int, tuple[DeliveredTopology, Hashable]] = {}

    def of(self, world: World) -> Hashable:
        """Return the key of a world."""
        kernel, crash = world.kernel, world.crash_tree
        return (
            self._tree(kernel.tree),
            kernel.table.runs.packed(),
            kernel.blocks,
            (
                kernel.unmovable,
                kernel.dead,
                kernel.updating,
                kernel.deaf,
                kernel.copies,
                kernel.cpus,
                kernel.topology.with_cpus,
            ),
            (machine_key(world.machine), self._topology(world.machine.delivered)),
            (world.faults, world.held, world.queued, world.uevent),
            None if crash is None else (crash.get(NODE, V1), crash.get(NODE, V2)),
        )

    def _topology(self, delivered: DeliveredTopology) -> Hashable:
        known = self._topologies.get(id(delivered))
        if known is None:
            known = self._topologies[id(delivered)] = delivered, delivered.key
        return known[1]

    def _tree(self, tree: Tree) -> Hashable:
        known = self._trees.get(id(tree))
        if known is None:
            # The tree is held on to: no other may take its identity while it is known by that.
            key = tuple(sorted(changed_properties(self._first, tree).items(), key=_name))
            known = self._trees[id(tree)] = tree, key
        return known[1]


def _name(item: tuple[str, bytes | None]) -> str:
    return item[0]


_BY_IDENTITY = frozenset({"tree", "lmbs", "lists"})
"""What a machine takes from the tree that it was made from or moved to; there are two or three of those."""

_LEFT_OUT = _BY_IDENTITY | {"events", "delivered"}


def machine_key(machine: Hypervisor) -> Hashable:
    """Return what tells a machine from another that was made from the same trees."""
    parts: Iterable[Hashable] = (
        getattr(machine, part.name) for part in fields(machine) if part.name not in _LEFT_OUT
    )
    return (id(machine.tree), *parts)
