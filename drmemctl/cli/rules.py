# SPDX-License-Identifier: MIT
"""`drmemctl rules`: the rules that `check` and `decode` judge by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.check.families import FAMILIES
from drmemctl.check.finding import Severity
from drmemctl.cli.common import color_option, format_option
from drmemctl.cli.kernel_options import kernel_option
from drmemctl.cli.lists import listed_option
from drmemctl.cli.table_options import TableCommand, table_choice, table_options
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXAMPLE = """
\b
Examples:
  drmemctl rules
  drmemctl rules --family migration,state --kernel 5.10
  drmemctl rules --severity error --search drmem_update_lmbs
"""


@click.command(
    "rules",
    cls=TableCommand.of("drmemctl.output.rules:COLUMNS"),
    short_help="List the rules that check and decode judge by.",
    epilog=_EXAMPLE,
)
@listed_option(
    "--family",
    "families",
    "FAMILY,...",
    click.Choice(list(FAMILIES)),
    f"Only the rules of these families: {', '.join(FAMILIES)}.",
)
@listed_option(
    "--severity",
    "severities",
    "SEVERITY,...",
    click.Choice([severity.value for severity in Severity]),
    "Only rules of this severity: error, warning, info.",
)
@click.option(
    "--search", metavar="TEXT", multiple=True, help="Only rules whose page has this text; repeated, all of them."
)
@kernel_option("any", "Only rules about this kernel. ")
@format_option("text", "json", "csv", "markdown")
@table_options
@color_option()
def command(
    families: tuple[str, ...],
    severities: tuple[str, ...],
    search: tuple[str, ...],
    kernel: Profile | None,
    format: str,
    screen: Screen,
) -> None:
    """List the rules that `check` and `decode` judge by; `explain RULE` tells more of one."""
    from drmemctl.check.engine import Plan
    from drmemctl.check.pages import pages
    from drmemctl.output.rules import COLUMNS, show_rules

    listed = tuple(
        page
        for page in pages(rule for rule in Plan(families).rules() if rule.kernels.include(kernel))
        if (not severities or page.severity in severities) and all(map(page.mentions, search))
    )
    show_rules(screen, listed, format, table_choice(COLUMNS, format))
    if not listed:
        say("no rule is of that kind: leave --family, --severity, --search or --kernel out")
