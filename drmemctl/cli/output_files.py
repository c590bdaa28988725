# SPDX-License-Identifier: MIT
"""`--output-file FORMAT=FILE`: further outputs of the same run, each in a format and a file of its own."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import click

from drmemctl.cli.common import Decorator

FORMATS = ("text", "concise", "json", "sarif", "junit", "github", "gitlab", "markdown")
"""What `check` can print, the first by default."""


def output_file_option() -> Decorator:
    """Return the option; the command gets pairs of format and file."""
    return click.option(
        "--output-file",
        "output_files",
        metavar="FORMAT=FILE",
        multiple=True,
        callback=_parsed,
        shell_complete=_complete,
        help="Write the findings in that format to this file as well; repeated.",
    )


def _parsed(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for text in value:
        format, equals, file = text.partition("=")
        if not equals or not file or format not in FORMATS:
            message = f"{text!r} is not FORMAT=FILE, e.g. sarif=drmemctl.sarif; formats are {', '.join(FORMATS)}"
            raise click.BadParameter(message, ctx, param)
        if file == "-":
            raise click.BadParameter(f"{text!r}: standard output has what --format says", ctx, param)
        pairs.append((format, file))
    check_distinct([file for _, file in pairs])
    return tuple(pairs)


def check_distinct(files: Sequence[str]) -> None:
    """Refuse to write two outputs to one file."""
    for file, number in Counter(map(os.path.realpath, files)).items():
        # To a device or a pipe several may be written, one after the other.
        if number > 1 and (os.path.isfile(file) or not os.path.lexists(file)):  # noqa: PTH113 - as it was typed
            raise click.UsageError(f"two outputs to {file!r}: name a file for each.")


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from glob import escape, glob

    format, equals, file = incomplete.partition("=")
    if not equals:
        return [word for name in FORMATS if (word := f"{name}=").startswith(incomplete)]
    return [f"{format}={name}" for name in sorted(glob(f"{escape(file)}*"))]  # noqa: PTH207 - as it was typed
