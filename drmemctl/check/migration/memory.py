# SPDX-License-Identifier: MIT
"""The rule of the family migration about boot memory."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.bounds import limited
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.memory_nodes import taken_nodes
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.formats.memory_reg import REG, MemoryRange

_Nodes = dict[str, tuple[MemoryRange, ...]]


@rule(
    "DRM078",
    Severity.ERROR,
    "migration",
    "boot memory that changed",
    needs=("before",),
    references=(
        "LoPAR 2.9, ibm,update-properties: of memory nodes only ibm,associativity changes",
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c pseries_memory_notifier",
    ),
)
def changed_boot_memory(subject: Subject) -> Iterator[Violation]:
    """Look for memory@ nodes that a migration removed, added, or gave another reg.

    Why:
        A partition moves with the memory that it has. Linux removes the memory of a node that is deleted, in use
        or not, and does not notice another reg.

    Example:
        memory@40000000 with reg 40000000 40000000 before, and with reg 40000000 20000000 after.

    Kernel:
        All act on nodes that come and go; a change of reg they ignore until the next boot.

    Fix:
        A fault of the destination's firmware; report it with both trees.
    """
    assert subject.before is not None  # noqa: S101 - the need "before"
    yield from limited(_changes(_memory(subject.before), _memory(subject)), "memory nodes")


def _memory(subject: Subject) -> _Nodes:
    return {found.path: found.ranges for found in taken_nodes(subject)}


def _changes(old: _Nodes, new: _Nodes) -> Iterator[Violation]:
    for path, ranges in old.items():
        if path not in new:
            yield Violation("was there before and is gone: Linux loses that memory", path)
        elif new[path] != ranges:
            message = f"{_size(ranges):#x} bytes of memory before, {_size(new[path]):#x} now, or elsewhere"
            yield Violation(f"{message}: Linux goes on with what was", path, REG)
    for path in new:
        if path not in old:
            yield Violation("is new: a migration brings no boot memory", path)


def _size(ranges: tuple[MemoryRange, ...]) -> int:
    return sum(part.size for part in ranges)
