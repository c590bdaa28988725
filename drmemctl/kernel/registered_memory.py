# SPDX-License-Identifier: MIT
"""Memory as a kernel that has booted on a tree has registered it (Linux mm/memblock.c)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from drmemctl.kernel.boot import boot
from drmemctl.kernel.boot_input import boot_associativity
from drmemctl.kernel.boot_notes import boot_notes
from drmemctl.kernel.boot_regions import BootRegion, DriverMemory, boot_regions, driver_memory
from drmemctl.kernel.cmdline import command_line
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.state import KernelState
from drmemctl.notebook import short_repr
from drmemctl.tree.node import Tree


@dataclass(frozen=True, slots=True)
class RegisteredMemory:
    """Registered memory, and what follows for each region of it.

    Attributes:
        kernel: the kernel after boot, or after steps.
        cmdline: its command line; untrusted text.
        regions: the regions of its memory.
        by_driver: memory that drivers may add.
        notes: what to know beside it.
        faults: what went wrong at boot.

    """

    kernel: KernelState
    cmdline: str
    regions: Sequence[BootRegion]
    by_driver: Sequence[DriverMemory]
    notes: Sequence[str] = ()
    faults: Collection[Fault] = ()

    __repr__ = short_repr

    @classmethod
    def of(cls, tree: Tree, profile: Profile) -> RegisteredMemory:
        """Boot a kernel on a tree; of one that panics there is what it came to."""
        state, faults = boot(tree, profile)
        regions, _ = boot_regions(tree, profile)
        return cls.with_regions(tree, state, regions, faults)

    @classmethod
    def with_regions(
        cls, tree: Tree, kernel: KernelState, regions: Sequence[BootRegion], faults: Collection[Fault]
    ) -> RegisteredMemory:
        """Return the memory of a kernel that was booted with a tree."""
        profile = kernel.profile
        by_driver = driver_memory(tree, boot_associativity(tree, profile), profile)
        return cls(kernel, command_line(tree), regions, by_driver, boot_notes(tree, profile), faults)
