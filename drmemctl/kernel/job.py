# SPDX-License-Identifier: MIT
"""One piece of work of the kernel: what it changes, what it logs, what it asks of firmware.

The functions of this package are pure to the outside: state and firmware in, an `Outcome` out. Inside, a `Job`
carries both from one kernel function to the next, the way locks and pointers do in the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from drmemctl.kernel.capabilities import Capability
from drmemctl.kernel.firmware import Connector, Firmware
from drmemctl.kernel.state import KernelState
from drmemctl.tree.node import Tree


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that a kernel does and should not: an oops, a read beyond the end, a lost update.

    Attributes:
        code: stable name, e.g. `oops` or `over-read`.
        message: what happens, in a sentence.
        function: the kernel function that it happens in.
        path: the node that it is about, empty if none.
        property: its property, empty if none.
        rule: the id of the rule that judges it; filled in by the rules, empty until then.

    """

    code: str
    message: str
    function: str
    path: str = ""
    property: str = ""
    rule: str = ""


class OopsError(Exception):
    """The kernel oopses here: the work ends, what was done so far stays."""

    def __init__(self, fault: Fault, *, dead: str = "") -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.dead = dead


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of some work.

    Attributes:
        state: the kernel after it.
        firmware: the firmware after it.
        rc: 0 or a negative error number, as the kernel function returned it.
        log: what the kernel printed, without timestamps.
        faults: what it did wrong.

    """

    state: KernelState
    firmware: Firmware
    rc: int
    log: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(slots=True)
class Job:
    """The work in hand.

    Attributes:
        state: the kernel now.
        firmware: the firmware now.
        log: messages so far.
        faults: faults so far.

    """

    state: KernelState
    firmware: Firmware
    log: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def has(self, capability: Capability) -> bool:
        """Whether this kernel has a capability."""
        return self.state.profile.has(capability)

    def get_sensor(self, sensor: int, drc_index: int) -> tuple[int, int]:
        """Call get-sensor-state."""
        answer, self.firmware = self.firmware.get_sensor(sensor, drc_index)
        return answer

    def set_indicator(self, indicator: int, drc_index: int, value: int) -> int:
        """Call set-indicator."""
        status, self.firmware = self.firmware.set_indicator(indicator, drc_index, value)
        return status

    def configure_connector(self, drc_index: int) -> Connector:
        """Call ibm,configure-connector to its end."""
        connector, self.firmware = self.firmware.configure_connector(drc_index)
        return connector

    def set_tree(self, tree: Tree) -> None:
        """Put a changed tree in place."""
        self.state = replace(self.state, tree=tree)

    def outcome(self, rc: int) -> Outcome:
        """Return what came of it."""
        return Outcome(self.state, self.firmware, rc, tuple(self.log), tuple(self.faults))

    def stopped(self, oops: OopsError, rc: int) -> Outcome:
        """Return what an oops left behind."""
        self.faults.append(oops.fault)
        if oops.dead:
            self.state = replace(self.state, dead=oops.dead)
        return self.outcome(rc)
