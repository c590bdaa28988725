# SPDX-License-Identifier: MIT
"""Counting what the reports of one run say: for the summary, and for the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from drmemctl.check.engine import Plan
from drmemctl.check.finding import Severity
from drmemctl.check.report import Report, report_tree
from drmemctl.tree.node import Tree

NEVER = "never"
FAIL_ON = (*(severity.value for severity in Severity), NEVER)
"""What `--fail-on` takes: the least severity that fails, or that none does."""


class RuleCount(NamedTuple):
    """How often a rule was broken: the rank of the worst severity, findings, and trees that have some."""

    rank: int
    findings: int = 0
    trees: int = 0


@dataclass(slots=True)
class CheckTally:
    """The counts of a run so far.

    Attributes:
        findings: by severity, the worst first.
        trees: inputs that could be read.
        faulty: those of them with findings.
        unreadable: inputs that could not be read.
        unjudged: trees in which there was nothing to judge.
        known: findings left out because a baseline has them.

    """

    findings: dict[Severity, int] = field(default_factory=lambda: dict.fromkeys(Severity, 0))
    trees: int = 0
    faulty: int = 0
    unreadable: int = 0
    unjudged: int = 0
    known: int = 0
    _rules: dict[str, RuleCount] = field(default_factory=dict)

    def counted(self, reports: Iterable[Report]) -> Iterator[Report]:
        """Yield the reports, each counted before it is passed on."""
        for report in reports:
            self.unreadable += bool(report.error)
            self.trees += not report.error
            self.unjudged += not report.error and not report.judged
            self.faulty += bool(report.findings)
            self.known += report.known
            ranks_by_rule: dict[str, list[int]] = {}
            for finding in report.findings:
                self.findings[finding.severity] += 1
                ranks_by_rule.setdefault(finding.rule, []).append(finding.severity.rank)
            for rule, ranks in ranks_by_rule.items():
                before = self._rules.get(rule, RuleCount(ranks[0]))
                rank = min(before.rank, *ranks)
                self._rules[rule] = RuleCount(rank, before.findings + len(ranks), before.trees + 1)
            yield report

    def by_rule(self) -> list[tuple[str, RuleCount]]:
        """Return the rules broken and how often, the worst first, then the most frequent."""
        return sorted(self._rules.items(), key=lambda entry: (entry[1].rank, -entry[1].findings, entry[0]))

    @property
    def worst_rule(self) -> str | None:
        """The id of the worst rule broken, the first of equals; None if none was."""
        return min(self._rules, key=lambda rule: (self._rules[rule].rank, rule), default=None)

    def fails(self, fail_on: str) -> bool:
        """Whether there is a finding of this severity or a worse one."""
        if fail_on == NEVER:
            return False
        return any(number and fails(severity, fail_on) for severity, number in self.findings.items())


def counted(tree: Tree, plan: Plan) -> dict[str, int]:
    """Return how many findings of each severity a tree has by a plan, the worst first."""
    numbers = Counter(finding.severity for finding in report_tree(tree, plan).findings)
    return {severity.value: numbers[severity] for severity in Severity}


def fails(severity: Severity, fail_on: str) -> bool:
    """Whether a finding of this severity makes a run with `--fail-on` fail."""
    return fail_on != NEVER and severity.rank <= Severity(fail_on).rank
