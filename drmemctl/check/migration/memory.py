# SPDX-License-Identifier: MIT
"""The rule of the family migration about boot memory."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.memory_nodes import taken_nodes
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.formats.memory_reg import REG
from drmemctl.wording import size_text


@rule(
    "DRM078",
    Severity.ERROR,
    "boot memory changed",
    counted="memory nodes",
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
    before = {node.path: node.ranges for node in taken_nodes(subject.before)}
    after = {node.path: node.ranges for node in taken_nodes(subject)}
    for path, ranges in before.items():
        if path not in after:
            yield Violation("was there before and is gone: Linux loses that memory", path)
        elif after[path] != ranges:
            old, new = (sum(part.size for part in parts) for parts in (ranges, after[path]))
            sizes = f"{size_text(old)} of memory before, {size_text(new)} now"
            message = f"{sizes}, or elsewhere: Linux goes on with what was"
            yield Violation(message, path, REG)
    for path in (path for path in after if path not in before):
        yield Violation("is new: a migration brings no boot memory", path)
