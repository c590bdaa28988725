# SPDX-License-Identifier: MIT
"""Usage errors as they are shown: Click's hold what the user typed, file names of a pattern too, as it is."""

from __future__ import annotations

import io

import click
from click.core import ParameterSource

from drmemctl.output.text import safe

_LONGEST = 2000


class PointedError(click.UsageError):
    """A usage error of several lines, which are `safe` already: what is wrong, the line, a caret below it."""


def usage_text(error: click.ClickException) -> str:
    """Return what is wrong with a command line, and how it is written, as Click says it."""
    text = io.StringIO()
    _safe_error(error).show(text)
    return text.getvalue().rstrip("\n")


def _whence(error: click.ClickException) -> str:
    """Return which variable a wrong value is from; the command line is before the user's eyes."""
    option, ctx = getattr(error, "param", None), getattr(error, "ctx", None)
    if not isinstance(option, click.Option) or ctx is None or option.name is None:
        return ""
    is_variable = ctx.get_parameter_source(option.name) is ParameterSource.ENVIRONMENT
    return f" (from {option.envvar})" if is_variable else ""


def _safe_error(error: click.ClickException) -> click.ClickException:
    # What is missing is named by the program alone, and its choices are lines of their own; so is a help text.
    if isinstance(error, PointedError | click.MissingParameter | click.exceptions.NoArgsIsHelpError):
        return error
    message = safe(error.format_message() + _whence(error), _LONGEST)
    if isinstance(error, click.UsageError):
        return click.UsageError(message, error.ctx)
    return click.ClickException(message)
