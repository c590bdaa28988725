# SPDX-License-Identifier: MIT
"""Arguments and options that commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from drmemctl.cli.option import Count, FormatChoice, RenamedOption
from drmemctl.defect import Defect
from drmemctl.output.screen import Screen, say
from drmemctl.output.text import safe
from drmemctl.tree.node import Tree
from drmemctl.tree.plain_input import KCORE, LIVE, SYMBOLS

if TYPE_CHECKING:
    _Number = click.ParamType[int]
else:
    # Of the releases of Click that will do, only the later ones have types that take a parameter.
    _Number = click.ParamType

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FILE = click.Path(dir_okay=False, path_type=str)
"""A file to read or write."""

TREE = click.Path(path_type=str)
"""A device tree in any form."""

_DEFECTS_SHOWN = 20
_KCORE_ASKED = "drmemctl.kcore"
_JSON_ASKED = "drmemctl.json"
_NO_PAGER = "drmemctl.no_pager"


class KernelInt(_Number):
    """A number as the kernel parses it: 0x…, octal 0…, decimal."""

    name = "number"

    def __init__(self, bits: int = 32) -> None:
        self.bits = bits

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail with what to write instead."""
        if isinstance(value, int):
            return value
        try:
            return self.parse(value)
        except ValueError as error:
            is_number = str(error).startswith("more than")
            self.fail(f"{value!r}: {error}" if is_number else f"{value!r} is {error}", param, ctx)

    def parse(self, text: str) -> int:
        """Return the number that the text stands for; `ValueError` with what to write instead."""
        from drmemctl.numbers import parse_kernel_int

        return parse_kernel_int(text, self.bits)


class DrcIndex(KernelInt):
    """A DRC index: a number as the kernel parses it, but not 8 digits as the kernel prints them."""

    name = "DRC"

    def parse(self, text: str) -> int:
        """Return the DRC index; `ValueError` with what to write instead."""
        from drmemctl.numbers import parse_drc_index

        return parse_drc_index(text)


def tree_argument(name: str = "tree") -> Decorator:
    """Return the TREE argument, with the options about dumps; it completes file names."""
    argument = click.argument(name, metavar=name.upper(), type=TREE, callback=of_kcore)
    return argument if name == "new" else lambda command: dump_options()(argument(command))


def _noted_flag(name: str, key: str, about: str) -> Decorator:
    """Return a flag that is no argument of the command, but noted in the context for other options to see."""
    return click.option(
        name,
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=lambda ctx, _param, value: ctx.meta.update({key: value}),
        help=about,
    )


def dump_options() -> Decorator:
    """Return `--kcore`, which makes `live` the memory of the running kernel, and `--symbols`."""
    about = "With live: the running kernel's memory (/proc/kcore), as root."
    kcore = _noted_flag("--kcore", _KCORE_ASKED, about)
    symbols = click.option(
        "--symbols",
        metavar="FILE",
        type=FILE,
        expose_value=False,
        callback=_name_symbols,
        help="With a dump: System.map or vmlinux of its kernel, instead of searching memory for its symbols.",
    )
    return lambda command: kcore(symbols(command))


def _name_symbols(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    """Hand the file on as the variable of the environment does, also to processes that read trees."""
    if value is not None:
        before = os.environ.get(SYMBOLS)
        os.environ[SYMBOLS] = value
        ctx.call_on_close(lambda: os.environ.__setitem__(SYMBOLS, before) if before else os.environ.pop(SYMBOLS))


def of_kcore(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Return a TREE argument, or several, as `--kcore` changes them: a callback of arguments."""
    if not ctx.meta.get(_KCORE_ASKED):
        return value
    trees = (value,) if isinstance(value, str) else value
    if LIVE not in trees and param.name not in ("old", "new"):
        raise click.BadParameter("--kcore goes with live; a dump is named as it is", ctx, param)
    trees = tuple(f"{LIVE}::{KCORE}" if tree == LIVE else tree for tree in trees)
    return trees[0] if isinstance(value, str) else trees


def named_file(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse `-`: a callback of options for what is written besides what a command prints."""
    if value == "-":
        raise click.BadParameter("standard output cannot be used here: name a file", ctx, param)
    return value


def format_option(*formats: str) -> Decorator:
    """Return `--format` with its choices, the first being the default, and `--json` where that is one of them."""
    option = click.option(
        "--format",
        "format",
        type=FormatChoice(formats),
        default=formats[0],
        show_default=True,
        callback=_format,
        help="What to print.",
    )
    if "json" not in formats:
        return option
    as_json = _noted_flag("--json", _JSON_ASKED, "The same as --format json.")
    return lambda command: option(as_json(command))


def _format(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Return the format, which `--json` decides where the command line has no other."""
    if not ctx.meta.get(_JSON_ASKED):
        return value
    if ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE and value != "json":
        raise click.UsageError(f"--json and --format {value} exclude each other.", ctx)
    return "json"


def quiet_option() -> Decorator:
    """Return `-q`: for gates, of which the exit code is all that counts."""
    return click.option(
        "-q",
        "--quiet",
        is_flag=True,
        help="Print nothing: the exit code tells.",
    )


def fail_on_option(about: str = "The least severity for exit code 1.", **kind: Any) -> Decorator:
    """Return `--fail-on`."""
    return click.option("--fail-on", type=click.Choice(["error", "warning", "info", "never"]), help=about, **kind)


def no_drmem_option() -> Decorator:
    """Return `--allow-no-drmem`."""
    about = "Pass trees in which there is nothing to judge."
    return click.option("--allow-no-drmem", is_flag=True, help=about)


def limit_option(default: int, about: str) -> Decorator:
    """Return `--limit`: so much is made or listed, and more refused; `show_option` is how much is shown."""
    return click.option("--limit", metavar="N", type=Count(1), default=default, show_default=True, help=about)


def show_option(about: str, lowest: int = 1, **kind: Any) -> Decorator:
    """Return `--show`: so many are shown; `--limit` and `--ends` are what commands called it once."""
    return click.option("--show", "shown", cls=RenamedOption, metavar="N", type=Count(lowest), help=about, **kind)


def root_option() -> Decorator:
    """Return `--root`, the directory in which /proc and /sys are looked for."""
    about = "A directory that stands for /."
    return click.option("--root", metavar="DIR", type=click.Path(file_okay=False), default="/", help=about)


def color_option(*, paged: bool = True) -> Decorator:
    """Return `--color`, which hands the command its `screen`, and `--no-pager` where the output may be long."""
    color = click.option(
        "--color",
        "screen",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        callback=_screen if paged else lambda _ctx, _param, value: Screen.detect(value),
        help="Colour; auto is on a terminal, unless NO_COLOR is set.",
    )
    if not paged:
        return color
    no_pager = _noted_flag("--no-pager", _NO_PAGER, "Long output goes to the terminal as it is.")
    return lambda command: color(no_pager(command))


def _screen(ctx: click.Context, _param: click.Parameter, color: str) -> Screen:
    """Return the screen, with a pager before it for what is long."""
    screen = Screen.detect(color)
    if screen.terminal and not ctx.meta.get(_NO_PAGER) and not ctx.resilient_parsing:
        from drmemctl.output.pager import start_paging

        start_paging(screen.width)
    return screen


def open_tree(source: str) -> Tree:
    """Read a TREE argument for a command that decodes it."""
    from drmemctl.model.sizes import within_bounds

    return within_bounds(open_any_tree(source))


def open_any_tree(source: str) -> Tree:
    """Read a TREE argument for a command that shows or copies it as it is."""
    from drmemctl.tree.source import load

    return load(source)


def report_defects(defects: Sequence[Defect]) -> None:
    """Say on standard error what is wrong with the properties that were read; a hostile tree has no end of it."""
    for defect in defects[:_DEFECTS_SHOWN]:
        say(f"{defect.code}: {safe(str(defect))}")
    if len(defects) > _DEFECTS_SHOWN:
        say(f"{len(defects) - _DEFECTS_SHOWN:,} more defects; see drmemctl show")


def write_output(output: str, pieces: Iterable[bytes], *, force: bool | None = None) -> None:
    """Write bytes to a file, whole or not at all, or with `-` to standard output."""
    if output == "-":
        from drmemctl.output.screen import write_bytes

        for piece in pieces:
            write_bytes(piece)
    else:
        from drmemctl.output.files import write_atomically

        write_atomically(output, pieces, force=force)


def write_page(output: str, page: str) -> None:
    """Write a page to a file, or with `-` to standard output."""
    if output == "-":
        Screen().write(page)
    else:
        from drmemctl.output.files import write_text

        write_text(output, (page,))


def write_tree(output: str, tree: Tree, *, force: bool | None = None) -> None:
    """Write a tree to a file: source if its name ends in .dts, else a blob."""
    from drmemctl.output.files import write_atomically
    from drmemctl.output.tree_file import content, format_of

    write_atomically(output, content(tree, format_of(output) or "dtb"), force=force)
