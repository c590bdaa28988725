# SPDX-License-Identifier: MIT
"""A diff as a gate: which of its parts make it fail."""

from __future__ import annotations

from collections.abc import Collection

from drmemctl.check.finding import Severity
from drmemctl.compare.diff import Diff
from drmemctl.compare.lmbs import ASSOCIATIVITY, NODE, RENUMBERED
from drmemctl.compare.numa import LMB_SIZE

LMBS, NUMA, FINDING, ANYTHING, NEVER = "lmbs", "numa", "finding", "anything", "never"
FAIL_ON = (LMBS, NUMA, FINDING, ANYTHING, NEVER)
"""What can fail: LMBs that came, went or changed; the NUMA layout; a finding about migrations; any difference."""

OF_LMBS, OF_LOOKUP, OF_NUMA, OF_PROPERTIES = (
    "LMBs",
    "lookup arrays",
    "NUMA facts and features",
    "other properties and nodes",
)
OF_MIGRATION = "what a migration may change"
PARTS = (OF_LMBS, OF_LOOKUP, OF_NUMA, OF_PROPERTIES, OF_MIGRATION)
"""What is compared, and judged."""


def differing_parts(diff: Diff) -> set[str]:
    """Return the parts in which there is a difference."""
    differs = {
        OF_LMBS: not diff.lmbs.same,
        OF_LOOKUP: not diff.lookup.same,
        OF_NUMA: bool(diff.numa),
        OF_PROPERTIES: bool(diff.properties),
    }
    return {part for part, is_different in differs.items() if is_different}


def failing_parts(diff: Diff, fail_on: Collection[str]) -> set[str]:
    """Return the parts that make a gate fail; none where it passes."""
    failing = differing_parts(diff) if ANYTHING in fail_on else set()
    kinds = {kind for change in diff.lmbs.changes for kind in change.kinds}
    if LMBS in fail_on:
        # A renumbering of the lookup arrays leaves every LMB as it is.
        if kinds - {RENUMBERED} or diff.lmbs.reordered:
            failing.add(OF_LMBS)
        if any(fact.quantity == LMB_SIZE for fact in diff.numa):
            failing.add(OF_NUMA)
    if NUMA in fail_on:
        if kinds & {NODE, ASSOCIATIVITY}:
            failing.add(OF_LMBS)
        if not diff.lookup.same and not diff.lookup.only_renumbered:
            failing.add(OF_LOOKUP)
        if any(fact.quantity != LMB_SIZE for fact in diff.numa):
            failing.add(OF_NUMA)
    if FINDING in fail_on and any(finding.severity != Severity.INFO for finding in diff.findings):
        failing.add(OF_MIGRATION)
    return failing
