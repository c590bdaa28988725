# SPDX-License-Identifier: MIT
"""`plug`, `unplug`, `attach`, `detach`: what the hypervisor changes, and what it tells the guest by an event."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, cast

from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5, HP_EVT, decode_architecture_vec5
from drmemctl.hypervisor.connectors import kind_of
from drmemctl.hypervisor.machine import RefusedError
from drmemctl.hypervisor.qemu import Qemu
from drmemctl.kernel.errno import EINVAL
from drmemctl.kernel.job import Job
from drmemctl.kernel.requests import (
    ADD,
    COUNT,
    CPU,
    INDEX,
    INDEXED_COUNT,
    MEMORY,
    PMEM,
    REMOVE,
    Request,
    handle_event,
)
from drmemctl.kernel.task import Footprint, StatePart, Task, atomic
from drmemctl.model.associativity import CHOSEN
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Hypervisor, Partition, StepResult
from drmemctl.simulate.step_words import DRC, NUMBER, StepWords
from drmemctl.simulate.steps.kernel_step import CPU_REQUEST, REQUEST, Circumstances, KernelStep, MakeTask

_NODES = 16
"""Nodes that a refusal names."""

_LEFT_TO_USER_SPACE = (
    "the guest did not agree on hot-plug events (HP_EVT): the event comes by EPOW, the kernel only logs "
    "`RTAS: event: N, Type: Hotplug Event (229)`, and user space has to act: `dlpar memory add count N`"
)


@dataclass(frozen=True, slots=True)
class _Hotplug(KernelStep):
    """A change of LMBs in the hypervisor; `tell` asks the guest to follow it.

    Attributes:
        drc_index: the first LMB's.
        count: how many LMBs.
        tell: whether the guest is asked.
        action: what it is asked to do.
        resource: with what; of anything but memory it is always told by the DRC index.
        one_by_one: why several at a time are refused, to be read behind their number; empty where they are not.

    """

    drc_index: int
    count: int
    tell: bool

    is_request: ClassVar[bool] = True
    touches: ClassVar[Footprint] = REQUEST
    alike: ClassVar[bool] = True
    returns_errno: ClassVar[bool] = False
    action: ClassVar[str]
    resource: ClassVar[str] = MEMORY
    one_by_one: ClassVar[str] = ""

    def applied_to(self, machine: Hypervisor) -> Hypervisor:
        """Return the hypervisor's side after the change; `RefusedError` where it refuses."""
        if self.one_by_one and self.count != 1:
            raise RefusedError(f"{self.count} {self.one_by_one}, COUNT is 1")
        return self.changed(machine)

    @abstractmethod
    def changed(self, machine: Hypervisor) -> Hypervisor:
        """Return the hypervisor's side after the change of as many as it makes at a time."""

    def request(self, machine: Hypervisor) -> Request:
        """Return what the guest is asked for by the hotplug event."""
        del machine
        if self.resource != MEMORY:
            return Request(self.action, INDEX, drc_index=self.drc_index, resource=self.resource)
        return Request(self.action, INDEXED_COUNT, self.count, self.drc_index)

    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task: the hypervisor's change, unless `carry_out` made it, then the event."""

        def make(job: Job) -> Task[int]:
            if not circumstances.alone:
                refused = yield from _changed(job, self)
                if refused or not self.tell:
                    return EINVAL if refused else 0
            machine = cast("Hypervisor", job.firmware)
            return (yield from handle_event(job, self.request(machine))) if machine.events_reach_kernel else 0

        return make

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result of what the hypervisor did, then of what the guest made of it."""
        try:
            changed = replace(partition, machine=self.applied_to(partition.machine))
        except RefusedError as refusal:
            return self.refused(partition, refusal)
        if changed.machine.aborted or not self.tell:
            return StepResult(self, partition, changed, ok=not changed.machine.aborted)
        if not changed.machine.events_reach_kernel and not changed.kernel.dead:
            return StepResult(self, partition, changed, note=_LEFT_TO_USER_SPACE)
        return self.alone(partition, changed, files)


@atomic(writes=(StatePart.CONNECTORS,))
def _changed(job: Job, step: _Hotplug) -> bool:
    """Let the hypervisor attach or detach; return whether it refuses."""
    try:
        job.firmware = step.applied_to(cast("Hypervisor", job.firmware))
    except RefusedError:
        return True
    return False


@dataclass(frozen=True, slots=True)
class Attach(_Hotplug):
    """`plug` or `attach`: the hypervisor attaches LMBs with an associativity, given in one of three ways.

    Attributes:
        node: the Linux node to which a row of the firmware's lookup arrays at boot leads, None if not given.
        row: the number of such a row, None if not given.
        domains: the associativity itself, None if not given; without any of the three it is that of row 0.

    """

    node: int | None = None
    row: int | None = None
    domains: tuple[int, ...] | None = None

    action: ClassVar[str] = ADD
    completions: ClassVar[tuple[tuple[str, ...], ...]] = ((DRC,), (NUMBER,), ("node", "row", "assoc"), (NUMBER,))

    @classmethod
    def parse(cls, words: StepWords) -> Attach:
        """Return the step."""
        drc_index = words.drc_index()
        kind = _ATTACH.get(kind_of(drc_index).name, Attach)
        step = kind(words.text, drc_index, words.number("how many LMBs"), tell=words.name == "plug")
        if not words.remaining:
            return step
        place = words.keyword("node", "row", "assoc")
        if place == "node":
            return replace(step, node=words.number("a Linux node"))
        if place == "row":
            return replace(step, row=words.number("a row of the lookup arrays at boot"))
        return replace(step, domains=words.numbers("an associativity list W,W,…"))

    def changed(self, machine: Hypervisor) -> Hypervisor:
        """Return the hypervisor's side after it attached the LMBs; `RefusedError` where it refuses."""
        return machine.attach(self.drc_index, self.count, self._associativity(machine))

    def _associativity(self, machine: Hypervisor) -> tuple[int, ...]:
        """Return the domains of the LMBs; `RefusedError` for a node or row that the lookup arrays did not have."""
        if self.domains is not None:
            return self.domains
        if self.node is None:
            if (self.row or 0) < len(machine.rows):
                return machine.rows[self.row or 0]
            if self.row is None:
                return ()
            raise RefusedError(f"the lookup arrays had no row {self.row} at boot, but {len(machine.rows)}")
        # The first row that leads to the node; without NUMA all rows lead to node 0.
        nodes = [0 if machine.primary_index is None else machine.node_of(row) for row in machine.rows]
        if self.node in nodes:
            return machine.rows[nodes.index(self.node)]
        listed = sorted({number for number in nodes if number is not None})[:_NODES]
        names = ", ".join(map(str, listed)) or "none"
        message = f"no row of the lookup arrays at boot leads to node {self.node}, but to {names}: see `row N`"
        raise RefusedError(message)

    def request(self, machine: Hypervisor) -> Request:
        """Return what the guest is asked to add.

        Partitions that did not negotiate the event source are told a number of LMBs only.
        """
        vector5 = machine.tree.get(CHOSEN, ARCHITECTURE_VEC5)
        is_told_number = vector5 is not None and not decode_architecture_vec5(vector5).has(HP_EVT)
        if self.resource == MEMORY and is_told_number:
            return Request(ADD, COUNT, self.count)
        return super(Attach, self).request(machine)


@dataclass(frozen=True, slots=True)
class Detach(_Hotplug):
    """`unplug` or `detach`: the hypervisor wants LMBs back."""

    action: ClassVar[str] = REMOVE
    completions: ClassVar[tuple[tuple[str, ...], ...]] = ((DRC,), (NUMBER,))

    @classmethod
    def parse(cls, words: StepWords) -> Detach:
        """Return the step."""
        drc_index = words.drc_index()
        kind = DetachCpu if kind_of(drc_index).is_cpu else Detach
        return kind(words.text, drc_index, words.number("how many LMBs"), tell=words.name == "unplug")

    def changed(self, machine: Hypervisor) -> Hypervisor:
        """Return the hypervisor's side after it detached the LMBs; `RefusedError` where it refuses."""
        return machine.detach(self.drc_index, self.count)


_CORES = "cores at a time: each is a device of its own"


@dataclass(frozen=True, slots=True)
class AttachCpu(Attach):
    """`plug` or `attach` of a core."""

    is_request: ClassVar[bool] = False
    touches: ClassVar[Footprint] = CPU_REQUEST
    alike: ClassVar[bool] = False
    resource: ClassVar[str] = CPU
    one_by_one: ClassVar[str] = _CORES


@dataclass(frozen=True, slots=True)
class DetachCpu(Detach):
    """`unplug` or `detach` of a core."""

    is_request: ClassVar[bool] = False
    touches: ClassVar[Footprint] = CPU_REQUEST
    alike: ClassVar[bool] = False
    resource: ClassVar[str] = CPU
    one_by_one: ClassVar[str] = _CORES

    def changed(self, machine: Hypervisor) -> Hypervisor:
        """Return the hypervisor's side after it detached the core; `RefusedError` where it refuses."""
        run = machine.connectors.find(self.drc_index)
        if isinstance(machine, Qemu) and (run is None or machine.device(run.device) is None):
            message = f"no core was plugged into {self.drc_index:#x}: those of -smp have no id to remove them by"
            raise RefusedError(message)
        return super(DetachCpu, self).changed(machine)


_PMEM_NOT_SIMULATED = (
    "the guest is told of persistent memory, by its DRC index: no request for memory, and no LMB; what the kernel "
    "does with its node is not simulated"
)


@dataclass(frozen=True, slots=True)
class AttachPmem(Attach):
    """`plug` or `attach` of an NVDIMM, which is no memory request: its event goes to `dlpar_hp_pmem`."""

    is_request: ClassVar[bool] = False
    alike: ClassVar[bool] = False
    resource: ClassVar[str] = PMEM
    one_by_one: ClassVar[str] = "NVDIMMs at a time: each has one connector"

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result of what the hypervisor did, and say what is not known of the guest."""
        result = super(AttachPmem, self).carry_out(partition, files)
        is_left_out = self.tell and result.ok and not result.note
        return replace(result, note=_PMEM_NOT_SIMULATED) if is_left_out else result


_ATTACH: dict[str, type[Attach]] = {"CPU": AttachCpu, "PMEM": AttachPmem}
"""The step that attaches what is no LMB, by the type of its connector."""
