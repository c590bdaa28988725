# SPDX-License-Identifier: MIT
"""Arguments of public functions, held to what they may be before anything is done.

A command has a parser for that; a program would be told by an error from deep inside, if at all. An argument of a
name means the same everywhere: so what it may be stands here once, by its name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from functools import cache, wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

Check = Callable[[str, Any], Any]
"""Takes an argument's name and value, and returns the value as the function is to get it, or raises."""


def checked(**own: Check) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have a function's arguments checked by their names; `own` are those that mean something else here.

    `TypeError` and `ValueError` say which argument it is, and what it may be.
    """

    def decorated(function: Callable[P, R]) -> Callable[P, R]:
        declared = cache(lambda: signature(function))

        @wraps(function)
        def with_checks(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                bound = declared().bind(*args, **kwargs)
            except TypeError:
                return function(*args, **kwargs)  # which says it in Python's own words
            for name, value in bound.arguments.items():
                check = own.get(name) or _CHECKS.get(name)
                if check is not None:
                    bound.arguments[name] = check(name, value)
            return function(*bound.args, **bound.kwargs)

        return with_checks

    return decorated


def wrong_type(name: str, expected: str, value: object) -> TypeError:
    """Return the error about an argument of another type."""
    return TypeError(f"{name} must be {expected}, not {type(value).__name__}")


def text(name: str, value: Any) -> str:
    """Hold an argument to text."""
    if not isinstance(value, str):
        raise wrong_type(name, "a str", value)
    return value


def whole(lowest: int) -> Check:
    """Return the check of a whole number."""

    def check(name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong_type(name, "an int", value)
        if value < lowest:
            raise ValueError(f"{name} must be {lowest} or more, not {value}")
        return min(value, LARGEST_COUNT)

    return check


def optional(check: Check) -> Check:
    """Return the check of an argument that may be None as well."""
    return lambda name, value: None if value is None else check(name, value)


def file_name(name: str, value: Any) -> str:
    """Hold an argument to the name of a file or directory, which may be a `Path`."""
    if not isinstance(value, str | os.PathLike):
        raise wrong_type(name, "a str or a Path", value)
    decoded = os.fsdecode(value)
    if b"\0" in _encoded(name, decoded):
        raise ValueError(f"{name} cannot hold a NUL")
    return decoded


def input_or_bytes(name: str, value: Any) -> Any:
    """Hold an argument to the name of an input, or its content."""
    if not isinstance(value, str | os.PathLike | bytes | bytearray | memoryview):
        raise wrong_type(name, "a str, a Path or bytes", value)
    if isinstance(value, str):
        _encoded(name, value)
    return value


def _encoded(name: str, value: str) -> bytes:
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} has a surrogate that stands for no byte") from error


def _of_bytes(name: str, value: Any) -> str:
    """Hold an argument to text that a kernel gets as bytes."""
    _encoded(name, text(name, value))
    return str(value)


LARGEST_COUNT = 1 << 62
"""More than there is of anything, with room for one more below what Python's iterators count to."""

LONGEST_SECONDS = 1e9
"""A time beyond anybody's patience: clocks and timers of the system take no number that is much larger."""


def _seconds(name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong_type(name, "a number", value)
    if not value > 0:
        raise ValueError(f"{name} must be more than 0, not {value}")
    return min(value, LONGEST_SECONDS)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    """Return texts, of which there may be one by itself."""
    values = _several(name, value, "a str, or several")
    for entry in values:
        if not isinstance(entry, str):
            raise wrong_type(name, "a str, or several", entry)
    return values


def _several(name: str, value: Any, expected: str) -> tuple[Any, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Iterable) or isinstance(value, bytes | bytearray | memoryview):
        raise wrong_type(name, expected, value)
    return tuple(value)


def _steps(name: str, value: Any) -> str | tuple[Any, ...]:
    """Return steps: a text with one in each line, or texts and parsed steps."""
    expected = "a str, or several steps"
    if isinstance(value, str):
        return value
    steps = _several(name, value, expected)
    for step in steps:
        if not isinstance(step, str) and not _is_a(step, "drmemctl.simulate.partition", "Step"):
            raise wrong_type(name, expected, step)
    return steps


def _bytes(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        return _encoded(name, value)
    if not isinstance(value, bytes | bytearray | memoryview):
        raise wrong_type(name, "bytes or a str", value)
    return bytes(value)


def _page(name: str, value: Any) -> int:
    sizes = (4096, 65536)
    if whole(1)(name, value) not in sizes:
        raise ValueError(f"{name} must be 4096 or 65536, not {value}")
    return int(value)


def _callable(name: str, value: Any) -> Any:
    if not callable(value):
        raise wrong_type(name, "a function", value)
    return value


def _is_a(value: object, module: str, kind: str) -> bool:
    """Whether a value is of a class of a layer above; of a module that is not loaded there is none."""
    expected = getattr(sys.modules.get(module), kind, None)
    return isinstance(expected, type) and isinstance(value, expected)


def _instance(module: str, kind: str, hint: str = "") -> Check:
    def check(name: str, value: Any) -> Any:
        if not _is_a(value, module, kind):
            raise wrong_type(name, f"a {kind}{hint}", value)
        return value

    return check


def _kernel(name: str, value: Any) -> Any:
    if not isinstance(value, str) and not _is_a(value, "drmemctl.kernel.profiles", "Profile"):
        raise wrong_type(name, "a release such as '6.1', or a Profile", value)
    return value


_tree = _instance("drmemctl.tree.node", "Tree", " (drmemctl.load makes one)")

_CHECKS: dict[str, Check] = {
    **dict.fromkeys(("tree", "old", "new"), _tree),
    **dict.fromkeys(("after", "before"), optional(_tree)),
    "kernel": optional(_kernel),
    **dict.fromkeys(("steps", "threads"), _steps),
    **dict.fromkeys(("added", "removed", "locking", "select", "ignore"), _texts),
    **dict.fromkeys(("goal", "until", "origin", "to", "purpose", "producer", "title", "kind", "path"), text),
    **dict.fromkeys(("hypervisor", "load", "name"), optional(text)),
    "cmdline": optional(_of_bytes),
    **dict.fromkeys(("limit", "count"), optional(whole(1))),
    **dict.fromkeys(("max_states", "jobs"), whole(1)),
    "max_seconds": optional(_seconds),
    "interval": _seconds,
    "when": optional(whole(0)),
    "page": _page,
    **dict.fromkeys(("root", "source"), file_name),
    **dict.fromkeys(("data", "document"), _bytes),
    "memory": optional(_instance("drmemctl.kernel.kdump", "CrashMemory")),
    "files": optional(_instance("drmemctl.simulate.files", "Files")),
    "tell": optional(_callable),
}
"""By the name of an argument, what it may be; flags are true or false like any value."""
