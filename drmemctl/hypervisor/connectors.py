# SPDX-License-Identifier: MIT
"""The connector state machine as data, and the connectors of a machine as runs.

Source: LoPAR 2.9, "Dynamic Reconfiguration (DR) Architecture"; QEMU hw/ppc/spapr_drc.c, whose states these are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from drmemctl.kernel.firmware import (
    HARDWARE_ERROR,
    NOT_CONFIGURABLE,
    PARAMETER_ERROR,
    SENSE_PRESENT,
    SENSE_UNUSABLE,
    SUCCESS,
)
from drmemctl.model.joined_runs import joined, with_run


class ConnectorState(IntEnum):
    """States of a connector, numbered as QEMU migrates them."""

    UNUSABLE = 1
    AVAILABLE = 2
    UNISOLATE = 3
    CONFIGURED = 4
    POWERON = 6
    PHYSICAL_UNISOLATE = 7
    PHYSICAL_CONFIGURED = 8


class Call(IntEnum):
    """What firmware is asked to do with a connector."""

    UNUSABLE = 0
    USABLE = 1
    ISOLATE = 2
    UNISOLATE = 3
    CONFIGURE = 4
    INDICATE = 5


class When(IntEnum):
    """What a transition needs besides the state."""

    ALWAYS = 0
    HAS_DEVICE = 1
    FREE_DEVICE = 2
    UNPLUGGED_LMB = 3


class Effect(IntEnum):
    """What a transition does besides changing the state, where an unplug is pending."""

    NONE = 0
    RELEASE = 1
    REFUSE_UNPLUG = 2


@dataclass(frozen=True, slots=True)
class Transition:
    """One cell of the table.

    Attributes:
        status: the RTAS status.
        to: the next state, None if it stays.
        when: what it needs; FREE_DEVICE is a device that is not being unplugged, UNPLUGGED_LMB means that an LMB
            must be being unplugged, while other types need nothing.
        otherwise: the status, without any change, where that is missing.
        effect: what else it does where an unplug is pending.

    """

    status: int
    to: ConnectorState | None = None
    when: When = When.ALWAYS
    otherwise: int = PARAMETER_ERROR
    effect: Effect = Effect.NONE


_DONE = Transition(SUCCESS)
_NO = Transition(PARAMETER_ERROR)
_NOT_CONFIGURABLE = Transition(NOT_CONFIGURABLE)

Table = dict[tuple[Call, ConnectorState], Transition]


def _table(states: Sequence[ConnectorState], rows: Mapping[Call, Sequence[Transition]]) -> Table:
    return {(call, state): cell for call, cells in rows.items() for state, cell in zip(states, cells, strict=True)}


_LOGICAL = (ConnectorState.UNUSABLE, ConnectorState.AVAILABLE, ConnectorState.UNISOLATE, ConnectorState.CONFIGURED)
_REFUSES = Transition(SUCCESS, effect=Effect.REFUSE_UNPLUG)
_REFUSES_CONFIGURED = Transition(SUCCESS, ConnectorState.CONFIGURED, effect=Effect.REFUSE_UNPLUG)
_GIVES_BACK_UNPLUGGED = Transition(SUCCESS, ConnectorState.AVAILABLE, When.UNPLUGGED_LMB, HARDWARE_ERROR)

QEMU_LOGICAL: Table = _table(
    _LOGICAL,
    {
        Call.USABLE: (Transition(SUCCESS, ConnectorState.AVAILABLE, When.FREE_DEVICE), _DONE, _DONE, _DONE),
        Call.UNUSABLE: (_DONE, Transition(SUCCESS, ConnectorState.UNUSABLE, effect=Effect.RELEASE), _NO, _NO),
        Call.ISOLATE: (_DONE, _DONE, _NO, _GIVES_BACK_UNPLUGGED),
        Call.UNISOLATE: (_NO, Transition(SUCCESS, ConnectorState.UNISOLATE), _REFUSES, _REFUSES),
        Call.CONFIGURE: (_NOT_CONFIGURABLE, _NOT_CONFIGURABLE, _REFUSES_CONFIGURED, _REFUSES_CONFIGURED),
        Call.INDICATE: (_NO, _NO, _NO, _NO),
    },
)
"""CPU, PHB, LMB and PMEM connectors of QEMU, every cell observed on 7.2."""

_AVAILABLE = Transition(SUCCESS, ConnectorState.AVAILABLE)
_CONFIGURED = Transition(SUCCESS, ConnectorState.CONFIGURED)

LOPAR_LOGICAL: Table = QEMU_LOGICAL | _table(
    _LOGICAL,
    {
        # Nothing but `usable` works on an unusable connector, and the OS may give back what nobody asked for.
        Call.UNUSABLE: (_NO, Transition(SUCCESS, ConnectorState.UNUSABLE), _NO, _NO),
        Call.ISOLATE: (_NO, _DONE, _AVAILABLE, _AVAILABLE),
        # An isolated connector has nothing to configure, which is complete at once.
        Call.CONFIGURE: (_NOT_CONFIGURABLE, _DONE, _CONFIGURED, _CONFIGURED),
    },
)
"""Logical connectors as LoPAR describes them."""

_PHYSICAL = (ConnectorState.POWERON, ConnectorState.PHYSICAL_UNISOLATE, ConnectorState.PHYSICAL_CONFIGURED)
_PHYSICAL_CONFIGURED = Transition(SUCCESS, ConnectorState.PHYSICAL_CONFIGURED)
_UNISOLATES_DEVICE = Transition(SUCCESS, ConnectorState.PHYSICAL_UNISOLATE, When.HAS_DEVICE)

QEMU_PHYSICAL: Table = _table(
    _PHYSICAL,
    {
        Call.USABLE: (_NO, _NO, _NO),
        Call.UNUSABLE: (_NO, _NO, _NO),
        Call.ISOLATE: (_DONE, _NO, Transition(SUCCESS, ConnectorState.POWERON, effect=Effect.RELEASE)),
        Call.UNISOLATE: (_UNISOLATES_DEVICE, _DONE, _DONE),
        Call.CONFIGURE: (_NOT_CONFIGURABLE, _PHYSICAL_CONFIGURED, _PHYSICAL_CONFIGURED),
        Call.INDICATE: (_DONE, _DONE, _DONE),
    },
)
"""PCI connectors of QEMU."""


@dataclass(frozen=True, slots=True)
class ConnectorKind:
    """A type of connector.

    Attributes:
        name: as `ibm,drc-types` has it.
        empty: the state without a device.
        ready: the state of what was there at boot.

    """

    name: str
    empty: ConnectorState
    ready: ConnectorState

    @property
    def is_lmb(self) -> bool:
        """Whether it is for an LMB."""
        return self.name == "MEM"

    @property
    def is_cpu(self) -> bool:
        """Whether it is for a core."""
        return self.name == "CPU"

    @property
    def is_physical(self) -> bool:
        """Whether it is for a slot, and not for a logical resource."""
        return self.empty is ConnectorState.POWERON


KINDS: dict[int, ConnectorKind] = {
    0x1: ConnectorKind("CPU", ConnectorState.UNUSABLE, ConnectorState.CONFIGURED),
    0x2: ConnectorKind("PHB", ConnectorState.UNUSABLE, ConnectorState.CONFIGURED),
    0x4: ConnectorKind("28", ConnectorState.POWERON, ConnectorState.PHYSICAL_CONFIGURED),
    0x8: ConnectorKind("MEM", ConnectorState.UNUSABLE, ConnectorState.CONFIGURED),
    0x9: ConnectorKind("PMEM", ConnectorState.UNUSABLE, ConnectorState.CONFIGURED),
}
"""QEMU's types by the upper four bits of the DRC index (`spapr_drc_index`); 28 is LoPAR's PCI Express slot."""


def kind_of(drc_index: int) -> ConnectorKind:
    """Return the type of a connector; one without a type of its own behaves like an LMB's."""
    return KINDS.get(drc_index >> 28, KINDS[0x8])


@dataclass(frozen=True, slots=True)
class ConnectorRun:
    """Connectors with consecutive DRC indexes in the same state.

    Attributes:
        first: the first one's DRC index.
        count: how many.
        state: their state.
        device: the number of the device attached to them, 0 for none.
        unplug: whether the hypervisor wants them back.

    """

    first: int
    count: int
    state: ConnectorState
    device: int = 0
    unplug: bool = False

    @property
    def end(self) -> int:
        """The DRC index after the last one's."""
        return self.first + self.count

    def part(self, first: int, end: int) -> ConnectorRun:
        """Return the connectors from DRC index `first` up to `end`."""
        return replace(self, first=first, count=end - first)

    def goes_on(self, following: ConnectorRun) -> bool:
        """Whether `following` follows, and is in the same state."""
        mine = (self.end, self.state, self.device, self.unplug)
        return mine == (following.first, following.state, following.device, following.unplug)


@dataclass(frozen=True, slots=True)
class ConnectorTable:
    """All connectors of a machine, as ascending runs."""

    runs: tuple[ConnectorRun, ...] = ()

    @classmethod
    def of(cls, runs: Iterable[ConnectorRun]) -> ConnectorTable:
        """Return the connectors of runs in any order that do not overlap."""
        return cls(tuple(joined(sorted(runs, key=lambda run: run.first))))

    def find(self, drc_index: int) -> ConnectorRun | None:
        """Return the run that holds a connector, None if there is no such connector."""
        at = bisect_right(self.runs, drc_index, key=lambda run: run.first) - 1
        return self.runs[at] if at >= 0 and drc_index < self.runs[at].end else None

    def between(self, first: int, count: int) -> Iterator[ConnectorRun]:
        """Yield the connectors with DRC indexes from `first` on, `count` of them at most, cut to fit."""
        at = max(0, bisect_right(self.runs, first, key=lambda run: run.first) - 1)
        for number in range(at, len(self.runs)):
            run = self.runs[number]
            low, high = max(first, run.first), min(first + count, run.end)
            if low >= first + count:
                return
            if low < high:
                yield run.part(low, high)

    def with_run(self, changed: ConnectorRun) -> ConnectorTable:
        """Return the table with existing connectors, of one or several runs, in the state of `changed`."""
        return ConnectorTable(with_run(self.runs, changed))


def sense_of(run: ConnectorRun) -> int:
    """Return the dr-entity-sense of a logical connector."""
    return SENSE_UNUSABLE if run.state is ConnectorState.UNUSABLE else SENSE_PRESENT
