# SPDX-License-Identifier: MIT
"""Carrying a step out on a simulated partition: one function for each kind of step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from drmemctl.check.finding import Finding
from drmemctl.check.subject import Flush
from drmemctl.hypervisor.firmware_tree import firmware_tree
from drmemctl.hypervisor.machine import RefusedError
from drmemctl.kernel.boot import boot
from drmemctl.kernel.errno import ENODEV, errno_name
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.flush import FLUSHES
from drmemctl.kernel.job import MIGRATION, REASSIGNMENT, Job, OopsError, Outcome
from drmemctl.kernel.mobility import migrate, reassign
from drmemctl.kernel.notifier import remove_property, set_property
from drmemctl.kernel.processors import cpu_changes
from drmemctl.kernel.requests import NotSimulatedError, handle, store
from drmemctl.kernel.task import run
from drmemctl.numbers import printed_drc_index
from drmemctl.simulate.expectations import expectation
from drmemctl.simulate.findings import Moments, finding_of_fault
from drmemctl.simulate.hotplug import changed, request_of
from drmemctl.simulate.refusals import lacking_connectors, taken_to_be
from drmemctl.simulate.result import StepResult, changed_properties
from drmemctl.simulate.simulation import Files, Hypervisor, Situation
from drmemctl.simulate.steps import (
    PRRN_EVENT_SCOPE,
    Attach,
    Detach,
    Dlpar,
    Expect,
    FirmwareUpdate,
    Lpm,
    Migrate,
    Prrn,
    Reboot,
    Rtas,
    Step,
    Unmovable,
)
from drmemctl.simulate.updates import Planned, Recorded, difference, listed, read_record

_ABORTED = "the hypervisor has aborted"


@dataclass(frozen=True, slots=True)
class _Done:
    """What a step came to before what it changed is worked out."""

    situation: Situation
    ok: bool = True
    errno: str | None = None
    log: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    answer: tuple[int, ...] | None = None
    note: str = ""
    hypervisor: str = ""


def carry_out(
    situation: Situation, step: Step, files: Files, moments: Moments, *, findings: bool = True
) -> tuple[StepResult, Situation]:
    """Do a step; return what came of it and the partition after it; with `findings`, what the rules say of it."""
    if isinstance(step, Expect):
        return expectation(situation, step, moments), situation
    if situation.machine.aborted:
        done = _Done(situation, ok=False, note=_ABORTED)
    else:
        done = _DO[type(step)](situation, step, files)
        done = replace(done, situation=replace(done.situation, flush=_flush(situation, done.situation, step)))
    if findings:
        migrated = isinstance(step, _MIGRATIONS)
        found = tuple(moments.after(situation, done.situation, done.faults, migrated=migrated))
    else:
        found = tuple(map(finding_of_fault, done.faults))
    return _finished(situation, step, done, found)


_MIGRATIONS = (FirmwareUpdate, Lpm, Migrate, Prrn)


def _finished(
    before: Situation, step: Step, done: _Done, findings: tuple[Finding, ...]
) -> tuple[StepResult, Situation]:
    machine = done.situation.machine
    result = StepResult(
        step.text,
        done.ok and not (machine.aborted and not before.machine.aborted),
        done.errno,
        done.log,
        machine.events,
        changed_properties(before.kernel.tree, done.situation.kernel.tree),
        findings,
        done.answer,
        done.note,
        done.hypervisor,
        () if isinstance(step, Reboot) else cpu_changes(before.kernel, done.situation.kernel, _doing(step)),
    )
    return result, replace(done.situation, machine=machine.without_events(), last=result)


def _flush(before: Situation, after: Situation, step: Step) -> Flush | None:
    """Return what wrote the LMB property first since the hypervisor delivered it, or lookup arrays, last."""
    if isinstance(step, Reboot):
        return before.flush if step.kexec else None
    writer = after.kernel.writer
    if writer not in FLUSHES:
        return before.flush if writer == before.kernel.writer else None
    return before.flush or Flush(writer, step.text)


def _doing(step: Step) -> str:
    if isinstance(step, Prrn):
        return REASSIGNMENT
    return MIGRATION if isinstance(step, Lpm | Migrate) else ""


def _from(situation: Situation, outcome: Outcome, *, write: bool) -> _Done:
    """Return what came of the kernel's work; `write` where somebody gets its error number."""
    after = replace(situation, kernel=outcome.state, machine=cast("Hypervisor", outcome.firmware))
    stopped = any(fault.code in _STOPS for fault in outcome.faults)
    return _Done(
        after,
        ok=outcome.rc == 0 and not stopped,
        errno=errno_name(outcome.rc) if write and not stopped else None,
        log=outcome.log,
        faults=outcome.faults,
    )


_STOPS = frozenset({"oops", "never-returns"})


def _dead(situation: Situation) -> _Done | None:
    dead = situation.kernel.dead
    return _Done(situation, ok=False, note=f"the kernel does not answer: {dead}") if dead else None


def _dlpar(situation: Situation, step: Dlpar, files: Files) -> _Done:
    del files
    dead = _dead(situation)
    if dead is not None:
        return dead
    try:
        done = _from(situation, store(situation.kernel, situation.machine, step.request + "\n"), write=True)
    except NotSimulatedError as error:
        return _Done(situation, ok=False, note=error.message)
    if done.ok:
        return done
    lacking = lacking_connectors(situation.kernel, situation.machine, step.request)
    return replace(done, note=_advice_on_drc_index(step.request), hypervisor=lacking)


def _advice_on_drc_index(request: str) -> str:
    """Return what a request that failed may have meant: `kstrtou32` takes what the kernel prints for decimal."""
    printed = next(filter(printed_drc_index, request.split()[2:]), "")
    if not printed:
        return ""
    return f"the kernel reads {printed} as no hexadecimal number: did you mean {printed_drc_index(printed)}?"


def _plug(situation: Situation, step: Attach | Detach, files: Files) -> _Done:
    del files
    try:
        after = replace(situation, machine=changed(situation.machine, step))
    except RefusedError as refused:
        return _Done(situation, ok=False, note=refused.message, hypervisor=taken_to_be(situation.machine))
    if after.machine.aborted:
        return _Done(after, ok=False)
    return _told(after, step) if step.tell else _Done(after)


def _told(situation: Situation, step: Attach | Detach) -> _Done:
    """Let the guest handle the hotplug event, whose result nobody gets."""
    dead = _dead(situation)
    if dead is not None:
        return dead
    request = request_of(situation.machine, step)
    return _from(situation, handle(situation.kernel, situation.machine, request), write=False)


def _firmware(situation: Situation, step: FirmwareUpdate, files: Files) -> _Done:
    dead = _dead(situation)
    if dead is not None:
        return dead
    if situation.kernel.tree.find(step.path) is None:
        return _Done(situation, ok=False, errno=errno_name(ENODEV), note=f"no node {step.path}")
    value = step.value if step.file is None else files.file(step.file)
    job = Job(situation.kernel, situation.machine)
    try:
        if value is None:
            run(job, remove_property(job, step.path, step.property, delivered=True))
        else:
            run(job, set_property(job, step.path, step.property, value, delivered=True))
    except OopsError as oops:
        return _from(situation, job.stopped(oops, 0), write=True)
    return _from(situation, job.outcome(0), write=True)


def _updated(situation: Situation, source: Recorded | Planned, outcome: Outcome) -> _Done:
    done = _from(situation, outcome, write=True)
    return replace(done, faults=(*done.faults, *source.faults))


def _lpm(situation: Situation, step: Lpm, files: Files) -> _Done:
    dead = _dead(situation)
    if dead is not None:
        return dead
    destination = files.tree(step.tree)
    planned = difference(situation.kernel.tree, destination).source()
    machine = situation.machine.moved(destination).handing_out(destination)
    return _updated(situation, planned, migrate(situation.kernel, machine, planned))


def _migrate(situation: Situation, step: Migrate, files: Files) -> _Done:
    dead = _dead(situation)
    if dead is not None:
        return dead
    recorded = Recorded(read_record(files.file(step.file), step.file))
    return _updated(situation, recorded, migrate(situation.kernel, situation.machine, recorded))


def _prrn(situation: Situation, step: Prrn, files: Files) -> _Done:
    dead = _dead(situation)
    if dead is not None:
        return dead
    if step.tree is None:
        source, scope = listed(step.phandles), step.scope
    else:
        source = difference(situation.kernel.tree, files.tree(step.tree), reassignment=True).source()
        scope = PRRN_EVENT_SCOPE
    return _updated(situation, source, reassign(situation.kernel, situation.machine, source, scope))


def _unmovable(situation: Situation, step: Unmovable, files: Files) -> _Done:
    del files
    known, named = situation.kernel.unmovable, frozenset(step.drc_indexes)
    now = known | named if step.unmovable else known - named
    return _Done(replace(situation, kernel=replace(situation.kernel, unmovable=now)))


def _rtas(situation: Situation, step: Rtas, files: Files) -> _Done:
    del files
    machine = situation.machine
    answer: tuple[int, ...]
    if step.call == "get-sensor":
        answer, machine = machine.get_sensor(step.what, step.drc_index)
    elif step.call == "set-indicator":
        status, machine = machine.set_indicator(step.what, step.drc_index, step.value)
        answer = (status,)
    else:
        connector, machine = machine.configure_connector(step.drc_index)
        answer = (connector.status,)
    return _Done(replace(situation, machine=machine), ok=answer[0] == 0, answer=answer)


def _reboot(situation: Situation, step: Reboot, files: Files) -> _Done:
    del files
    machine, tree = situation.machine, situation.kernel.tree
    if not step.kexec:
        machine = machine.reset()
        tree = firmware_tree(machine)
        machine = replace(machine, tree=tree).handing_out(tree)
    state, faults = boot(tree, situation.kernel.profile)
    after = replace(situation, kernel=state, machine=machine)
    return _Done(after, ok=not state.dead, faults=faults, note=state.dead)


_DO: dict[type[Step], Callable[[Situation, Any, Files], _Done]] = {
    Dlpar: _dlpar,
    Attach: _plug,
    Detach: _plug,
    FirmwareUpdate: _firmware,
    Lpm: _lpm,
    Migrate: _migrate,
    Prrn: _prrn,
    Unmovable: _unmovable,
    Rtas: _rtas,
    Reboot: _reboot,
}
