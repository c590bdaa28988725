# SPDX-License-Identifier: MIT
"""Values of options besides those of the command line: `DRMEMCTL_COMMAND_OPTION`, `[tool.drmemctl.COMMAND]`.

A variable is the user's and may set any option. A file of settings is found in the current directory or above,
where a stranger may have put it: it may say how things are judged and shown, and names no file, program or step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import click

PREFIX = "DRMEMCTL"

IN_FILES = frozenset(
    """
    --all --allow-cut --allow-no-drmem --bytes --cmdline --color --count --depth --diff --drc --expand --fail-on
    --family --for --format --from --goal --hotplug --hypervisor --interval --kernel --limit --load --locking
    --max-memory --max-seconds --max-states --no-decode --no-pager --node --noheadings --output --output-all --page
    --pairs --partition --producer --quiet --redact --show --sort --state --statistics --title --to --trace --until
    --width --with --without --address --crashkernel --jobs --select --ignore --severity --search
    """.split()  # noqa: SIM905 - a list of fifty quoted words is no better to read
)
"""What files of settings may set; `--output` where it names columns."""

NOT_IN_FILES = {
    "a file or directory is named by the user": """
        --after --array --baseline --before --busybox --config --dump --file --migrate-to --output --output-file
        --parquet --replay --root --save-array --save-trace --symbols --tree --urls --vmlinux --write-baseline
        """,
    "a program, or a machine, is named by the user": "--qemu --scheduler",
    "a plugin is code that is run": "--plugin",
    "steps read files": "--step --thread",
    'format = "json" says it': "--json",
    "it replaces files, or needs root": "--force --kcore --prune-baseline",
    "it makes the command do another thing": """
        --encode --help --interactive --isolated --list --raw --script --sql --version
        """,
    "how much is tried is for the user to say": "--random --seed --trials --tries",
}
"""What they may not set, by the reason."""

_LOWER_ONLY = frozenset(("--limit", "--max-memory", "--max-seconds", "--max-states"))
"""Bounds: a file may make them tighter."""

_NO_VARIABLE = frozenset(("--help", "--json", "--plugin", "--version"))


class SourceError(ValueError):
    """A value that an option cannot have: the message says which key it is and what is wrong."""


def long_name(option: click.Option) -> str:
    """Return the name by which variables and files know an option."""
    return max(option.opts, key=len)


def key_of(option: click.Option) -> str:
    """Return what a table of settings calls an option."""
    return long_name(option).removeprefix("--")


def name_variables(command: click.Command, words: Sequence[str]) -> None:
    """Give each option of a command its variable: `--limit` of `lmb` has DRMEMCTL_LMB_LIMIT."""
    for option in options_of(command):
        if option.envvar is None and long_name(option) not in _NO_VARIABLE:
            option.envvar = "_".join([PREFIX, *words, key_of(option)]).upper().replace("-", "_")


def options_of(command: click.Command) -> Iterator[click.Option]:
    """Yield the options of a command; not `--help`, which Click adds."""
    return (param for param in command.params if isinstance(param, click.Option))


def may_be_in_files(option: click.Option) -> bool:
    """Whether a file of settings may set an option."""
    is_place = isinstance(option.type, click.Path) or option.metavar in ("DATASET", "OUT", "URL")
    return long_name(option) in IN_FILES and not is_place


class FileValue(NamedTuple):
    """What a file sets an option to: as it stands there, and as Click takes it."""

    written: Any
    value: Any


def file_values(command: click.Command, table: Mapping[str, Any]) -> dict[str, FileValue]:
    """Return the values of a table by the parameters' names; `SourceError` for what makes no sense."""
    by_key = {key_of(option): option for option in options_of(command)}
    values = {}
    for key, written in table.items():
        option = by_key.get(key)
        if option is None:
            from drmemctl.wording import did_you_mean, nearest

            near = nearest(key, [name for name, option in by_key.items() if may_be_in_files(option)])
            raise SourceError(f"{key}: there is no such option{f'; {did_you_mean(near)}' if near else ''}")
        if not may_be_in_files(option):
            raise SourceError(f"{key}: no file can set this: {why_not(option)}; the command line can")
        values[option.name or ""] = FileValue(written, _checked(command, option, key, written))
    return values


def why_not(option: click.Option) -> str:
    """Return why no file may set an option."""
    name = long_name(option)
    reasons = (reason for reason, names in NOT_IN_FILES.items() if name in names.split())
    return next(reasons, "it is not for files")


def _checked(command: click.Command, option: click.Option, key: str, written: Any) -> Any:
    """Return a value as Click takes it, once it was converted for a try."""
    kind: tuple[type, ...] = (str,)
    expected = "a text, or a list of texts,"
    if option.is_flag:
        kind, expected = (bool,), "true or false"
    elif isinstance(option.type, click.IntRange | click.FloatRange):
        kind, expected = (int, float), "a number"
    items = written if isinstance(written, list) and kind == (str,) else [written]
    if not items or not all(isinstance(item, kind) and isinstance(item, bool) == option.is_flag for item in items):
        raise SourceError(f"{key}: {expected} is expected here")
    value: Any = list(items) if option.multiple else ",".join(items) if kind == (str,) else items[0]
    try:
        typed = option.process_value(click.Context(command, resilient_parsing=True), value)
    except click.UsageError as error:
        raise SourceError(f"{key}: {error.message.rstrip('.')}") from error
    # A file may ask for no more work than there is without it.
    name = long_name(option)
    if name in _LOWER_ONLY and isinstance(option.default, int | float):
        return min(typed, option.default)
    if name == "--jobs":
        from drmemctl.check.cpus import n_cpus

        return min(typed, n_cpus())
    return value
