# SPDX-License-Identifier: MIT
"""`expect` steps: whether something is so, and what is where it is not."""

from __future__ import annotations

from collections.abc import Callable

from drmemctl.simulate.findings import Moments
from drmemctl.simulate.result import StepResult
from drmemctl.simulate.simulation import Situation
from drmemctl.simulate.steps import Expect


def expectation(situation: Situation, step: Expect, moments: Moments) -> StepResult:
    """Return a result that is ok if the expectation holds, else with a note of what was expected and what is."""
    if step.kind in _JUDGED:
        found = _JUDGED[step.kind](situation, step, moments)
    else:
        found = _CHECKS[step.kind](situation, step)
    return StepResult(step.text, ok=not found, note=found)


def _differs(expected: str, found: str) -> str:
    return "" if expected == found else f"expected {expected}, is {found}"


def _outcome(situation: Situation) -> str:
    last = situation.last
    if last is None or last.ok:
        return "ok"
    return last.errno or last.note or next((fault.message for fault in last.findings), "not ok")


def _ok(situation: Situation, step: Expect) -> str:
    del step
    return _differs("ok", _outcome(situation))


def _errno(situation: Situation, step: Expect) -> str:
    return _differs(step.name, _outcome(situation))


def _consistent(situation: Situation, step: Expect, moments: Moments) -> str:
    del step
    if situation.kernel.dead:
        return f"expected consistent, is not: {situation.kernel.dead}"
    one = next(iter(moments.present(situation).contradictions()), None)
    return "" if one is None else f"expected consistent, is not: {one.rule}: {one.message}"


def _finding(situation: Situation, step: Expect, moments: Moments) -> str:
    """Look among what the last step brought, and what is so now whoever brought it."""
    brought = situation.boot if situation.last is None else situation.last.findings
    names = {violation.rule for violation in moments.present(situation).violations}
    names.update(name for finding in brought for name in (finding.rule, finding.code) if name)
    return "" if step.name in names else f"expected finding {step.name}, is {', '.join(sorted(names)) or 'none'}"


def _aa(situation: Situation, step: Expect) -> str:
    table = situation.kernel.table
    index = table.index_of_drc(step.drc_index)
    found = "not in the array" if index is None else f"{table.lmb(index).aa_index:#x}"
    return _differs(f"{step.number:#x}", found)


def _node(situation: Situation, step: Expect) -> str:
    state = situation.kernel
    index = state.table.index_of_drc(step.drc_index)
    base = None if index is None else state.table.lmb(index).base
    node = None if base is None else state.blocks.node_of(state.block_of(base))
    return _differs(f"node {step.number}", "no memory block" if node is None else f"node {node}")


def _blocks(situation: Situation, step: Expect) -> str:
    return _differs(f"{step.number} blocks", f"{len(situation.kernel.blocks)} blocks")


_CHECKS: dict[str, Callable[[Situation, Expect], str]] = {
    "ok": _ok,
    "errno": _errno,
    "aa": _aa,
    "node": _node,
    "blocks": _blocks,
}

_JUDGED: dict[str, Callable[[Situation, Expect, Moments], str]] = {"consistent": _consistent, "finding": _finding}
