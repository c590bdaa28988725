# SPDX-License-Identifier: MIT
"""Where a migration's updates come from: recorded answers, or the difference between two trees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from drmemctl.errors import FormatError, InputError
from drmemctl.formats.dynamic_memory import NODE, V1, V2
from drmemctl.formats.rtas_input import RecordedCall, recorded_calls
from drmemctl.formats.update_nodes import ADD, DELETE, UPDATE, WORK_AREA, encode_update_nodes
from drmemctl.formats.update_properties import Change, encode_update_properties
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.firmware import HARDWARE_ERROR, Firmware
from drmemctl.kernel.mobility import UPDATE_NODES
from drmemctl.model.phandles import phandle_of
from drmemctl.model.standard_properties import device_type
from drmemctl.tree.node import Node, Tree, encode_name


def read_record(data: bytes, source: str) -> list[RecordedCall]:
    """Return the calls of a file of RTAS answers; `InputError` for any other file."""
    wrong = "an object without any"
    try:
        calls = list(recorded_calls(data))
    except (InputError, FormatError) as error:
        calls, wrong = [], error.message
    else:
        # A list may be empty: then firmware has no answer to whatever the kernel asks.
        if calls or data.lstrip()[:1] == b"[":
            return calls
    raise InputError(
        f"no list of RTAS answers: {wrong}",
        source=source,
        hint="write a JSON list of {call, answer, status}, each answer in hex",
    )


@dataclass(slots=True)
class Recorded:
    """Answers in the order in which they were recorded; a kernel that asks for others gets an error."""

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


@dataclass(slots=True)
class Planned:
    """Updates that firmware made up: lists of nodes, and work areas for each phandle."""

    nodes: list[bytes]
    properties: dict[int, list[bytes]]
    faults: list[Fault] = field(default_factory=list)

    def call(self, name: str, work_area: bytes, scope: int, firmware: Firmware) -> tuple[bytes, int]:
        """Return the next work area; status 1 if more follow."""
        del scope, firmware
        phandle = int.from_bytes(work_area[:4], "big")
        areas = self.nodes if name == UPDATE_NODES else self.properties.get(phandle, [])
        if not areas:
            areas = [*encode_update_properties(phandle, b"", ())] if name != UPDATE_NODES else [bytes(WORK_AREA)]
        area = areas.pop(0)
        return area, 1 if areas else 0


@dataclass(frozen=True, slots=True)
class Difference:
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

    def source(self) -> Planned:
        """Return the updates in LoPAR's order: deletions, updates, additions."""
        operations: list[tuple[int, Sequence[int]]] = [
            (DELETE, self.deleted),
            (UPDATE, [phandle for phandle, _, _ in self.updated]),
            (ADD, [word for parent, drc_index, _ in self.added for word in (parent, drc_index)]),
        ]
        properties = {
            phandle: encode_update_properties(phandle, encode_name(path), changes)
            for phandle, path, changes in self.updated
        }
        return Planned(encode_update_nodes([one for one in operations if one[1]]), properties, list(self.faults))


_KEPT = frozenset({"phandle", "linux,phandle", "ibm,phandle", "name", "slof,from-fdt"})
"""What names a node belongs to the system that it was made on."""

_MIGRATED = frozenset(
    {
        "ibm,associativity",
        "ibm,associativity-lookup-arrays",
        "ibm,associativity-reference-points",
        "ibm,current-associativity-domains",
        "ibm,drc-indexes",
        "ibm,drc-info",
        "ibm,drc-names",
        "ibm,drc-power-domains",
        "ibm,drc-types",
        "ibm,dynamic-memory",
        "ibm,dynamic-memory-v2",
        "ibm,max-associativity-domains",
        "ibm,memory-preservation-time",
        "ibm,architecture-vec-5",
    }
)
"""Properties of memory and affinity that LoPAR lets a migration change."""

_ASSOCIATIVITY = frozenset({"ibm,associativity"})

_ORDER = ("ibm,associativity-lookup-arrays", "ibm,dynamic-memory", "ibm,dynamic-memory-v2")


_REASSIGNED = {NODE: frozenset({V1, V2}), "cpu": _ASSOCIATIVITY, "memory": _ASSOCIATIVITY}
"""What LoPAR lets a platform resource reassignment change, by path or device type; and platform facilities."""

_PLATFORM_FACILITIES = "/ibm,platform-facilities"


def _may_be_reassigned(path: str, node: Node, name: str) -> bool:
    allowed = _REASSIGNED.get(path) or _REASSIGNED.get(device_type(node) or "", frozenset())
    return name in allowed or path.startswith(_PLATFORM_FACILITIES)


def difference(old: Tree, new: Tree, *, reassignment: bool = False) -> Difference:
    """Return what firmware of `new` would tell a kernel that holds `old`; nodes are matched by their path.

    A platform resource reassignment may change less than a migration, and brings and takes no nodes.
    """
    found = _Finder(reassignment=reassignment)
    found.compare("/", old.root, new.root)
    return Difference(tuple(found.deleted), tuple(found.updated), tuple(found.added), tuple(found.faults))


class _Finder:
    def __init__(self, *, reassignment: bool) -> None:
        self._reassignment = reassignment
        self.deleted: list[int] = []
        self.updated: list[tuple[int, str, tuple[Change, ...]]] = []
        self.added: list[tuple[int, int, Node]] = []
        self.faults: list[Fault] = []

    def compare(self, path: str, old: Node, new: Node) -> None:
        if old is new:
            return
        changes = list(changes_of(old, new))
        self._judge(path, old, changes)
        if changes and phandle_of(old):
            self.updated.append((phandle_of(old), path, tuple(changes)))
        elif changes:
            self._fault(f"{path} has no phandle to tell of its changes by", path)
        self._children(path, old, new)

    def _children(self, path: str, old: Node, new: Node) -> None:
        left = {child.name: child for child in old.children}
        for child in new.children:
            below = f"{path.rstrip('/')}/{child.name}"
            match = left.pop(child.name, None)
            if match is not None:
                self.compare(below, match, child)
            else:
                self._add(below, phandle_of(old), child)
        for name, child in left.items():
            self._delete(f"{path.rstrip('/')}/{name}", child)

    def _add(self, path: str, parent: int, node: Node) -> None:
        if self._reassignment:
            self._fault(f"{path} is new, and a reassignment brings no nodes", path)
            return
        data = node.get("ibm,my-drc-index")
        if not parent or data is None:
            self._fault(f"{path} is new, but has no parent's phandle or no DRC index to be added by", path)
            return
        self.added.append((parent, int.from_bytes(data[:4], "big"), node))

    def _delete(self, path: str, node: Node) -> None:
        if self._reassignment:
            self._fault(f"{path} is gone, and a reassignment takes no nodes", path)
        elif phandle_of(node):
            self.deleted.append(phandle_of(node))
        else:
            self._fault(f"{path} is gone, but has no phandle to be deleted by", path)

    def _judge(self, path: str, node: Node, changes: list[Change]) -> None:
        what = "a reassignment" if self._reassignment else "a migration"
        for change in changes:
            name = change.name.decode("ascii", "replace")
            allowed = _may_be_reassigned(path, node, name) if self._reassignment else name in _MIGRATED
            if not allowed:
                self._fault(f"{path}:{name} may not change in {what}", path, name)

    def _fault(self, message: str, path: str, name: str = "") -> None:
        self.faults.append(Fault("lopar-not-allowed", message, "ibm,update-nodes", path, name))


def changes_of(old: Node, new: Node) -> Iterator[Change]:
    """Yield the changes of a node's properties: removals first, lookup arrays before what refers to them."""
    before = {prop.name: prop.value for prop in old.properties}
    after = {prop.name: prop.value for prop in new.properties}
    for name in before:
        if name not in after and name not in _KEPT:
            yield Change(encode_name(name), None)
    changed = [name for name in after if name not in _KEPT and before.get(name) != after[name]]
    for name in sorted(changed, key=lambda name: _ORDER.index(name) if name in _ORDER else -1):
        yield Change(encode_name(name), after[name])


def listed(phandles: Sequence[int]) -> Planned:
    """Return the updates of a reassignment that names phandles (or DRC indexes) and has no new properties."""
    return Planned(encode_update_nodes([(UPDATE, phandles)]), {})
