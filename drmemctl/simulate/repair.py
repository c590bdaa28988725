# SPDX-License-Identifier: MIT
"""Repair: the fewest requests after which tree, array, connectors, memory blocks and hypervisor agree.

`repair_search` finds them breadth first on the simulator. Among plans of the same length, the one that removes the
fewest LMBs comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from drmemctl.check.engine import all_rules
from drmemctl.check.finding import Violation
from drmemctl.kernel.capabilities import DRMEM_ARRAY, WRONG_NODE_ADD
from drmemctl.kernel.removability import LmbRemovability, Removability
from drmemctl.kernel.requests import INDEXED_COUNT, lmb_words, memory_request
from drmemctl.kernel.running_kernel import live_system
from drmemctl.model.dumped import array_in
from drmemctl.notebook import short_repr
from drmemctl.simulate.removable import removability_judge
from drmemctl.simulate.repair_requests import DrcRange, ranges_of
from drmemctl.simulate.repair_search import CONSISTENT, NONE, REBOOT, PlannedRequest, Search, n_assigned
from drmemctl.simulate.simulation import Simulation
from drmemctl.wording import count_of

AGREES, PLAN = "consistent", "plan"
"""Verdicts: nothing to repair; requests repair it. The others are `REBOOT`, only a reboot does, and `NONE`."""

_BLOCKS_NOT_SHOWN = (
    "TREE shows no memory blocks of a running kernel: they and its LMB array are taken to be as a boot from TREE "
    "makes them; after a migration give the tree before it and the step lpm, or a capture"
)
_ARRAY_NOT_SHOWN = (
    "TREE does not show the kernel's LMB array, which is taken to be as the property says; "
    "after a migration give the tree before it and the step lpm, or a vmcore"
)

_MOST_SINGLE = 64
"""Requests of single LMBs that are simulated in place of those for ranges."""


@dataclass(frozen=True, slots=True)
class Repair:
    """How a partition is repaired.

    Attributes:
        simulation: the partition at the start.
        goal: `consistent`, or the rule that is to find nothing any more.
        verdict: `consistent`, `plan`, `reboot` or `none`.
        contradictions: the violations at the start.
        requests: the plan, empty without one.
        shortest: whether no plan has fewer requests of the kinds that are tried.
        needed: bytes that the plan removes at once: its content needs as much free memory elsewhere.
        stuck: LMBs in a violation that cannot be removed, or perhaps not.
        reasons: why there is no plan.
        tried: number of requests simulated.

    """

    simulation: Simulation
    goal: str
    verdict: str
    contradictions: tuple[Violation, ...] = ()
    requests: tuple[PlannedRequest, ...] = ()
    shortest: bool = True
    needed: int = 0
    stuck: tuple[LmbRemovability, ...] = ()
    reasons: tuple[str, ...] = ()
    tried: int = 0

    __repr__ = short_repr

    @property
    def notes(self) -> tuple[str, ...]:
        """What the plan assumes because the input does not show it."""
        tree = self.simulation.tree
        if self.simulation.results or array_in(tree) is not None:
            return ()
        if not live_system(tree).blocks:
            return (_BLOCKS_NOT_SHOWN,)
        return (_ARRAY_NOT_SHOWN,) if self.simulation.profile.has(DRMEM_ARRAY) else ()

    @property
    def each_alone(self) -> bool:
        """Whether the plan reaches the goal also if ranges are requested LMB by LMB, as `drmgr -s` does."""
        single_steps = chain.from_iterable(_single_lmb_steps(request.step) for request in self.requests)
        steps = list(islice(single_steps, _MOST_SINGLE + 1))
        if len(steps) > _MOST_SINGLE:
            return False
        if len(steps) == len(self.requests):
            return True
        return Search(self.simulation.situation, self.goal).reaches_goal(steps)

    @property
    def proof(self) -> Simulation:
        """The plan simulated from the start, or the reboot where only that repairs it."""
        simulation = self.simulation
        proof = Simulation(simulation.tree, simulation.profile, simulation.hypervisor, findings=False)
        proof.situation, proof.boot_faults = simulation.situation, ()
        steps = ["reboot"] if self.verdict == REBOOT else [request.step for request in self.requests]
        proof.run_all(steps)
        return proof


def _single_lmb_steps(step: str) -> Iterator[str]:
    """Yield a request for each LMB of one for a range; any other request as it is."""
    request = memory_request(step.removeprefix("dlpar "))
    if request is None or request.kind != INDEXED_COUNT:
        yield step
        return
    for drc_index in request.drc_indexes:
        yield f"dlpar memory {request.action} {lmb_words(drc_index, 1)}"


def goals() -> tuple[str, ...]:
    """Return the rules that can be a goal: those of the family state."""
    return tuple(rule.id for rule in all_rules().values() if rule.family == "state")


def repair(simulation: Simulation, goal: str = CONSISTENT) -> Repair:
    """Return how to repair the partition of a simulation as it is now; the simulation itself does not change.

    `goal` is `consistent`, or a rule of the family state that is to find nothing any more.
    """
    search = Search(simulation.situation, goal)
    contradictions = tuple(search.contradictions(simulation.situation))
    if not contradictions and not simulation.state.dead:
        return Repair(simulation, goal, AGREES)
    concerned = ranges_of(contradictions)
    stuck = () if simulation.state.dead else tuple(_stuck(simulation, concerned))
    path = None if simulation.state.dead else search.plan(contradictions)
    if path:
        requests = tuple(search.planned(path))
        at_start = n_assigned(simulation.situation)
        most_lmbs_removed = max(0, *(at_start - n_assigned(result.after) for result in path))
        return Repair(
            simulation,
            goal,
            PLAN,
            contradictions,
            requests,
            search.shortest,
            most_lmbs_removed * (simulation.state.table.lmb_size or 0),
            tuple(part for part in stuck if part.leaves is Removability.PERHAPS),
            tried=search.tried,
        )
    verdict, reasons = search.after_reboot()
    reasons = (*_reasons(simulation, contradictions, stuck), *search.failure_reasons(), *reasons)
    return Repair(simulation, goal, verdict, contradictions, stuck=stuck, reasons=reasons, tried=search.tried)


def _stuck(simulation: Simulation, concerned: Sequence[DrcRange]) -> Iterator[LmbRemovability]:
    """Yield the LMBs of some ranges that cannot be removed, or perhaps not."""
    for part in removability_judge(simulation).parts():
        is_concerned = any(lmbs.overlaps(part.run.drc_index, part.run.lmbs) for lmbs in concerned)
        if part.leaves is not Removability.YES and is_concerned:
            yield part


def _reasons(
    simulation: Simulation, contradictions: Sequence[Violation], stuck: Sequence[LmbRemovability]
) -> Iterator[str]:
    """Yield why no request repairs a partition."""
    if simulation.state.dead:
        yield f"the kernel answers no more requests: {simulation.state.dead}"
        return
    for part in stuck:
        if part.leaves is Removability.NO:
            lmbs = f"{count_of(part.run.lmbs, 'LMB')} from {part.run.drc_index:#010x} on cannot leave"
            yield f"{lmbs}: {'; '.join(part.reasons)}"
    rules = dict.fromkeys(violation.rule for violation in contradictions)
    yield from (f"{rule}: {_WHY_NOT[rule]}" for rule in rules if rule in _WHY_NOT)
    if "DRM085" in rules and simulation.profile.has(WRONG_NODE_ADD):
        yield "DRM085: this kernel adds all memory on the first online node"


_WHY_NOT = {
    "DRM083": "only the hypervisor's side, or a boot, sets a connector right whose LMB no request can take",
    "DRM084": "what has no memory block cannot be taken offline, and a block at a free LMB is not given up",
    "DRM086": "the kernel reads the size of its memory blocks at boot only",
}

__all__ = ["AGREES", "CONSISTENT", "NONE", "PLAN", "REBOOT", "Repair", "goals", "repair"]
