# SPDX-License-Identifier: MIT
"""What a check says of one input: plain values, for output and for other processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from drmemctl.check.engine import Plan, judge
from drmemctl.check.finding import Finding, Severity
from drmemctl.check.rule import RULES
from drmemctl.check.subject import Running, Subject, known_profile
from drmemctl.errors import DrmemctlError, NotInTreeError
from drmemctl.formats.dynamic_memory import flag_names
from drmemctl.model.drmem import drmem_node
from drmemctl.model.lmbs import Run
from drmemctl.model.platform import describes_partition
from drmemctl.tree.node import Tree

if TYPE_CHECKING:
    from drmemctl.tree.system import SystemFiles

MOST_RANGES = 4096
"""Ranges of LMBs that a finding keeps; a tree can be made to have a million, and nobody reads them."""


@dataclass(frozen=True, slots=True)
class LmbRange:
    """Consecutive LMBs that a finding is about.

    Attributes:
        base: address of the first.
        count: how many.
        drc_index: DRC index of the first.
        aa_index: of all of them.
        flags: of all of them.
        node: the Linux node that the kernel finds for them, None for none.
        size: bytes of all of them together, None where the tree does not say.

    """

    base: int
    count: int
    drc_index: int
    aa_index: int
    flags: int
    node: int | None
    size: int | None

    def to_json(self) -> dict[str, Any]:
        """Return it like the runs of `drmemctl lmb --format json`."""
        return {
            "base": self.base,
            "count": self.count,
            "drc_index": self.drc_index,
            "aa_index": self.aa_index,
            "flags": self.flags,
            "flag_names": flag_names(self.flags),
            "node": self.node,
        }


class ReportedFinding(NamedTuple):
    """A finding with all that there is to show of it.

    Attributes:
        rule: the rule's id.
        severity: the worst consequence.
        title: what the rule finds, in a few words.
        message: what is there, and what it leads to.
        path: the node, empty for the blob itself.
        property: the property, empty for a node or the blob.
        offset: byte offset in the property (in the blob without one), or None.
        lmbs: the LMBs concerned, at most `MOST_RANGES` ranges.
        ranges_left_out: how many more ranges there are.
        fingerprint: the same as long as the rule, the place and the LMBs are.

    """

    rule: str
    severity: Severity
    title: str
    message: str
    path: str
    property: str
    offset: int | None
    lmbs: tuple[LmbRange, ...]
    ranges_left_out: int
    fingerprint: str


class Report(NamedTuple):
    """What is to say of one input.

    Attributes:
        source: the input as it was named.
        findings: the worst first.
        error: why it cannot be read, empty if it can.
        note: what could not be judged, and why.
        judged: whether there was anything to judge: LMBs, or else a partition's tree in which something was found.
        known: findings left out because a baseline has them.

    """

    source: str
    findings: tuple[ReportedFinding, ...] = ()
    error: str = ""
    note: str = ""
    known: int = 0
    judged: bool = True


def report(source: str, plan: Plan, before: Tree | None = None) -> Report:
    """Return the report of an input; one that cannot be read or judged is a report with an error."""
    from drmemctl.model.sizes import within_bounds
    from drmemctl.tree.system import load_system

    try:
        tree, beside = load_system(source)
        return report_tree(within_bounds(tree), plan, before, source, running_of(beside))
    except DrmemctlError as error:
        return Report(source, error=str(error.with_source(source)))
    except (MemoryError, RecursionError) as error:
        return Report(source, error=f"{source}: too large for this machine ({type(error).__name__})")
    except Exception as error:
        if os.environ.get("DRMEMCTL_DEBUG") == "1":
            raise
        hint = "DRMEMCTL_DEBUG=1 shows where, please report it"
        return Report(source, error=f"{source}: internal error: {type(error).__name__}: {error}; {hint}")


def running_of(found: SystemFiles) -> Running:
    """Return what the files beside a tree say: a capture, or this machine, shows its memory blocks too."""
    if not found:
        return Running()
    from drmemctl.model.live_system import LiveSystem

    return Running.of_system(LiveSystem.from_files(found.files, found.links))


def report_tree(
    tree: Tree,
    plan: Plan,
    before: Tree | None = None,
    source: str | None = None,
    running: Running | None = None,
) -> Report:
    """Return the report of a tree; `before` is the tree that a migration to it started from."""
    running = running or Running()
    if plan.kernel is not None and running.profile is None:
        running = running._replace(profile=known_profile("{}.{}.{}".format(*plan.kernel)))
    subject = Subject(tree, running=running, before=None if before is None else Subject(before))
    findings = tuple(reported(finding, subject) for finding in judge(subject, plan))
    name = tree.source if source is None else source
    return Report(name, findings, note=_note(subject), judged=_is_judged(subject, findings))


def _note(subject: Subject) -> str:
    if subject.drmem_node is not None:
        return subject.associativity.unknown and f"{subject.associativity.unknown}: nodes are unknown"
    try:
        drmem_node(subject.tree)
    except NotInTreeError as error:
        return error.message
    return ""


def _is_judged(subject: Subject, findings: tuple[ReportedFinding, ...]) -> bool:
    """Whether there was anything to judge: a partition may have no LMBs, and yet be wrong."""
    if subject.drmem_node is not None:
        return True
    return bool(findings) and describes_partition(subject.tree)


def reported(finding: Finding, subject: Subject) -> ReportedFinding:
    """Return a finding with all that there is to show of it."""
    violation = finding.violation
    size = subject.table.lmb_size if violation.lmbs else None
    return ReportedFinding(
        finding.rule,
        finding.severity,
        RULES[finding.rule].title,
        violation.message,
        violation.path,
        violation.property,
        violation.offset,
        tuple(_ranges(islice(violation.lmbs, MOST_RANGES), size, subject)),
        max(0, len(violation.lmbs) - MOST_RANGES),
        fingerprint(finding, size),
    )


def _ranges(runs: Iterable[Run], size: int | None, subject: Subject) -> Iterator[LmbRange]:
    node_of = subject.associativity.node_of
    for run in runs:
        node = node_of(run.aa_index, run.flags)
        total = None if size is None else size * run.count
        yield LmbRange(run.base, run.count, run.drc_index, run.aa_index, run.flags, node, total)


def fingerprint(finding: Finding, lmb_size: int | None) -> str:
    """Return what stays the same of a finding while other things in the tree change.

    Offsets and messages are not part of it: they shift and count with what stands before. How the LMBs fall
    into runs is not either, since that follows from flags and indexes that the rule may not be about.
    """
    from hashlib import sha256

    violation = finding.violation
    place = f"{finding.rule}\0{violation.path}\0{violation.property}"
    digest = sha256(place.encode("utf-8", "surrogatepass"))
    for base, count in _merged(violation.lmbs, lmb_size):
        digest.update(b"\0%x+%x" % (base, count))
    return digest.hexdigest()[:16]


def _merged(runs: Iterable[Run], lmb_size: int | None) -> Iterator[tuple[int, int]]:
    base, count = 0, 0
    for run in runs:
        if lmb_size and count and run.base == base + count * lmb_size:
            count += run.count
            continue
        if count:
            yield base, count
        base, count = run.base, run.count
    if count:
        yield base, count
