# SPDX-License-Identifier: MIT
"""The command lines that help against a finding, ready to be pasted; what none helps against has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from shlex import quote
from typing import TYPE_CHECKING

from drmemctl.formats.block_states import state_name
from drmemctl.model.run import is_assigned
from drmemctl.tree.source import file_of

if TYPE_CHECKING:
    from drmemctl.check.finding import Finding
    from drmemctl.check.subject import Subject
    from drmemctl.kernel.profiles import Profile
    from drmemctl.tree.node import Tree

_MOST = 4
"""Memory blocks that have command lines of their own; of more, `repair` plans the order."""

TREE = "TREE"
"""What stands in a command line for the input: a finding says the same of a tree whatever it is called."""

_MIGRATED = quote(f"lpm {TREE}")
"""The step that is a migration to the input."""

_Remedy = Callable[["Finding", "Subject"], Iterator[str]]


def fix_of(finding: Finding, subject: Subject) -> tuple[str, ...]:
    """Return the command lines for a finding with `TREE` for its input, none where none is known to help."""
    remedy = _REMEDIES.get(finding.rule)
    return () if remedy is None else tuple(remedy(finding, subject))


def commands(finding: Finding, source: str) -> list[str]:
    """Return the command lines for a finding in an input of that name, to be pasted."""
    name = _typed(source)
    if name is None:
        return [line for line in finding.fix if TREE not in line]
    lines = []
    for line in finding.fix:
        # The older tree's name, which stands before it, may have the word `TREE` as well.
        before, migrated, options = line.rpartition(_MIGRATED)
        lines.append(before + quote(f"lpm {name}") + options if migrated else line.replace(TREE, name))
    return lines


def _typed(source: str) -> str | None:
    """Return how a shell is given an input, None where that cannot be typed or was read from a pipe."""
    if source == "-" or not source.isprintable() or not source.isascii():
        return None
    return f"./{quote(source)}" if source.startswith("-") and file_of(source) is not None else quote(source)


def _repaired(_finding: Finding, subject: Subject) -> Iterator[str]:
    yield f"drmemctl repair {TREE}{_kernel_option(subject.running.profile, subject.tree)}"


def _repaired_after_migration(_finding: Finding, subject: Subject) -> Iterator[str]:
    """Yield what puts right a partition that was migrated, and was booted with the older tree."""
    if subject.before is None:
        return
    before = _typed(subject.before.tree.source)
    if before:
        option = _kernel_option(subject.running.profile, subject.before.tree)
        yield f"drmemctl repair {before} {_MIGRATED}{option}"


def _kernel_option(profile: Profile | None, tree: Tree) -> str:
    """Return the kernel that was judged for, where a command would take another one for the tree."""
    if profile is None:
        return ""
    from drmemctl.kernel.choice import kernel_for

    if tree.kernel and kernel_for(tree).profile.name == profile.name:
        return ""
    return f" --kernel {profile.name}"


def _with_block(finding: Finding, subject: Subject) -> Iterator[str]:
    """Yield the same, or what puts a block into the state that its LMB is in."""
    blocks, size = subject.running.blocks, subject.running.block_size
    lmb_size = subject.table.lmb_size or 0
    # No more than a person would type.
    is_few = not finding.ranges_left_out and sum(run.count for run in finding.lmbs) <= _MOST
    ranges = finding.lmbs if is_few else ()
    lmbs = [(run.base + index * lmb_size, run.flags) for run in ranges for index in range(run.count)]
    lines = []
    if isinstance(blocks, dict) and size:
        for base, flags in lmbs:
            block = blocks.get(base // size)
            if block is not None and block.online != is_assigned(flags):
                state = state_name(online=not block.online)
                lines.append(f"echo {state} > /sys/devices/system/memory/memory{base // size}/state")
    yield from lines if lmbs and len(lines) == len(lmbs) else _repaired(finding, subject)


def _always(line: str) -> _Remedy:
    return lambda _finding, _subject: iter((line,))


_REWRITTEN = _always(f"drmemctl convert {TREE} -o rewritten.dtb")

_REMEDIES: dict[str, _Remedy] = {
    "DRM002": _REWRITTEN,
    "DRM003": _REWRITTEN,
    # Which LMBs to remove and to add again, and in which order, depends on kernel and hypervisor: QEMU keeps what
    # a guest gives back, and kernels before 5.15 write an old aa_index with each request. `repair` simulates that.
    **dict.fromkeys(("DRM080", "DRM081", "DRM082", "DRM083", "DRM085", "DRM088", "DRM121"), _repaired),
    **dict.fromkeys(("DRM075", "DRM076"), _repaired_after_migration),
    **dict.fromkeys(("DRM084", "DRM120"), _with_block),
    "DRM123": _always("echo online_movable > /sys/devices/system/memory/auto_online_blocks"),
    "DRM140": _always(f"drmemctl history {TREE}"),
    "DRM143": _always(f"drmemctl diff {TREE}::boot {TREE}"),
}
"""Rule → what yields the command lines."""
