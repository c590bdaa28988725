# SPDX-License-Identifier: MIT
"""`drmemctl diff`: what is different between two trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import color_option, format_option, open_tree, quiet_option, tree_argument
from drmemctl.cli.kernel_options import kernel_option, setting
from drmemctl.cli.rule_options import IGNORE, SELECT, rules_option
from drmemctl.cli.table_options import TableCommand
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXIT_DIFFERENT = 1

_EXAMPLE = """
\b
Examples:
  drmemctl diff before.dtb after.dtb
  drmemctl diff sosreport.tar.xz live --all
  drmemctl diff old/device-tree new/device-tree --format unified | less
  drmemctl diff before.dtb after.dtb --fail-on numa --fail-on finding --format junit > diff.xml

Exit code 0 if there is no difference that --fail-on is about, 1 if there is one, 3 if a tree cannot be read.
"""


@click.command(
    "diff",
    cls=TableCommand.of(
        "drmemctl.output.diff_text:LMB_COLUMNS",
        {
            "Assigned LMBs by node": "drmemctl.output.diff_text:TOTAL_COLUMNS",
            "Lookup arrays": "drmemctl.output.diff_text:LIST_COLUMNS",
            "NUMA and features": "drmemctl.output.diff_text:FACT_COLUMNS",
            "Other properties and nodes": "drmemctl.output.diff_text:PROPERTY_COLUMNS",
            "If this was a migration": "drmemctl.output.diff_text:FINDING_COLUMNS",
        },
    ),
    short_help="Report what differs between two trees.",
    epilog=_EXAMPLE,
)
@tree_argument("old")
@tree_argument("new")
@click.option("--all", "everything", is_flag=True, help="All properties, not only those on memory and affinity.")
@kernel_option()
@rules_option("--select", SELECT)
@rules_option("--ignore", IGNORE)
@click.option(
    "--fail-on",
    multiple=True,
    type=click.Choice(["lmbs", "numa", "finding", "anything", "never"], case_sensitive=False),
    help="What gives exit code 1; repeated, any of these.  [default: anything]",
)
@quiet_option()
@format_option("text", "json", "markdown", "unified", "sarif", "junit")
@color_option()
def command(
    old: str,
    new: str,
    everything: bool,
    kernel: Profile | None,
    select: tuple[str, ...] | None,
    ignore: tuple[str, ...] | None,
    fail_on: tuple[str, ...],
    quiet: bool,
    format: str,
    screen: Screen,
) -> int:
    """Report what differs in NEW: which LMBs moved, came, went or changed state, and what else.

    The two may be any kinds of TREE. Lookup arrays are compared by the lists in them, so that a renumbering which
    leaves every LMB where it was says just that. Another encoding of the same LMBs (v1 for v2) is no difference.
    What a migration may not have changed is marked by the rules about migrations, of which --select chooses.

    --fail-on lmbs is about LMBs that came, went, moved or changed, but for renumbered lookup arrays; numa about
    LMBs on another node than before, distances, and what nodes are made of; finding about rules of severity
    warning or worse.
    """
    if old == new == "-":
        raise click.UsageError("standard input cannot be both OLD and NEW.")
    from drmemctl.check.engine import Plan
    from drmemctl.compare.diff import diff
    from drmemctl.compare.gate import ANYTHING, failing_parts
    from drmemctl.output.diff import show_diff
    from drmemctl.output.progress import working

    named = kernel if kernel is not None else setting("kernel")
    old_tree, new_tree = open_tree(old), open_tree(new)
    with working("comparing"):
        difference = diff(old_tree, new_tree, everything=everything, kernel=named)
    if select or ignore:
        difference = difference.judged_by(Plan(select or (), ignore or ()))
    fail_on = fail_on or (ANYTHING,)
    if not quiet:
        for note in difference.kernel_notes:
            say(note)
        show_diff(screen, difference, format, fail_on)
    return _EXIT_DIFFERENT if failing_parts(difference, fail_on) else 0
