# SPDX-License-Identifier: MIT
"""One step alone: carried out on a partition, with what it changed and what the rules say of that."""

from __future__ import annotations

from dataclasses import replace

from drmemctl.kernel.processors import cpu_changes
from drmemctl.kernel.trace import recorded
from drmemctl.simulate.change import changed_properties
from drmemctl.simulate.files import Files
from drmemctl.simulate.findings import Moments
from drmemctl.simulate.partition import Partition, Step, StepResult
from drmemctl.simulate.steps.expect import Expect
from drmemctl.simulate.steps.kernel_step import HYPERVISOR_ABORTED


def carry_out(
    step: Step,
    partition: Partition,
    files: Files,
    moments: Moments,
    *,
    traced: bool = False,
) -> StepResult:
    """Return the result of a step; `traced` collects what the kernel does meanwhile."""
    if isinstance(step, Expect):
        return step.judged(partition, moments)
    if partition.machine.aborted:
        result = StepResult(step, partition, partition, ok=False, note=HYPERVISOR_ABORTED)
        flush = partition.flush
    else:
        if traced:
            with recorded() as events:
                result = step.carry_out(partition, files)
            result = replace(result, trace=events)
        else:
            result = step.carry_out(partition, files)
        flush = step.flush(partition, result.after)
    after = replace(result.after, flush=flush)
    machine = after.machine
    findings = moments.after(partition, after, result.kernel_faults, migrated=step.updates_tree)
    result = replace(
        result,
        # A result that the next step's `before` held on to, with all before that, would never be given free.
        before=replace(partition, last=None),
        ok=result.ok and not (machine.aborted and not partition.machine.aborted),
        events=machine.events,
        changed=changed_properties(partition.kernel.tree, after.kernel.tree),
        findings=tuple(findings),
        cpus=() if step.boots else cpu_changes(partition.kernel, after.kernel, step.doing),
    )
    return replace(result, after=replace(after, machine=machine.without_events(), last=result))
