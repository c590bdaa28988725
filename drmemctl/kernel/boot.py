# SPDX-License-Identifier: MIT
"""From a tree to a running kernel: block size, nodes, memory blocks, the LMB array.

Source: Linux arch/powerpc/kernel/prom.c `early_init_dt_scan_memory_ppc`, `early_init_drmem_lmb`,
`early_parse_mem`; arch/powerpc/mm/numa.c `parse_numa_properties`, `find_possible_nodes`; arch/powerpc/mm/drmem.c
`drmem_init`; drivers/base/memory.c `memory_dev_init`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5, PRRN, decode_architecture_vec5
from drmemctl.formats.domains import CURRENT_DOMAINS, MAX_DOMAINS, decode_domains
from drmemctl.formats.dynamic_memory import NODE, V1
from drmemctl.formats.strings import decode_strings
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY, UsableRecord, decode_usable_memory
from drmemctl.kernel.block_size import block_size_of, is_suitable
from drmemctl.kernel.blocks import Blocks
from drmemctl.kernel.capabilities import (
    BLOCK_SIZE_PANIC,
    DRMEM_ARRAY,
    DYNAMIC_MEMORY_V2,
    FORM2,
    LENGTH_CHECK,
    LMB_SIZE_U32,
    MIGRATABLE_MAX_DOMAINS,
    NO_DEFAULT_NODE,
)
from drmemctl.kernel.capabilities import (
    CURRENT_DOMAINS as USES_CURRENT_DOMAINS,
)
from drmemctl.kernel.job import Fault, OopsError
from drmemctl.kernel.processors import cpus_of, tells_home_nodes
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.regions import Region, Regions, blocks_of
from drmemctl.kernel.state import KernelState, Topology
from drmemctl.model.associativity import CHOSEN, RTAS, Associativity
from drmemctl.model.boot_memory import BootMemory
from drmemctl.model.drmem import Drmem
from drmemctl.model.lmbs import LmbTable, Run
from drmemctl.model.processors import cores
from drmemctl.tree.node import Tree

_MIB = 1 << 20
_LIMIT_STEP = 16 * _MIB
_SUFFIXES = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}
_MEM = re.compile(r"(?:0[xX](?P<hex>[0-9a-fA-F]+)|(?P<number>[0-9]+))(?P<unit>[kKmMgGtTpPeE]?)\Z", re.ASCII)


def boot(tree: Tree, profile: Profile) -> tuple[KernelState, tuple[Fault, ...]]:
    """Boot a kernel on a tree; return it and what went wrong. A kernel that does not come up is `dead`."""
    faults: list[Fault] = []
    drmem = _read_drmem(tree, profile, faults)
    associativity = Associativity.from_tree(tree, form2=profile.has(FORM2))
    if "off" in _boot_options(tree, "numa"):
        associativity = Associativity(associativity.form, (), None, associativity.lookup)
    size = block_size_of(tree, profile)
    try:
        _check_block_size(size, profile, faults)
        regions = _memory(tree, profile, drmem, associativity)
    except OopsError as oops:
        faults.append(oops.fault)
        state = KernelState(profile, tree, LmbTable.of((), None), Blocks(), size or _LIMIT_STEP, dead=oops.dead)
        return state, tuple(faults)
    if not is_suitable(size):
        size = _LIMIT_STEP
    blocks = blocks_of(regions, size)
    table = LmbTable.of((), None) if drmem is None else _array(drmem, profile)
    topology = _topology(tree, profile, associativity, blocks)
    cpus = cpus_of(tree, associativity, min(topology.with_cpus | blocks.nodes(), default=0))
    return KernelState(profile, tree, table, blocks, size, topology, cpus), tuple(faults)


def _boot_options(tree: Tree, name: str) -> list[str]:
    """Return the values of a kernel command line option, in order."""
    data = tree.get(CHOSEN, "bootargs")
    text = "" if data is None else " ".join(decode_strings(data).items)
    return [word.partition("=")[2] for word in text.split() if word.partition("=")[0] == name]


def _read_drmem(tree: Tree, profile: Profile, faults: list[Fault]) -> Drmem | None:
    """Return what the kernel makes of the node, None where it makes nothing of it."""
    node = tree.find(NODE)
    if node is None or (node.find(V1) is None and not profile.has(DYNAMIC_MEMORY_V2)):
        return None
    drmem = Drmem.from_tree(tree)
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


def _array(drmem: Drmem, profile: Profile) -> LmbTable:
    """Return the array; kernels with a 32-bit LMB size compute the addresses in a set with what is left of it."""
    size = drmem.table.lmb_size
    if size is None:
        return LmbTable.of((), None) if profile.has(DRMEM_ARRAY) else drmem.table
    if profile.has(LMB_SIZE_U32) and size >> 32 and drmem.entries is not None:
        return LmbTable.of(drmem.entries, size & 0xFFFFFFFF, drmem.table.property_name)
    return drmem.table


def _check_block_size(size: int, profile: Profile, faults: list[Fault]) -> None:
    if is_suitable(size):
        return
    fault = Fault("panic", f"Memory block size not suitable: {size:#x}", "memory_dev_init", NODE, "ibm,lmb-size")
    if profile.has(BLOCK_SIZE_PANIC):
        raise OopsError(fault, dead="panic at boot")
    faults.append(Fault("block-size", f"the block size {size:#x} is not suitable; 16 MiB", fault.function))


def _memory(tree: Tree, profile: Profile, drmem: Drmem | None, associativity: Associativity) -> list[Region]:
    regions = Regions()
    for node in BootMemory.from_tree(tree, associativity).nodes:
        for part in node.ranges:
            regions.add(part.base, part.size, node.node or 0)
    if drmem is not None and drmem.table.lmb_size:
        for base, size, run in _lmb_ranges(tree, drmem):
            regions.add(base, size, _node_of(run, profile, associativity))
    limit = _memory_limit(tree)
    return list(regions) if limit is None else regions.limited(limit)


def _memory_limit(tree: Tree) -> int | None:
    """Return what `mem=` allows in bytes, in steps of 16 MiB (`early_parse_mem`); None without it."""
    limit = None
    for text in _boot_options(tree, "mem"):
        match = _MEM.match(text)
        if match:
            number = int(match["hex"], 16) if match["hex"] else int(match["number"])
            limit = (number << _SUFFIXES[match["unit"].lower()]) // _LIMIT_STEP * _LIMIT_STEP or None
    return limit


def _node_of(run: Run, profile: Profile, associativity: Associativity) -> int:
    """Return the node of LMBs at boot; a kernel that finds none sets node -1 online and dies of it."""
    if associativity.primary_index is None:
        return 0
    node = associativity.node_of(run.aa_index, run.flags)
    if node is None and profile.has(NO_DEFAULT_NODE):
        message = f"LMB {run.drc_index:#x} is assigned, but aa_index {run.aa_index:#x} leads to no node: node -1"
        raise OopsError(
            Fault("oops", message, "numa_setup_drmem_lmb", NODE, "ibm,associativity-lookup-arrays"),
            dead="oops at boot",
        )
    return node or 0


def _lmb_ranges(tree: Tree, drmem: Drmem) -> Iterator[tuple[int, int, Run]]:
    """Yield (address, bytes, run) of the memory of assigned LMBs, restricted as a crash kernel's is."""
    size = drmem.table.lmb_size or 0
    usable = tree.get(NODE, DRCONF_USABLE_MEMORY)
    if usable is None or len(usable) < 4:
        for run in drmem.table.runs:
            if run.assigned:
                yield run.base, run.count * size, run
        return
    records = iter(decode_usable_memory(usable, drmem.cells.address, drmem.cells.size))
    for run in drmem.table.runs:
        if run.assigned:
            yield from _usable_ranges(run, records)


def _usable_ranges(run: Run, records: Iterator[UsableRecord]) -> Iterator[tuple[int, int, Run]]:
    """Yield the ranges of as many counters as the run has LMBs.

    kexec writes a counter for every LMB, Linux reads one for each that is assigned: the ranges slide, and come
    out on the nodes of other LMBs than they lie in.
    """
    for _ in range(run.count):
        record = next(records, None)
        if record is None:
            return
        for part in record.ranges:
            yield part.base, part.size, run


def _topology(tree: Tree, profile: Profile, associativity: Associativity, blocks: Blocks) -> Topology:
    with_cpus = frozenset(core.node for core in cores(tree, associativity) if core.node is not None)
    if associativity.primary_index is None:
        with_cpus = frozenset({0})
    possible = _possible(tree, profile, associativity.primary_index)
    online = with_cpus | blocks.nodes()
    form, primary_index = associativity.form, associativity.primary_index
    agreed = decode_architecture_vec5(tree.get(CHOSEN, ARCHITECTURE_VEC5) or b"")
    vphn = tells_home_nodes(tree)
    return Topology(form, primary_index, possible, online, with_cpus, prrn=agreed.has(PRRN), vphn=vphn)


def _possible(tree: Tree, profile: Profile, primary_index: int | None) -> int:
    """Return how many nodes there may ever be (`find_possible_nodes`)."""
    if primary_index is None:
        return 0
    names = [MAX_DOMAINS]
    migratable = profile.has(MIGRATABLE_MAX_DOMAINS) and tree.root.find("ibm,migratable-partition") is not None
    if profile.has(USES_CURRENT_DOMAINS) and not migratable:
        names.insert(0, CURRENT_DOMAINS)
    for name in names:
        data = tree.get(RTAS, name)
        if data is not None:
            counts = decode_domains(data).counts
            return counts[primary_index - 1] if 1 <= primary_index <= len(counts) else 0
    return 0
