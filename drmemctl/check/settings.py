# SPDX-License-Identifier: MIT
"""What a project sets for its checks: `[tool.drmemctl]` in pyproject.toml, or drmemctl.toml.

Every check looks for such a file, so pathlib, which takes longer to import than that, is not used here.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from drmemctl.check.engine import Plan
from drmemctl.check.rule_words import path_ignores, severity_overrides, web_address, words
from drmemctl.check.selection import PathIgnore, RuleSelection, SeverityOverride
from drmemctl.check.tally import FAIL_ON
from drmemctl.errors import DrmemctlError
from drmemctl.hypervisor.inference import qemu_version
from drmemctl.kernel.profiles import Profile, ProfileError, profile
from drmemctl.read_files import open_regular
from drmemctl.wording import did_you_mean, nearest

_CHECK = "check"
"""The table within ours that is about this command alone; it may hold the same keys, and counts more."""

_NAMES = ("drmemctl.toml", "pyproject.toml")
"""Where settings are, in one directory the first of these."""

_LARGEST = 1 << 18
"""Bytes that a file of settings may have."""

_DEEPEST = 16
"""Parts of a dotted key: tomllib keeps each of its beginnings, which is quadratic in them."""

_MOST_JOBS = 1024
"""Processes that a file of settings may ask for."""

_REPOSITORY = (".git", ".hg", ".svn", ".jj")
"""What the root of a repository has."""

_STRINGS = re.compile(
    r"""\"{3}(?:\\.|[^\\])*?(?:"{3,5}|\Z)|'{3}.*?(?:'{3,5}|\Z)"""
    r"""|"(?:\\.|[^"\\\n])*"?|'[^'\n]*'?|\#[^\n]*""",
    re.DOTALL,
)
"""Strings and comments of TOML; one that does not end goes on to the end of its line or of the file."""


class SettingsError(DrmemctlError):
    """Settings that make no sense: `path` is the key."""


class Settings(NamedTuple):
    """How to check; None is not set.

    Attributes:
        select: rule ids, beginnings of ids, families or `ALL`, to which checking is restricted.
        ignore: the same, left out.
        fail_on: the least severity that makes the exit code 1, or `never`.
        kernel: the kernel that everything is about.
        jobs: how many processes.
        baseline: file with the findings that are known.
        hypervisor: who owns the connectors: `qemu`, `qemu-VERSION` or `powervm`.
        extensions: what is selected and left out besides; what counts more comes later.
        severity: the severities that findings have instead of their rule's; the last counts.
        per_path_ignores: rules left out for inputs of some names.
        docs_url: where the site is that has a page for each rule, for links to it.

    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    fail_on: str | None = None
    kernel: Profile | None = None
    jobs: int | None = None
    baseline: str | None = None
    hypervisor: str | None = None
    extensions: tuple[RuleSelection, ...] | None = None
    severity: tuple[SeverityOverride, ...] | None = None
    per_path_ignores: tuple[PathIgnore, ...] | None = None
    docs_url: str | None = None

    def over(self, lower: Settings) -> Settings:
        """Return these settings, completed by others that count less.

        To select is to begin anew, as in ruff: what is ignored further down is not any more.
        """
        if self.select is not None:
            lower = lower._replace(ignore=None, extensions=None)
        own = {name: value for name, value in self._asdict().items() if value is not None}
        for name in ("extensions", "severity"):
            if name in own:
                own[name] = (getattr(lower, name) or ()) + own[name]
        return lower._replace(**own)

    @property
    def plan(self) -> Plan:
        """Which rules to run."""
        return Plan(
            self.select or (),
            self.ignore or (),
            self.kernel,
            self.extensions or (),
            self.severity or (),
            self.per_path_ignores or (),
        )


def plan_of(kernel: str | None, select: Sequence[str], ignore: Sequence[str]) -> Plan:
    """Return a plan from words; `ValueError` if one is unknown."""
    chosen = None if kernel is None else profile(kernel)
    return Plan(words(",".join(select)), words(",".join(ignore)), chosen)


def find_settings(folder: str = ".") -> str | None:
    """Return the nearest file of settings in a directory, or those above it in the project, or None."""
    try:
        start = os.path.abspath(folder)  # noqa: PTH100
    except FileNotFoundError:  # a current directory that was removed
        return None
    for place in _project(start):
        for name in _NAMES:
            path = f"{place.rstrip('/')}/{name}"
            if os.path.isfile(path) and (name == _NAMES[0] or _has_section(path)):  # noqa: PTH113
                return path
    return None


def _project(place: str) -> Iterator[str]:
    """Yield a directory and those above it, up to the root of its repository or the user's home directory.

    Where it lies in neither, those that only this user can have put something into: anybody may in /tmp.
    """
    home = os.path.expanduser("~")  # noqa: PTH111
    while True:
        yield place
        above = os.path.dirname(place)  # noqa: PTH120
        is_top = place in (above, home) or any(os.path.lexists(f"{place}/{name}") for name in _REPOSITORY)
        if is_top or not _is_own(above):
            return
        place = above


def _is_own(folder: str) -> bool:
    try:
        status = os.stat(folder)  # noqa: PTH116
    except OSError:
        return False
    return status.st_uid == os.geteuid() and not status.st_mode & stat.S_IWOTH


def _has_section(path: str) -> bool:
    """Whether a pyproject.toml has a section of ours; those of other projects are none of our business."""
    try:
        with open_regular(path) as stream:
            if b"drmemctl" not in stream.read(_LARGEST):
                return False
    except OSError:
        return False
    tool = _read(path).get("tool")
    return isinstance(tool, dict) and "drmemctl" in tool


def read_settings(path: str) -> Settings:
    """Return what a file sets; `SettingsError` names the file and the key of what makes no sense.

    In a file of another name than pyproject.toml the keys may also stand at the top.
    """
    table = _table(path)
    values: dict[str, Any] = {}
    of_check = table.get(_CHECK, {})
    if not isinstance(of_check, dict):
        raise SettingsError("this is no table", source=path, path=_CHECK)
    own_keys = {key: value for key, value in of_check.items() if key in _KEYS}
    for key, value in {**table, **own_keys}.items():
        if isinstance(value, dict) and key not in _KEYS:
            continue  # the table of a command, of which only `check` knows keys here
        if key not in _KEYS:
            raise SettingsError(
                "unknown key",
                source=path,
                path=key,
                hint=did_you_mean(nearest(key, _KEYS)) or f"there are {', '.join(_KEYS)}",
            )
        try:
            values[key.replace("-", "_")] = _KEYS[key](value)
        except ValueError as error:
            raise SettingsError(str(error), source=path, path=key) from error
    added = RuleSelection(values.pop("extend_select", ()), values.pop("extend_ignore", ()))
    if added != RuleSelection():
        values["extensions"] = (added,)
    if "per_path_ignores" in values:
        folder = os.path.dirname(path)  # noqa: PTH120
        values["per_path_ignores"] = tuple(entry._replace(folder=folder) for entry in values["per_path_ignores"])
    if "baseline" in values:
        values["baseline"] = os.path.join(os.path.dirname(path), values["baseline"])  # noqa: PTH118, PTH120
    return Settings(**values)


def command_tables(path: str) -> dict[str, Mapping[str, Any]]:
    """Return the tables of commands in a file of settings, for who has the commands to judge.

    That of `check` is without the keys that are read here.
    """
    tables: dict[str, Mapping[str, Any]] = {
        name: table for name, table in _table(path).items() if isinstance(table, dict) and name not in _KEYS
    }
    if _CHECK in tables:
        tables[_CHECK] = {key: value for key, value in tables[_CHECK].items() if key not in _KEYS}
    return tables


def general_keys(path: str) -> dict[str, tuple[str, Any]]:
    """Return the keys of a file that are about checks, kernel and hypervisor: how they stand there, and values."""
    table = _table(path)
    of_check = {f"{_CHECK}.{key}": value for key, value in table.get(_CHECK, {}).items()}
    written = {**table, **of_check}
    return {
        key.rpartition(".")[2]: (key, value) for key, value in written.items() if key.rpartition(".")[2] in _KEYS
    }


def check_baseline_is_beside(settings: Settings, path: str) -> None:
    """Refuse a baseline outside the directory of the file that names it, or of a link there.

    Whoever wrote a repository names no other file of who checks it.
    """
    folder = os.path.realpath(os.path.dirname(path) or ".")  # noqa: PTH120
    if settings.baseline is None:
        return
    if os.path.commonpath((folder, os.path.realpath(settings.baseline))) != folder:
        hint = "name it with --baseline"
        message = "a file of settings that was found names a baseline in its own directory only"
        raise SettingsError(message, source=path, path="baseline", hint=hint)


def _table(path: str) -> dict[str, Any]:
    document = _read(path)
    tool = document.get("tool", {})
    table = tool.get("drmemctl") if isinstance(tool, dict) else None
    if table is None:
        table = {} if os.path.basename(path) == _NAMES[1] else document  # noqa: PTH119
    if not isinstance(table, dict):
        raise SettingsError("this is no table", source=path, path="tool.drmemctl")
    return table


def _read(path: str) -> dict[str, Any]:
    import tomllib

    try:
        with open_regular(path) as stream:
            data = stream.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise SettingsError(f"more than the {_LARGEST:,} bytes that settings may have", source=path)
        text = data.decode("utf-8-sig")  # Windows begins texts with a mark
        for part in re.split(r"[=,\[\]{}\n]", _STRINGS.sub("", text)):
            if part.count(".") >= _DEEPEST:
                raise SettingsError(f"a key of more than {_DEEPEST} parts", source=path)
        return tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", source=path) from error
    except ValueError as error:  # TOML that is none, and text that is no UTF-8
        raise SettingsError(f"this is no TOML: {error}", source=path) from error
    except RecursionError as error:
        raise SettingsError("nested too deeply", source=path) from error


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return words(value)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("this is no list of texts")
    return words(",".join(value))


def _severity(value: object) -> tuple[SeverityOverride, ...]:
    if not isinstance(value, dict):
        raise ValueError('this is no table such as {DRM121 = "warning"}')  # noqa: TRY004 - one kind of error
    return severity_overrides(f"{names}={level}" for names, level in value.items())


def _per_path_ignores(value: object) -> tuple[PathIgnore, ...]:
    if not isinstance(value, dict):
        raise ValueError('this is no table such as {"old/*" = ["DRM030"]}')  # noqa: TRY004 - as above
    return path_ignores(f"{pattern}:{','.join(_words(names))}" for pattern, names in value.items())


def _fail_on(value: object) -> str:
    if value not in FAIL_ON:
        raise ValueError(f"{value!r} is none of {', '.join(FAIL_ON)}")
    return str(value)


def _text(value: object, example: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"this is no text such as {example}")  # noqa: TRY004 - one kind of error for all keys
    return value


def _kernel(value: object) -> Profile:
    name = _text(value, '"6.12"')
    try:
        return profile(name)
    except ProfileError as error:
        raise ValueError(str(error)) from error


def _jobs(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("this is no number from 1 on")
    if value > _MOST_JOBS:
        raise ValueError(f"more than {_MOST_JOBS:,} processes")
    return value


def _baseline(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("this is no path")
    return value


def _hypervisor(value: object) -> str:
    name = _text(value, '"powervm"')
    qemu_version(name)
    return name


_KEYS: dict[str, Callable[[object], Any]] = {
    "select": _words,
    "ignore": _words,
    "fail-on": _fail_on,
    "kernel": _kernel,
    "jobs": _jobs,
    "baseline": _baseline,
    "hypervisor": _hypervisor,
    "extend-select": _words,
    "extend-ignore": _words,
    "severity": _severity,
    "per-path-ignores": _per_path_ignores,
    "docs-url": lambda value: web_address(_text(value, "https://docs.example.com/drmemctl")),
}
