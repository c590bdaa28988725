# SPDX-License-Identifier: MIT
"""`drmemctl check`: what is wrong with trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from drmemctl.cli.baselines import baseline_of, tell_stale, written
from drmemctl.cli.common import (
    FILE,
    TREE,
    color_option,
    dump_options,
    fail_on_option,
    format_option,
    named_file,
    no_drmem_option,
    of_kcore,
    open_tree,
    quiet_option,
)
from drmemctl.cli.found_settings import chosen_file, found_settings, settings_options
from drmemctl.cli.kernel_options import kernel_option
from drmemctl.cli.option import WholeNumber
from drmemctl.cli.output_files import FORMATS, check_distinct, output_file_option
from drmemctl.cli.rule_options import (
    IGNORE,
    SELECT,
    docs_url_option,
    per_path_ignores_option,
    rules_option,
    severity_option,
)
from drmemctl.cli.table_options import TableCommand
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from drmemctl.check.report import Report
    from drmemctl.check.settings import Settings
    from drmemctl.check.tally import CheckTally
    from drmemctl.model.drmem import LmbTable
    from drmemctl.output.check import CheckView, Target

_EXIT_FINDINGS = 1
_EXIT_UNREADABLE = 3
"""Also where a tree has nothing to judge: who checks the wrong file is to notice."""

_MANY = 1000
"""Inputs beyond which others judge better."""

_EXAMPLE = """
\b
Examples:
  drmemctl check /proc/device-tree
  drmemctl check captures/ 'lab/*.dtb' --kernel 6.12 --fail-on error
  drmemctl check after.dtb --before before.dtb --select migration
  drmemctl check trees/ --output-file sarif=drmemctl.sarif --output-file junit=drmemctl.xml

A directory that is no tree itself stands for all trees below it, also those in archives. Settings, named as the
options, come from [tool.drmemctl] in the nearest pyproject.toml, or drmemctl.toml.
"""


@click.command(
    "check",
    cls=TableCommand.with_tables(
        {
            "Findings": "drmemctl.output.check:FINDING_WORDS",
            "Statistics": "drmemctl.output.check:STATISTICS_COLUMNS",
        }
    ),
    short_help="Report what is wrong with device trees.",
    epilog=_EXAMPLE,
)
@dump_options()
@click.argument("trees", metavar="TREE...", nargs=-1, required=True, type=TREE, callback=of_kcore)
@rules_option("--select", SELECT)
@rules_option("--ignore", IGNORE)
@rules_option("--extend-select", "Further rules, added to those that a settings file selects.")
@rules_option("--extend-ignore", "Further rules to leave out, added to those that a settings file ignores.")
@per_path_ignores_option()
@severity_option()
@docs_url_option()
@kernel_option("the input's, else any", "Only rules about this kernel. ")
@click.option(
    "--before",
    metavar="OLD",
    type=TREE,
    help="The tree from before a migration, for the rules about it.",
)
@click.option(
    "--array", metavar="FILE", type=FILE, help="The LMB array that the kernel of TREE has (simulate --save-array)."
)
@fail_on_option("The least severity for exit code 1.  [default: warning]")
@no_drmem_option()
@click.option(
    "--baseline",
    metavar="FILE",
    type=FILE,
    help="Report, and fail on, only findings that this file does not list.",
)
@click.option("--prune-baseline", is_flag=True, help="Remove from that file what is no longer found.")
@click.option(
    "--write-baseline",
    metavar="FILE",
    type=FILE,
    callback=named_file,
    help="Write all findings to this file as known; no other output.",
)
@click.option(
    "-j",
    "--jobs",
    metavar="N",
    type=WholeNumber(1),
    help="Processes, four per CPU at most.  [default: one per CPU]",
)
@settings_options
@click.option("--all", "everything", is_flag=True, help="All findings and LMBs, not a screen for each tree.")
@quiet_option()
@click.option("--statistics", is_flag=True, help="Print how often each rule was broken, in place of findings.")
@format_option(*FORMATS)
@click.option("-o", "--output", metavar="OUT", type=FILE, help="Write to this file; - is standard output.")
@output_file_option()
@color_option()
def command(
    trees: tuple[str, ...],
    before: str | None,
    array: str | None,
    allow_no_drmem: bool,
    prune_baseline: bool,
    write_baseline: str | None,
    everything: bool,
    quiet: bool,
    statistics: bool,
    format: str,
    output: str | None,
    output_files: tuple[tuple[str, str], ...],
    screen: Screen,
    **options: Any,
) -> int:
    """Report what is wrong with device trees, what a kernel makes of it, and which LMBs are affected.

    The exit code is 1 if anything is found, 3 if an input cannot be read or has nothing to judge: it is of another
    machine, from before firmware and OS agreed on dynamic memory, or a part of a tree. The others are judged all
    the same.
    """
    from drmemctl.check.cpus import n_cpus
    from drmemctl.check.engine import Plan
    from drmemctl.check.inputs import find_inputs, reports
    from drmemctl.check.tally import CheckTally
    from drmemctl.output.check import CheckView, Target

    if statistics and format != "text" and output in (None, "-"):
        raise click.UsageError("--statistics prints a table: --format is of the findings, which --output writes.")
    settings = _settings(options)
    if before == "-" and "-" in trees:
        raise click.UsageError("standard input cannot be both TREE and OLD.")
    old = None if before is None else open_tree(before)
    inputs = find_inputs(trees)
    plan = settings.plan
    if plan != Plan(kernel=plan.kernel) and not plan.rules():
        say("select and ignore leave no rule: nothing is judged")
    tally = CheckTally()
    judged = reports(inputs, plan, old, settings.jobs or n_cpus(), _array(array, len(inputs)))
    baseline = baseline_of(settings.baseline, prune=prune_baseline, write=write_baseline)
    judged = tally.counted(judged if baseline is None else baseline.new_in(judged))
    read = (before, array, None if baseline is None else baseline.path, chosen_file())
    target = Target(
        screen,
        None if output == "-" else output,
        tuple(entry.path for entry in inputs) + tuple(name for name in read if name),
    )
    fail_on = settings.fail_on or "warning"
    view = CheckView(judged, tally, plan, fail_on, everything, allow_no_drmem, settings.docs_url or "")
    if write_baseline is not None:
        if output_files:
            raise click.UsageError("--write-baseline has no other output: leave --output-file out.")
        written(write_baseline, view, target)
        return _exit_code(tally, "never", allow_no_drmem)
    check_distinct([*(name for _, name in output_files), *([target.file] if target.file else [])])
    _show(target, view, format, output_files, quiet=quiet, statistics=statistics)
    if baseline is not None:
        tell_stale(baseline, plan, (before, array), prune=prune_baseline)
    if len(inputs) > _MANY:
        say(f"{len(inputs):,} inputs: drmemctl fleet check judges as many into tables, also on a cluster")
    return _exit_code(tally, fail_on, allow_no_drmem)


def _show(
    target: Target,
    view: CheckView,
    format: str,
    output_files: tuple[tuple[str, str], ...],
    *,
    quiet: bool,
    statistics: bool,
) -> None:
    from drmemctl.output.check import show_check, show_quietly, show_statistics, write_reports

    copies: list[Report] = []
    if output_files:
        view = view._replace(reports=_kept(view.reports, copies))
    if (quiet or statistics) and target.file is None:
        show_quietly(target, view)
    else:
        show_check(target, view, format)
    if statistics:
        show_statistics(target.screen, view)
    if output_files:
        write_reports(target, view._replace(reports=iter(copies)), output_files)


def _kept(judged: Iterator[Report], copies: list[Report]) -> Iterator[Report]:
    """Keep the reports for the further outputs, as they pass."""
    for report in judged:
        copies.append(report)
        yield report


def _settings(options: dict[str, Any]) -> Settings:
    from drmemctl.check.selection import RuleSelection
    from drmemctl.check.settings import Settings

    added = RuleSelection(options.pop("extend_select", None) or (), options.pop("extend_ignore", None) or ())
    own, lower = Settings(**options, extensions=None if added == RuleSelection() else (added,)), found_settings()
    if lower is None:
        return own
    if lower.jobs is not None:
        from drmemctl.check.cpus import n_cpus

        # Somebody else may have written it: whoever wants more processes says so on the command line.
        lower = lower._replace(jobs=min(lower.jobs, n_cpus()))
    return own.over(lower)


def _array(path: str | None, n_inputs: int) -> LmbTable | None:
    if path is None:
        return None
    if n_inputs != 1:
        raise click.UsageError("--array is the array of one kernel: name one TREE.")
    from drmemctl.model.dumped import read_table

    return read_table(path)


def _exit_code(tally: CheckTally, fail_on: str, allow_no_drmem: bool) -> int:
    if tally.unreadable or (tally.unjudged and not allow_no_drmem):
        return _EXIT_UNREADABLE
    return _EXIT_FINDINGS if tally.fails(fail_on) else 0
