# SPDX-License-Identifier: MIT
"""The verdict against what real hypervisors delivered and what real kernels made of it."""

from __future__ import annotations

from typing import Any

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.simulate.findings import PartitionJudge
from drmemctl.simulate.partition import Partition
from tests.cases import each
from tests.conftest import ROOT
from tests.simulate.delivered import lost_by_step
from tests.simulate.records import record, record_names, replay, tree_of

LOST = "DRM088"


def lost_lmbs(situation: Partition) -> set[int]:
    """Return the DRC indexes that the verdict says are lost."""
    found = [finding for finding in PartitionJudge().judged(situation).contradictions() if finding.rule == LOST]
    runs = [run for finding in found for run in finding.lmbs]
    return {run.drc_index + number for run in runs for number in range(run.lmbs)}


def moves(name: str) -> bool:
    return any(step["step"].startswith(("firmware", "migrate")) for step in record(name)["steps"])


RECORDED = [name for name in (*record_names("captures"), *record_names("mobility")) if moves(name)]


def expected(name: str, found: dict[str, Any]) -> list[set[int]]:
    node = tree_of(name).node(NODE)
    phandle = int.from_bytes(node.get("phandle") or node.get("linux,phandle") or b"", "big")
    return list(lost_by_step(found, phandle, found["block_size"]))


def test_real_kernels_before_5_15_lost_it_and_later_ones_did_not() -> None:
    """Otherwise all of this could hold because nothing is ever lost.

    6.1 died in the middle of one. 7.2 asked a connector in a request that failed, and wrote that with the next.
    """
    lost = {name.partition("/")[2] for name in RECORDED if any(expected(name, record(name)))}
    assert {name for name in lost if _is_late(name)} == {"chunk1buf-6.1", "7.2-form2-1"}
    assert {name for name in lost if "5.10" in name} == {
        *("5.10-form1-1", "5.10-form1-2", "5.10-form1-3", "5.10-form2-1", "5.10-form2-2", "5.10-form2-3"),
        *("5.10-lpm", "5.10-v2-to-v1", "basic-5.10", "chunk2calls-5.10", "unknownph-5.10", "v2first-5.10"),
        "v2tov1-5.10",
    }


def _is_late(name: str) -> bool:
    return any(release in name for release in ("6.1", "6.12", "7.2"))


@each("name", RECORDED)
def test_the_verdict_names_exactly_the_lmbs_that_a_real_kernel_lost(name: str) -> None:
    assert [lost_lmbs(step.after) for step in replay(name).steps] == expected(name, record(name))


def test_the_page_says_how_many_records_these_are() -> None:
    page = (ROOT / "docs" / "how-it-is-tested.md").read_text(encoding="utf-8")
    assert f"| {len(RECORDED)} of these records, in which properties were delivered" in page
