# SPDX-License-Identifier: MIT
"""`drmemctl explain`: the page of a rule."""

from __future__ import annotations

import click

from drmemctl.cli.common import color_option, format_option
from drmemctl.cli.rule_options import complete_ids
from drmemctl.output.screen import Screen

_EXAMPLE = """
\b
Example:
  drmemctl explain DRM030
"""


@click.command("explain", short_help="Explain a rule: why it matters, how to fix it.", epilog=_EXAMPLE)
@click.argument("rule", metavar="RULE", shell_complete=complete_ids)
@format_option("text", "markdown", "json")
@color_option()
def command(rule: str, format: str, screen: Screen) -> None:
    """Say what a rule is about: why, bytes that break it, what a kernel does with them, how to fix it."""
    from drmemctl.check.engine import all_rules
    from drmemctl.check.pages import Page
    from drmemctl.check.rule_words import suggestion
    from drmemctl.output.rules import show_page

    rules = all_rules()
    rule_entry = rules.get(rule.upper())
    if rule_entry is None:
        near = suggestion(rule, list(rules)) or "; see `drmemctl rules`"
        raise click.BadParameter(f"{rule!r} is no rule{near}", param_hint="RULE")
    show_page(screen, Page.of(rule_entry), format)
