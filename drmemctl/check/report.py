# SPDX-License-Identifier: MIT
"""What a check says of one input: plain values, for output and for other processes."""

from __future__ import annotations

import os
from typing import NamedTuple

from drmemctl.check.about import complete
from drmemctl.check.engine import Judge, Plan
from drmemctl.check.finding import Finding
from drmemctl.check.subject import Running, Subject
from drmemctl.errors import DrmemctlError, NotInTreeError
from drmemctl.model.drmem import LmbTable, drmem_node
from drmemctl.model.platform import describes_partition
from drmemctl.tree.node import Tree


class Report(NamedTuple):
    """What is to say of one input.

    Attributes:
        source: the input as it was named.
        findings: the worst first.
        error: why it cannot be read, empty if it can.
        note: what could not be judged, and why.
        judged: whether there was anything to judge: LMBs, or else a partition's tree in which something was found.
        known: findings left out because a baseline has them.
        kernel: the kernel that was judged for where the input names it, else None.
        kernel_notes: what has to be said of it.

    """

    source: str
    findings: tuple[Finding, ...] = ()
    error: str = ""
    note: str = ""
    known: int = 0
    judged: bool = True
    kernel: str | None = None
    kernel_notes: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """All that has to be said besides the findings."""
        return (self.note, *self.kernel_notes) if self.note else self.kernel_notes


def report(source: str, plan: Plan, before: Tree | None = None, array: LmbTable | None = None) -> Report:
    """Return the report of an input; one that cannot be read or judged is a report with an error.

    `array` is the LMB array of its kernel, by default what the input itself shows.
    """
    from drmemctl.model.sizes import within_bounds
    from drmemctl.tree.source import load

    try:
        tree = within_bounds(load(source))
        running = None if array is None else Running.of_tree(tree)._replace(array=array)
        return report_tree(tree, plan.at(source), before, source, running)
    except Exception as error:
        if os.environ.get("DRMEMCTL_DEBUG") == "1" and is_internal(error):
            raise
        return Report(source, error=why_unread(error, source))


def is_internal(error: Exception) -> bool:
    """Whether an error is ours, and neither the input's nor the machine's."""
    return not isinstance(error, DrmemctlError | MemoryError | RecursionError)


def why_unread(error: Exception, source: str) -> str:
    """Return what is said of an input that cannot be read or judged for this error."""
    if isinstance(error, DrmemctlError):
        return str(error.with_source(source))
    if not is_internal(error):
        return f"{source}: too large for this machine ({type(error).__name__})"
    hint = "DRMEMCTL_DEBUG=1 shows where, please report it"
    return f"{source}: internal error: {type(error).__name__}: {error}; {hint}"


def report_tree(
    tree: Tree,
    plan: Plan,
    before: Tree | None = None,
    source: str | None = None,
    running: Running | None = None,
) -> Report:
    """Return the report of a tree; `before` is the tree that a migration to it started from.

    `running` is what is known of its kernel, by default what the files beside the tree say.
    """
    selected = plan.kernel
    if before is not None:
        from drmemctl.kernel.choice import migrated

        tree = migrated(before, tree)
    plan, notes = _about_its_kernel(plan, tree)
    running = (Running.of_tree(tree) if running is None else running)._replace(profile=plan.kernel)
    earlier = None if before is None else Subject(before, running=Running(profile=plan.kernel))
    subject = Subject(tree, running=running, before=earlier)
    findings = complete(Judge(plan).findings(subject), subject)
    # A partition may have no LMBs, and yet be wrong.
    judged = subject.drmem_node is not None or (bool(findings) and describes_partition(tree))
    kernel = None if plan.kernel is None or plan.kernel is selected else plan.kernel.name
    return Report(
        tree.source if source is None else source,
        findings,
        note=_note(subject),
        judged=judged,
        kernel=kernel,
        kernel_notes=notes,
    )


def _about_its_kernel(plan: Plan, tree: Tree) -> tuple[Plan, tuple[str, ...]]:
    """Return the plan for a tree, and what there is to say of its kernel: the plan's, else the input's.

    Where neither names one, rules about any release are run: a dump does not say which kernel will boot it next.
    """
    if plan.kernel is None and not tree.kernel:
        return plan, ()
    from drmemctl.kernel.choice import kernel_for

    choice = kernel_for(tree, plan.kernel)
    return plan._replace(kernel=choice.judged), choice.notes


def _note(subject: Subject) -> str:
    if subject.drmem_node is not None:
        return subject.associativity.unknown and f"{subject.associativity.unknown}: nodes are unknown"
    try:
        drmem_node(subject.tree)
    except NotInTreeError as error:
        return error.message
    return ""
