# SPDX-License-Identifier: MIT
"""What drmgr -c mem of powerpc-utils makes of its options, and what its releases differ in.

Source: powerpc-utils src/drmgr/drmgr.c `parse_options`, drslot_chrp_mem.c; read, of each release from 1.3.2, the
first that writes to /sys/kernel/dlpar, to 1.3.13.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Release = tuple[int, ...]


class DrmgrFeature(NamedTuple):
    """Something that releases of powerpc-utils differ in.

    Attributes:
        name: what it does.
        first: the first release that has it.
        commit: what brought it.

    """

    name: str
    first: Release
    commit: str


KERNEL_DLPAR = DrmgrFeature("requests for memory are written to /sys/kernel/dlpar", (1, 3, 2), "bbc5fc0")
NUMA_REMOVAL = DrmgrFeature("a removal by number goes node by node, LMB by LMB", (1, 3, 9), "e9f0653, 07c4ee2")
"""Nodes without CPUs first, then those with few CPUs for their memory; each LMB by its index."""

NEWEST: Release = (1, 3, 13)
"""The newest that was read; what `drmgr` alone stands for."""

ADD, REMOVE = "add", "remove"
MEMORY = "mem"

_WITH_ARGUMENT = frozenset("cdpPqswt")
_WITHOUT = frozenset("aIimnQRrhCVH")
_ACTIONS = {"a": ADD, "r": REMOVE, "R": "replace", "i": "identify", "Q": "query", "m": "migrate"}

_C_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?)(0[xX](?=[0-9a-fA-F]))?([0-9a-fA-F]*)")
_LONG_MAX = (1 << 64) - 1


@dataclass(slots=True)
class Options:
    """What `parse_options` sets.

    Attributes:
        kind: the connector type (`-c`).
        action: `add`, `remove` or another; the last that is given counts.
        count: how many (`-q`), an int.
        name: what `-s` is taken for a name of.
        by_index: whether `-s` is taken for a DRC index.
        index: that DRC index, 0 for none.
        level: which messages are printed (`-d`).
        entitlement: whether `-p` asks for something else than memory.
        invalid: the option that ended it, empty for a long one; what follows is not read, and drmgr goes on.

    """

    kind: str = ""
    action: str = ""
    count: int = 0
    name: str | None = None
    by_index: bool = False
    index: int = 0
    level: int = 1
    entitlement: bool = False
    invalid: str | None = None


def parse_options(arguments: Sequence[str]) -> Options:
    """Return what drmgr reads of its arguments, as getopt takes them."""
    options = Options()
    for letter, value in _letters(arguments):
        if letter in _ACTIONS:
            options.action = _ACTIONS[letter]
        elif letter == "c":
            options.kind = value
        elif letter == "q":
            options.count = _signed(c_number(value))
        elif letter == "s":
            options.name = value
        elif letter == "d":
            options.level = _signed(c_number(value, 10))
        elif letter == "p":
            options.entitlement = True
        elif letter not in _WITHOUT | _WITH_ARGUMENT:
            options.invalid = letter[:1]
            break
    return options


def _letters(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield options with their arguments, `c!` for a `c` that lacks its argument."""
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            return
        if not argument.startswith("-") or argument == "-":
            continue
        if argument.startswith("--"):
            name = argument[2:]
            matching = name and [option for option in ("capabilities", "help") if option.startswith(name)]
            yield (matching[0][0].upper() if matching == ["capabilities"] else "h") if matching else "", ""
            continue
        cluster = argument[1:]
        while cluster:
            letter, cluster = cluster[0], cluster[1:]
            value = ""
            if letter in _WITH_ARGUMENT:
                value = cluster or next(waiting, "\0")
                cluster = ""
            yield (letter, value) if value != "\0" else (f"{letter}!", "")


def c_number(text: str, base: int = 0) -> int:
    """Return what strtoul makes of a text: as many digits as fit, 0 for none."""
    match = _C_NUMBER.match(text)
    if match is None:
        return 0
    sign, prefix, digits = match.groups()
    if prefix and base == 10:
        return 0
    if prefix:
        base = 16
    elif base == 0:
        base = 8 if digits.startswith("0") else 10
    number = 0
    for digit in digits:
        place = int(digit, 16)
        if place >= base:
            break
        number = number * base + place
    number = min(number, _LONG_MAX)
    return (-number if sign == "-" else number) & _LONG_MAX


def _signed(number: int) -> int:
    """Return what an int holds of it."""
    return (number + (1 << 31)) % (1 << 32) - (1 << 31)
