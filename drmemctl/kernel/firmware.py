# SPDX-License-Identifier: MIT
"""What the kernel asks of firmware: the RTAS calls of dynamic reconfiguration, as a protocol and their constants.

Source: LoPAR 2.9, "Dynamic Reconfiguration (DR) Architecture" and "RTAS"; Linux
arch/powerpc/platforms/pseries/dlpar.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from drmemctl.tree.node import Node, Tree

ISOLATION_STATE = 9001
DR_INDICATOR = 9002
ALLOCATION_STATE = 9003
DR_ENTITY_SENSE = 9003

ISOLATE, UNISOLATE = 0, 1
UNUSABLE, USABLE = 0, 1

SENSE_EMPTY, SENSE_PRESENT, SENSE_UNUSABLE = 0, 1, 2

SUCCESS = 0
HARDWARE_ERROR = -1
PARAMETER_ERROR = -3
NOT_CONFIGURABLE = -9003


@dataclass(frozen=True, slots=True)
class ConnectorAnswer:
    """What ibm,configure-connector gave, walked to its end.

    Attributes:
        status: the last call's status, 0 when complete.
        node: the subtree, None where the walk ended before it began.
        siblings: the subtrees beside it, which have no connector of their own: caches of a CPU.

    """

    status: int
    node: Node | None = None
    siblings: tuple[Node, ...] = ()


class Firmware(Protocol):
    """The hypervisor's side, as an immutable value: each call gives the answer and the firmware after it."""

    @property
    def aborted(self) -> bool:
        """Whether the hypervisor stopped itself: a call that leads to this does not return."""
        ...

    @property
    def transfer_error(self) -> int:
        """What H_VASI_STATE leads to once a migration is done: 0, or the error number where it is not there."""
        ...

    def get_sensor(self, sensor: int, drc_index: int) -> tuple[tuple[int, int], Firmware]:
        """Call get-sensor-state: ((status, state), firmware)."""
        ...

    def set_indicator(self, indicator: int, drc_index: int, value: int, count: int = 1) -> tuple[int, Firmware]:
        """Call set-indicator, for `count` connectors that are alike: (status of each, firmware)."""
        ...

    def configure_connector(self, drc_index: int, count: int = 1) -> tuple[ConnectorAnswer, Firmware]:
        """Call ibm,configure-connector to its end, for `count` connectors that are alike; return the first."""
        ...

    def n_alike(self, drc_index: int, count: int) -> int:
        """Return how many of `count` connectors from `drc_index` on, one after the other, are alike.

        Whatever is asked of one after the other then has the same answers, and the same associativity.
        """
        ...

    def home_node(self, server: int) -> tuple[int, ...] | None:
        """Answer H_HOME_NODE_ASSOCIATIVITY for a thread: a list; None where nothing but the tree tells of it."""
        ...

    def updated(self, name: str, value: bytes | None, tree: Tree) -> Firmware:
        """Note that it delivered a property of the drmem node, None for removed, to a kernel that holds `tree`."""
        ...

    def refused(self, drc_index: int, count: int) -> int:
        """Return how many of `count` connectors from `drc_index` on, one after the other, cannot be acquired.

        Only those before the first that could be, and only if trying changes nothing: it lets a request pass over
        a run of LMBs at once.
        """
        ...


class UpdateSource(Protocol):
    """Who answers ibm,update-nodes and ibm,update-properties."""

    def call(self, name: str, work_area: bytes, scope: int, firmware: Firmware) -> tuple[bytes, int]:
        """Make a call with the 4096-byte work area to firmware in that state: (work area after it, status)."""
        ...
