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
    # What is missing is named by the program alone, and its choices are lines of their own; so is a help text.
    if not isinstance(error, PointedError | click.MissingParameter | click.exceptions.NoArgsIsHelpError):
        whence = ""
        option, ctx = getattr(error, "param", None), getattr(error, "ctx", None)
        if isinstance(option, click.Option) and ctx is not None and option.name is not None:
            # The command line is before the user's eyes, a variable is not.
            is_variable = ctx.get_parameter_source(option.name) is ParameterSource.ENVIRONMENT
            whence = f" (from {option.envvar})" if is_variable else ""
        message = safe(error.format_message() + whence, _LONGEST)
        if isinstance(error, click.UsageError):
            error = click.UsageError(message, error.ctx)
        else:
            error = click.ClickException(message)
    text = io.StringIO()
    error.show(text)
    return text.getvalue().rstrip("\n")
