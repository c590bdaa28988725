# SPDX-License-Identifier: MIT
"""The command group, and what becomes of every exception: exit codes and one line on standard error."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from drmemctl import read_files
from drmemctl._version import __version__
from drmemctl.cli.ending import raise_what_came
from drmemctl.cli.found_settings import chosen_file, settings_options
from drmemctl.cli.lazy_group import LazyGroup
from drmemctl.cli.plugin_options import plugin_option
from drmemctl.errors import SHORTAGE_HINT, DrmemctlError
from drmemctl.output.screen import close_output, flush_output, say, say_lines

COMMANDS = (
    "show",
    "lmb",
    "map",
    "assoc",
    "numa",
    "memblock",
    "blocks",
    "tree",
    "prop",
    "history",
    "report",
    "check",
    "diff",
    "rules",
    "explain",
    "simulate",
    "explore",
    "repair",
    "removable",
    "kexec",
    "kernels",
    "capture",
    "watch",
    "fleet",
    "qualify",
    "convert",
    "decode",
    "completion",
    "config",
    "help",
)
"""The commands in the order in which a user meets them, each a module of this package that is imported for it."""

SECTIONS = {
    "Judge and compare": ("check", "diff", "rules", "explain"),
    "Simulate": ("simulate", "explore", "repair", "removable", "kexec", "kernels"),
    "Capture": ("capture", "watch"),
    "Many at once, and for developers": ("fleet", "qualify"),
    "For tools": ("convert", "decode", "completion", "config", "help"),
}
"""What commands are for; all others look at a tree."""

EXIT_ERROR = 3
EXIT_INTERRUPTED = 130

EPILOG = """
TREE is a device tree in any form: a .dtb (also gzip, xz, zstd, bzip2), a directory like /proc/device-tree, a tar
archive that holds one (sosreport, snap), text from lsprop, dtc or fdtdump, a kernel dump, - for standard input,
live for this machine. ARCHIVE::PATH picks one of several.

Begin with `drmemctl show TREE` and `drmemctl check TREE`. `drmemctl COMMAND --help` has examples.

Exit codes: 0 fine, 1 findings, differences or failed steps, 2 usage, 3 input that cannot be read, 130 interrupted.
"""


@click.group(
    cls=LazyGroup,
    package="drmemctl.cli",
    names=COMMANDS,
    sections=("Look at a tree", SECTIONS),
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _param, is_wanted: _show_version(ctx) if is_wanted else None,
    help="Show the version, and which plugins are installed, and exit.",
)
@settings_options
@plugin_option()
@click.pass_context
def app(ctx: click.Context) -> None:
    """Read, check, compare and simulate the dynamic memory of IBM pseries partitions from their device trees."""
    name = ctx.invoked_subcommand
    if name is not None:
        ctx.default_map = {name: _Defaults(ctx.command, name)}


def _show_version(ctx: click.Context) -> None:
    """Print the version; of one in development with the commit, so that a report says which it is about."""
    commit = ""
    if ".dev" in __version__:
        from drmemctl._commit import commit as known_commit

        commit = known_commit()
    click.echo(f"drmemctl, version {__version__}{f' ({commit})' if commit else ''}")
    from drmemctl.cli.plugin_options import installed_lines

    for line in installed_lines():
        click.echo(line)
    ctx.exit()


def main(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; every error becomes one line on standard error."""
    try:
        if not sys.stderr.isatty():
            with read_files.kept():
                return _run(arguments)
        from drmemctl.output.progress import reading_shown

        with read_files.kept(), reading_shown():
            return _run(arguments)
    finally:
        if hasattr(sys.stdout, "settle"):
            from drmemctl.output.pager import end_paging

            end_paging()


def _run(arguments: Sequence[str]) -> int:
    try:
        code = app.main(list(arguments), prog_name="drmemctl", standalone_mode=False)
        flush_output()
    except click.ClickException as error:
        raise_what_came()
        from drmemctl.cli.usage import usage_text

        say_lines((usage_text(error),))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("interrupted")
        return EXIT_INTERRUPTED
    except (BrokenPipeError, SystemExit) as error:
        # Click and rich, when nobody reads what they print, end the process themselves, with 1; nothing else does.
        if isinstance(error, SystemExit) and error.code != 1:
            raise
        close_output()
        return 0
    except Exception as error:  # noqa: BLE001 - the outermost seam: a user never meets a traceback
        raise_what_came()
        if os.environ.get("DRMEMCTL_DEBUG") == "1":
            from traceback import format_exc

            from drmemctl.output.text import safe

            say_lines(safe(line, None) for line in format_exc().splitlines())
        if isinstance(error, OSError):
            close_output()
        say(_explained(error))
        return EXIT_ERROR
    return code if isinstance(code, int) else 0


def _explained(error: Exception) -> str:
    plugins: Any = sys.modules.get("drmemctl.kernel.plugins")
    if plugins is not None and not isinstance(error, DrmemctlError):
        error = plugins.fault_in(error) or error
    if isinstance(error, DrmemctlError):
        return str(error)
    if isinstance(error, (MemoryError, RecursionError)):
        return f"the input is too large for this machine ({type(error).__name__})"
    if _is_shortage(error):
        return f"this machine: no room for what this takes: {error.args[-1]}; {SHORTAGE_HINT}"
    if isinstance(error, FileNotFoundError) and _is_directory_gone():
        return "the working directory is gone: relative names lead nowhere; change to a directory that exists"
    if isinstance(error, OSError):
        # The layers below translate their own; what is left is Click's, printing a help text or a version.
        return f"standard output: cannot write the output: {error.strerror or error}"
    return f"internal error: {type(error).__name__}: {error}; DRMEMCTL_DEBUG=1 shows where, please report it"


def _is_shortage(error: Exception) -> bool:
    """Whether the machine, or a limit of the user's, has no room for one more file, process or thread."""
    if isinstance(error, OSError):
        return error.errno in (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
    # Python has no class for it.
    return type(error) is RuntimeError and str(error) == "can't start new thread"


def _is_directory_gone() -> bool:
    from pathlib import Path

    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


class _Defaults(dict[str, Any]):
    """What the file of settings says of a command, read when a value is asked for: `--isolated` is known then."""

    def __init__(self, group: click.Command, name: str) -> None:
        super().__init__()
        self._group, self._name = group, name
        self._is_read = False

    def _read(self) -> None:
        if self._is_read:
            return
        self._is_read = True
        if chosen_file() is not None:
            from drmemctl.cli.configuration import defaults_of

            self.update(defaults_of(self._group, self._name))

    def __contains__(self, key: object) -> bool:
        self._read()
        return super().__contains__(key)

    def __getitem__(self, key: str) -> Any:
        self._read()
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None, /) -> Any:
        self._read()
        return super().get(key, default)
