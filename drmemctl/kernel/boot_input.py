# SPDX-License-Identifier: MIT
"""What of a tree a booting kernel takes for memory, and how it finds the node of that.

Source: Linux arch/powerpc/kernel/prom.c `early_init_drmem_lmb`; arch/powerpc/mm/numa.c `numa_setup_drmem_lmb`,
`of_drconf_to_nid_single`; arch/powerpc/mm/drmem.c `walk_drmem_lmbs_early`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY, decode_usable_memory
from drmemctl.kernel.capabilities import FORM2, LENGTH_CHECK, LMB_SIZE_U32
from drmemctl.kernel.cmdline import command_line, numa_is_off
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.lmb_property import reads_lmbs
from drmemctl.kernel.profiles import Profile
from drmemctl.model.associativity import AffinityRules, Associativity, is_node
from drmemctl.model.boot_memory import BootMemory, MemoryNode
from drmemctl.model.drmem import Drmem
from drmemctl.model.run import Run
from drmemctl.tree.node import Tree

LmbRange = tuple[int, int, Run]


@dataclass(frozen=True)
class BootInput:
    """Everything of a tree that decides which memory a kernel starts with.

    Attributes:
        tree: the tree.
        profile: the kernel.
        drmem: the drmem node as that kernel reads it, None where it makes nothing of it.
        associativity: how it finds nodes.

    """

    tree: Tree
    profile: Profile
    drmem: Drmem | None
    associativity: Associativity

    def is_empty(self) -> bool:
        """Whether there is no memory at all."""
        if any(node.size for node in self.memory_nodes):
            return False
        return not any(size for _, size, _ in self.lmb_ranges())

    @cached_property
    def memory_nodes(self) -> tuple[MemoryNode, ...]:
        """The memory nodes."""
        return BootMemory.from_tree(self.tree, self.associativity).nodes

    def node_of(self, run: Run) -> int | None:
        """Return the node of assigned LMBs, None where the lookup finds none.

        With reference point 0 Linux takes the word before the list, which is the last one of the list before.
        """
        lookup = self.associativity.lookup
        if self.associativity.primary_index != 0 or lookup is None:
            return self.associativity.node_of(run.aa_index, run.flags)
        if self.associativity.row(run.aa_index, run.flags) is None:
            return None
        size = lookup.array_sz
        domain = lookup.cells[run.aa_index * size - 1] if run.aa_index and size else size
        return domain if is_node(domain) else None

    @property
    def usable(self) -> bytes | None:
        """What restricts the memory of LMBs; None for nothing."""
        data = self.tree.get(NODE, DRCONF_USABLE_MEMORY)
        return None if data is None or len(data) < 4 else data

    def lmb_ranges(self) -> Iterator[LmbRange]:
        """Yield (address, bytes, run) of the memory of assigned LMBs, restricted as a crash kernel's is.

        kexec writes a counter for every LMB, Linux reads one for each that is assigned: the ranges slide, and
        come out on the nodes of other LMBs than they lie in.
        """
        if self.drmem is None or not self.drmem.table.lmb_size:
            return
        size = self.drmem.table.lmb_size
        if self.profile.has(LMB_SIZE_U32):
            size &= 0xFFFFFFFF
        usable = self.usable
        assigned = (run for run in self.drmem.table.runs if run.assigned)
        if usable is None:
            yield from ((run.base, run.lmbs * size, run) for run in assigned if size)
            return
        records = iter(decode_usable_memory(usable, self.drmem.cells.address, self.drmem.cells.size))
        for run in assigned:
            for record in islice(records, run.lmbs):
                yield from ((part.base, part.size, run) for part in record.ranges)


def boot_associativity(tree: Tree, profile: Profile) -> Associativity:
    """Return how the kernel finds nodes: not at all with `numa=off`."""
    associativity = Associativity.as_booted(tree, AffinityRules(form2=profile.has(FORM2)))
    if numa_is_off(command_line(tree)):
        return Associativity(associativity.form, (), None, associativity.lookup)
    return associativity


def read_drmem(tree: Tree, profile: Profile, faults: list[Fault], decoded: Drmem | None = None) -> Drmem | None:
    """Return what the kernel makes of the node, None where it makes nothing of it."""
    if not reads_lmbs(tree.find(NODE), profile):
        return None
    drmem = decoded or Drmem.from_tree(tree)
    entries = drmem.entries
    if entries is None or entries.present == entries.declared:
        return drmem
    if profile.has(LENGTH_CHECK):
        return None
    message = (
        f"{entries.declared} entries are read where there are {entries.present}: the rest is whatever follows"
    )
    faults.append(Fault("over-read", message, "drmem_init", NODE, entries.property))
    return drmem
