# SPDX-License-Identifier: MIT
"""Rules of the family blocks about the size of a memory block and what does not fit it."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.formats.pmemory import NODE as PERSISTENT_MEMORY
from drmemctl.formats.pmemory import NUMBER_OF_BLOCKS
from drmemctl.kernel.sections import is_block_size
from drmemctl.wording import size_text


@rule(
    "DRM103",
    Severity.INFO,
    "persistent memory that is not a multiple of the block size",
    counted="regions",
    needs=("block-size",),
    references=(
        "Linux drivers/dax/kmem.c dax_kmem_range: aligned to memory_block_size_bytes()",
        "Linux arch/powerpc/platforms/pseries/papr_scm.c papr_scm_probe",
    ),
)
def uneven_persistent_memory(subject: Subject) -> Iterator[Violation]:
    """Look for regions of persistent memory that are no multiple of a memory block.

    Why:
        Memory that dax/kmem makes of a region comes in whole blocks: what does not fill one is lost, and a region
        smaller than a block gives nothing.

    Example:
        ibm,lmb-size 0000000010000000, and ibm,pmemory with 08000000 bytes.

    Kernel:
        All with dax/kmem (5.1): "mapping0: … too small after alignment", or less memory than the region has.

    Fix:
        Make the region a multiple of the LMB size, if it is to serve as memory.
    """
    parent = subject.tree.find(PERSISTENT_MEMORY)
    if parent is None or not parent.children:
        return
    # The simulated kernel's boot takes longer to import than most trees to check.
    from drmemctl.kernel.boot_regions import driver_memory

    block = subject.table.lmb_size or 1
    for region in driver_memory(subject.tree, subject.associativity):
        if region.size and region.size % block:
            message = f"{size_text(region.size)} are no multiple of {size_text(block)}: "
            message += f"{size_text(region.size % block)} are lost as memory"
            yield Violation(message, region.path, NUMBER_OF_BLOCKS)


@rule(
    "DRM104",
    Severity.INFO,
    "memory block size that changes with Linux 6.6",
    references=(
        "Linux 4d15721177d5 (6.6): probe_memory_block_size",
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c pseries_memory_block_size (up to 6.5)",
    ),
)
def changing_block_size(subject: Subject) -> Iterator[Violation]:
    """Look for trees without a drmem node for which old and new kernels derive different block sizes.

    Why:
        Tools and scripts that count in memory blocks give other numbers after an update of the kernel; one of the
        two sizes may be so large that a memory node ends inside a block.

    Example:
        No drmem node, memory@0 with reg 0 80000000: 01000000 up to Linux 6.5, 40000000 from 6.6 on.

    Kernel:
        Up to 6.5: the size of the memory node that follows the one at 0, else 16 MiB. From 6.6 on: from 1 GiB
        down until it divides every memory node, by one bit of their sizes.

    Fix:
        None is needed. With a drmem node (on QEMU: maxmem above the size of memory) all take ibm,lmb-size.
    """
    if subject.drmem_node is not None or not subject.after_cas:
        return
    from drmemctl.kernel.block_size import block_size_of
    from drmemctl.kernel.profiles import profile

    old, new = (block_size_of(subject.tree, profile(kernel)) for kernel in ("6.5", "6.6"))
    if old != new and is_block_size(old) and is_block_size(new):
        yield Violation(f"memory blocks have {size_text(old)} up to Linux 6.5, {size_text(new)} from 6.6 on", "/")
