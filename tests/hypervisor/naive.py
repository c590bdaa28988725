# SPDX-License-Identifier: MIT
"""Connectors one by one, straight from the tables of LoPAR and of QEMU's spapr_drc.c, to hold the runs against."""

from __future__ import annotations

from dataclasses import dataclass, field

UNUSABLE, AVAILABLE, UNISOLATE, CONFIGURED = 1, 2, 3, 4

Domains = tuple[int, ...]


@dataclass
class Drc:
    """One LMB connector."""

    state: int = UNUSABLE
    dimm: str = ""
    unplug: bool = False


@dataclass
class Dimm:
    """What covers several LMBs and is unplugged as a whole; `waits` is how many connectors it waits for."""

    first: int
    count: int
    domains: Domains
    waits: int | None = None


class NaiveRefusedError(Exception):
    """The hypervisor does not do what its user asked for."""


class NaiveAbortError(Exception):
    """QEMU runs into an assertion."""


@dataclass
class NaiveQemu:
    """QEMU 7.2: a dictionary of connectors and one of DIMMs."""

    drcs: dict[int, Drc] = field(default_factory=dict)
    dimms: dict[str, Dimm] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    made: int = 0

    def describe(self, first: int, count: int, domains: Domains) -> None:
        """Forget it: DIMMs know where they are."""

    def boot(self, first: int, count: int, domains: Domains, *, there: bool) -> None:
        """Make the connectors of a set of the property."""
        for drc in range(first, first + count):
            self.drcs[drc] = Drc()
        if there:
            name = self._insert(first, count, domains)
            for drc in range(first, first + count):
                self.drcs[drc] = Drc(CONFIGURED, name)

    def _insert(self, first: int, count: int, domains: Domains) -> str:
        self.made += 1
        self.dimms[f"dimm{self.made}"] = Dimm(first, count, domains)
        return f"dimm{self.made}"

    def attach(self, first: int, count: int, domains: Domains) -> None:
        """device_add: a DIMM goes where none is (`spapr_drc_attach`)."""
        wanted = range(first, first + count)
        if not count or any(drc not in self.drcs for drc in wanted):
            raise NaiveRefusedError
        if any(one.first < first + count and first < one.first + one.count for one in self.dimms.values()):
            raise NaiveRefusedError
        name = self._insert(first, count, domains)
        for drc in wanted:
            self.drcs[drc].dimm = name

    def detach(self, first: int, count: int) -> None:
        """device_del of the DIMM that lies there (`spapr_memory_unplug_request`)."""
        found = [name for name, one in self.dimms.items() if (one.first, one.count) == (first, count)]
        if not found or self.dimms[found[0]].waits is not None:
            raise NaiveRefusedError
        self.dimms[found[0]].waits = count
        for drc in range(first, first + count):
            one = self.drcs[drc]
            if not one.dimm:
                raise NaiveAbortError
            one.unplug = True
            if one.state == UNUSABLE:
                self._release(one)

    def _release(self, one: Drc) -> None:
        dimm = self.dimms[one.dimm]
        name, one.dimm, one.unplug = one.dimm, "", False
        assert dimm.waits is not None
        dimm.waits -= 1
        if not dimm.waits:
            del self.dimms[name]
            self.events.append("DEVICE_DELETED")

    def _rollback(self, one: Drc) -> None:
        dimm = self.dimms[one.dimm]
        dimm.waits = None
        for drc in range(dimm.first, dimm.first + dimm.count):
            self.drcs[drc].unplug = False
        self.events += ["MEM_UNPLUG_ERROR", "DEVICE_UNPLUG_GUEST_ERROR"]

    def sense(self, drc: int) -> tuple[int, int]:
        """get-sensor-state dr-entity-sense."""
        if drc not in self.drcs:
            return -3, 0
        return 0, 2 if self.drcs[drc].state == UNUSABLE else 1

    def usable(self, drc: int) -> int:
        """set-indicator allocation-state usable."""
        one = self.drcs.get(drc)
        if one is None:
            return -3
        if one.state == UNUSABLE:
            if not one.dimm or one.unplug:
                return -3
            one.state = AVAILABLE
        return 0

    def unusable(self, drc: int) -> int:
        """set-indicator allocation-state unusable."""
        one = self.drcs.get(drc)
        if one is None or one.state in (UNISOLATE, CONFIGURED):
            return -3
        if one.state == AVAILABLE:
            one.state = UNUSABLE
            if one.unplug:
                self._release(one)
        return 0

    def isolate(self, drc: int) -> int:
        """set-indicator isolation-state isolate."""
        one = self.drcs.get(drc)
        if one is None or one.state == UNISOLATE:
            return -3
        if one.state == CONFIGURED:
            if not one.unplug:
                return -1
            one.state = AVAILABLE
        return 0

    def unisolate(self, drc: int) -> int:
        """set-indicator isolation-state unisolate."""
        one = self.drcs.get(drc)
        if one is None or one.state == UNUSABLE:
            return -3
        if one.state == AVAILABLE:
            one.state = UNISOLATE
        elif one.unplug:
            self._rollback(one)
            self.events.append("DEVICE_UNPLUG_GUEST_ERROR")
        return 0

    def configure(self, drc: int) -> tuple[int, Domains]:
        """ibm,configure-connector to its end."""
        one = self.drcs.get(drc)
        if one is None:
            return -3, ()
        if one.state in (UNUSABLE, AVAILABLE):
            return -9003, ()
        if one.unplug:
            self._rollback(one)
        one.state = CONFIGURED
        dimm = self.dimms.get(one.dimm)
        return 0, () if dimm is None else dimm.domains


@dataclass
class NaivePowerVm:
    """LoPAR's table; every connector has a free LMB behind it."""

    drcs: dict[int, Drc] = field(default_factory=dict)
    lists: dict[int, Domains] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)

    def describe(self, first: int, count: int, domains: Domains) -> None:
        """Take down the list of a set: of several for one DRC index the first counts."""
        for drc in range(first, first + count):
            self.lists.setdefault(drc, domains)

    def boot(self, first: int, count: int, domains: Domains, *, there: bool) -> None:
        """Make the connectors of a set of the property."""
        self.describe(first, count, domains)
        for drc in range(first, first + count):
            known = self.drcs.get(drc, Drc())
            self.drcs[drc] = Drc(CONFIGURED if there else known.state)

    def attach(self, first: int, count: int, domains: Domains) -> None:
        """Say where LMBs are."""
        self.detach(first, count)
        self.lists.update(dict.fromkeys(range(first, first + count), domains))

    def detach(self, first: int, count: int) -> None:
        """Want LMBs back, which changes nothing by itself."""
        if not count or any(drc not in self.drcs for drc in range(first, first + count)):
            raise NaiveRefusedError

    def sense(self, drc: int) -> tuple[int, int]:
        """get-sensor-state dr-entity-sense."""
        if drc not in self.drcs:
            return -3, 0
        return 0, 2 if self.drcs[drc].state == UNUSABLE else 1

    def usable(self, drc: int) -> int:
        """set-indicator allocation-state usable."""
        one = self.drcs.get(drc)
        if one is not None and one.state == UNUSABLE:
            one.state = AVAILABLE
        return -3 if one is None else 0

    def unusable(self, drc: int) -> int:
        """set-indicator allocation-state unusable, which wants the connector isolated."""
        one = self.drcs.get(drc)
        if one is None or one.state != AVAILABLE:
            return -3
        one.state = UNUSABLE
        return 0

    def isolate(self, drc: int) -> int:
        """set-indicator isolation-state isolate."""
        return self._move(drc, AVAILABLE)

    def unisolate(self, drc: int) -> int:
        """set-indicator isolation-state unisolate."""
        one = self.drcs.get(drc)
        return self._move(drc, CONFIGURED if one is not None and one.state == CONFIGURED else UNISOLATE)

    def _move(self, drc: int, state: int) -> int:
        one = self.drcs.get(drc)
        if one is None or one.state == UNUSABLE:
            return -3
        one.state = state
        return 0

    def configure(self, drc: int) -> tuple[int, Domains]:
        """ibm,configure-connector to its end; an isolated connector is complete at once."""
        one = self.drcs.get(drc)
        if one is None:
            return -3, ()
        if one.state == UNUSABLE:
            return -9003, ()
        if one.state != AVAILABLE:
            one.state = CONFIGURED
        return 0, self.lists[drc]


NaiveFirmware = NaiveQemu | NaivePowerVm
