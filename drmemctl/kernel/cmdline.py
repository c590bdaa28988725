# SPDX-License-Identifier: MIT
"""The kernel command line, as far as it is about memory.

Source: Linux arch/powerpc/kernel/prom.c `early_parse_mem`, lib/cmdline.c `memparse`, mm/memory_hotplug.c
`cmdline_parse_movable_node`, arch/powerpc/mm/numa.c `early_numa`, kernel/crash_reserve.c `parse_crashkernel`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.strings import decode_strings
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY
from drmemctl.model.associativity import CHOSEN
from drmemctl.model.run import ADDRESSES
from drmemctl.tree.node import Tree

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

BOOTARGS = "bootargs"

_SUFFIXES = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}
_NUMBER = re.compile(
    r"(?:0[xX](?P<hex>[0-9a-fA-F]+)|(?P<octal>0[0-7]*)|(?P<decimal>[1-9][0-9]*))(?P<unit>[kKmMgGtTpPeE]?)",
    re.ASCII,
)
_BASES = {"hex": 16, "octal": 8, "decimal": 10}


def command_line(tree: Tree) -> str:
    """Return the command line that the tree hands over, up to its first NUL as Linux does; untrusted text."""
    data = tree.get(CHOSEN, BOOTARGS) or b""
    return next(iter(decode_strings(data).items), "")


def with_command_line(tree: Tree, text: str | None) -> Tree:
    """Return the tree with another command line; with None as it is."""
    if text is None:
        return tree
    return tree.with_property(CHOSEN, BOOTARGS, text.encode("utf-8", "surrogateescape") + b"\0")


def options(text: str, name: str) -> list[str]:
    """Return the values of an option, in order; "" for one without a value."""
    return [word.partition("=")[2] for word in text.split() if word.partition("=")[0] == name]


def has_flag(text: str, name: str) -> bool:
    """Whether an option is there that takes no value."""
    return bool(options(text, name))


def numa_is_off(text: str) -> bool:
    """Whether all is in node 0: `early_numa` looks for `off` anywhere in a value, as in `numa=debug,off`."""
    return any("off" in value for value in options(text, "numa"))


class ParsedSize(NamedTuple):
    """A number of bytes at the beginning of a text, and the text behind it."""

    size: int
    rest: str


def memparse(text: str) -> ParsedSize:
    """Return the number that a text begins with (`memparse`); 0 and the whole text where it begins with none."""
    match = _NUMBER.match(text)
    if match is None:
        return ParsedSize(0, text)
    number = next(int(match[kind], base) for kind, base in _BASES.items() if match[kind] is not None)
    return ParsedSize((number << _SUFFIXES[match["unit"].lower()]) % ADDRESSES, text[match.end() :])


def memory_size(text: str) -> int | None:
    """Return what the last `mem=` says in bytes, not rounded and 0 for what is no number; None without one."""
    values = [memparse(word.partition("=")[2]).size for word in text.split() if word.startswith("mem=")]
    return values[-1] if values else None


_MOST_WORDS, _LONGEST_WORD = 4, 40


def not_as_the_tree(tree: Tree, profile: Profile | None = None) -> str:
    """Return what has to be said where Linux does not get all memory, or has it on other nodes; else nothing.

    Without a profile Linux is the newest.
    """
    text = command_line(tree)
    is_off, is_limited = numa_is_off(text), bool(memory_size(text))
    words = [
        word[:_LONGEST_WORD]
        for word in text.split()
        if (is_limited and word.startswith("mem="))
        or (word.startswith("numa=") and ("fake=" in word or (is_off and "off" in word)))
    ]
    reasons = [f"the command line has {' '.join(words[-_MOST_WORDS:])}"] * bool(words)
    if tree.get(NODE, DRCONF_USABLE_MEMORY) is not None:
        reasons.append(f"the tree is a crash kernel's, with {DRCONF_USABLE_MEMORY}")
    if profile is not None:
        # Not where nobody names a kernel: to import this takes longer than to read most trees.
        from drmemctl.kernel.lmb_property import other_lmbs

        reasons += [f"Linux {profile.name} {reason}" for reason in [other_lmbs(tree, profile)] if reason]
    if not reasons:
        return ""
    return f"{' and '.join(reasons)}: here is what the tree has, drmemctl blocks shows what Linux takes"


_OTHER_RESERVATIONS = (",high", ",low")
CMA = ",cma"


def crash_kernel_sizes(text: str, *, cma: bool) -> list[str]:
    """Return the values of `crashkernel=` that are about the crash kernel's own memory, in order.

    Those with a suffix that the kernel knows are passed over (`get_last_crashkernel`); `,cma` is one if `cma` is
    set.
    """
    suffixes = (*_OTHER_RESERVATIONS, CMA) if cma else _OTHER_RESERVATIONS
    return [value for value in options(text, "crashkernel") if not value.endswith(suffixes)]


class CrashkernelOption(NamedTuple):
    """`crashkernel=SIZE[@BASE]` in bytes; the base is None where the kernel chooses it."""

    size: int
    base: int | None


def crash_kernel(text: str, *, cma: bool) -> CrashkernelOption | None:
    """Return the last `crashkernel=` of the form SIZE[@BASE]; None without one of that simple form."""
    values = crash_kernel_sizes(text, cma=cma)
    size, suffix = memparse(values[-1] if values else "")
    if not size or suffix[:1] not in ("", "@"):
        return None
    return CrashkernelOption(size, memparse(suffix[1:]).size or None)


def crash_kernel_size(text: str, total: int, *, cma: bool) -> int:
    """Return the bytes that the last `crashkernel=` asks for where there are `total`; 0 for none.

    `START-[END]:SIZE,…` is the first that `total` lies in (`parse_crashkernel_mem`).
    """
    values = crash_kernel_sizes(text, cma=cma)
    if not values:
        return 0
    if ":" not in values[-1]:
        plain, suffix = memparse(values[-1])
        return plain if suffix[:1] in ("", "@") else 0
    for entry in values[-1].partition("@")[0].split(","):
        limits, _, size = entry.partition(":")
        start, dash_and_end = memparse(limits)
        end = memparse(dash_and_end[1:]).size if dash_and_end[1:] else ADDRESSES
        if dash_and_end[:1] == "-" and start <= total < end:
            return memparse(size).size
    return 0
