# SPDX-License-Identifier: MIT
"""The reports of a check in any of its formats, as they come; unreadable inputs go to standard error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from drmemctl.check.engine import Plan
from drmemctl.check.finding import Finding, LmbRange, Severity
from drmemctl.check.fixes import commands
from drmemctl.check.report import Report
from drmemctl.check.tally import CheckTally
from drmemctl.output.findings import message, severities
from drmemctl.output.lmb_words import address_range, drc_range
from drmemctl.output.progress import with_progress
from drmemctl.output.screen import Screen, say
from drmemctl.output.table import Column, show_table
from drmemctl.output.text import safe
from drmemctl.wording import count_of, size_text

if TYPE_CHECKING:
    from drmemctl.check.baseline import KnownFinding
    from drmemctl.check.pages import Page

RENDERERS = {
    "text": "check_text",
    "concise": "concise",
    "json": "check_json",
    "sarif": "sarif",
    "junit": "junit",
    "github": "github",
    "gitlab": "gitlab",
    "markdown": "markdown",
}
"""Format → module of this package with a function `render(view, screen)`."""

STATISTICS_COLUMNS = (
    Column("findings", right=True, help="how often the rule was broken"),
    Column("trees", right=True, help="in how many trees"),
    Column("rule", help="its id, which `drmemctl explain` takes"),
    Column("severity", help="the worst of its findings: error, warning or info"),
    Column("finds", prose=True, help="what the rule finds"),
)

FINDING_WORDS = {
    "error": "a kernel dies, loses memory, corrupts the property, or puts memory on the wrong node",
    "warning": "that can happen after one more operation",
    "info": "odd, and harmless by itself",
    "offset": "where in the property, or in the whole file, in bytes",
    "0xA-0xB": "the first and the last address of LMBs that it is about",
    "DRC": "their DRC indexes",
    "aa": "their aa_index, the lookup array that they refer to",
    "node": "the Linux node that this leads to; no node: it leads to none",
    "assigned, free ...": "their flags; free where none is set",
    "$": "a command line that helps: drmemctl here, any other on the system that the tree is of",
}
"""What stands for what in findings, for `--help`."""

_STALE = 4
"""Stale entries of a baseline that are named."""


class CheckView(NamedTuple):
    """What there is to show of a check.

    Attributes:
        reports: one for each input, made while they are shown.
        tally: counts them as they come, so that it is complete after the last.
        plan: the rules that are run, for formats that tell of them.
        fail_on: the least severity that fails, or `never`.
        everything: whether to show all of every report.
        allow_unjudged: whether a tree in which there is nothing to judge may pass.
        docs_url: where the site is that has a page for each rule, empty if nobody said.

    """

    reports: Iterator[Report]
    tally: CheckTally
    plan: Plan
    fail_on: str = Severity.WARNING.value
    everything: bool = False
    allow_unjudged: bool = False
    docs_url: str = ""

    def is_unjudged(self, report: Report) -> bool:
        """Whether an input could be read, but had nothing to judge, and that is a failure."""
        return not (report.error or report.judged or self.allow_unjudged)

    @property
    def pages(self) -> tuple[Page, ...]:
        """The pages of the rules."""
        from drmemctl.check.pages import pages

        return pages(self.plan.rules())


class Target(NamedTuple):
    """Where output goes.

    Attributes:
        screen: standard output.
        file: the file that takes its place, or None.
        inputs: what is read, and so never written to.

    """

    screen: Screen
    file: str | None
    inputs: tuple[str, ...]

    def attended(self, reports: Iterator[Report], *, allow_unjudged: bool = True) -> Iterator[Report]:
        """Yield the reports, with a progress bar; errors among them also go to standard error, a line each.

        Unless allowed, a tree in which there is nothing to judge is an error as well.
        """
        on_terminal = self.screen.terminal and self.file is None

        def error_of(report: Report) -> str:
            return report.error or ("" if report.judged or allow_unjudged else unjudged_error(report))

        for report in with_progress(
            reports, len(self.inputs), lambda report: on_terminal or bool(error_of(report))
        ):
            if error := error_of(report):
                say(error)
            yield report


def unjudged_error(report: Report) -> str:
    """Return the line about a tree in which there is nothing to judge."""
    return f"{report.source}: nothing to judge: {report.note}; --allow-no-drmem lets such trees pass"


def show_check(target: Target, view: CheckView, format: str) -> None:
    """Print the reports, on a terminal each as soon as it is there; or write them to a file."""
    reports = target.attended(view.reports, allow_unjudged=view.allow_unjudged)
    view = view._replace(reports=reports)
    if target.file is not None:
        from drmemctl.output.files import write_text

        write_text(target.file, rendered(Screen(), view, format), target.inputs)
        say_written(view.tally, target.file)
        return
    pieces = rendered(target.screen, view, format)
    write = target.screen.write_text if format == "text" else target.screen.write_all
    if target.screen.terminal:
        for piece in pieces:
            write((piece,))
    else:
        write(pieces)
    # The reader may have gone before the end, but the exit code is about all inputs.
    for _ in reports:
        pass


def rendered(screen: Screen, view: CheckView, format: str) -> Iterator[str]:
    """Return the text of the reports in a format, in pieces."""
    module = import_module(f"drmemctl.output.{RENDERERS[format]}")
    pieces: Iterator[str] = module.render(view, screen)
    return pieces


def show_quietly(target: Target, view: CheckView) -> None:
    """Print nothing of the reports; the exit code is about all of them, and errors are said."""
    for _ in target.attended(view.reports, allow_unjudged=view.allow_unjudged):
        pass


def show_statistics(screen: Screen, view: CheckView) -> None:
    """Print how often each rule was broken, the worst and most frequent first."""
    from drmemctl.output.findings import STYLES

    pages = {page.rule: page for page in view.pages}
    severities_by_rank = tuple(Severity)
    rows = (
        (
            f"{count.findings:,}",
            f"{count.trees:,}",
            rule,
            (severities_by_rank[count.rank].value, STYLES[severities_by_rank[count.rank]]),
            pages[rule].title,
        )
        for rule, count in view.tally.by_rule()
    )
    show_table(screen, STATISTICS_COLUMNS, rows)


def write_reports(target: Target, view: CheckView, outputs: Iterable[tuple[str, str]]) -> None:
    """Write reports that were shown already to files, in other formats as well; each whole or not at all."""
    from drmemctl.output.files import write_text

    reports = tuple(view.reports)
    names = []
    for format, name in outputs:
        pieces = rendered(Screen(), view._replace(reports=iter(reports)), format)
        write_text(name, pieces, target.inputs)
        names.append(name)
    say_written(view.tally, ", ".join(names))


def say_stale(stale: Mapping[str, Sequence[KnownFinding]], path: str, *, pruned: bool) -> None:
    """Say which entries of a baseline are about nothing that is found any more."""
    number = sum(map(len, stale.values()))
    if not number:
        return
    if pruned:
        say(f"{path}: {count_of(number, 'stale entry', 'stale entries')} taken out")
        return
    shown = [
        f"{safe(entry.rule, 40)} in {safe(name, 200)}" for name, entries in stale.items() for entry in entries
    ]
    more = f", and {number - _STALE:,} more" if number > _STALE else ""
    say(
        f"{path}: {count_of(number, 'stale entry', 'stale entries')}, of which nothing is found any more: "
        f"{', '.join(shown[:_STALE])}{more}; --prune-baseline takes them out"
    )


def say_written(tally: CheckTally, path: str) -> None:
    """Say what was found, where the findings themselves went to a file."""
    say(f"{summary(tally)}; written to {path}")


def summary(tally: CheckTally) -> str:
    """Return what was found in all, e.g. `2 errors, 1 warning in 2 of 14 trees; 1 unreadable`."""
    number = severities(tally.findings)
    where = (
        f"{tally.faulty:,} of {count_of(tally.trees, 'tree')}" if tally.faulty else count_of(tally.trees, "tree")
    )
    from_baseline = f"; {tally.known:,} known from the baseline" if tally.known else ""
    unjudged = f"; {tally.unjudged:,} with nothing to judge" if tally.unjudged else ""
    unreadable = f"; {tally.unreadable:,} unreadable" if tally.unreadable else ""
    return f"{number} in {where}{from_baseline}{unjudged}{unreadable}"


def place(finding: Finding) -> str:
    """Return `path:property` of a finding, or as much of it as there is, to be shown."""
    path = safe(finding.path)
    return f"{path}:{safe(finding.property)}" if finding.property else path


def place_and_offset(finding: Finding, *, line: bool = True) -> str:
    """Return where a finding is, with the byte offset, and without `line` without line and column."""
    parts = [place(finding)]
    if finding.offset is not None:
        parts.append(f"offset {finding.offset:#x}")
    if finding.line and line:
        parts.append(f"line {finding.line:,}, column {finding.column:,}")
    return ", ".join(part for part in parts if part)


def fix_lines(findings: Iterable[Finding], source: str) -> list[str]:
    """Return the command lines that help against some findings in an input, each once."""
    return list(dict.fromkeys(safe(line, None) for finding in findings for line in commands(finding, source)))


def range_text(lmbs: LmbRange) -> str:
    """Return a range of LMBs as people read it: addresses, size, DRC indexes, aa_index, node, flags."""
    from drmemctl.formats.dynamic_memory import aa_text, flag_names

    no_node = "no node" if lmbs.is_shown else "node unknown"
    parts = [
        addresses(lmbs),
        "size unknown" if lmbs.size is None else size_text(lmbs.size),
        count_of(lmbs.count, "LMB"),
        f"DRC {drc_range(lmbs.drc_index, lmbs.count)}",
        f"aa {aa_text(lmbs.aa_index)}",
        no_node if lmbs.node is None else f"node {lmbs.node}",
        " ".join(flag_names(lmbs.flags)) or "free",
    ]
    return "  ".join(parts)


def addresses(lmbs: LmbRange) -> str:
    """Return the first and the last address of a range, or the first alone."""
    width = lmbs.digits + len("0x")
    return f"{lmbs.base:#0{width}x}" if lmbs.size is None else address_range(lmbs.base, lmbs.size, width)


def further_ranges(finding: Finding, most: int | None = None) -> list[str]:
    """Return the line about ranges of LMBs beyond the first `most`, or all that are listed; none without any."""
    number = len(finding.lmbs[len(finding.lmbs) if most is None else most :]) + finding.ranges_left_out
    return [f"… {count_of(number, 'more range')}"] if number else []


def in_lines(finding: Finding, source: str, most: int) -> str:
    """Return message, place and the first ranges of LMBs, a line each, for whoever shows plain text only."""
    lines = [message(finding), place_and_offset(finding)]
    lines += [range_text(lmbs) for lmbs in finding.lmbs[:most]]
    lines += further_ranges(finding, most)
    lines += [f"$ {line}" for line in fix_lines((finding,), source)]
    return "\n".join(line for line in lines if line)
