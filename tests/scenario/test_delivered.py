# SPDX-License-Identifier: MIT
"""The verdict against what real hypervisors delivered and what real kernels made of it."""

from __future__ import annotations

from typing import Any

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.scenario.consistency import contradictions
from drmemctl.scenario.simulation import Situation
from tests.cases import each
from tests.scenario.delivered import lost_by_step
from tests.scenario.records import record, record_names, replay, tree_of

LOST = "DRM088"


def lost_lmbs(situation: Situation) -> set[int]:
    """Return the DRC indexes that the verdict says are lost."""
    found = [finding for finding in contradictions(situation) if finding.rule == LOST]
    runs = [run for finding in found for run in finding.lmbs]
    return {run.drc_index + number for run in runs for number in range(run.count)}


def moves(name: str) -> bool:
    return any(step["step"].startswith(("firmware", "migrate")) for step in record(name)["steps"])


RECORDED = [name for name in (*record_names("captures"), *record_names("mobility")) if moves(name)]


def expected(name: str, found: dict[str, Any]) -> list[set[int]]:
    phandle = int.from_bytes(tree_of(name).node(NODE).get("phandle") or b"", "big")
    return list(lost_by_step(found, phandle, found["block_size"]))


@each("name", RECORDED)
def test_the_verdict_names_exactly_the_lmbs_that_a_real_kernel_lost(name: str) -> None:
    assert [lost_lmbs(step.after) for step in replay(name).steps] == expected(name, record(name))
