# SPDX-License-Identifier: MIT
"""Carries out one step on a partition, and adds to its result what it changed and what the rules find."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

from drmemctl.kernel import plugins
from drmemctl.kernel.processors import cpu_changes
from drmemctl.kernel.trace import recorded
from drmemctl.simulate.files import Files
from drmemctl.simulate.findings import PartitionJudge
from drmemctl.simulate.partition import Partition, Step, StepResult
from drmemctl.simulate.state_changes import changed_properties
from drmemctl.simulate.steps.expect import Expect
from drmemctl.simulate.steps.kernel_step import HYPERVISOR_ABORTED


def carry_out(
    step: Step, partition: Partition, files: Files, judge: PartitionJudge, *, traced: bool = False
) -> StepResult:
    """Return the result of a step; with `traced` it has the kernel's calls and writes."""
    if isinstance(step, Expect):
        return step.judged(partition, judge)
    if partition.machine.aborted:
        result = StepResult(step, partition, partition, ok=False, note=HYPERVISOR_ABORTED)
        flush = partition.flush
    else:
        with recorded() if traced else nullcontext(()) as events:
            result = step.carry_out(partition, files)
        plugins.held_to(result, StepResult, type(step), "carry_out")
        if traced:
            result = replace(result, trace=events)
        flush = step.flush(partition, result.after)
    after = replace(result.after, flush=flush)
    machine = after.machine
    findings = judge.new_findings(partition, after, result.kernel_faults, migrated=step.updates_tree)
    result = replace(
        result,
        # Without `last=None` each result would keep all results before it alive.
        before=replace(partition, last=None),
        ok=result.ok and not (machine.aborted and not partition.machine.aborted),
        events=machine.events,
        changed=changed_properties(partition.kernel.tree, after.kernel.tree),
        findings=tuple(findings),
        cpus=() if step.boots else cpu_changes(partition.kernel, after.kernel, step.doing),
    )
    return replace(result, after=replace(after, machine=machine.without_events(), last=result))
