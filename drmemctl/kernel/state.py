# SPDX-License-Identifier: MIT
"""The kernel at one moment: its tree, its LMB array, its memory blocks and nodes. Immutable."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from drmemctl.kernel.blocks import Blocks
from drmemctl.kernel.fault import HOTPLUG_LOCK_HELD
from drmemctl.kernel.hash_table import HashTable
from drmemctl.kernel.kept_memory import NOTHING_KEPT, KeptMemory
from drmemctl.kernel.listed_blocks import NOTHING_LISTED, ListedBlocks
from drmemctl.kernel.profiles import Profile
from drmemctl.model.distances import Form1, Form2
from drmemctl.model.drmem import LmbTable
from drmemctl.notebook import short_repr
from drmemctl.tree.node import Tree


@dataclass(frozen=True, slots=True)
class Topology:
    """What the kernel took from the tree about nodes at boot, and never reads again.

    Attributes:
        form: affinity form 0, 1 or 2.
        primary_index: 1-based position of a node's domain in a list; None where NUMA is off.
        possible: nodes 0 to `possible` - 1 may ever have memory (`find_possible_nodes`).
        at_boot: nodes that were online at boot, which are possible as well.
        with_cpus: nodes that have CPUs, and stay online when their memory goes.
        with_bridges: nodes that are online for a PCI host bridge, until memory that came there later goes.
        prrn: whether platform resource reassignment was agreed on.
        vphn: whether the hypervisor tells the home nodes of CPUs.

    """

    form: int = 0
    primary_index: int | None = None
    possible: int = 0
    at_boot: frozenset[int] = frozenset({0})
    with_cpus: frozenset[int] = frozenset({0})
    with_bridges: frozenset[int] = frozenset()
    prrn: bool = False
    vphn: bool = False

    @property
    def n_node_ids(self) -> int:
        """The number after that of the last node that is possible (`nr_node_ids`)."""
        return max(self.possible, max(self.at_boot, default=-1) + 1)

    def is_possible(self, node: int) -> bool:
        """Whether memory can be added on a node (`node_possible`)."""
        return node < self.possible or node in self.at_boot


@dataclass(frozen=True, slots=True)
class Cpu:
    """A core.

    Attributes:
        path: its node in the tree.
        threads: the interrupt server numbers of its threads.
        node: the Linux node that it is on.
        first_id: Linux's number of its first thread; the others follow.
        offline: its threads that are offline.

    """

    path: str
    threads: tuple[int, ...]
    node: int
    first_id: int = 0
    offline: frozenset[int] = frozenset()

    @property
    def ids(self) -> range:
        """Linux's numbers of its threads."""
        return range(self.first_id, self.first_id + len(self.threads))


@dataclass(frozen=True, slots=True)
class CpuIds:
    """Linux's numbers of threads, beyond those in use.

    Attributes:
        possible: how many there are (`cpu_possible_mask`).
        of_nodes: (node, number): which node's threads had a number last (`node_recorded_ids_map`).

    """

    possible: int = 0
    of_nodes: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class KernelState:
    """A running kernel.

    Attributes:
        profile: which kernel it is.
        tree: the device tree as it holds it now.
        table: its LMB array, flag bits private to it included; without an array, what the tree says.
        blocks: its memory blocks.
        listed: which of them sysfs lists under several nodes since boot, in kernels that do that.
        block_size: bytes of a memory block, 0 where none could be determined.
        topology: what it took from the tree about nodes at boot.
        cpus: its CPUs.
        cpu_ids: the numbers that it can give to threads.
        unmovable: DRC indexes of LMBs whose memory cannot be taken offline.
        unbolted: DRC indexes of LMBs for whose linear mapping the hash page table has no room.
        kept: memory that cannot leave, as boot left it.
        dead: why it runs no more, or answers no more requests; empty while it does.
        updating: whether the notifier is to pass over updates of its own property (`in_drmem_update`, earlier
            `rtas_hp_event`): one flag for all threads.
        topology_updates: whether /proc/powerpc/topology_updates was last set to on (`topology_updates_enabled`).
        deaf: whether updates of CPUs and reassignments are not listened to at the moment (`stop_topology_update`).
        staged: the nodes of CPUs that may have to move (`cpu_associativity_changes_mask`).
        copies: requests at work in a kernel without an array, each on its own copy of the property.
        hash_table: the hash page table, None where there is none that could be resized.
        distances: what the distances of nodes come from; None in form 0, and without NUMA.
        writer: the function that last changed where the LMB property leads, empty since boot.
        written: the array and the v1 property that it wrote last, which make the next faster to write.

    """

    profile: Profile
    tree: Tree
    table: LmbTable
    blocks: Blocks
    block_size: int
    topology: Topology = Topology()
    cpus: tuple[Cpu, ...] = ()
    cpu_ids: CpuIds = CpuIds()
    unmovable: frozenset[int] = frozenset()
    kept: KeptMemory = NOTHING_KEPT
    dead: str = ""
    updating: bool = False
    topology_updates: bool = True
    deaf: bool = False
    staged: frozenset[str] = frozenset()
    listed: ListedBlocks = NOTHING_LISTED
    copies: int = 0
    distances: Form1 | Form2 | None = None
    hash_table: HashTable | None = None
    unbolted: frozenset[int] = frozenset()
    writer: str = field(default="", compare=False)
    written: tuple[LmbTable, bytes] | None = field(default=None, compare=False, repr=False)

    __repr__ = short_repr

    @property
    def online(self) -> frozenset[int]:
        """The nodes that are online: those with CPUs, memory or, since 6.11, a PCI host bridge."""
        return self.topology.with_cpus | self.topology.with_bridges | self.blocks.nodes()

    @property
    def takes_updates(self) -> bool:
        """Whether updates of its tree still reach it: also where a thread died with the lock of all requests."""
        return self.dead in ("", HOTPLUG_LOCK_HELD)

    @property
    def first_online_node(self) -> int:
        """The lowest node that is online (Linux `first_online_node`)."""
        return min(self.online, default=0)

    def block_of(self, base: int) -> int:
        """Return the number of the memory block that holds an address."""
        return base // self.block_size

    def with_cpu(self, changed: Cpu) -> KernelState:
        """Return the kernel with a CPU in the place of the one at its path."""
        return replace(self, cpus=tuple(changed if cpu.path == changed.path else cpu for cpu in self.cpus))

    def with_lmbs(
        self, index: int, count: int, *, aa_index: int | None = None, flags: int | None = None
    ) -> KernelState:
        """Return the state with `count` LMBs of the array changed."""
        return replace(self, table=self.table.with_changed(index, count, aa_index=aa_index, flags=flags))
