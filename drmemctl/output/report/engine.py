# SPDX-License-Identifier: MIT
"""Jinja, set up so that nothing from a tree is ever markup, and the page's own style and script."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from drmemctl.output.check import addresses, further_ranges, place_and_offset, range_text
from drmemctl.output.findings import message, step_words
from drmemctl.output.rules import HEADINGS

_RANGES = 12
"""Ranges of LMBs of a finding that are shown."""


def read(name: str) -> str:
    """Return a file of this package; also from within a zip archive."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """Return the environment: everything is escaped, and a name that a template gets wrong is an error."""
    templates = Environment(
        autoescape=True,
        loader=FunctionLoader(read),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.globals["headings"] = HEADINGS
    templates.filters.update(
        addresses=addresses,
        message=message,
        more_ranges=lambda finding: "".join(further_ranges(finding, _RANGES)),
        place=place_and_offset,
        range_text=range_text,
        ranges=lambda finding: finding.lmbs[:_RANGES],
        step_words=step_words,
    )
    return templates


def rendered(template: str, **values: Any) -> str:
    """Return a template filled in."""
    return environment().get_template(template).render(values)


class Asset:
    """A style sheet or script of the page.

    Attributes:
        markup: its text, to go into the page as it is.
        hash: what a Content-Security-Policy allows it by.

    """

    def __init__(self, *names: str) -> None:
        text = "\n" + "".join(map(read, names))
        self.markup = Markup(text)  # noqa: S704 - the package's own files, not a word of a tree
        self.hash = f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
