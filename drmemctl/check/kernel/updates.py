# SPDX-License-Identifier: MIT
"""Rules of the family kernel about device tree updates: what of them gets lost, and what should not be sent."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.kernel.codes import violations
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject

_SIMULATED = ("faults",)


@rule(
    "DRM095",
    Severity.ERROR,
    "kernel",
    "update list that the kernel reads one word off",
    needs=_SIMULATED,
    references=(
        "Linux 2efd7f6eb9b7 (5.11, and 5.10.y): pseries_devicetree_update looks the phandle up first",
        "LoPAR 2.9, ibm,update-nodes: operation 03 has pairs of operands",
    ),
)
def desynchronised(subject: Subject) -> Iterator[Violation]:
    """Look for an addition below an unknown node, whose DRC index the kernel takes for the next operation.

    Why:
        The updates behind it in the list are lost, or applied to other nodes, and the migration succeeds all the
        same: lookup arrays and LMBs stay those of the source.

    Example:
        03000001 0badf00d 80000004 02000001 00001234: 80000004 is read as an operation, the update of 00001234 as
        its operands.

    Kernel:
        5.11 and later, and 5.10.y; seen on 5.10.262, 6.1, 6.12 and 7.2. Before, both words were skipped.

    Fix:
        Firmware that adds only below nodes that it knows the partition to have. On the partition: reboot.
    """
    return violations(subject, "desync")


@rule(
    "DRM096",
    Severity.WARNING,
    "kernel",
    "update that LoPAR does not allow in a migration",
    needs=_SIMULATED,
    references=("LoPAR 2.9, ibm,update-nodes and ibm,update-properties: nodes and properties by scope",),
)
def not_allowed(subject: Subject) -> Iterator[Violation]:
    """Look for differences between source and destination that no update may bring, or can.

    Why:
        The partition was told at boot what stays so until the next one. Linux takes over what it is sent and goes
        on with what it read before, so that tree and kernel say different things; and a node without phandle or
        DRC index cannot be named in an update at all.

    Example:
        ibm,lmb-size 0000000010000000 at the source and 0000000020000000 at the destination.

    Kernel:
        All replace the property in the tree, whatever it is, and use what they have (see DRM070 to DRM079).

    Fix:
        Migrate between systems that differ only in what LoPAR lists. If the trees were taken from two partitions,
        they are no source and destination.
    """
    return violations(subject, "lopar-not-allowed")


@rule(
    "DRM097",
    Severity.WARNING,
    "kernel",
    "recorded answers that do not match the calls",
    needs=_SIMULATED,
    references=("LoPAR 2.9, ibm,update-properties: called until its status is not 1",),
)
def unanswered(subject: Subject) -> Iterator[Violation]:
    """Look for RTAS calls of the kernel for which a record of a migration has no answer left.

    Why:
        The simulated kernel asks for other things than the one that was recorded, or the record is not whole: what
        the step shows is not what happened there.

    Example:
        A list of operations 02000001 00001234, and no answer of update-properties for 00001234.

    Kernel:
        None: the simulation answers with a hardware error, status -1.

    Fix:
        Take the kernel that was recorded, or complete the record.
    """
    return violations(subject, "no-answer")
