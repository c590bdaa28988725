# SPDX-License-Identifier: MIT
"""What rules judge: a tree, and what else is known of the same moment. Derived facts are computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from drmemctl.errors import NotInTreeError
from drmemctl.formats.block_states import ONLINE
from drmemctl.formats.dynamic_memory import NODE, Entries
from drmemctl.model.associativity import NEWEST, AffinityRules, Associativity
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.model.dumped import array_in
from drmemctl.model.platform import Platform, is_before_cas, platform_of
from drmemctl.model.runs import Runs
from drmemctl.tree.node import Node, Tree

if TYPE_CHECKING:
    from drmemctl.hypervisor.topology import DeliveredTopology
    from drmemctl.kernel.fault import Fault
    from drmemctl.kernel.profiles import Profile
    from drmemctl.kernel.state import Cpu
    from drmemctl.model.distances import Form1
    from drmemctl.model.live_system import LiveSystem


class MemoryBlock(NamedTuple):
    """A block of the running kernel's memory: /sys/devices/system/memory/memoryN, and its Linux node."""

    block: int
    node: int | None
    online: bool = True


@dataclass(frozen=True, slots=True)
class BlockRange:
    """Memory blocks of one kind: `count` from number `first` on."""

    first: int
    count: int
    node: int | None
    online: bool = True


@dataclass(frozen=True, slots=True)
class SenseRange:
    """Connectors with the same dr-entity-sense: `count` from DRC index `first` on."""

    first: int
    count: int
    sense: int


@dataclass(frozen=True, slots=True)
class Unplug:
    """A DIMM that QEMU's user wants back.

    Attributes:
        name: what the user calls it.
        waiting: ranges of connectors that the guest is still to give back.
        pending: how many connectors QEMU waits for, None where it does not know of the unplug.

    """

    name: str
    waiting: tuple[SenseRange, ...]
    pending: int | None


class Flush(NamedTuple):
    """The kernel function that wrote the LMB property from what the kernel holds, and the step in which it did."""

    function: str
    step: str = ""


class Running(NamedTuple):
    """What else is known of a running (or simulated) system at the moment of the tree; None is unknown.

    Attributes:
        array: the kernel's `drmem_info`.
        senses: dr-entity-sense of connectors by DRC index, or in ascending ranges: 0 empty, 1 present, 2 unusable.
        blocks: the memory blocks by number, or in ascending ranges.
        block_size: bytes of one.
        cpus: the CPUs with their nodes; only a simulated kernel tells, since sysfs numbers CPUs by itself.
        distances: its table of distances, which only form 1 fills in anew while it runs.
        at_home: paths of CPUs that are where the hypervisor says that their home is, whatever the tree says.
        associativity: affinity as this kernel takes it, which at boot fixed form and position; None is what the
            tree says.
        faults: what the kernel itself just did wrong.
        profile: which kernel it is.
        delivered: where the hypervisor has the LMBs, as it told the partition last; only a simulated one tells.
        flush: what wrote the LMB property since then, None for nothing.
        next_kernel: whether the tree is what a kernel gets that is loaded and does not run yet.
        unplugs: DIMMs that are being unplugged; only a simulated QEMU tells.
        system: all that a live system or a capture showed; the rules of the family live are about it.

    """

    array: LmbTable | None = None
    senses: Mapping[int, int] | tuple[SenseRange, ...] | None = None
    blocks: Mapping[int, MemoryBlock] | tuple[BlockRange, ...] | None = None
    block_size: int | None = None
    system: LiveSystem | None = None
    associativity: Associativity | None = None
    faults: tuple[Fault, ...] | None = None
    profile: Profile | None = None
    cpus: tuple[Cpu, ...] | None = None
    at_home: frozenset[str] = frozenset()
    distances: Form1 | None = None
    delivered: DeliveredTopology | None = None
    flush: Flush | None = None
    unplugs: tuple[Unplug, ...] | None = None
    next_kernel: bool = False

    @classmethod
    def of_tree(cls, tree: Tree) -> Running:
        """Return what the files beside a tree say: a capture, or this machine, shows its memory blocks too."""
        running = cls(array=array_in(tree))
        files = None if tree.beside is None else tree.beside.files()
        if not files:
            return running
        from drmemctl.model.live_system import LiveSystem

        return cls.of_system(LiveSystem.from_files(files.files, files.links))._replace(array=running.array)

    @classmethod
    def of_system(cls, system: LiveSystem) -> Running:
        """Return what a live system or a capture shows; nothing where it shows no blocks."""
        if not system:
            return cls()
        blocks = {
            number: MemoryBlock(number, block.nodes[0] if block.nodes else None, block.state == ONLINE)
            for number, block in system.blocks.items()
        }
        return cls(blocks=blocks, block_size=system.block_size, system=system)


class Subject:
    """One state to judge.

    `running` is by default what lies beside the tree; `before` is the state that a migration started from, for the
    rules that compare the two; `drmem` is what the drmem node says, where that is known already.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        running: Running | None = None,
        before: Subject | None = None,
        drmem: Drmem | None = None,
    ) -> None:
        self.tree = tree
        if running is not None:
            self.running = running
        self.before = before
        if drmem is not None:
            self.drmem = drmem

    @cached_property
    def running(self) -> Running:
        """What else is known of the same moment."""
        return Running.of_tree(self.tree)

    @cached_property
    def drmem_node(self) -> Node | None:
        """The node /ibm,dynamic-reconfiguration-memory."""
        return self.tree.find(NODE)

    @cached_property
    def has_lmbs(self) -> bool:
        """Whether a property of that node gives LMBs; only then is there a `table`."""
        return self.drmem_node is not None and self.drmem.entries is not None

    @cached_property
    def drmem(self) -> Drmem:
        """What that node says; `NotInTreeError` without it."""
        return Drmem.from_tree(self.tree)

    @property
    def table(self) -> LmbTable:
        """The LMBs."""
        return self.drmem.table

    @property
    def runs(self) -> Runs:
        """The LMBs as runs."""
        return self.drmem.table.runs

    @cached_property
    def address_digits(self) -> int:
        """Hex digits to which the addresses of LMBs are padded."""
        return self.table.address_digits

    def address(self, address: int) -> str:
        """Return an address as all outputs about this partition have it."""
        return f"{address:#0{self.address_digits + len('0x')}x}"

    @property
    def entries(self) -> Entries:
        """The property as it is encoded; `NotInTreeError` where there is none."""
        if self.drmem.entries is None:
            raise NotInTreeError(f"{NODE} has no LMBs", source=self.tree.source)
        return self.drmem.entries

    @cached_property
    def associativity(self) -> Associativity:
        """Affinity as the kernel takes it that the state is judged for, else the newest."""
        return Associativity.from_tree(self.tree, self.affinity_rules)

    @cached_property
    def affinity_rules(self) -> AffinityRules:
        """By which rules that kernel finds nodes."""
        if self.running.profile is None:
            return NEWEST
        from drmemctl.kernel.affinity import affinity_rules

        return affinity_rules(self.running.profile)

    @cached_property
    def platform(self) -> Platform:
        """What kind of machine the tree describes; all rules but those about the blob are about pseries."""
        return platform_of(self.tree)

    @cached_property
    def after_cas(self) -> bool:
        """Whether the firmware knew what the OS supports when it made the tree."""
        return not is_before_cas(self.tree)
