# SPDX-License-Identifier: MIT
"""Rules of the family kernel: what a simulated kernel does that no kernel should, and what none should be sent."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.kernel.codes import violations
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject


@rule(
    "DRM090",
    Severity.ERROR,
    "kernel oops",
    needs=("faults",),
    references=(
        "Linux arch/powerpc/platforms/pseries/mobility.c update_dt_node: seen on 5.10, 6.1, 6.12 and 7.2",
        "Linux arch/powerpc/mm/numa.c numa_setup_drmem_lmb: node -1",
        "Linux a83836dbc53e (5.7): for_each_drmem_lmb without an array",
    ),
)
def oopses(subject: Subject) -> Iterator[Violation]:
    """Look for steps in which the kernel itself goes through a wrong pointer or hits a BUG.

    Why:
        What was being done stops half-way, and the locks that were held stay held: requests that come later wait
        for ever. With panic_on_oops the partition is gone.

    Example:
        ibm,update-properties with a partial value (length word ffffffd8) that is not the last of its work area.

    Kernel:
        The message names the function. Before 5.3 a v1 property that was not there before; before 5.7 a request
        without an array; all take a partial value's length as unsigned, and go 4 GiB too far.

    Fix:
        A kernel without the defect, where there is one (see `drmemctl kernels`); else firmware that does not
        send such bytes.
    """
    return violations(subject, "oops")


@rule(
    "DRM091",
    Severity.ERROR,
    "kernel panic at boot",
    needs=("faults",),
    references=("Linux drivers/base/memory.c memory_dev_init (5.4): Memory block size not suitable",),
)
def panics(subject: Subject) -> Iterator[Violation]:
    """Look for boots that the kernel ends by itself.

    Why:
        The partition does not come up.

    Example:
        ibm,lmb-size 0000000018000000, which is no power of two (DRM011).

    Kernel:
        5.4 and later panic; before, 16 MiB stand in for a block size that does not suit.

    Fix:
        See the rule about the tree that the step booted from: `drmemctl check` names it.
    """
    return violations(subject, "panic")


@rule(
    "DRM092",
    Severity.ERROR,
    "kernel reads past the end",
    needs=("faults",),
    references=(
        "Linux 2b31e3aec1db (4.16): drmem_init without a length check",
        "Linux arch/powerpc/platforms/pseries/mobility.c pseries_devicetree_update: no end but a zero word",
    ),
)
def over_reads(subject: Subject) -> Iterator[Violation]:
    """Look for steps in which the kernel reads on behind a property or a work area.

    Why:
        What lies there passes for LMBs, associativity lists or operations on nodes: the kernel acts on garbage, or
        dies of unmapped memory. What the simulation shows after that is only one of many possibilities.

    Example:
        ibm,dynamic-memory-v2 00000004 with one set behind it; a list of operations without 00000000 at its end.

    Kernel:
        All since 4.16; before, properties that are too short were ignored.

    Fix:
        A fault of the firmware, or of whoever wrote the property: report it with its bytes.
    """
    return violations(subject, "over-read")


@rule(
    "DRM093",
    Severity.ERROR,
    "kernel writes past the end",
    needs=("faults",),
    references=("Linux arch/powerpc/mm/drmem.c drmem_update_dt_v1: old length, new count",),
)
def heap_overruns(subject: Subject) -> Iterator[Violation]:
    """Look for flushes that write more than they allocated.

    Why:
        The kernel's heap is overwritten with LMB entries: it dies of that later, somewhere else, or goes on with
        wrong data.

    Example:
        An array of 32 LMBs written into an ibm,dynamic-memory of 00000124 bytes (12 LMBs), as a migration left it
        (DRM073).

    Kernel:
        All since 4.16; seen on 5.10 and 6.1.

    Fix:
        No DLPAR of memory between such a migration and the next boot. The destination has to list every LMB of
        the source.
    """
    return violations(subject, "heap-overrun")


@rule(
    "DRM094",
    Severity.ERROR,
    "kernel does not return",
    needs=("faults",),
    references=("Linux arch/powerpc/mm/drmem.c drmem_update_lmbs, walk_drmem_v2_lmbs (5.15): seen on 6.1",),
)
def endless_walks(subject: Subject) -> Iterator[Violation]:
    """Look for walks over so many entries that nobody waits for their end.

    Why:
        The migration hangs with the CPU hotplug lock held; the console fills with soft lockups.

    Example:
        The tail of a value that came in two parts becomes the property, and its first word, such as 40000000,
        passes for the number of sets. Or a set says that it has 2^31 LMBs: each is looked for in the whole array.

    Kernel:
        5.15 and later, which walk a property as soon as it is updated. Older kernels take it as it is, and read
        it at the next boot.

    Fix:
        A fault of the firmware: nothing may come between the parts of a value.
    """
    return violations(subject, "never-returns")


@rule(
    "DRM095",
    Severity.ERROR,
    "update list that the kernel reads one word off",
    needs=("faults",),
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
    "update that LoPAR does not allow in a migration",
    needs=("faults",),
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
    "recorded answers that do not match the calls",
    needs=("faults",),
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
