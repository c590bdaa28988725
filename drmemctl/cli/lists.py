# SPDX-License-Identifier: MIT
"""Options that take lists: `0,1`, also given several times."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from drmemctl.cli.common import Decorator

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from drmemctl.model.selection import AddressRange

    _Type = click.ParamType[Any]
else:
    # Of the releases of Click that will do, only the later ones have types that take a parameter.
    _Type = click.ParamType

_MOST = 1000
"""Values of a list: a command line has no more."""

_SIZE = re.compile(r"(.*?)(?:([kmgtp])(?:iB)?)?\Z", re.IGNORECASE)


class Listed(_Type):
    """Values of a type, with commas between them; the option gets tuples."""

    def __init__(self, kind: _Type) -> None:
        self._kind = kind
        self.name = kind.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the values."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if len(parts) > _MOST:
            self.fail(f"{len(parts):,} values, more than {_MOST:,}", param, ctx)
        return tuple(self._kind.convert(part, param, ctx) for part in parts)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return what the last of the values can be."""
        from click.shell_completion import CompletionItem

        before, comma, last = incomplete.rpartition(",")
        items = self._kind.shell_complete(ctx, param, last)
        return [CompletionItem(before + comma + item.value, item.type) for item in items]


class Addresses(_Type):
    """An address, or a range of them: `0x40000000`, `1G`, `1G-2G`."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> AddressRange:
        """Return the addresses from the first up to, not including, the end; of one address that alone."""
        from drmemctl.model.selection import AddressRange

        if isinstance(value, AddressRange):
            return value
        begin, dash, end = str(value).partition("-")
        try:
            first = _address(begin)
            addresses = AddressRange(first, _address(end) if dash else first + 1)
        except ValueError as error:
            is_number = str(error).startswith("more than")
            self.fail(f"{value!r}: {error}" if is_number else f"{value!r} is {error}", param, ctx)
        if addresses.end <= addresses.first:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return addresses


def _address(text: str) -> int:
    """Return an address: a number as the kernel parses it, with K, M, G, T or P, or GiB; `ValueError` for none."""
    from drmemctl.numbers import parse_kernel_int

    match = _SIZE.match(text)
    digits, unit = (match[1], (match[2] or "").lower()) if match else (text, "")
    shift = 10 * " kmgtp".index(unit) if unit else 0
    address = parse_kernel_int(digits, 64) << shift
    if address >> 64:
        raise ValueError("more than 64 bits")
    return address


def listed_option(name: str, parameter: str, metavar: str, kind: _Type, about: str) -> Decorator:
    """Return an option that takes values with commas between them and may be repeated; it hands on all of them."""

    def together(
        _ctx: click.Context, _param: click.Parameter, lists: tuple[tuple[Any, ...], ...]
    ) -> tuple[Any, ...]:
        return tuple(chain.from_iterable(lists))

    return click.option(
        name, parameter, metavar=metavar, multiple=True, type=Listed(kind), callback=together, help=about
    )
