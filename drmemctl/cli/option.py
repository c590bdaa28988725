# SPDX-License-Identifier: MIT
"""Options that were called otherwise once: the former name still does, and says what it is called now."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from drmemctl.arguments import LARGEST_COUNT, LONGEST_SECONDS
from drmemctl.output.screen import say

_FORMER_FORMATS = {"table": "text"}


class RenamedOption(click.Option):
    """An option with former names, which help and completion do not show."""

    def __init__(self, *args: Any, former: Sequence[str], **kwargs: Any) -> None:
        """Make one of Click's; `former` are names such as `--schedule`."""
        super().__init__(*args, **kwargs)
        self.former = tuple(former)

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Let the parser know the names, the former ones as options of their own."""
        super().add_to_parser(parser, ctx)
        for name in self.former:
            option = copy(self)
            option.opts, option.name, option.former = [name], name, ()
            option.add_to_parser(parser, ctx)

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """Return the value, whatever name it was given by."""
        values = dict(opts)
        for name in self.former:
            if name in values:
                say(f"{name} is called {self.opts[-1]} now")
                value = values.pop(name)
                values[self.name or ""] = [*values.get(self.name or "", ()), *value] if self.multiple else value
        return super().consume_value(ctx, values)


if TYPE_CHECKING:
    _Text = click.ParamType[str]
else:
    # Of the releases of Click that will do, only the later ones have types that take a parameter.
    _Text = click.ParamType


class Lines(_Text):
    """A text with blanks in it; several of an environment variable are lines."""

    name = "text"
    envvar_list_splitter = "\n"


LINES = Lines()


class WholeNumber(click.IntRange):
    """A whole number; Click says of a wrong one that it is no "integer range", which `0-1` would be."""

    name = "number"


class Count(WholeNumber):
    """A number of things; a number beyond all counts is all of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        return min(super().convert(value, param, ctx), LARGEST_COUNT)


class Seconds(click.FloatRange):
    """A time; what is longer than anybody waits is as long as the system's clocks can take."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value} is no time", param, ctx)
        return min(seconds, LONGEST_SECONDS)


class FormatChoice(click.Choice[str]):
    """The choices of `--format`; text for people is `text` in each command, and was `table` in some."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the format that is meant."""
        text = _FORMER_FORMATS.get(value)
        if text in self.choices:
            say(f"--format {value} is called {text} now")
            value = text
        if value == "text" and value not in self.choices:
            value = self.choices[0]
        return super().convert(value, param, ctx)
