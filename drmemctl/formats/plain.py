# SPDX-License-Identifier: MIT
"""Decoded values as JSON has them, and back: dataclasses as objects, bytes as hex, tuples as lists.

What a value's class says of its fields is the whole schema; nothing here knows a layout.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from drmemctl.errors import FormatError

_T = TypeVar("_T")

_SCALARS = frozenset({int, str, bool, NoneType})

_DERIVED = ("defects",)
"""Fields that follow from the others."""

_WORDS = {int: "a number", str: "a text", bool: "true or false", bytes: "bytes in hex"}


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if is_dataclass(value):
        names = (attribute.name for attribute in fields(value) if attribute.name not in _DERIVED)
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value


def record(value: object, keys: str) -> dict[str, Any]:
    """Return attributes of a value as JSON has them.

    `keys` names them, a blank between two: `key`, or `key=attribute.attribute` where JSON calls it otherwise, with
    a `?` behind it where an empty text is null.
    """
    names, values_of, empty_is_null = _columns(keys)
    facts = dict(zip(names, values_of(value), strict=True))
    for name, item in facts.items():
        if item.__class__ not in _SCALARS:
            facts[name] = plain(item)
    for name in empty_is_null:
        facts[name] = facts[name] or None
    return facts


@cache
def _columns(keys: str) -> tuple[tuple[str, ...], Callable[[object], tuple[Any, ...]], tuple[str, ...]]:
    """Return the names, what gets their values, and the names of those of which an empty one is null."""
    words = [word.rstrip("?").partition("=") for word in keys.split()]
    names = tuple(key for key, _, _ in words)
    attributes = [name or key for key, _, name in words]
    getter = attrgetter(*attributes)
    # Of a single attribute the getter returns no tuple.
    values_of = getter if len(attributes) > 1 else lambda value: (getter(value),)
    return names, values_of, tuple(name for name, word in zip(names, keys.split(), strict=True) if word[-1] == "?")


def from_plain(kind: type[_T], value: Any, place: str) -> _T:
    """Return what `plain` made `value` of; `FormatError` that names the place where it is something else."""
    result: _T = _from_plain(kind, value, place)
    return result


def _from_plain(kind: Any, value: Any, place: str) -> Any:
    if get_origin(kind) is UnionType:
        (inner,) = (alternative for alternative in get_args(kind) if alternative is not NoneType)
        return None if value is None else _from_plain(inner, value, place)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise _wrong("a list", value, place)
        inner = get_args(kind)[0]
        return tuple(_from_plain(inner, item, f"{place}[{position}]") for position, item in enumerate(value))
    if is_dataclass(kind):
        return _dataclass(kind, value, place)
    if kind is bytes and isinstance(value, str):
        with suppress(ValueError):
            return bytes.fromhex(value)
    elif isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise _wrong(_WORDS[kind], value, place)


def _dataclass(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong("an object", value, place)
    arguments = {}
    for attribute, hint in _schema(kind):
        name = attribute.name
        if name in value:
            arguments[name] = _from_plain(hint, value[name], f"{place}.{name}")
        elif attribute.default is MISSING:
            raise FormatError(f"{place} has no {name!r}")
    return kind(**arguments)


@cache
def _schema(kind: Any) -> list[tuple[Field[Any], Any]]:
    """Return the fields of a class with their types, which are texts until someone looks them up."""
    hints = get_type_hints(kind)
    return [(attribute, hints[attribute.name]) for attribute in fields(kind) if attribute.name not in _DERIVED]


def _wrong(wanted: str, value: Any, place: str) -> FormatError:
    shown = repr(value)
    return FormatError(f"{place} is {shown[:40]}{'...' if len(shown) > 40 else ''}, not {wanted}")
