# SPDX-License-Identifier: MIT
"""Rules of the family drmem about what all LMBs depend on: the LMB size, the root's cells, a property at all."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.kernels import WITH_NARROW_LMB_SIZE
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.formats.cells import ADDRESS_CELLS, LMB_SIZE, SIZE_CELLS, read_cells
from drmemctl.formats.dynamic_memory import NODE, V1, V2
from drmemctl.formats.memory_reg import REG
from drmemctl.kernel.block_size import second_memory_node
from drmemctl.kernel.sections import MIN_BLOCK_SIZE, is_block_size
from drmemctl.model.drmem import PAPR_CELLS
from drmemctl.model.platform import shows_absence

_FOUR_GIB = 1 << 32


@rule(
    "DRM010",
    Severity.ERROR,
    "dynamic memory that Linux cannot use",
    needs=("drmem",),
    references=(
        "Linux arch/powerpc/mm/drmem.c walk_drmem_lmbs_early, init_drmem_lmb_size, drmem_init",
        'LoPAR 2.9, "ibm,dynamic-reconfiguration-memory"',
    ),
)
def unusable_node(subject: Subject) -> Iterator[Violation]:
    """Look for a drmem node without an LMB size, or without a list of LMBs.

    Why:
        Without both, Linux gives up on the whole node: none of its LMBs becomes memory, however many are assigned,
        and no request of DLPAR can change that. The system runs with what the memory@ nodes hold, or does not
        come up at all.

    Example:
        The node holds ibm,dynamic-memory-v2 00000002 …, and no ibm,lmb-size; or ibm,lmb-size is 10000000, four
        bytes, where the root has #size-cells 00000002.

    Kernel:
        All: walk_drmem_lmbs_early returns -ENODEV. From 6.6 on the memory block size falls to 16 MiB as well. A
        request fails with EINVAL, since the array is empty; where only the list is gone, because a migration took
        it away, every request does its work, then fails with EPERM and leaves nothing in the tree.

    Fix:
        Give the node ibm,lmb-size with as many cells as the root's #size-cells, and ibm,dynamic-memory-v2 or
        ibm,dynamic-memory. Firmware makes both; a tool that edited the tree for kexec lost one.
    """
    node = subject.drmem_node
    assert node is not None  # noqa: S101 - the need "drmem"
    size = node.find(LMB_SIZE)
    if size is None:
        yield Violation(f"no {LMB_SIZE}: none of the LMBs becomes memory", NODE, LMB_SIZE)
    elif subject.drmem.table.lmb_size is None and not size.is_cut:
        message = (
            f"{LMB_SIZE} has {len(size.value)} bytes where the root's #size-cells want"
            f" {4 * subject.drmem.cells.size}: none of the LMBs becomes memory"
        )
        yield Violation(message, NODE, LMB_SIZE, len(size.value))
    if subject.drmem.entries is None:
        message = f"neither {V1} nor {V2}: there are no LMBs, and a DLPAR request ends in EPERM"
        yield Violation(message, NODE)


@rule(
    "DRM011",
    Severity.ERROR,
    "memory block size that Linux refuses",
    references=(
        "Linux drivers/base/memory.c memory_dev_init: panic since 5.4",
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c pseries_memory_block_size (up to 6.5)",
        "Linux 4d15721177d5 (6.6): probe_memory_block_size",
    ),
)
def unsuitable_block_size(subject: Subject) -> Iterator[Violation]:
    """Look for an LMB size that is no power of two, or below 16 MiB.

    Why:
        Linux manages memory in blocks of one LMB, and a block must be a power of two of at least one section.

    Example:
        ibm,lmb-size 00000000 18000000 (384 MiB), or 00000000 00800000 (8 MiB).

    Kernel:
        5.4 and later panic while they boot: "Memory block size not suitable: 0x18000000" (seen on 5.10 and 7.2).
        Up to 5.2 they warn and use 16 MiB. Without a drmem node, kernels up to 6.5 take the size of the second
        memory@ node for the block size, and panic just the same.

    Fix:
        The LMB size is the firmware's: on PowerVM set it to 16, 32, 64, 128 or 256 MiB in the managed system's
        properties; QEMU's is always 256 MiB.
    """
    if subject.drmem_node is not None:
        size = subject.drmem.table.lmb_size
        if size is not None and not is_block_size(size):
            yield Violation(f"{LMB_SIZE} {_why_not(size)}", NODE, LMB_SIZE, 0)
        return
    # Without a drmem node kernels up to 6.5 take the size from memory@0 and the node after it.
    path, size = second_memory_node(subject.tree)
    if subject.after_cas and not is_block_size(size):
        message = f"its size {_why_not(size)}, and without {NODE} it is the block size of Linux 5.4 to 6.5"
        yield Violation(message, path, REG)


def _why_not(size: int) -> str:
    return f"{size:#x} is {'below 16 MiB' if size < MIN_BLOCK_SIZE else 'no power of two'}"


@rule(
    "DRM012",
    Severity.WARNING,
    "LMB size that older kernels cut to 32 bits",
    needs=("lmb-size",),
    kernels=WITH_NARROW_LMB_SIZE,
    references=(
        "Linux 89c140bbaeee (5.9): 64-bit memory block size",
        "Linux ec72024e35dd (5.10): 64-bit drmem lmb_size",
    ),
)
def oversized_lmb(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs of 4 GiB and more, which kernels before 5.10 cannot hold.

    Why:
        Two variables were 32 bits wide. An LMB size of 4 GiB becomes 0 in them.

    Example:
        ibm,lmb-size 00000001 00000000.

    Kernel:
        Up to 5.8: panic, "Memory block size not suitable: 0x0". 5.9: boots, but all LMBs of a set lie at the same
        address. 5.10 and later, and the 4.19 and 5.4 stable series with the backports, are right.

    Fix:
        Boot a kernel of 5.10 or later, or set a smaller LMB size in the managed system's properties.
    """
    size = subject.table.lmb_size or 0
    if size >= _FOUR_GIB and is_block_size(size):
        message = (
            f"{LMB_SIZE} {size:#x} does not fit 32 bits: Linux before 5.10 takes it for {size % _FOUR_GIB:#x}"
        )
        yield Violation(message, NODE, LMB_SIZE, 0)


@rule(
    "DRM013",
    Severity.ERROR,
    "root #address-cells or #size-cells other than 2",
    needs=("lmbs",),
    references=(
        "Linux arch/powerpc/mm/drmem.c drmem_update_dt_v1, drmem_update_dt_v2: 64-bit base address",
        "Linux fbf2f134c8c3 (5.10): block size by #size-cells",
        "powerpc-utils drslot_chrp_mem.c get_dynamic_reconfig_lmbs: 64-bit ibm,lmb-size",
    ),
)
def foreign_cells(subject: Subject) -> Iterator[Violation]:
    """Look for a root whose #address-cells or #size-cells are not 2.

    Why:
        Linux reads base addresses in #address-cells, but writes 64 bits when it regenerates the property. With any
        other count the first successful DLPAR request leaves a property that decodes to other LMBs.

    Example:
        #address-cells 00000001 at the root: v1 entries have 20 bytes, and Linux writes 24 for each of them.

    Kernel:
        All since 4.16 write past the end of a v1 property's buffer, and garble a v2 property. Before 5.10 they
        read the block size from 8 bytes of ibm,lmb-size, whatever #size-cells says; drmgr does so today.

    Fix:
        PAPR has 2 and 2. A tree with anything else was put together by hand or by a tool: correct it there.
    """
    is_whole = shows_absence(subject.tree)
    for name in (ADDRESS_CELLS, SIZE_CELLS):
        data = subject.tree.root.get(name)
        number = None if data is None else read_cells(data, 0, 1)
        # A dump of a part of a tree says nothing; in a whole one Linux takes 1 for what is absent.
        if number == PAPR_CELLS or (number is None and not is_whole):
            continue
        fact = f"root {name} is {number}" if number is not None else f"the root has no {name}, which makes 1"
        yield Violation(f"{fact}, not 2: {_CELLS_CONSEQUENCES[name]}", "/", name)


_CELLS_CONSEQUENCES = {
    ADDRESS_CELLS: "the next successful DLPAR request writes 64-bit addresses and corrupts the property",
    SIZE_CELLS: f"Linux before 5.10 and drmgr read {LMB_SIZE} as 64 bits all the same",
}
