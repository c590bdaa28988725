# SPDX-License-Identifier: MIT
"""`drmemctl explain`: the page of a rule, of a family's rules, or of those that a tree breaks."""

from __future__ import annotations

import os

import click

from drmemctl.cli.common import color_option, format_option
from drmemctl.cli.rule_options import complete_selectors
from drmemctl.output.screen import Screen, say

_EXIT_UNREADABLE = 3

_EXAMPLE = """
\b
Examples:
  drmemctl explain DRM030
  drmemctl explain state
  drmemctl explain sosreport.tar.xz
"""


@click.command("explain", short_help="Explain rules: why they matter, how to fix it.", epilog=_EXAMPLE)
@click.argument("subject", metavar="RULE|FAMILY|TREE", shell_complete=complete_selectors)
@format_option("text", "markdown", "json")
@color_option()
def command(subject: str, format: str, screen: Screen) -> int:
    """Explain rules: why they matter, bytes that break them, what a kernel does with those, how to fix it.

    A family stands for its rules, ALL for every rule, a TREE for those that it breaks, each with what was found. A
    file that is called as a family is ./NAME.
    """
    from drmemctl.check.engine import all_rules
    from drmemctl.check.selection import ALL

    rules = [rule for rule in all_rules().values() if subject.upper() in (rule.id, ALL) or subject == rule.family]
    if not rules:
        return _explain_tree(subject, format, screen)
    from drmemctl.check.pages import Page, pages
    from drmemctl.output.rules import show_page, show_pages

    if len(rules) == 1 and rules[0].id == subject.upper():
        show_page(screen, Page.of(rules[0]), format)
    else:
        show_pages(screen, pages(rules), format)
    return 0


def _explain_tree(source: str, format: str, screen: Screen) -> int:
    """Explain the rules that a tree breaks; a usage error for what is neither a rule nor a file."""
    from drmemctl.check.engine import all_rules
    from drmemctl.check.families import FAMILIES
    from drmemctl.check.pages import Page
    from drmemctl.check.report import report
    from drmemctl.check.rule_words import suggestion
    from drmemctl.cli.found_settings import found_plan
    from drmemctl.output.rules import show_pages
    from drmemctl.tree.source import file_of

    rules = all_rules()
    file = file_of(source)
    if file is not None and not os.path.lexists(file):
        near = suggestion(source, [*rules, *FAMILIES]) or "; see `drmemctl rules`"
        raise click.BadParameter(f"{source!r} is no rule, no family of rules and no file{near}", param_hint="RULE")
    judged = report(source, found_plan(None))
    if judged.error:
        say(judged.error)
        return _EXIT_UNREADABLE
    broken = dict.fromkeys(finding.rule for finding in judged.findings)
    show_pages(screen, tuple(Page.of(rules[rule]) for rule in broken), format, judged)
    if not broken:
        say(f"{source}: no findings, nothing to explain{f' ({judged.note})' if judged.note else ''}")
    return 0
