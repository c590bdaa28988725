# SPDX-License-Identifier: MIT
"""Options that name rules and kernels, for the commands about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from drmemctl.cli.common import Decorator

SELECT = "Only these rules: ids, beginnings of ids, families, ALL; comma-separated or repeated."
IGNORE = "Not these rules; where --select and --ignore contradict, the more specific one wins."
"""What `--select` and `--ignore` do on every command."""


def _parsed(parse: Callable[[Any, Any], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return a callback that parses an option's text, or its texts; None where it is not given.

    `parse` gets the module `rule_words`, which is loaded only then, and the value.
    """

    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if value is None or value == ():
            return None
        from drmemctl.check import rule_words

        try:
            return parse(rule_words, value)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from error

    return callback


def rules_option(name: str, about: str) -> Decorator:
    """Return an option that takes rules and families, comma-separated or repeated."""
    return click.option(
        name,
        metavar="RULES",
        multiple=True,
        callback=_parsed(lambda rule_words, texts: rule_words.words(",".join(texts))),
        shell_complete=_complete,
        help=about,
    )


def severity_option() -> Decorator:
    """Return `--severity RULES=SEVERITY`."""
    return click.option(
        "--severity",
        metavar="RULES=SEVERITY",
        multiple=True,
        callback=_parsed(lambda rule_words, texts: rule_words.severity_overrides(texts)),
        shell_complete=_complete_severity,
        help="Give their findings this severity; repeated.",
    )


def per_path_ignores_option() -> Decorator:
    """Return `--per-path-ignores PATTERN:RULES`."""
    return click.option(
        "--per-path-ignores",
        metavar="PATTERN:RULES",
        multiple=True,
        callback=_parsed(lambda rule_words, texts: rule_words.path_ignores(texts)),
        shell_complete=_complete_path_ignores,
        help="Not these rules for inputs of such names; repeated.",
    )


def docs_url_option() -> Decorator:
    """Return `--docs-url URL`."""
    return click.option(
        "--docs-url",
        metavar="URL",
        callback=_parsed(lambda rule_words, text: rule_words.web_address(text)),
        help="Link to the rules' pages there: a site that `make docs` built.",
    )


def _complete_path_ignores(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from glob import escape, glob

    pattern, colon, names = incomplete.rpartition(":")
    if not colon:
        return sorted(glob(f"{escape(incomplete)}*"))  # noqa: PTH207 - as it was typed
    return [f"{pattern}:{word}" for word in _complete(ctx, param, names)]


def _complete_severity(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from drmemctl.check.finding import Severity

    names, equals, _ = incomplete.partition("=")
    if not equals:
        return [f"{word}=" for word in _complete(ctx, param, incomplete)]
    return [word for level in Severity if (word := f"{names}={level}").startswith(incomplete)]


def complete_selectors(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the rules, families and files that begin so."""
    from glob import escape, glob

    from drmemctl.check.families import FAMILIES

    rules = complete_ids(ctx, param, incomplete)
    if incomplete and rules:
        return rules
    files = sorted(glob(f"{escape(incomplete)}*"))  # noqa: PTH207 - as it was typed
    return [*(name for name in FAMILIES if name.startswith(incomplete)), *rules, *files]


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from drmemctl.check.families import FAMILIES
    from drmemctl.check.selection import ALL

    before, comma, last = incomplete.rpartition(",")
    selectors = [ALL, *FAMILIES, *complete_ids(ctx, param, last)]
    return [before + comma + word for word in selectors if word.startswith((last, last.upper()))]


def complete_ids(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids of rules that begin so."""
    from drmemctl.check.engine import all_rules

    return [rule for rule in all_rules() if rule.startswith(incomplete.upper())]
