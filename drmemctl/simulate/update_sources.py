# SPDX-License-Identifier: MIT
"""Answers to ibm,update-nodes and ibm,update-properties: recorded ones, or made by comparing two trees."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from drmemctl.formats.associativity import ASSOCIATIVITY
from drmemctl.formats.drc import MY_DRC_INDEX
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2
from drmemctl.formats.registry import MIGRATED
from drmemctl.formats.rtas_input import RecordedCall
from drmemctl.formats.update_nodes import ADD, DELETE, UPDATE, WORK_AREA, encode_update_nodes
from drmemctl.formats.update_properties import Change, encode_update_properties
from drmemctl.hypervisor.firmware_tree import firmware_tree
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.firmware import HARDWARE_ERROR, Firmware
from drmemctl.kernel.mobility import UPDATE_NODES
from drmemctl.model.phandles import PHANDLES, phandle_of
from drmemctl.model.standard_properties import device_type
from drmemctl.simulate.partition import Hypervisor, machine_key
from drmemctl.tree.node import Node, Tree, encode_name


@dataclass(slots=True)
class RecordedUpdates:
    """Answers in the order in which they were recorded; a kernel that asks for others gets an error.

    Attributes:
        answers: those that were not given yet.
        faults: calls that the record has no answer for.

    """

    answers: list[RecordedCall]
    faults: list[Fault] = field(default_factory=list)

    def call(self, name: str, work_area: bytes, scope: int, firmware: Firmware) -> tuple[bytes, int]:
        """Return the next answer of that call, for update-properties of that phandle."""
        del scope, firmware
        for at, answer in enumerate(self.answers):
            if answer.call == name and (name == UPDATE_NODES or answer.area[:4] == work_area[:4]):
                del self.answers[at]
                return answer.area, answer.status
        self.faults.append(Fault("no-answer", f"{name} is called where the record has no answer", name))
        return bytes(WORK_AREA), HARDWARE_ERROR


@dataclass(frozen=True, slots=True)
class PlannedUpdates:
    """Updates that firmware made up beforehand.

    Attributes:
        nodes: the work areas of ibm,update-nodes.
        properties: those of ibm,update-properties for each phandle.
        faults: what LoPAR does not let firmware tell.

    """

    nodes: list[bytes]
    properties: dict[int, list[bytes]]
    faults: tuple[Fault, ...] = ()

    def call(self, name: str, work_area: bytes, scope: int, firmware: Firmware) -> tuple[bytes, int]:
        """Return the next work area; status 1 if more follow."""
        del scope, firmware
        if name == UPDATE_NODES:
            return _next_area(name, work_area, self.nodes)
        phandle = int.from_bytes(work_area[:4], "big")
        areas = self.properties.get(phandle) or encode_update_properties(phandle, b"", ())
        return _next_area(name, work_area, areas)


def _next_area(name: str, work_area: bytes, areas: list[bytes]) -> tuple[bytes, int]:
    """Return the work area that follows those that the state word counts, and status 1 if more follow."""
    at = 0 if name == UPDATE_NODES else 4
    fetched = int.from_bytes(work_area[at : at + 4], "big")
    if fetched >= len(areas):
        return bytes(WORK_AREA), 0
    area = areas[fetched][:at] + (fetched + 1).to_bytes(4, "big") + areas[fetched][at + 4 :]
    return area, 1 if fetched + 1 < len(areas) else 0


def updates_of_phandles(phandles: Sequence[int]) -> PlannedUpdates:
    """Return the updates of a reassignment that names phandles (or DRC indexes) and has no new properties."""
    return PlannedUpdates(encode_update_nodes([(UPDATE, phandles)]), {})


@dataclass(frozen=True, slots=True)
class TreeDifference:
    """What firmware of one tree has to tell a kernel that holds another.

    Attributes:
        deleted: phandles of nodes that are gone.
        updated: (phandle, path, changes) of nodes that differ.
        added: (parent's phandle, DRC index, node) of nodes that are new.
        faults: what LoPAR does not let firmware tell.

    """

    deleted: tuple[int, ...]
    updated: tuple[tuple[int, str, tuple[Change, ...]], ...]
    added: tuple[tuple[int, int, Node], ...]
    faults: tuple[Fault, ...]

    def node_lists(self, updated: Sequence[int], *, additions: bool = True) -> list[bytes]:
        """Return the work areas of ibm,update-nodes in LoPAR's order: deletions, updates, additions.

        `updated` has the phandles of the nodes with new properties; without `additions` no node comes or goes.
        """
        operations: list[tuple[int, Sequence[int]]] = [(UPDATE, updated)]
        if additions:
            added = [word for parent, drc_index, _ in self.added for word in (parent, drc_index)]
            operations = [(DELETE, self.deleted), *operations, (ADD, added)]
        return encode_update_nodes([operation for operation in operations if operation[1]])

    def planned(self) -> PlannedUpdates:
        """Return the work areas that tell a kernel of the difference."""
        properties = {
            phandle: encode_update_properties(phandle, encode_name(path), changes)
            for phandle, path, changes in self.updated
        }
        nodes = self.node_lists([phandle for phandle, _, _ in self.updated])
        return PlannedUpdates(nodes, properties, self.faults)


@dataclass(frozen=True, slots=True)
class LiveUpdates:
    """Firmware that answers by what it knows at the moment of the call.

    A list made beforehand would not do where threads interleave: which LMBs are assigned changes while a request
    runs, and firmware knows that from its connectors. Calls change nothing, so that they can be made again in
    another order.

    Attributes:
        kernel_tree: the tree that the kernel was last told of as a whole.
        tree: the tree of the system that has the news; another, after a migration, has nothing to tell of it.
        difference: what differs between the two.
        additions: whether nodes that come and go are told of: a reassignment only has updates.
        trees: what firmware would hand out, by machine.

    """

    kernel_tree: Tree
    tree: Tree
    difference: TreeDifference
    additions: bool
    trees: dict[Hashable, Tree] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def between(cls, kernel_tree: Tree, tree: Tree, *, additions: bool) -> LiveUpdates:
        """Return the firmware of `tree` for a kernel that came up with `kernel_tree`."""
        return cls(kernel_tree, tree, difference(kernel_tree, tree), additions)

    def call(self, name: str, work_area: bytes, scope: int, firmware: Firmware) -> tuple[bytes, int]:
        """Return the next work area; status 1 if more follow. The state word counts those that were fetched."""
        del scope
        machine = cast("Hypervisor", firmware)
        is_current = machine.tree is self.tree
        drmem = self.kernel_tree.find(NODE)
        drmem_phandle = 0 if drmem is None else phandle_of(drmem)
        if name == UPDATE_NODES:
            phandles = dict.fromkeys(phandle for phandle, _, _ in self.difference.updated)
            if drmem_phandle:
                phandles[drmem_phandle] = None
            lists = self.difference.node_lists(list(phandles), additions=self.additions) if is_current else []
            return _next_area(name, work_area, lists or [bytes(WORK_AREA)])
        phandle = int.from_bytes(work_area[:4], "big")
        path, changes = "", tuple[Change, ...]()
        if is_current and drmem is not None and phandle == drmem_phandle:
            key = machine_key(machine)
            if key not in self.trees:
                self.trees[key] = firmware_tree(machine)
            handed_out = self.trees[key].find(NODE)
            path, changes = NODE, () if handed_out is None else tuple(changes_of(drmem, handed_out))
        elif is_current:
            updates = (update for update in self.difference.updated if update[0] == phandle)
            _, path, changes = next(updates, (phandle, path, changes))
        return _next_area(name, work_area, encode_update_properties(phandle, encode_name(path), changes))


_NOT_TOLD = frozenset({*PHANDLES, "name", "slof,from-fdt"})
"""Properties that name a node on the system that made it, and are not delivered to another."""

_ORDER = (LOOKUP_ARRAYS, V1, V2)

_REASSIGNED = {NODE: frozenset({V1, V2}), **dict.fromkeys(("cpu", "memory"), frozenset({ASSOCIATIVITY}))}
"""What LoPAR lets a platform resource reassignment change, by path or device type; and platform facilities."""

_PLATFORM_FACILITIES = "/ibm,platform-facilities"


def difference(old: Tree, new: Tree, *, reassignment: bool = False) -> TreeDifference:
    """Return what firmware of `new` would tell a kernel that holds `old`; nodes are matched by their path.

    A platform resource reassignment may change less than a migration, and brings and takes no nodes.
    """
    comparison = _TreeComparison(reassignment=reassignment)
    comparison.compare("/", old.root, new.root)
    lists = (tuple(comparison.deleted), tuple(comparison.updated), tuple(comparison.added))
    return TreeDifference(*lists, tuple(comparison.faults))


class _TreeComparison:
    """Walks two trees, node by node below the same path."""

    def __init__(self, *, reassignment: bool) -> None:
        self._reassignment = reassignment
        self._event = "a reassignment" if reassignment else "a migration"
        self.deleted: list[int] = []
        self.updated: list[tuple[int, str, tuple[Change, ...]]] = []
        self.added: list[tuple[int, int, Node]] = []
        self.faults: list[Fault] = []

    def compare(self, path: str, old: Node, new: Node) -> None:
        if old is new:
            return
        changes = tuple(changes_of(old, new))
        allowed = MIGRATED
        if self._reassignment:
            allowed = _REASSIGNED.get(path) or _REASSIGNED.get(device_type(old) or "", frozenset())
            if path.startswith(_PLATFORM_FACILITIES):
                allowed = frozenset(change.name.decode("ascii", "replace") for change in changes)
        for change in changes:
            name = change.name.decode("ascii", "replace")
            if name not in allowed:
                self._fault(f"{path}:{name} may not change in {self._event}", path, name)
        if changes and phandle_of(old):
            self.updated.append((phandle_of(old), path, changes))
        elif changes:
            self._fault(f"{path} has no phandle to tell of its changes by", path)
        self._compare_children(path, old, new)

    def _compare_children(self, path: str, old: Node, new: Node) -> None:
        old_children = {child.name: child for child in old.children}
        for child in new.children:
            below = f"{path.rstrip('/')}/{child.name}"
            match = old_children.pop(child.name, None)
            drc_index = child.get(MY_DRC_INDEX)
            if match is not None:
                self.compare(below, match, child)
            elif self._reassignment:
                self._fault(f"{below} is new, and {self._event} brings no nodes", below)
            elif phandle_of(old) and drc_index is not None:
                self.added.append((phandle_of(old), int.from_bytes(drc_index[:4], "big"), child))
            else:
                self._fault(f"{below} is new, but has no parent's phandle or no DRC index to be added by", below)
        for name, child in old_children.items():
            below = f"{path.rstrip('/')}/{name}"
            if self._reassignment:
                self._fault(f"{below} is gone, and {self._event} takes no nodes", below)
            elif phandle_of(child):
                self.deleted.append(phandle_of(child))
            else:
                self._fault(f"{below} is gone, but has no phandle to be deleted by", below)

    def _fault(self, message: str, path: str, name: str = "") -> None:
        self.faults.append(Fault("lopar-not-allowed", message, "ibm,update-nodes", path, name))


def changes_of(old: Node, new: Node) -> Iterator[Change]:
    """Yield the changes of a node's properties: removals first, lookup arrays before what refers to them."""
    before = {prop.name: prop.value for prop in old.properties}
    after = {prop.name: prop.value for prop in new.properties}
    for name in before:
        if name not in after and name not in _NOT_TOLD:
            yield Change(encode_name(name), None)
    changed = [name for name in after if name not in _NOT_TOLD and before.get(name) != after[name]]
    for name in sorted(changed, key=lambda name: _ORDER.index(name) if name in _ORDER else -1):
        yield Change(encode_name(name), after[name])
