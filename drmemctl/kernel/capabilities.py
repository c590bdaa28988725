# SPDX-License-Identifier: MIT
"""What kernels differ in, as a table: each capability with the releases that have it, its commit and its source.

The algorithms ask a profile for capabilities and never for a version, so that a backport is an entry here, or
`--with`, and not another branch in the code. `first` and `last` are mainline releases, both inclusive; `stable`
names stable series outside that range which have it too, `stable_without` those inside it that lost it, and both
since which of their releases.
"""

from __future__ import annotations

from drmemctl.kernel.capability import Capability, Release
from drmemctl.kernel.cpu_capabilities import CPU_CAPABILITIES
from drmemctl.kernel.kexec_capabilities import KEXEC_CAPABILITIES
from drmemctl.kernel.memory_capabilities import MEMORY_CAPABILITIES
from drmemctl.kernel.topology_capabilities import TOPOLOGY_CAPABILITIES

OLDEST: Release = (4, 14)
NEWEST: Release = (7, 3)
"""The newest release that is known; `latest`.

7.3-rc7 was run, as Debian builds it, and its source read: drmem.c, hotplug-memory.c, dlpar.c, mobility.c, numa.c
and papr_scm.c are those of 7.2.
"""

MEASURED_STABLE: dict[Release, int] = {(4, 14): 5, (4, 19): 78, (5, 0): 1, (5, 4): 59, (5, 10): 262}
"""Which stable release of a series was measured: what the name of the series alone stands for."""

_PROM = "arch/powerpc/kernel/prom.c"
_DRMEM = "arch/powerpc/mm/drmem.c"
_HOTPLUG = "arch/powerpc/platforms/pseries/hotplug-memory.c"
_MOBILITY = "arch/powerpc/platforms/pseries/mobility.c"
_DLPAR = "arch/powerpc/platforms/pseries/dlpar.c"
_NUMA = "arch/powerpc/mm/numa.c"

CAPABILITIES: tuple[Capability, ...] = (
    DRMEM_ARRAY := Capability(
        "drmem-array",
        "LMBs are held in an array read once at boot; without, each request reads the property anew",
        first=(4, 16),
        source=_DRMEM,
    ),
    DYNAMIC_MEMORY_V2 := Capability(
        "dynamic-memory-v2",
        "ibm,dynamic-memory-v2 is understood",
        first=(4, 16),
        commit="2b31e3aec1db",
        source=_DRMEM,
    ),
    FLUSH_PER_LMB := Capability(
        "flush-per-lmb",
        "the property is rewritten for each LMB, not once at the end of a successful request",
        last=(4, 19),
        commit="063b8b1251fd",
        source=_HOTPLUG,
        stable_without=(((4, 19), 85),),
    ),
    ASSIGNED_FIRST := Capability(
        "assigned-first",
        "an LMB is assigned before its associativity is looked up, and stays so in the array if that fails; it is "
        "written to the property before its memory is added",
        last=(4, 19),
        commit="063b8b1251fd",
        source=_HOTPLUG,
        stable_without=(((4, 19), 85),),
    ),
    TREE_ERRORS_LOGGED := Capability(
        "tree-errors-logged",
        "an LMB that cannot be added for lack of associativity is reported as a failed device tree update",
        last=(4, 19),
        commit="063b8b1251fd",
        source=_HOTPLUG,
        stable_without=(((4, 19), 85),),
    ),
    RANGE_CHECK := Capability(
        "range-check",
        "an indexed-count request beyond the last LMB is refused; without, what lies behind the property is read",
        first=(4, 16),
        source=_HOTPLUG,
    ),
    SWAPPED_DRC_INDEXES := Capability(
        "swapped-drc-indexes",
        "a failed rollback of an add, or of an indexed-count removal, prints a DRC index with its bytes reversed",
        last=(4, 15),
        source=_HOTPLUG,
    ),
    LENGTH_CHECK := Capability(
        "length-check",
        "a property shorter than its count implies is ignored; without, Linux reads beyond its end",
        last=(4, 15),
        source=_PROM,
    ),
    WRONG_NODE_ADD := Capability(
        "wrong-node-add",
        "hot-added memory goes to the first online node: the lookup passes over LMBs that are not assigned yet",
        first=(4, 20),
        last=(5, 9),
        commit="72cdd117c449",
        source=_HOTPLUG,
        stable=(((4, 19), 85),),
    ),
    RESERVED_NOT_REMOVABLE := Capability(
        "reserved-not-removable",
        "a reserved LMB does not count as removable",
        first=(5, 14),
        commit="2ad216b4d6ff",
        source=_HOTPLUG,
    ),
    RESERVED_NOT_AVAILABLE := Capability(
        "reserved-not-available",
        "a reserved LMB does not count as available for an add by count",
        first=(5, 14),
        commit="b3e3b4db7a9b",
        source=_HOTPLUG,
    ),
    RESERVED_RANGE_NAMED := Capability(
        "reserved-range-named",
        "an indexed-count request names the reserved LMB that stops it; counts from 2^31 on pass as no LMBs",
        first=(5, 14),
        commit="40999b041e03, 0e5962b2ec3d",
        source=_HOTPLUG,
    ),
    COUNTED_MARKS := Capability(
        "counted-marks",
        "by-count requests stop looking for touched LMBs once they saw as many as they touched",
        first=(5, 14),
        commit="163e7921750f, c2aaddcc65b3",
        source=_HOTPLUG,
    ),
    UNISOLATE_ON_ROLLBACK := Capability(
        "unisolate-on-rollback",
        "a failed indexed-count removal tells the hypervisor by unisolating the connectors",
        first=(5, 14),
        commit="feb0e079f43d",
        source=_HOTPLUG,
    ),
    SECTION_REMOVABLE_CHECK := Capability(
        "section-removable-check",
        "memory that cannot be moved is not removable to begin with; without, taking it offline finds out",
        last=(5, 7),
        source=_HOTPLUG,
    ),
    OFFLINE_RESERVED := Capability(
        "offline-reserved",
        "pages of a memory block that is taken offline are marked as reserved; where the kernel asks first whether"
        " memory can be moved, an LMB with them is not removable",
        first=(4, 15),
        last=(5, 4),
        source="mm/page_alloc.c",
    ),
    QUIET_INDEX_MESSAGES := Capability(
        "quiet-index-messages",
        "removal by index and each LMB of an add by count are logged at debug level only",
        first=(5, 11),
        commit="20e9de85edae",
        source=_HOTPLUG,
        stable=(((5, 10), 209),),
    ),
    ADD_ERRORS_LOGGED := Capability(
        "add-errors-logged",
        "a failed LMB says in which step of adding it failed",
        first=(6, 8),
        commit="27951e1d8274",
        source=_HOTPLUG,
    ),
    AA_SYNC := Capability(
        "aa-sync",
        "an updated property gives each LMB of the array its new aa_index, by DRC index, and nothing else",
        first=(5, 15),
        commit="d144f4d5a8a8",
        source=_DRMEM,
    ),
    ASSIGNED_DIFF_NOTIFIER := Capability(
        "assigned-diff-notifier",
        "an updated v1 property adds or removes the memory of the first LMB whose assigned flag changed",
        last=(5, 8),
        commit="e978a3ccaa71",
        source=_HOTPLUG,
    ),
    OLD_PROPERTY_CHECK := Capability(
        "old-property-check",
        "the notifier of updates takes a v1 property that was not there before; without, it oopses",
        first=(5, 3),
        commit="0aa82c482ab2",
        source=_HOTPLUG,
        stable=(((4, 19), 61), ((5, 2), 3)),
    ),
    ITERATOR_INCLUSIVE := Capability(
        "iterator-inclusive",
        "walking an array that was never read goes through a null pointer",
        first=(4, 16),
        last=(5, 6),
        commit="a83836dbc53e",
        source="arch/powerpc/include/asm/drmem.h",
        stable_without=(((4, 19), 116), ((5, 4), 33), ((5, 5), 18), ((5, 6), 5)),
    ),
    LMB_SIZE_U32 := Capability(
        "lmb-size-u32",
        "the array's LMB size is 32 bits wide: LMBs of 4 GiB have size 0",
        first=(4, 16),
        last=(5, 9),
        commit="ec72024e35dd",
        source=_DRMEM,
        stable_without=(((4, 19), 155), ((5, 4), 75), ((5, 9), 5)),
    ),
    BLOCK_SIZE_U32 := Capability(
        "block-size-u32",
        "the memory block size is 32 bits wide: 4 GiB becomes 0",
        last=(5, 8),
        commit="89c140bbaeee",
        source=_HOTPLUG,
        stable_without=(((4, 14), 194), ((4, 19), 141), ((5, 4), 60), ((5, 7), 17), ((5, 8), 3)),
    ),
    BLOCK_SIZE_PANIC := Capability(
        "block-size-panic",
        "a block size that is no power of two, or below 16 MiB, stops the boot; without, 16 MiB stand in",
        first=(5, 4),
        source="drivers/base/memory.c",
    ),
    BLOCKS_LISTED_TWICE := Capability(
        "blocks-listed-twice",
        "nodes list all blocks of boot from their first to their last: adding another's to them again is a BUG",
        first=(4, 19),
        last=(5, 8),
        commit="4fbce633910e, f85086f95fa3",
        source="drivers/base/node.c",
    ),
    NO_DEFAULT_NODE := Capability(
        "no-default-node",
        "a lookup that finds no node gives none; without, it gives node 0",
        first=(5, 3),
        commit="ea9f5b702fe0",
        source=_NUMA,
    ),
    HOTREMOVABLE_MEMBLOCK := Capability(
        "hotremovable-memblock",
        "memory of LMBs with flag 0x100 is marked as hot-removable at boot (MEMBLOCK_HOTPLUG)",
        first=(5, 8),
        commit="b6eca183e23e",
        source=_PROM,
    ),
    MEMORY_LIMIT_16M := Capability(
        "memory-limit-16m",
        "mem=, or all memory without it, is rounded down to 16 MiB; without, mem= is rounded up to a page",
        first=(6, 10),
        source=_PROM,
    ),
    CRASHKERNEL_RAISES_LIMIT := Capability(
        "crashkernel-raises-limit",
        "memory for a crash kernel that ends beyond mem= raises that limit to its own end",
        last=(6, 14),
        source="arch/powerpc/kexec/core.c",
    ),
    CHOSEN_LIMITS := Capability(
        "chosen-limits",
        "linux,memory-limit and linux,iommu-off of /chosen count; without, Linux looks for them in the root node",
        last=(5, 16),
        commit="60f20d84dc81",
        source=_PROM,
    ),
    KEXEC_IN_HOTPLUG := Capability(
        "kexec-in-hotplug",
        "kexec_file_load may place its images in memory marked as hot-removable also with movable_node, and in "
        "memory marked as driver-managed: powerpc's own search passes over marks",
        first=(5, 14),
        last=(6, 14),
        commit="79e482e9c3ae",
        source="arch/powerpc/kexec/file_load_64.c",
        stable=(((5, 10), 54),),
    ),
    FORM2 := Capability(
        "form2",
        "FORM2 affinity is understood",
        first=(5, 15),
        commit="1c6b5a7e7405",
        source=_NUMA,
        stable=(((5, 10), 178),),
    ),
    UNGUARDED_MEMORY_NODE := Capability(
        "unguarded-memory-node",
        "a memory node whose list leads to no node is set online on node -1; without, it goes to node 0",
        first=(5, 15),
        commit="8ddc6448ec5a",
        source=_NUMA,
        stable=(((5, 10), 178),),
    ),
    CONNECTOR_DISTANCES := Capability(
        "connector-distances",
        "what is added gives its node its distances in form 1, by the list that its connector describes; without, "
        "looking the node of a CPU or an LMB up does, by the list in the tree, and never for node 0",
        first=(5, 15),
        commit="8ddc6448ec5a",
        source=_NUMA,
        stable=(((5, 10), 178),),
    ),
    CURRENT_DOMAINS := Capability(
        "current-domains",
        "possible nodes come from ibm,current-associativity-domains first",
        first=(5, 10),
        commit="67df77845c18",
        source=_NUMA,
    ),
    MIGRATABLE_MAX_DOMAINS := Capability(
        "migratable-max-domains",
        "on a partition that may migrate, possible nodes come from ibm,max-associativity-domains",
        first=(5, 15),
        commit="9c7248bb8de3",
        source=_NUMA,
        stable=(((5, 10), 67), ((5, 14), 6)),
    ),
    NODE_LOOKUP_FIRST := Capability(
        "node-lookup-first",
        "the phandle of an update is looked up, and reported if unknown, before the operation: an ADD whose "
        "parent is unknown then leaves its DRC index to be read as the next phandle or operation",
        first=(5, 11),
        commit="2efd7f6eb9b7",
        source=_MOBILITY,
        stable=(((5, 10), 145),),
    ),
    PLATFORM_FACILITIES_KEPT := Capability(
        "platform-facilities-kept",
        "updates do not remove or add platform-facilities nodes",
        first=(5, 16),
        commit="319fa1a52e43",
        source=_MOBILITY,
        stable=(((5, 10), 145), ((5, 15), 16)),
    ),
    UPDATE_ERRORS_PREFIXED := Capability(
        "update-errors-prefixed",
        "a failed device tree update is reported under mobility:",
        first=(5, 11),
        source=_MOBILITY,
    ),
    SUSPEND_IN_STOP_MACHINE := Capability(
        "suspend-in-stop-machine",
        "the kernel itself waits for and makes the suspend, and says so",
        first=(5, 11),
        commit="9327dc0aeef3",
        source=_MOBILITY,
    ),
    WAIT_FOR_TRANSFER := Capability(
        "wait-for-transfer",
        "after its updates the kernel waits until the memory is transferred, and says so",
        first=(6, 0),
        commit="882c0d1704cf",
        source=_MOBILITY,
    ),
    *TOPOLOGY_CAPABILITIES,
    QUEUED_REQUESTS := Capability(
        "queued-requests",
        "requests of users and of reassignments wait their turn in the hotplug work queue; without, events only",
        last=(4, 19),
        source=_DLPAR,
    ),
    SUSPEND_CALL_LOGGED := Capability(
        "suspend-call-logged",
        "the thread that suspends the partition says on which CPU",
        last=(5, 9),
        source="arch/powerpc/kernel/rtas.c",
    ),
    *CPU_CAPABILITIES,
    *MEMORY_CAPABILITIES,
    *KEXEC_CAPABILITIES,
    LONG_LOG_RECORDS := Capability(
        "long-log-records",
        "a message in the log has 1,021 bytes at most; without, 989",
        first=(6, 3),
        commit="b0975c47c217",
        source="kernel/printk/internal.h",
    ),
    DT_RESOURCE := Capability(
        "dt-resource",
        "/sys/kernel/dlpar takes requests for device tree nodes, too",
        first=(6, 12),
        commit="02b98ff44a57",
        source=_DLPAR,
    ),
)

BY_NAME: dict[str, Capability] = {capability.name: capability for capability in CAPABILITIES}
