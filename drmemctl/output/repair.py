# SPDX-License-Identifier: MIT
"""The way back, as text and as JSON: the requests, the command lines, what may fail, and the proof."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drmemctl.check.finding import Violation
from drmemctl.formats.block_states import OFFLINE, ONLINE
from drmemctl.kernel.requests import ADD, COUNT, REMOVE, memory_request
from drmemctl.output.json import document, record, schema
from drmemctl.output.screen import Screen
from drmemctl.output.simulation_text import hypervisor_words, kernel_words
from drmemctl.output.text import safe, worded
from drmemctl.simulate.repair import AGREES, NONE, PLAN, REBOOT, Repair
from drmemctl.simulate.repair_search import Failure, PlannedRequest
from drmemctl.wording import count_of, size_text

_MOST_COMMANDS = 16
"""LMBs that drmgr, which knows no ranges, is called for one by one."""


def show_repair(screen: Screen, repair: Repair, format: str) -> None:
    """Print it as `text` or `json`."""
    if format == "json":
        each_alone = repair.each_alone
        proof = None
        if repair.verdict in (PLAN, REBOOT):
            steps = [
                {**record(result, "step ok errno"), "log": [safe(line, None) for line in result.log]}
                for result in repair.proof.results
            ]
            proof = {"consistent": repair.proof.consistent, "steps": steps}
        facts = {
            "schema": schema("repair"),
            **record(repair, "kernel=simulation.profile.name hypervisor=simulation.hypervisor goal verdict"),
            "contradictions": [_violation(violation) for violation in repair.contradictions],
            "plan": [_request(request, each_alone=each_alone) for request in repair.requests],
            **record(repair, "shortest tried needed_bytes=needed"),
            "stuck": [record(part, _PART) for part in repair.stuck],
            "reasons": [worded(reason, None) for reason in repair.reasons],
            **record(repair, "notes"),
            "proof": proof,
        }
        screen.write(document(facts))
        return
    screen.write_text(f"{line}\n" for line in _lines(screen, repair))


def commands_of(step: str, *, each_alone: bool = True) -> list[str]:
    """Return the command lines that carry a step out, the kernel's own interface first.

    Without `each_alone`, those are left out that take a range LMB by LMB.
    """
    words = step.split()
    if words[0] in (ONLINE, OFFLINE):
        chmem = "--enable" if words[0] == ONLINE else "--disable"
        return [
            f"echo {words[0]} > /sys/devices/system/memory/memory{words[1]}/state",
            f"chmem {chmem} -b {words[1]}",
        ]
    request = memory_request(step.removeprefix("dlpar "))
    if request is None:
        return [step] if words[0] == "reboot" else []
    lines = [f'echo "{step.removeprefix("dlpar ")}" > /sys/kernel/dlpar']
    drmgr = f"drmgr -c mem {_DRMGR[request.action]}"
    if request.kind == COUNT:
        return [*lines, f"{drmgr} -q {request.count}"]
    lmbs = len(request.drc_indexes)
    if lmbs <= _MOST_COMMANDS and (lmbs == 1 or each_alone):
        lines += [f"{drmgr} -s {drc_index:#x}" for drc_index in request.drc_indexes]
    return lines


_DRMGR = {ADD: "-a", REMOVE: "-r"}


_PART = "base=run.base count=run.lmbs drc_index=run.drc_index leaves=leaves.value reasons"
"""The keys of LMBs in JSON that may not leave."""


def _violation(violation: Violation) -> dict[str, Any]:
    lmbs = [record(run, "base count drc_index") for run in violation.lmbs]
    return {"rule": violation.rule, "message": worded(violation.message, None), "lmbs": lmbs}


def _request(request: PlannedRequest, *, each_alone: bool) -> dict[str, Any]:
    failure = request.failure
    return {
        "step": request.step,
        "commands": commands_of(request.step, each_alone=each_alone),
        "if_it_fails": None
        if failure is None
        else {
            **record(failure, "errno as_before"),
            "contradictions": [_violation(violation) for violation in failure.contradictions],
        },
    }


def _lines(screen: Screen, repair: Repair) -> Iterator[str]:
    simulation = repair.simulation
    runs = f"{kernel_words(simulation.profile.name)} on {hypervisor_words(simulation.hypervisor)}"
    yield screen.style(safe(runs), "bold") + f": {_VERDICTS[repair.verdict]}"
    for violation in repair.contradictions:
        yield f"{screen.style(violation.rule, 'red')} {worded(violation.message)}"
    for reason in repair.reasons:
        yield f"  {worded(reason)}"
    if repair.verdict == REBOOT:
        yield f"a reboot leads there: simulated, {_agreement(consistent=repair.proof.consistent)}"
    if repair.verdict == PLAN:
        yield from _plan_lines(screen, repair)
    yield from (f"note: {note}" for note in repair.notes)


_VERDICTS = {
    AGREES: "all agree, there is nothing to repair",
    PLAN: "requests put it right",
    REBOOT: "no request puts it right before a reboot",
    NONE: "no request puts it right, and no reboot",
}


def _plan_lines(screen: Screen, repair: Repair) -> Iterator[str]:
    number = count_of(len(repair.requests), "request")
    by_range = "" if repair.shortest else " (range by range: there may be a shorter way)"
    yield f"{number}, in this order, while no migration, drmgr or other request is under way{by_range}:"
    each_alone = repair.each_alone
    for position, request in enumerate(repair.requests, 1):
        yield screen.style(f"[{position}] {request.step}", "bold")
        lines = commands_of(request.step, each_alone=each_alone)
        yield from (f"    {line}" for line in lines[:1])
        if len(lines) > 1:
            more = f" (and so on: {len(lines) - 1} in all)" if len(lines) > 3 else ""
            yield f"    or  {'; '.join(lines[1:3])}{more}"
        if not lines:
            yield "    by the user of the hypervisor, not in the partition"
        if request.failure is not None:
            yield f"    {_failure_line(request.failure)}"
    if not each_alone:
        yield "LMB by LMB, as drmgr -s does it, it does not lead there, or that was not tried"
    if repair.needed:
        yield f"needs {size_text(repair.needed)} free elsewhere: what is used of them moves there meanwhile"
    for part in repair.stuck:
        lmbs = f"{count_of(part.run.lmbs, 'LMB')} from {part.run.drc_index:#010x} on"
        yield f"may fail: {lmbs}: {'; '.join(part.reasons)}"
    yield f"simulated: {_agreement(consistent=repair.proof.consistent)}"


def _failure_line(failure: Failure) -> str:
    errno = failure.errno or "fails"
    if failure.as_before:
        return f"if an LMB does not go ({errno}): all is as before"
    rules = ", ".join(dict.fromkeys(violation.rule for violation in failure.contradictions)) or "nothing"
    return f"if an LMB does not go ({errno}): rolled back, what remains is {rules}"


def _agreement(*, consistent: bool) -> str:
    return (
        "array, tree, connectors, memory blocks and the hypervisor agree then"
        if consistent
        else "the goal holds then"
    )
