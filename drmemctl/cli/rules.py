# SPDX-License-Identifier: MIT
"""`drmemctl rules`: the rules that `check` and `decode` judge by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.check.families import FAMILIES
from drmemctl.cli.common import color_option, format_option
from drmemctl.cli.kernel_options import kernel_option
from drmemctl.cli.table_options import TableCommand, table_choice, table_options
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXAMPLE = """
\b
Examples:
  drmemctl rules
  drmemctl rules --family migration --kernel 5.10
"""


@click.command(
    "rules",
    cls=TableCommand.of("drmemctl.output.rules:COLUMNS"),
    short_help="List the rules that check and decode judge by.",
    epilog=_EXAMPLE,
)
@click.option("--family", type=click.Choice(list(FAMILIES)), help="Only the rules of this family.")
@kernel_option("any", "Only rules about this kernel. ")
@format_option("text", "json", "csv", "markdown")
@table_options
@color_option()
def command(family: str | None, kernel: Profile | None, format: str, screen: Screen) -> None:
    """List the rules that `check` and `decode` judge by; `explain RULE` tells more of one."""
    from drmemctl.check.engine import Plan
    from drmemctl.check.pages import pages
    from drmemctl.output.rules import COLUMNS, show_rules

    plan = Plan((family,) if family else (), (), kernel)
    listed = pages(rule for rule in plan.rules() if rule.kernels.include(kernel))
    show_rules(screen, listed, format, table_choice(COLUMNS, format))
    if not listed:
        say(f"no rule of the family {family} is about that kernel")
