# SPDX-License-Identifier: MIT
"""The kernel command line, as far as it is about memory.

Source: Linux arch/powerpc/kernel/prom.c `early_parse_mem`, lib/cmdline.c `memparse`, mm/memory_hotplug.c
`cmdline_parse_movable_node`, arch/powerpc/mm/numa.c `early_numa`.
"""

from __future__ import annotations

import re

from drmemctl.formats.strings import decode_strings
from drmemctl.model.associativity import CHOSEN
from drmemctl.tree.node import Tree

BOOTARGS = "bootargs"

_SUFFIXES = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}
_SIZE = re.compile(r"(?:0[xX](?P<hex>[0-9a-fA-F]+)|(?P<number>[0-9]+))(?P<unit>[kKmMgGtTpPeE]?)\Z", re.ASCII)
_ADDRESSES = 1 << 64


def command_line(tree: Tree) -> str:
    """Return the command line that the tree hands over; untrusted text."""
    data = tree.get(CHOSEN, BOOTARGS)
    return "" if data is None else " ".join(decode_strings(data).items)


def with_command_line(tree: Tree, text: str) -> Tree:
    """Return the tree with another command line."""
    return tree.with_property(CHOSEN, BOOTARGS, text.encode("utf-8", "surrogateescape") + b"\0")


def options(text: str, name: str) -> list[str]:
    """Return the values of an option, in order; "" for one without a value."""
    return [word.partition("=")[2] for word in text.split() if word.partition("=")[0] == name]


def has_flag(text: str, name: str) -> bool:
    """Whether an option is there that takes no value."""
    return bool(options(text, name))


def memory_size(text: str) -> int | None:
    """Return what the last `mem=` says in bytes, not rounded; None without one that is a number."""
    size = None
    for value in options(text, "mem"):
        match = _SIZE.match(value)
        if match:
            number = int(match["hex"], 16) if match["hex"] else int(match["number"])
            size = (number << _SUFFIXES[match["unit"].lower()]) % _ADDRESSES
    return size
