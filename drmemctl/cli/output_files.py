# SPDX-License-Identifier: MIT
"""`--output-file FORMAT=FILE`: further outputs of the same run, each in a format and a file of its own."""

from __future__ import annotations

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
        if file in (name for _, name in pairs):
            raise click.BadParameter(f"two formats for {file!r}", ctx, param)
        pairs.append((format, file))
    return tuple(pairs)


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from glob import escape, glob

    format, equals, file = incomplete.partition("=")
    if not equals:
        return [word for name in FORMATS if (word := f"{name}=").startswith(incomplete)]
    return [f"{format}={name}" for name in sorted(glob(f"{escape(file)}*"))]  # noqa: PTH207 - as it was typed
