# SPDX-License-Identifier: MIT
"""QEMU's pseries machine: DIMMs, their unplug, what cancels it, what it tells its user and where it aborts.

Source: QEMU hw/ppc/spapr.c `spapr_memory_plug`, `spapr_memory_unplug_request`, `spapr_memory_unplug_rollback`,
`spapr_lmb_release`; hw/ppc/spapr_drc.c.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from drmemctl.formats.architecture_vec5 import (
    ARCHITECTURE_VEC5,
    HP_EVT,
    ArchitectureVec5,
    decode_architecture_vec5,
)
from drmemctl.hypervisor.connectors import (
    QEMU_LOGICAL,
    QEMU_PHYSICAL,
    Call,
    ConnectorRun,
    ConnectorTable,
    Table,
    kind_of,
)
from drmemctl.hypervisor.inventory import (
    assigned_devices,
    devices_given_back,
    drc_intervals,
    lmb_entries,
    lmb_intervals,
    lmb_runs,
    other_runs,
)
from drmemctl.hypervisor.machine import Device, Machine, RefusedError
from drmemctl.hypervisor.topology import lmb_table, lookup_rows
from drmemctl.kernel.hash_table import uses_radix
from drmemctl.model.associativity import CHOSEN, Associativity
from drmemctl.model.processors import PFT_SIZE
from drmemctl.tree.node import Node, Tree
from drmemctl.wording import count_of

_EOPNOTSUPP = 95
"""As Linux numbers it on powerpc, whatever this machine does."""

Version = tuple[int, int]

_ADDED_BY_SLOF = frozenset({"phandle", "linux,phandle", "slof,from-fdt"})

MEASURED: Version = (7, 2)
"""The version whose every answer was recorded; what `qemu` alone stands for."""

DEVICE_DELETED = "DEVICE_DELETED"
MEM_UNPLUG_ERROR = "MEM_UNPLUG_ERROR"
DEVICE_UNPLUG_GUEST_ERROR = "DEVICE_UNPLUG_GUEST_ERROR"
ABORT = "ABORT"

_MEMORY = ("MEM", "PMEM")
"""Connectors of what QEMU takes for a DIMM."""

_IN_PROGRESS = {"MEM": "Memory", "28": "PCI device", "PHB": "PCI Host Bridge"}
"""What a type is called in the refusal of a second unplug; one of a CPU may be asked for over and over."""


@dataclass(frozen=True, slots=True)
class QemuFeature:
    """Something that versions of QEMU differ in: from `first` to `last`, both inclusive."""

    first: Version
    last: Version = (999, 0)
    commit: str = ""

    def in_version(self, version: Version) -> bool:
        """Whether a version has it."""
        return self.first <= version <= self.last


CONFIGURE_REFUSES = QemuFeature((6, 0), commit="fe1831eff8")
"""configure-connector on an LMB whose DIMM is being unplugged means that the guest keeps it."""

UNISOLATE_REFUSES = QemuFeature((6, 1), commit="87758fed7a")
"""So does unisolating a connector that is being unplugged."""

TELLS_MEM_UNPLUG_ERROR = QemuFeature((6, 0), (9, 0), "eb7f80fd26")
TELLS_GUEST_ERROR = QemuFeature((6, 2), commit="4b08cd567b")

MIGRATES_UNPLUG = QemuFeature((5, 0), commit="spapr: Migrate SpaprDrc::unplug_requested, February 2020")
"""A connector's pending unplug is migrated with its state (`vmstate_spapr_drc_unplug_requested`)."""

_MIGRATION_READ: Version = (2, 11)
"""What older versions migrate of a connector was not read."""


@dataclass(frozen=True, slots=True)
class Qemu(Machine):
    """A QEMU pseries machine.

    Attributes:
        version: decides what differs between machines.
        moved_devices: the highest number of a device that a migration brought along: the destination's tree says
            where those are.

    """

    name: ClassVar[str] = "qemu"

    version: Version = MEASURED
    moved_devices: int = 0

    @classmethod
    def from_tree(cls, tree: Tree, version: Version = MEASURED) -> Qemu:
        """Return the machine that would have handed out this tree."""
        intervals, entries = drc_intervals(tree), lmb_entries(tree)
        intervals_of_lmbs = lmb_intervals(intervals, entries)
        assigned = tuple(assigned_devices(tree, entries))
        devices = (*assigned, *devices_given_back(tree, entries, intervals_of_lmbs, len(assigned) + 1))
        lmbs = lmb_runs(intervals_of_lmbs, devices)
        connectors = ConnectorTable.of([*lmbs, *other_runs(tree, intervals)])
        table = lmb_table(tree)
        position = Associativity.as_booted(tree).primary_index
        machine = cls(tree, connectors, devices, lookup_rows(tree), position, table.lmb_size or 0, version=version)
        return machine.handing_out(tree, table)

    @property
    def transfer_error(self) -> int:
        """QEMU has no H_VASI_STATE: H_FUNCTION, which Linux turns into EOPNOTSUPP."""
        return -_EOPNOTSUPP

    @property
    def events_reach_kernel(self) -> bool:
        """Whether the guest agreed on HP_EVT, which machine types up to pseries-2.7 do not offer.

        Without, events come by the interrupt for EPOW, whose handler logs them (`ras_epow_interrupt`). A tree
        that does not tell is taken to be that of a guest that agreed.
        """
        vector5 = self._vector5
        return vector5 is None or vector5.has(HP_EVT)

    @property
    def _vector5(self) -> ArchitectureVec5 | None:
        data = self.tree.get(CHOSEN, ARCHITECTURE_VEC5)
        return None if data is None else decode_architecture_vec5(data)

    def table(self, drc_index: int) -> Table:
        """Return the state table of a connector."""
        return QEMU_PHYSICAL if kind_of(drc_index).is_physical else QEMU_LOGICAL

    def _device_of(self, drc_index: int) -> Device | None:
        """Return what is attached to a connector."""
        run = self.connectors.find(drc_index)
        return None if run is None else self.device(run.device)

    def domains_of(self, drc_index: int) -> tuple[int, ...]:
        """Return the list of the DIMM that an LMB belongs to."""
        device = self._device_of(drc_index)
        if device is None:
            return ()
        if device.number > self.moved_devices:
            return device.domains
        return self.domains_in_property(drc_index) or device.domains

    def described_cpu(self, core: Node) -> Node:
        """Return a core's node without what SLOF adds to that of boot, and with the size of the table as it is."""
        properties = tuple(prop for prop in core.properties if prop.name not in _ADDED_BY_SLOF)
        core = replace(core, properties=properties)
        if core.get(PFT_SIZE) is None or not uses_radix(self.tree):
            return core
        # QEMU has no hash table any more then (spapr_free_hpt).
        return core.with_property(PFT_SIZE, bytes(8))

    def placed(self, drc_index: int) -> tuple[int, ...]:
        """Return the list of what was plugged into a connector."""
        device = self._device_of(drc_index)
        return () if device is None else device.domains

    def n_placed_alike(self, run: ConnectorRun, drc_index: int, count: int) -> int:
        """Return how many of `count` connectors have the same list, and do not all complete a pending unplug."""
        device = self.device(run.device)
        if run.unplug:
            if device is None or device.pending is None:
                return 1
            count = min(count, device.pending, device.end - drc_index)
        moved = device is not None and device.number <= self.moved_devices
        return self.n_in_same_list(drc_index, count) if moved else count

    def moved(self, tree: Tree) -> Qemu:
        """Return the machine on the destination, whose tree says where the DIMMs are that came along."""
        newest = max((device.number for device in self.devices), default=0)
        return replace(Machine.moved(self, tree), moved_devices=newest)

    def is_placed_as_at_boot(self, drc_index: int) -> bool:
        """Whether an LMB belongs to a DIMM that was there at boot."""
        device = self._device_of(drc_index)
        return device is not None and device.presumed

    def attach(self, first: int, count: int, domains: tuple[int, ...]) -> Qemu:
        """Attach a DIMM of `count` LMBs from DRC index `first` on (device_add pc-dimm).

        Raises `RefusedError` where there is no room for it.
        """
        machine = self._without_given_back(first, count)
        runs = machine.existing(first, count)
        for device in machine.devices:
            if device.first < first + count and first < device.end:
                raise RefusedError(f"address range conflicts with memory device id='{device.name}'")
        number = max((device.number for device in machine.devices), default=0) + 1
        device = Device(number, f"dimm{number}", first, count, domains)
        connectors = machine.connectors
        for run in runs:
            # The state stays (spapr_drc_attach): empty for logical connectors, powered on for slots.
            connectors = connectors.with_run(replace(run, device=number))
        return replace(machine, devices=(*machine.devices, device), connectors=connectors)

    def _without_given_back(self, first: int, count: int) -> Qemu:
        """Forget DIMMs that were concluded from flag 0x100 alone, where the user plugs another in their place."""
        machine = self
        for device in self.devices:
            if device.given_back and device.first < first + count and first < device.end:
                remaining = tuple(present for present in machine.devices if present is not device)
                connectors = machine.connectors
                for run in connectors.between(device.first, device.count):
                    connectors = connectors.with_run(replace(run, state=kind_of(run.first).empty, device=0))
                machine = replace(machine, devices=remaining, connectors=connectors)
        return machine

    def detach(self, first: int, count: int) -> Qemu:
        """Ask for a DIMM back (device_del): connectors that the guest never took are released at once.

        Raises `RefusedError` if there is no such DIMM or it is being unplugged already.
        """
        kind = kind_of(first).name
        vector5 = self._vector5
        if kind in _MEMORY and vector5 is not None and any(vector5.data[1:]) and not vector5.has(HP_EVT):
            # `spapr_memory_hot_unplug_supported`: where nothing at all was agreed on, no guest has asked yet.
            raise RefusedError("Memory hot unplug not supported for this guest")
        if kind == "PMEM":
            raise RefusedError("nvdimm device hot unplug is not supported yet.")
        machine, device = self._dimm(first, count)
        if device.pending is not None:
            if kind in _IN_PROGRESS:
                raise RefusedError(f"{_IN_PROGRESS[kind]} unplug already in progress for device {device.name}")
            return machine
        machine = machine.with_device(replace(device, pending=device.count, given_back=False))
        for run in machine.connectors.between(first, count):
            if not run.device:
                # spapr_drc_unplug_request asserts that there is a device: this LMB was given back before the
                # guest refused to give back the rest of its DIMM.
                return replace(machine.with_events(ABORT), aborted=True)
            machine = machine.unplug_requested(run)
        return machine

    def unplug_requested(self, run: ConnectorRun) -> Self:
        """Return the machine after an unplug of these connectors was asked for (`spapr_drc_unplug_request`)."""
        requested = replace(run, unplug=True)
        machine = replace(self, connectors=self.connectors.with_run(requested))
        return machine.released(requested) if run.state is kind_of(run.first).empty else machine

    def _dimm(self, first: int, count: int) -> tuple[Qemu, Device]:
        for device in self.devices:
            if (device.first, device.count) == (first, count):
                return self, device
        inside = [device for device in self.devices if device.first < first + count and first < device.end]
        held = sum(min(device.end, first + count) - max(device.first, first) for device in inside)
        if count < 1 or held < count:
            raise RefusedError(f"no device has {count_of(count, 'LMB')} from {first:#010x} on")
        if not all(device.presumed and device.pending is None for device in inside):
            names = ", ".join(device.name for device in inside)
            raise RefusedError(f"{count_of(count, 'LMB')} from {first:#010x} on: not the whole of {names}")
        return self._recut(inside, first, count)

    def _recut(self, inside: list[Device], first: int, count: int) -> tuple[Qemu, Device]:
        """Make one DIMM of the LMBs that the user unplugs: the tree does not always tell where DIMMs end."""
        machine: Qemu = self
        number = max(device.number for device in self.devices) + 1
        dimm = replace(inside[0], number=number, name=f"dimm{number}", first=first, count=count)
        neighbours = [device for device in self.devices if device not in inside]
        for device in inside:
            for low, high in ((device.first, first), (first + count, device.end)):
                if low < high:
                    number += 1
                    neighbours.append(
                        replace(device, number=number, name=f"dimm{number}", first=low, count=high - low)
                    )
        machine = replace(machine, devices=tuple(sorted((*neighbours, dimm), key=lambda device: device.number)))
        for device in (*neighbours, dimm):
            for run in machine.connectors.between(device.first, device.count):
                if run.device:
                    changed = replace(run, device=device.number)
                    machine = replace(machine, connectors=machine.connectors.with_run(changed))
        return machine, dimm

    def released(self, run: ConnectorRun) -> Self:
        """Return the machine after connectors were given back; with the last one goes the DIMM."""
        device = self.device(run.device)
        free = replace(run, device=0, unplug=False)
        machine = replace(self, connectors=self.connectors.with_run(free))
        if device is None:
            return machine.with_events(DEVICE_DELETED)
        pending = device.pending
        if pending is None:
            # `spapr_recover_pending_dimm_state`: after a migration it waits for all that have a device again.
            attached = self.connectors.between(device.first, device.count)
            pending = sum(connector.count for connector in attached if connector.device == device.number)
        pending -= run.count
        if pending > 0:
            return machine.with_device(replace(device, pending=pending))
        devices = tuple(present for present in machine.devices if present.number != device.number)
        return replace(machine, devices=devices).with_events(DEVICE_DELETED)

    def unplug_refused(self, drc_index: int, call: Call) -> Self:
        """Return the machine after the guest turned the unplug down."""
        is_lmb = kind_of(drc_index).is_lmb
        if call is Call.CONFIGURE:
            return self._rolled_back(drc_index) if is_lmb and CONFIGURE_REFUSES.in_version(self.version) else self
        if not UNISOLATE_REFUSES.in_version(self.version):
            return self
        machine = self._rolled_back(drc_index) if is_lmb else self._cancelled(drc_index)
        # The connector tells of it once more, besides the DIMM.
        return machine if machine.aborted else machine.with_guest_error()

    def with_guest_error(self) -> Self:
        """Return the machine after its user was told that the guest refused, in versions that tell."""
        return self.with_events(DEVICE_UNPLUG_GUEST_ERROR) if TELLS_GUEST_ERROR.in_version(self.version) else self

    def _cancelled(self, drc_index: int) -> Self:
        """Forget the unplug of a whole device; LMBs that were given back already stay without one."""
        device = self._device_of(drc_index)
        machine, first, count = self, drc_index, 1
        if device is not None:
            machine, first, count = self.with_device(replace(device, pending=None)), device.first, device.count
        connectors = machine.connectors
        for connector in machine.connectors.between(first, count):
            connectors = connectors.with_run(replace(connector, unplug=False))
        return replace(machine, connectors=connectors)

    def _rolled_back(self, drc_index: int) -> Self:
        """Let the guest keep a DIMM, and tell the user."""
        device = self._device_of(drc_index)
        if device is not None and device.pending is None:
            # `spapr_memory_unplug_rollback` asserts that it knows of the unplug; after a migration it does not.
            return replace(self.with_events(ABORT), aborted=True)
        machine = self._cancelled(drc_index)
        if TELLS_MEM_UNPLUG_ERROR.in_version(self.version):
            machine = machine.with_events(MEM_UNPLUG_ERROR)
        return machine.with_guest_error()

    def migrated(self) -> Qemu:
        """Return the machine on another host, with what QEMU's migration carries over of its connectors.

        `spapr_drc_needed`: the state of connectors that have a device, and that an unplug is pending. The list of
        unplugs (`pending_dimm_unplugs`) is not in the stream. The destination is started with whole DIMMs, as if
        they had been there at boot: an LMB that was given back has its device again, and is the guest's.
        """
        if self.version < _MIGRATION_READ:
            raise RefusedError("what QEMU before 2.11 migrates of a connector is not known")
        connectors = self.connectors
        for run in self.connectors.runs:
            if run.unplug and not MIGRATES_UNPLUG.in_version(self.version):
                connectors = connectors.with_run(replace(run, unplug=False))
        for device in self.devices:
            for run in connectors.between(device.first, device.count):
                if not run.device:
                    state = kind_of(run.first).ready
                    connectors = connectors.with_run(replace(run, device=device.number, state=state))
        devices = tuple(replace(device, pending=None) for device in self.devices)
        return replace(self, connectors=connectors, devices=devices)

    def reset(self) -> Qemu:
        """Reset the machine: what is being unplugged goes, what is attached is the guest's (`spapr_drc_reset`)."""
        machine: Qemu = self
        for run in self.connectors.runs:
            if run.unplug:
                machine = machine.released(run)
        runs = []
        for run in machine.connectors.runs:
            kind = kind_of(run.first)
            runs.append(replace(run, state=kind.ready if run.device else kind.empty))
        return replace(machine, connectors=ConnectorTable.of(runs))
