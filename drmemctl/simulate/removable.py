# SPDX-License-Identifier: MIT
"""How much memory a running kernel can give back, by node, and which request takes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drmemctl.kernel.removability import LmbRemovability, Removability, RemovabilityJudge
from drmemctl.kernel.requests import lmb_words
from drmemctl.kernel.running_kernel import live_system
from drmemctl.model.live_system import LiveSystem
from drmemctl.notebook import short_repr
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.steps.language import parse_script

_MOST_TRIED = 64
"""Requests that are simulated; more are only named."""

_MOST_WORK = 4_000_000
"""Runs of the array times runs that a request changes: beyond that, simulating the request would take seconds."""


@dataclass(frozen=True, slots=True)
class RemovalRequest:
    """A request that takes memory.

    Attributes:
        text: what is written to /sys/kernel/dlpar.
        node: the node that it takes memory from, None where the kernel chooses.
        lmbs: how many LMBs it takes.
        sure: whether all of them are sure to leave.
        works: whether it does on the simulated kernel, where whatever may leave does; None where not tried.

    """

    text: str
    node: int | None
    lmbs: int
    sure: bool
    works: bool | None


@dataclass(frozen=True, slots=True)
class NodeTally:
    """How many assigned LMBs of a node can leave; the node is None for those without memory blocks."""

    node: int | None
    yes: int
    perhaps: int
    no: int

    __repr__ = short_repr

    @property
    def most(self) -> int:
        """How many can be taken at most."""
        return self.yes + self.perhaps


@dataclass(frozen=True, slots=True)
class Removable:
    """What of a kernel's memory can leave.

    Attributes:
        kernel: the name of the kernel.
        lmb_size: bytes of an LMB, 0 where not known.
        address_digits: hex digits to which the addresses of LMBs are padded.
        parts: the assigned LMBs, by whether they can leave and why not.
        nodes: how many can on each node, ascending; without memory blocks last.
        requests: what takes them: most of all by count, then by range.

    """

    kernel: str
    lmb_size: int
    address_digits: int
    parts: tuple[LmbRemovability, ...]
    nodes: tuple[NodeTally, ...]
    requests: tuple[RemovalRequest, ...]

    __repr__ = short_repr

    @classmethod
    def of(cls, simulation: Simulation) -> Removable:
        """Return what can leave the partition of a simulation as it is now."""
        kernel = simulation.state
        parts = () if kernel.dead else tuple(removability_judge(simulation).parts())
        nodes = tuple(_tallies(parts))
        requests = tuple(_requests(simulation, parts))
        table = kernel.table
        return cls(kernel.profile.name, table.lmb_size or 0, table.address_digits, parts, nodes, requests)


def removability_judge(simulation: Simulation) -> RemovabilityJudge:
    """Return the judge of the LMBs of the kernel as it is now, by the tree that it booted on or began with."""
    situation = simulation.situation
    # What a capture shows of the running system is nothing that a kernel booted since then has.
    system = LiveSystem() if simulation.has_rebooted() else live_system(situation.booted)
    return RemovabilityJudge(situation.kernel, situation.booted, system)


def _tallies(parts: Sequence[LmbRemovability]) -> Iterator[NodeTally]:
    nodes = {part.node for part in parts}
    for node in sorted(nodes, key=lambda node: (node is None, node or 0)):
        yes, perhaps, no = (
            sum(part.run.lmbs for part in parts if part.node == node and part.leaves is kind)
            for kind in (Removability.YES, Removability.PERHAPS, Removability.NO)
        )
        yield NodeTally(node, yes, perhaps, no)


def _requests(simulation: Simulation, parts: Sequence[LmbRemovability]) -> Iterator[RemovalRequest]:
    candidates = [part for part in parts if part.leaves is not Removability.NO]
    total = sum(part.run.lmbs for part in candidates)
    if not total:
        return
    sure = all(part.leaves is Removability.YES for part in candidates)
    text = f"memory remove count {total}"
    # A request looks for each of its LMBs in all of the array, and puts another array in the place of it.
    n_runs = len(simulation.state.table.runs)
    tried = _works(simulation, text) if n_runs * len(candidates) <= _MOST_WORK else None
    yield RemovalRequest(text, None, total, sure, tried)
    for number, part in enumerate(candidates, 1):
        text = f"memory remove {lmb_words(part.run.drc_index, part.run.lmbs)}"
        tried = _works(simulation, text) if number < _MOST_TRIED else None
        yield RemovalRequest(text, part.node, part.run.lmbs, part.leaves is Removability.YES, tried)


def _works(simulation: Simulation, text: str) -> bool:
    """Whether a request works as the partition is now."""
    result = simulation.attempt(next(parse_script(f"dlpar {text}")))
    return result.ok and not result.kernel_faults
