# SPDX-License-Identifier: MIT
"""`drmemctl check`: what is wrong with trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from drmemctl.cli.common import (
    FILE,
    TREE,
    color_option,
    dump_options,
    format_option,
    named_file,
    of_kcore,
    open_tree,
)
from drmemctl.cli.found_settings import chosen_file, found_settings, settings_options
from drmemctl.cli.kernel_options import kernel_option
from drmemctl.cli.rule_options import rules_option
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from drmemctl.check.report import Report
    from drmemctl.check.settings import Settings
    from drmemctl.check.tally import CheckTally
    from drmemctl.model.drmem import LmbTable
    from drmemctl.output.check import Target
    from drmemctl.tree.node import Tree

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
  drmemctl check trees/ --format sarif -o drmemctl.sarif

A directory that is no tree itself stands for all trees below it, also those in archives. Settings (select,
ignore, fail-on, kernel, jobs, baseline) come from [tool.drmemctl] in the nearest pyproject.toml, or drmemctl.toml.
"""


@click.command("check", short_help="Say what is wrong with device trees.", epilog=_EXAMPLE)
@dump_options()
@click.argument("trees", metavar="TREE...", nargs=-1, required=True, type=TREE, callback=of_kcore)
@rules_option("--select", "Only these rules: ids, beginnings of ids, families; comma-separated or repeated.")
@rules_option("--ignore", "Not these rules.")
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
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "info", "never"]),
    help="The least severity for exit code 1.  [default: warning]",
)
@click.option("--allow-no-drmem", is_flag=True, help="Pass trees in which there is nothing to judge.")
@click.option(
    "--baseline", metavar="FILE", type=FILE, help="Show, and fail on, only what this file does not know."
)
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
    type=click.IntRange(1),
    help="Processes, four per CPU at most.  [default: one per CPU]",
)
@settings_options
@click.option("--all", "everything", is_flag=True, help="All findings and LMBs, not a screen for each tree.")
@click.option("-q", "--quiet", is_flag=True, help="Print no findings; the exit code tells, and the file of -o.")
@click.option("--statistics", is_flag=True, help="Print how often each rule was broken, in place of findings.")
@format_option("text", "concise", "json", "sarif", "junit", "github", "gitlab", "markdown")
@click.option("-o", "--output", metavar="OUT", type=FILE, help="Write to this file; - is standard output.")
@color_option()
def command(
    trees: tuple[str, ...],
    before: str | None,
    array: str | None,
    allow_no_drmem: bool,
    write_baseline: str | None,
    everything: bool,
    quiet: bool,
    statistics: bool,
    format: str,
    output: str | None,
    screen: Screen,
    **options: Any,
) -> int:
    """Say what is wrong with device trees, what a kernel makes of it, and which LMBs it concerns.

    The exit code is 1 if anything is found, 3 if an input cannot be read or has nothing to judge: it is of another
    machine, from before firmware and OS agreed on dynamic memory, or a part of a tree. The others are judged all
    the same.
    """
    from drmemctl.check.cpus import n_cpus
    from drmemctl.check.inputs import find_inputs, reports
    from drmemctl.check.tally import CheckTally
    from drmemctl.output.check import CheckView, Target, show_check, show_quietly, show_statistics

    settings = _settings(options)
    old = _old_tree(before, trees)
    inputs = find_inputs(trees)
    plan = settings.plan
    if (plan.select or plan.ignore) and not plan.rules():
        say("select and ignore leave no rule: nothing is judged")
    tally = CheckTally()
    if array is not None and len(inputs) != 1:
        raise click.UsageError("--array is the array of one kernel: name one TREE.")
    judged = reports(inputs, plan, old, settings.jobs or n_cpus(), None if array is None else _array(array))
    if settings.baseline is not None and write_baseline is None:
        from drmemctl.check.baseline import Baseline

        judged = Baseline.read(settings.baseline).new_in(judged)
    judged = tally.counted(judged)
    read = (before, array, settings.baseline if write_baseline is None else None, chosen_file())
    target = Target(
        screen,
        None if output == "-" else output,
        tuple(entry.path for entry in inputs) + tuple(name for name in read if name),
    )
    if write_baseline is not None:
        _write_baseline(write_baseline, target.attended(judged, allow_unjudged=allow_no_drmem), target, tally)
        return _exit_code(tally, "never", allow_no_drmem)
    fail_on = settings.fail_on or "warning"
    view = CheckView(judged, tally, plan, fail_on, everything, allow_no_drmem)
    if (quiet or statistics) and target.file is None:
        show_quietly(target, view)
    else:
        show_check(target, view, format)
    if statistics:
        show_statistics(screen, view)
    if len(inputs) > _MANY:
        say(f"{len(inputs):,} inputs: drmemctl fleet check judges as many into tables, also on a cluster")
    return _exit_code(tally, fail_on, allow_no_drmem)


def _settings(options: dict[str, Any]) -> Settings:
    from drmemctl.check.settings import Settings

    own, lower = Settings(**options), found_settings()
    return own if lower is None else own.over(_at_most_a_process_a_cpu(lower))


def _at_most_a_process_a_cpu(settings: Settings) -> Settings:
    """Bound what somebody else may have written: whoever wants more processes says so on the command line."""
    from drmemctl.check.cpus import n_cpus

    return settings if settings.jobs is None else settings._replace(jobs=min(settings.jobs, n_cpus()))


def _array(path: str) -> LmbTable:
    from drmemctl.model.dumped import read_table

    return read_table(path)


def _old_tree(before: str | None, trees: tuple[str, ...]) -> Tree | None:
    if before is None:
        return None
    if before == "-" and "-" in trees:
        raise click.UsageError("standard input cannot be both TREE and OLD.")
    return open_tree(before)


def _write_baseline(path: str, judged: Iterator[Report], target: Target, tally: CheckTally) -> None:
    from drmemctl.check.baseline import document
    from drmemctl.output.check import say_written
    from drmemctl.output.files import write_text

    write_text(path, (document(judged, path),), target.inputs)
    say_written(tally, path)


def _exit_code(tally: CheckTally, fail_on: str, allow_no_drmem: bool) -> int:
    if tally.unreadable or (tally.unjudged and not allow_no_drmem):
        return _EXIT_UNREADABLE
    return _EXIT_FINDINGS if tally.fails(fail_on) else 0
