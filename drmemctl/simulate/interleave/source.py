# SPDX-License-Identifier: MIT
"""Firmware that answers ibm,update-nodes and ibm,update-properties by what it knows at the moment of the call.

A list recorded beforehand would not do: which LMBs are assigned changes while a request runs, and firmware knows
that from its connectors. Calls change nothing, so that they can be made again in another order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import cast

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.update_nodes import ADD, DELETE, UPDATE, WORK_AREA, encode_update_nodes
from drmemctl.formats.update_properties import Change, encode_update_properties
from drmemctl.hypervisor.firmware_tree import firmware_tree
from drmemctl.kernel.firmware import Firmware
from drmemctl.kernel.mobility import UPDATE_NODES
from drmemctl.model.phandles import phandle_of
from drmemctl.simulate.interleave.world import machine_key
from drmemctl.simulate.simulation import Hypervisor
from drmemctl.simulate.updates import Difference, changes_of, difference
from drmemctl.tree.node import Tree, encode_name


@dataclass(frozen=True, slots=True)
class ListedSource:
    """Firmware that names phandles, or DRC indexes of LMBs, and has no new properties for them."""

    phandles: tuple[int, ...]

    def call(self, name: str, work_area: bytes, scope: int, firmware: Firmware) -> tuple[bytes, int]:
        """Return the next work area; status 1 if more follow."""
        del scope, firmware
        if name == UPDATE_NODES:
            return _fetched(name, work_area, encode_update_nodes([(UPDATE, self.phandles)]))
        return _fetched(name, work_area, encode_update_properties(int.from_bytes(work_area[:4], "big"), b"", ()))


def _fetched(name: str, work_area: bytes, areas: list[bytes]) -> tuple[bytes, int]:
    """Return the work area that follows those that the state word counts."""
    at = 0 if name == UPDATE_NODES else 4
    fetched = int.from_bytes(work_area[at : at + 4], "big")
    if fetched >= len(areas):
        return bytes(WORK_AREA), 0
    area = areas[fetched][:at] + (fetched + 1).to_bytes(4, "big") + areas[fetched][at + 4 :]
    return area, 1 if fetched + 1 < len(areas) else 0


@dataclass(frozen=True, slots=True)
class FirmwareSource:
    """Firmware that has news.

    Attributes:
        known: the tree that the kernel was last told of as a whole.
        home: the tree of the system that has the news; another, after a migration, has nothing to tell of it.
        found: what differs between the two.
        additions: whether nodes that come and go are told of: a reassignment only has updates.
        made: what firmware would hand out, by machine.

    """

    known: Tree
    home: Tree
    found: Difference
    additions: bool
    made: dict[Hashable, Tree] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def between(cls, known: Tree, home: Tree, *, additions: bool) -> FirmwareSource:
        """Return the firmware of `home` for a kernel that came up with `known`."""
        return cls(known, home, difference(known, home), additions)

    def call(self, name: str, work_area: bytes, scope: int, firmware: Firmware) -> tuple[bytes, int]:
        """Return the next work area; status 1 if more follow. The state word counts those that were fetched."""
        del scope
        machine = cast("Hypervisor", firmware)
        phandle = int.from_bytes(work_area[:4], "big")
        areas = self._nodes(machine) if name == UPDATE_NODES else self._properties(machine, phandle)
        return _fetched(name, work_area, areas)

    def _nodes(self, machine: Hypervisor) -> list[bytes]:
        if machine.tree is not self.home:
            return [bytes(WORK_AREA)]
        drmem = self.known.find(NODE)
        updated = {phandle: None for phandle, _, _ in self.found.updated}
        if drmem is not None and phandle_of(drmem):
            updated[phandle_of(drmem)] = None
        operations = [(UPDATE, list(updated))]
        if self.additions:
            added = [word for parent, drc_index, _ in self.found.added for word in (parent, drc_index)]
            operations = [(DELETE, list(self.found.deleted)), *operations, (ADD, added)]
        return encode_update_nodes([one for one in operations if one[1]]) or [bytes(WORK_AREA)]

    def _properties(self, machine: Hypervisor, phandle: int) -> list[bytes]:
        path, changes = "", list[Change]()
        if machine.tree is self.home:
            path, changes = self._changes(machine, phandle)
        return encode_update_properties(phandle, encode_name(path), changes)

    def _changes(self, machine: Hypervisor, phandle: int) -> tuple[str, list[Change]]:
        drmem = self.known.find(NODE)
        if drmem is not None and phandle_of(drmem) == phandle:
            now = self._tree_of(machine).find(NODE)
            return NODE, [] if now is None else list(changes_of(drmem, now))
        return next(self._listed(phandle), ("", []))

    def _tree_of(self, machine: Hypervisor) -> Tree:
        key = machine_key(machine)
        if key not in self.made:
            self.made[key] = firmware_tree(machine)
        return self.made[key]

    def _listed(self, phandle: int) -> Iterator[tuple[str, list[Change]]]:
        return ((path, list(changes)) for number, path, changes in self.found.updated if number == phandle)
