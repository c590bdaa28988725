# SPDX-License-Identifier: MIT
"""Options that name rules and kernels, for the commands about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from drmemctl.cli.common import Decorator


def _parsed(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return a callback that parses an option's text, or its texts together; None where it is not given."""

    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if value is None or value == ():
            return None
        try:
            return parse(",".join(value) if isinstance(value, tuple) else value)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from error

    return callback


def _rules(text: str) -> tuple[str, ...]:
    from drmemctl.check.settings import words

    return words(text)


def rules_option(name: str, about: str) -> Decorator:
    """Return an option that takes rules and families, comma-separated or repeated."""
    return click.option(
        name, metavar="RULES", multiple=True, callback=_parsed(_rules), shell_complete=_complete, help=about
    )


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from drmemctl.check.families import FAMILIES

    before, comma, last = incomplete.rpartition(",")
    selectors = [*FAMILIES, *complete_ids(ctx, param, last)]
    return [before + comma + word for word in selectors if word.startswith((last, last.upper()))]


def complete_ids(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids of rules that begin so."""
    from drmemctl.check.engine import all_rules

    return [rule for rule in all_rules() if rule.startswith(incomplete.upper())]
