# SPDX-License-Identifier: MIT
"""One piece of work of the kernel: what it changes, what it logs, what it asks of firmware.

The functions of this package are pure to the outside: state and firmware in, an `Outcome` out. Inside, a `Job`
carries both from one kernel function to the next, the way locks and pointers do in the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from drmemctl.kernel.capability import Capability
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.firmware import ConnectorAnswer, Firmware
from drmemctl.kernel.state import KernelState
from drmemctl.kernel.trace import ArrayWrite, BlockWrite, RtasCall, Trace, TreeWrite, collector
from drmemctl.model.run import ADDRESSES
from drmemctl.tree.node import Tree


class OopsError(Exception):
    """The kernel oopses here: the work ends, what was done so far stays."""

    def __init__(self, fault: Fault, *, dead: str = "") -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.dead = dead


class BlockedError(Exception):
    """The thread waits for ever: another died with device_hotplug_lock, or the hypervisor stopped under it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of some work.

    Attributes:
        state: the kernel after it.
        firmware: the firmware after it.
        rc: 0 or a negative error number, as the kernel function returned it.
        log: what the kernel printed, without timestamps.
        faults: what it did wrong.
        blocked: whether it waits for device_hotplug_lock, which nobody will give back, or for the hypervisor.

    """

    state: KernelState
    firmware: Firmware
    rc: int
    log: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    blocked: bool = False


class LmbMessage(str):
    """A message that names an LMB, and can name those that follow it in its place.

    Attributes:
        template: the message with places for `{base:x}`, `{drc:x}`, and `{swapped:x}`, the latter in reverse; for
            `{end:x}` and `{last:x}`, the address after the LMB and its last.
        base: the LMB's address.
        drc: its DRC index.
        size: its size, where the message has its end.

    """

    __slots__ = ("base", "drc", "size", "template")
    template: str
    base: int
    drc: int
    size: int

    def __new__(cls, template: str, base: int, drc: int, size: int = 0) -> Self:
        """Return the message about the first LMB."""
        message = super().__new__(cls, _filled(template, base, drc, size))
        message.template, message.base, message.drc, message.size = template, base, drc, size
        return message

    def of_following(self, place: int, lmb_size: int) -> str:
        """Return the message about the LMB that is `place` LMBs further on."""
        return _filled(self.template, self.base + place * lmb_size, self.drc + place, self.size)


def _filled(template: str, base: int, drc: int, size: int) -> str:
    end = (base + size) % ADDRESSES
    # `be32_to_cpu` on a little-endian machine reverses the bytes.
    swapped = int.from_bytes((drc & 0xFFFFFFFF).to_bytes(4, "little"), "big")
    return template.format(base=base, end=end, last=(end - 1) % ADDRESSES, drc=drc, swapped=swapped)


MIGRATION, REASSIGNMENT, HOME_NODES = "migration", "reassignment", "home nodes"


@dataclass(slots=True)
class Job:
    """The work in hand.

    Attributes:
        state: the kernel now.
        firmware: the firmware now.
        log: messages so far.
        faults: faults so far.
        events: where what it does is written down, None where nobody wants to know.
        asks_each: whether firmware is asked for each LMB also where it is known that it refuses a whole run.
        alone: whether no other thread runs meanwhile: then LMBs that are alike are one.
        width: how many such LMBs, from the one that is named on, everything is done to.
        doing: `REASSIGNMENT` while one updates the tree; a migration shows in the state (`deaf`).
        nodes: how many nodes the tree had when one was first looked for by its phandle.
        searched: nodes among which one was looked for so far.

    """

    state: KernelState
    firmware: Firmware
    log: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    events: Trace | None = field(default_factory=collector)
    asks_each: bool = field(default_factory=lambda: collector() is not None)
    alone: bool = False
    width: int = 1
    doing: str = ""
    nodes: int = 0
    searched: int = 0

    def has(self, capability: Capability) -> bool:
        """Whether this kernel has a capability."""
        return self.state.profile.has(capability)

    # What follows names the kernel function that it happens in.

    def get_sensor(self, function: str, sensor: int, drc_index: int) -> tuple[int, int]:
        """Call get-sensor-state."""
        answer, self.firmware = self.firmware.get_sensor(sensor, drc_index)
        self.called(function, "get-sensor-state", (sensor, drc_index), answer)
        return answer

    def set_indicator(self, function: str, indicator: int, drc_index: int, value: int) -> int:
        """Call set-indicator."""
        status, self.firmware = self.firmware.set_indicator(indicator, drc_index, value, *self._count)
        if self.firmware.aborted:
            raise BlockedError
        self.called(function, "set-indicator", (indicator, drc_index, value), (status,))
        return status

    def configure_connector(self, function: str, drc_index: int) -> ConnectorAnswer:
        """Call ibm,configure-connector to its end."""
        connector, self.firmware = self.firmware.configure_connector(drc_index, *self._count)
        if self.firmware.aborted:
            raise BlockedError
        self.called(function, "configure-connector", (drc_index,), (connector.status,))
        return connector

    @property
    def _count(self) -> tuple[int, ...]:
        return () if self.width == 1 else (self.width,)

    def called(self, function: str, call: str, arguments: tuple[int, ...], answer: tuple[int, ...]) -> None:
        """Write an RTAS call down."""
        if self.events is not None:
            self.events.append(RtasCall(function, len(self.log), call, arguments, answer))

    def set_tree(self, function: str, tree: Tree, path: str, name: str, size: int | None) -> None:
        """Put a changed tree in place: one with a property or node of another size, None for without."""
        self.state = replace(self.state, tree=tree)
        if self.events is not None:
            self.events.append(TreeWrite(function, len(self.log), path, name, size))

    def set_lmb(self, function: str, index: int, *, aa_index: int | None = None, flags: int | None = None) -> None:
        """Change an LMB of the array."""
        self.state = self.state.with_lmbs(index, self.width, aa_index=aa_index, flags=flags)
        if self.events is not None:
            drc_index = self.state.table.lmb(index).drc_index
            self.events.append(ArrayWrite(function, len(self.log), index, 1, drc_index, aa_index, flags))

    def add_block(self, block: int, node: int) -> None:
        """Add a memory block on a node, for which the hash page table grows."""
        state, size = self.state, self.state.block_size
        table = state.hash_table and state.hash_table.after_adding(len(state.blocks) * size, size, self.width)
        self.state = replace(state, blocks=state.blocks.added(block, node, self.width), hash_table=table)
        if self.events is not None:
            self.events.append(BlockWrite("__add_memory", len(self.log), block, node))

    def remove_block(self, block: int) -> None:
        """Take a memory block away."""
        state, size = self.state, self.state.block_size
        table = state.hash_table and state.hash_table.after_removing(len(state.blocks) * size, size, self.width)
        blocks, topology = state.blocks.removed(block, self.width), state.topology
        if topology.with_bridges:
            # try_offline_node looks for CPUs and memory only.
            emptied = state.blocks.nodes() - blocks.nodes()
            topology = replace(topology, with_bridges=topology.with_bridges - emptied)
        self.state = replace(state, blocks=blocks, topology=topology, hash_table=table)
        if self.events is not None:
            self.events.append(BlockWrite("__remove_memory", len(self.log), block, None))

    def tell(self, template: str, base: int, drc_index: int, size: int = 0) -> None:
        """Print a message about an LMB, in which `{base:x}` and `{drc:x}` stand for its address and DRC index."""
        self.log.append(LmbMessage(template, base, drc_index, size))

    def outcome(self, rc: int) -> Outcome:
        """Return what came of it."""
        return Outcome(self.state, self.firmware, rc, tuple(self.log), tuple(self.faults))

    def stopped(self, oops: OopsError, rc: int) -> Outcome:
        """Return what an oops left behind."""
        self.faults.append(oops.fault)
        if oops.dead:
            self.state = replace(self.state, dead=oops.dead)
        return self.outcome(rc)
