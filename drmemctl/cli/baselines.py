# SPDX-License-Identifier: MIT
"""`check`'s options about baselines: reading, writing and pruning one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from drmemctl.check.baseline import Baseline
    from drmemctl.check.engine import Plan
    from drmemctl.output.check import CheckView, Target


def baseline_of(path: str | None, *, prune: bool, write: str | None) -> Baseline | None:
    """Return the baseline that findings are held against; None without one, and where one is to be written."""
    if prune and (path is None or write is not None):
        raise click.UsageError("--prune-baseline goes with --baseline FILE, or that of the settings.")
    if path is None or write is not None:
        return None
    from drmemctl.check.baseline import Baseline

    return Baseline.read(path)


def written(path: str, view: CheckView, target: Target) -> None:
    """Write a baseline that knows all findings."""
    from drmemctl.check.baseline import document
    from drmemctl.output.check import say_written
    from drmemctl.output.files import write_text

    reports = target.attended(view.reports, allow_unjudged=view.allow_unjudged)
    write_text(path, (document(reports, path),), target.inputs)
    say_written(view.tally, path)


def tell_stale(baseline: Baseline, plan: Plan, files: tuple[str | None, str | None], *, prune: bool) -> None:
    """Say which entries are stale, or take them out; `files` are those of --before and of --array."""
    from drmemctl.check.engine import all_rules
    from drmemctl.output.check import say_stale

    # Rules that need these were not asked without them.
    missing = {need for need, path in zip(("before", "array"), files, strict=True) if path is None}
    rules = all_rules()

    @cache
    def asked_by(part: Plan) -> frozenset[str]:
        return frozenset(rule.id for rule in part.rules())

    not_asked = {
        rule.id
        for rule in rules.values()
        if not missing.isdisjoint(rule.needs) or not rule.kernels.include(plan.kernel)
    }
    # An id that is no rule's any more is asked by nobody, and found by nobody.
    stale = baseline.stale(
        lambda source, rule: rule not in rules or (rule in asked_by(plan.at(source)) and rule not in not_asked)
    )
    if stale and prune:
        from drmemctl.output.files import write_atomically

        write_atomically(baseline.path, baseline.without(stale).encode(), force=True)
    say_stale(stale, baseline.path, pruned=prune)
