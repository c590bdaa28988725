# SPDX-License-Identifier: MIT
"""What kernels differ in where memory and nodes are found and added; part of the table of capabilities."""

from __future__ import annotations

from drmemctl.kernel.capability import NEVER, Capability

MEMORY_CAPABILITIES: tuple[Capability, ...] = (
    BLOCK_SIZE_PROBE := Capability(
        "block-size-probe",
        "without LMBs the block size follows memory nodes (linux,usable-memory, or reg), from 1 GiB down",
        first=(6, 6),
        commit="4d15721177d5",
        source="arch/powerpc/mm/init_64.c",
    ),
    BRIDGE_NODES := Capability(
        "bridge-nodes",
        "a node that has nothing but a PCI host bridge is online from boot on",
        first=(6, 11),
        commit="11981816e361",
        source="arch/powerpc/mm/numa.c",
    ),
    PMEM_EVENTS := Capability(
        "pmem-events",
        "hot-plug events for persistent memory are understood; without, the resource is invalid",
        first=(4, 20),
        commit="4c5d87db4978",
        source="arch/powerpc/platforms/pseries/pmem.c",
    ),
    PHYSMEM_51 := Capability(
        "physmem-51",
        "memory can be anywhere below 2^51; without, below 2^47",
        first=(4, 20),
        commit="4ffe713b7587",
        source="arch/powerpc/include/asm/book3s/64/mmu.h",
    ),
    ADDRESS_CHECK := Capability(
        "address-check",
        "memory that is added up to the highest possible address or beyond is refused a linear mapping; "
        "without, it goes beyond the kernel's table of sections",
        first=(5, 2),
        source="arch/powerpc/mm/book3s64/radix_pgtable.c",
    ),
    RANGE_PREVALIDATED := Capability(
        "range-prevalidated",
        "an address range that is too high is refused as that, before anything else; "
        "without, its linear mapping is refused",
        first=(5, 12),
        commit="bca3feaa0764",
        source="mm/memory_hotplug.c",
    ),
    MOVABLE_NODE_TEST := Capability(
        "movable-node-test",
        "marks of hot-removable memory count only with movable_node; without, always (a proposal)",
        first=(3, 14),
        commit="55ac590c2fad",
        source="mm/memblock.c",
    ),
    HOTPLUG_MARK_ALL := Capability(
        "hotplug-mark-all",
        "all memory that is added after boot is marked as hot-removable, whoever adds it (a proposal)",
        last=NEVER,
        source="mm/memory_hotplug.c",
    ),
    DRIVER_MANAGED_MEMBLOCK := Capability(
        "driver-managed-memblock",
        "memory that a driver adds is marked as driver-managed; without, memblock has it as any other",
        first=(5, 16),
        commit="32befe9e2785",
        source="mm/memory_hotplug.c",
    ),
)
