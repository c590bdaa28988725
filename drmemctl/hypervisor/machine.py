# SPDX-License-Identifier: MIT
"""What both hypervisors share: a machine with connectors and devices, and the RTAS calls on them.

A machine is an immutable value: each call gives its answer and the machine after it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from drmemctl.errors import DrmemctlError
from drmemctl.formats.associativity import ASSOCIATIVITY, encode_associativity
from drmemctl.formats.drc import MY_DRC_INDEX
from drmemctl.formats.memory_reg import REG
from drmemctl.formats.rows import words
from drmemctl.hypervisor.connectors import (
    Call,
    ConnectorRun,
    ConnectorTable,
    Effect,
    Table,
    Transition,
    When,
    kind_of,
    sense_of,
)
from drmemctl.hypervisor.cpu_nodes import cpu_nodes
from drmemctl.hypervisor.recorded import NOTHING_RECORDED, RecordedConnectors
from drmemctl.hypervisor.topology import NO_LMBS, NOTHING_DELIVERED, DeliveredTopology, lmb_table, lookup_rows
from drmemctl.kernel.firmware import (
    ALLOCATION_STATE,
    DR_ENTITY_SENSE,
    DR_INDICATOR,
    ISOLATION_STATE,
    PARAMETER_ERROR,
    SENSE_EMPTY,
    SENSE_PRESENT,
    SUCCESS,
    ConnectorAnswer,
)
from drmemctl.model.associativity import node_of_list
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import DRC_INDEXES
from drmemctl.model.standard_properties import device_type
from drmemctl.tree.node import Node, Property, Tree

_CALLS = {
    (ISOLATION_STATE, 0): Call.ISOLATE,
    (ISOLATION_STATE, 1): Call.UNISOLATE,
    (ALLOCATION_STATE, 0): Call.UNUSABLE,
    (ALLOCATION_STATE, 1): Call.USABLE,
    **{(DR_INDICATOR, value): Call.INDICATE for value in range(4)},
}


_KIND_SHIFT = 28
"""The bits of a DRC index above these are its type (`kind_of`)."""


class RefusedError(DrmemctlError):
    """The hypervisor refuses what its user asked for; nothing has changed."""


@dataclass(frozen=True, slots=True)
class Device:
    """Something attached: on QEMU a DIMM, which covers several LMBs and is unplugged as a whole.

    Attributes:
        number: how connectors refer to it; from 1 on.
        name: what the hypervisor's user calls it.
        first: the DRC index of its first connector.
        count: how many connectors it covers.
        domains: its associativity list without the length cell.
        pending: connectors that it still waits for while an unplug is under way, None without.
        presumed: whether its extent was only concluded from a tree.
        given_back: whether it was concluded from LMBs that the guest took and gave back without being asked.

    """

    number: int
    name: str
    first: int
    count: int
    domains: tuple[int, ...]
    pending: int | None = None
    presumed: bool = False
    given_back: bool = False

    @property
    def end(self) -> int:
        """The DRC index after its last connector's."""
        return self.first + self.count


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine.

    Attributes:
        tree: the tree that the firmware handed out at boot.
        connectors: its connectors.
        devices: what is attached, by number.
        rows: the rows of the firmware's lookup arrays at boot.
        primary_index: the position (from 1) of the domain in a row that is the Linux node, None without NUMA.
        lmb_size: bytes of an LMB.
        events: events for its user since `without_events`.
        aborted: whether the hypervisor itself stopped.
        delivered: where its LMBs are by what it delivered to the partition last.
        recorded: answers of a record, which replace its own while a step replays one.
        homes: home nodes (domains) of threads by interrupt server number, where they differ from the tree's.
        lmbs: the LMBs of the tree that says where they are: on QEMU only that of the destination of a migration.
        lists: the lookup arrays of that tree, which after a migration are not those of boot.

    """

    tree: Tree
    connectors: ConnectorTable
    devices: tuple[Device, ...] = ()
    rows: tuple[tuple[int, ...], ...] = ()
    primary_index: int | None = None
    lmb_size: int = 0
    events: tuple[str, ...] = ()
    aborted: bool = False
    delivered: DeliveredTopology = NOTHING_DELIVERED
    recorded: RecordedConnectors = NOTHING_RECORDED
    homes: tuple[tuple[int, tuple[int, ...]], ...] = ()
    lmbs: LmbTable = NO_LMBS
    lists: tuple[tuple[int, ...], ...] = ()

    name: ClassVar[str] = ""
    """What `--hypervisor` calls it."""

    # The policy: QEMU and PowerVM differ in these.

    @property
    def transfer_error(self) -> int:
        """What asking for the state of a migration leads to: 0 where the hypervisor can migrate by LoPAR."""
        return 0

    @property
    def events_reach_kernel(self) -> bool:
        """Whether the kernel itself acts on the events of hot-plug, and not user space on what the kernel logs."""
        return True

    def table(self, drc_index: int) -> Table:
        """Return the state table of a connector."""
        raise NotImplementedError

    def released(self, run: ConnectorRun) -> Self:
        """Return the machine after the OS gave back connectors that an unplug waits for, where one can wait."""
        del run
        return self

    def unplug_refused(self, drc_index: int, call: Call) -> Self:
        """Return the machine after the OS turned an unplug down by this call, where one can wait."""
        del drc_index, call
        return self

    def domains_of(self, drc_index: int) -> tuple[int, ...]:
        """Return the associativity list of an LMB."""
        raise NotImplementedError

    def n_placed_alike(self, run: ConnectorRun, drc_index: int, count: int) -> int:
        """Return how many of `count` connectors of a run have the same associativity, and are given back alike."""
        raise NotImplementedError

    def is_placed_as_at_boot(self, drc_index: int) -> bool:
        """Whether an attached LMB was attached at boot already, with the associativity that the tree has."""
        raise NotImplementedError

    def moved(self, tree: Tree) -> Self:
        """Return the machine after a migration to the firmware of a tree, which says where the LMBs are.

        Nothing is known of home nodes there.
        """
        return replace(self, tree=tree, homes=(), lmbs=lmb_table(tree), lists=lookup_rows(tree))

    def migrated(self) -> Self:
        """Return the machine after QEMU's own migration; `RefusedError` where it is no QEMU."""
        raise RefusedError(f"{self.name} is not migrated by QEMU: see `lpm`")

    def withhold(self, first: int, count: int, status: int | None) -> Self:
        """Let the pool refuse LMBs with a status, or give them again with None; `RefusedError` without a pool."""
        del first, count, status
        raise RefusedError(f"{self.name} has no pool that could refuse LMBs: it gives what is attached")

    # The mechanism, which both share.

    def domains_in_property(self, drc_index: int) -> tuple[int, ...] | None:
        """Return the list that the LMB property of `lmbs` gives an LMB, None where it gives it none."""
        index = self.lmbs.index_of_drc(drc_index)
        aa_index = -1 if index is None else self.lmbs.lmb(index).aa_index
        return self.lists[aa_index] if 0 <= aa_index < len(self.lists) else None

    def n_in_same_list(self, drc_index: int, count: int) -> int:
        """Return how many of `count` LMBs from a DRC index on are in the same run of that property."""
        for length, first in zip(self.lmbs.runs.lmbs, self.lmbs.runs.drc_indexes, strict=True):
            for edge in ((first - drc_index) % DRC_INDEXES, (first + length - drc_index) % DRC_INDEXES):
                if 0 < edge < count:
                    count = edge
        return count

    def node_of(self, domains: tuple[int, ...]) -> int | None:
        """Return the Linux node of an associativity list, None for none."""
        return node_of_list(self.primary_index, domains)

    def device(self, number: int) -> Device | None:
        """Return a device by its number."""
        # Numbers ascend: a device that is attached gets one above all others.
        at = bisect_left(self.devices, number, key=lambda device: device.number)
        device = self.devices[at] if at < len(self.devices) else None
        return device if device is not None and device.number == number else None

    def with_device(self, changed: Device) -> Self:
        """Return the machine with a device changed."""
        return replace(
            self, devices=tuple(changed if device.number == changed.number else device for device in self.devices)
        )

    def with_events(self, *events: str) -> Self:
        """Return the machine with its user told of something."""
        return replace(self, events=(*self.events, *events))

    def without_events(self) -> Self:
        """Return the machine after its user took the events."""
        return replace(self, events=()) if self.events else self

    def existing(self, first: int, count: int) -> list[ConnectorRun]:
        """Return `count` connectors from DRC index `first` on; `RefusedError` unless all of them exist."""
        runs = list(self.connectors.between(first, count))
        if count == 0 or sum(run.count for run in runs) < count:
            several = f"there are no {count:,} connectors from {first:#010x} on"
            raise RefusedError(f"there is no connector {first:#010x}" if count == 1 else several)
        return runs

    def get_sensor(self, sensor: int, drc_index: int) -> tuple[tuple[int, int], Self]:
        """Answer get-sensor-state: (status, state)."""
        run = self.connectors.find(drc_index)
        if sensor != DR_ENTITY_SENSE or run is None:
            return (PARAMETER_ERROR, 0), self
        if kind_of(drc_index).is_physical:
            return (SUCCESS, SENSE_PRESENT if run.device else SENSE_EMPTY), self
        return (SUCCESS, sense_of(run)), self

    def set_indicator(self, indicator: int, drc_index: int, value: int, count: int = 1) -> tuple[int, Self]:
        """Answer set-indicator, for `count` connectors that are alike."""
        call = _CALLS.get((indicator, value))
        return (PARAMETER_ERROR, self) if call is None else self._call(call, drc_index, count)

    def configure_connector(self, drc_index: int, count: int = 1) -> tuple[ConnectorAnswer, Self]:
        """Answer ibm,configure-connector, walked to its end, for `count` connectors that are alike."""
        recorded = self.recorded.connector(drc_index)
        if recorded is not None and recorded.status != SUCCESS:
            return ConnectorAnswer(recorded.status), self
        status, machine = self._call(Call.CONFIGURE, drc_index, count)
        if status != SUCCESS:
            return ConnectorAnswer(status), machine
        domains = machine.domains_of(drc_index) if kind_of(drc_index).is_lmb else ()
        if domains and recorded is not None:
            domains = tuple(words(recorded.associativity)[1:])
        if domains:
            machine = replace(machine, delivered=machine.delivered.configured(drc_index, count, domains))
        node, *siblings = machine.described(drc_index) or (None,)
        if node is not None and recorded is not None:
            node = node.with_property(ASSOCIATIVITY, recorded.associativity)
        return ConnectorAnswer(status, node, tuple(filter(None, siblings))), machine

    def home_node(self, server: int) -> tuple[int, ...] | None:
        """Answer H_HOME_NODE_ASSOCIATIVITY for a thread; None where nothing but the tree tells of it."""
        return next((domains for thread, domains in self.homes if thread == server), None)

    def with_home(self, threads: Collection[int], domains: tuple[int, ...]) -> Self:
        """Return the machine with another home node for threads."""
        other_homes = (home for home in self.homes if home[0] not in threads)
        return replace(self, homes=tuple(sorted((*other_homes, *((thread, domains) for thread in threads)))))

    def updated(self, name: str, value: bytes | None, tree: Tree) -> Self:
        """Return the machine after it delivered a property of the drmem node to a partition that holds `tree`."""
        return replace(self, delivered=self.delivered.updated(name, value, tree))

    def handing_out(self, tree: Tree, lmbs: LmbTable | None = None) -> Self:
        """Return the machine after it delivered a whole tree: at boot, or as the destination of a migration."""
        return replace(self, delivered=DeliveredTopology.of_tree(tree, lmbs))

    def _call(self, call: Call, drc_index: int, count: int = 1) -> tuple[int, Self]:
        run = self.connectors.find(drc_index)
        transition = None if run is None else self.table(drc_index).get((call, run.state))
        if run is None or transition is None:
            return PARAMETER_ERROR, self
        if not _allowed(transition, run, drc_index):
            return transition.otherwise, self
        machine = self
        if run.unplug and transition.effect is Effect.REFUSE_UNPLUG:
            machine = machine.unplug_refused(drc_index, call)
        if transition.to is not None:
            current = machine.connectors.find(drc_index) or run
            changed = replace(current.part(drc_index, drc_index + count), state=transition.to)
            machine = replace(machine, connectors=machine.connectors.with_run(changed))
            if call is Call.UNUSABLE and kind_of(drc_index).is_lmb:
                machine = replace(machine, delivered=machine.delivered.released(drc_index, count))
            if transition.effect is Effect.RELEASE and changed.unplug:
                machine = machine.released(changed)
        return transition.status, machine

    def obtainable(self, drc_index: int, count: int) -> int:
        """Return how many of the connectors from `drc_index` on can be acquired."""
        runs = self.connectors.between(drc_index, count)
        return sum(run.count for run in runs if self._could_be_acquired(run))

    def n_alike(self, drc_index: int, count: int) -> int:
        """Return how many of `count` connectors from `drc_index` on are in one state and at one place."""
        run = self.connectors.find(drc_index)
        if run is None:
            following = next(self.connectors.between(drc_index, count), None)
            return count if following is None else following.first - drc_index
        kind_ends = (drc_index >> _KIND_SHIFT) + 1 << _KIND_SHIFT
        return self.n_placed_alike(run, drc_index, min(count, run.end - drc_index, kind_ends - drc_index))

    def refused(self, drc_index: int, count: int) -> int:
        """Return how many connectors from `drc_index` on cannot be acquired, before the first that can."""
        # Between the runs there are no connectors, and the sensor fails.
        runs = self.connectors.between(drc_index, count)
        return next((run.first - drc_index for run in runs if self._could_be_acquired(run)), count)

    def _could_be_acquired(self, run: ConnectorRun) -> bool:
        transition = self.table(run.first)[Call.USABLE, run.state]
        return transition.to is not None and _allowed(transition, run, run.first)

    def described(self, drc_index: int) -> tuple[Node, ...]:
        """Return the subtrees of a connector: a memory node for an LMB, for others what the tree has for it."""
        kind = kind_of(drc_index)
        if not kind.is_lmb:
            cell = drc_index.to_bytes(4, "big")
            node = next((node for _, node in self.tree.walk() if node.get(MY_DRC_INDEX) == cell), None)
            if not kind.is_cpu or (node is not None and device_type(node) != "cpu"):
                return () if node is None else (node,)
            core, *caches = cpu_nodes(self.tree, drc_index, self.placed(drc_index)) or (None,)
            return () if core is None else (self.described_cpu(core), *filter(None, caches))
        # As QEMU since 4.0 has it: of the whole DRC index, so 2^59 too high with LMBs of 256 MiB. Linux reads the
        # associativity only.
        address = drc_index * self.lmb_size & 0xFFFFFFFFFFFFFFFF
        reg = address.to_bytes(8, "big") + self.lmb_size.to_bytes(8, "big")
        properties = (
            Property(ASSOCIATIVITY, encode_associativity(self.domains_of(drc_index))),
            Property(REG, reg),
            Property("device_type", b"memory\0"),
        )
        return (Node(f"memory@{address:x}", properties),)

    def described_cpu(self, core: Node) -> Node:
        """Return a core's node as its connector describes it, where that differs from the tree of boot."""
        return core

    def placed(self, drc_index: int) -> tuple[int, ...]:
        """Return the list that the hypervisor's user gave what is attached to a connector, empty for none."""
        raise NotImplementedError


def _allowed(transition: Transition, run: ConnectorRun, drc_index: int) -> bool:
    match transition.when:
        case When.HAS_DEVICE:
            return run.device != 0
        case When.FREE_DEVICE:
            return run.device != 0 and not run.unplug
        case When.UNPLUGGED_LMB:
            return run.unplug or not kind_of(drc_index).is_lmb
    return True
