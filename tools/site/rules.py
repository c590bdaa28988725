# SPDX-License-Identifier: MIT
"""A page for each rule, made from its docstring, and their index by family."""

from __future__ import annotations

from drmemctl.check.engine import all_rules
from drmemctl.check.families import FAMILIES
from drmemctl.check.pages import Page
from drmemctl.check.pages import pages as rule_pages
from drmemctl.output.rules import page_markdown
from tools.site.markdown import table

FOLDER = "rules"
INDEX = f"{FOLDER}/index.md"

_INTRODUCTION = """\
# All rules

Each is also printed by `drmemctl explain RULE`. See [Rules](../rules.md) for how to choose them.
"""


def pages() -> dict[str, str]:
    """Return the pages by path below docs."""
    all_pages = rule_pages(all_rules().values())
    files = {
        f"{FOLDER}/{page.rule}.md": f"# {page.rule}: {page.title}\n\n{page_markdown(page)}" for page in all_pages
    }
    families = [[page for page in all_pages if page.family == family] for family in FAMILIES]
    return {INDEX: "\n".join([_INTRODUCTION, *map(_family, families)]), **files}


def _family(members: list[Page]) -> str:
    rows = [(f"[{page.rule}]({page.rule}.md)", page.severity, page.title) for page in members]
    family = members[0].family
    return f"## {family}: {FAMILIES[family]}\n\n{table(['rule', 'severity', 'finds'], rows)}\n"


def navigation() -> list[str | dict[str, list[str]]]:
    """Return where the pages stand in the navigation."""
    rules = all_rules().values()
    return [
        "rules.md",
        INDEX,
        *({family: [f"{FOLDER}/{rule.id}.md" for rule in rules if rule.family == family]} for family in FAMILIES),
    ]
