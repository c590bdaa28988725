# SPDX-License-Identifier: MIT
"""The tree that firmware hands out at the next boot: as at the last, with the LMBs that are attached now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from drmemctl.formats.drc import MY_DRC_INDEX
from drmemctl.formats.dynamic_memory import (
    AA_UNSET,
    ASSIGNED,
    DRC_INVALID,
    HOTREMOVABLE,
    LOOKUP_ARRAYS,
    NODE,
    V1,
    V2,
    encode_entries,
)
from drmemctl.formats.lookup_arrays import encode_lookup_arrays
from drmemctl.hypervisor.connectors import ConnectorRun, ConnectorState
from drmemctl.hypervisor.inventory import present_drcs
from drmemctl.hypervisor.machine import Machine
from drmemctl.hypervisor.qemu import Qemu
from drmemctl.hypervisor.topology import lmb_table, lookup_rows
from drmemctl.model.conversion import singles
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.model.intervals import IndexSet, split
from drmemctl.model.processors import CPUS
from drmemctl.model.run import Run
from drmemctl.tree.node import Tree

_MAX_COUNT = (1 << 32) - 1

_HOTREMOVABLE_SINCE = (5, 1)

_FIRST_CPU = 0x10000000
"""The DRC indexes of CPUs begin here; there are as many."""


def firmware_tree(machine: Machine) -> Tree:
    """Return the tree for the next boot. Its LMB sets are QEMU's DIMMs and the gaps between, or PowerVM's runs."""
    tree = _with_cpus(machine)
    if tree.find(NODE) is None:
        return tree
    drmem = Drmem.from_tree(tree)
    if drmem.entries is None:
        return tree
    rows = list(lookup_rows(tree))
    n_rows = len(rows)
    name = drmem.entries.property
    whole = (entry for run in drmem.table.runs for entry in _entries(machine, run, rows, name))
    # A set counts its LMBs in 32 bits.
    entries = [
        entry.part(first, min(_MAX_COUNT, entry.lmbs - first), machine.lmb_size)
        for entry in whole
        for first in range(0, entry.lmbs, _MAX_COUNT)
    ]
    if name == V1:
        entries = list(singles(LmbTable.of(entries, machine.lmb_size)))
    if len(rows) > n_rows:
        tree = tree.with_property(NODE, LOOKUP_ARRAYS, encode_lookup_arrays(rows, len(rows[0])))
    return tree.with_property(NODE, name, encode_entries(name, entries))


def _with_cpus(machine: Machine) -> Tree:
    """Return the tree with the cores that are attached now."""
    tree = machine.tree
    cpus = tree.find(CPUS)
    if cpus is None:
        return tree
    present = present_drcs(tree)
    absent = {
        drc_index.to_bytes(4, "big")
        for drc_index in present
        if _FIRST_CPU <= drc_index < 2 * _FIRST_CPU
        # A core without a connector stays.
        and (run := machine.connectors.find(drc_index)) is not None
        and not belongs_to_partition(machine, run)
    }
    cores = [core for core in cpus.children if core.get(MY_DRC_INDEX) not in absent]
    # A hostile tree has LMBs by the hundred thousand whose DRC indexes look like those of CPUs.
    named = (run for run in lmb_table(tree).runs if not run.flags & DRC_INVALID)
    lmbs = IndexSet(chain.from_iterable(split(run.drc_index, run.lmbs) for run in named))
    for run in machine.connectors.between(_FIRST_CPU, _FIRST_CPU):
        if belongs_to_partition(machine, run):
            for first, count in lmbs.parts(run.first, run.end - run.first, inside=False):
                new = (drc_index for drc_index in range(first, first + count) if drc_index not in present)
                cores += chain.from_iterable(map(machine.described, new))
    return tree.with_node(CPUS, replace(cpus, children=tuple(cores)))


def belongs_to_partition(machine: Machine, part: ConnectorRun) -> bool:
    """Whether the resources of connectors belong to the partition at the next boot."""
    return part.device != 0 if isinstance(machine, Qemu) else part.state is ConnectorState.CONFIGURED


def _entries(machine: Machine, run: Run, rows: list[tuple[int, ...]], name: str) -> Iterator[Run]:
    if run.flags & DRC_INVALID:
        yield run
        return
    for part in _connectors_of(machine, run):
        aa, flags = _attributes(machine, part, run, rows, name)
        base = run.base + (part.first - run.drc_index) * machine.lmb_size
        yield Run(base, part.count, part.first, aa, flags)


def _connectors_of(machine: Machine, run: Run) -> Iterator[ConnectorRun]:
    """Yield the connectors of a run of LMBs; for LMBs without one, an unusable one."""
    at = run.drc_index
    for part in machine.connectors.between(run.drc_index, run.lmbs):
        if at < part.first:
            yield ConnectorRun(at, part.first - at, ConnectorState.UNUSABLE)
        yield part
        at = part.end
    if at < run.drc_index + run.lmbs:
        yield ConnectorRun(at, run.drc_index + run.lmbs - at, ConnectorState.UNUSABLE)


def _attributes(
    machine: Machine, part: ConnectorRun, run: Run, rows: list[tuple[int, ...]], name: str
) -> tuple[int, int]:
    """Return aa_index and flags of the LMBs of some connectors; a row that is missing is appended to `rows`.

    AA_UNSET stands for a row of another width than the others.
    """
    is_attached = belongs_to_partition(machine, part)
    other_flags = run.flags & ~(ASSIGNED | HOTREMOVABLE)
    if not is_attached and run.flags & ASSIGNED:
        return AA_UNSET, other_flags
    if not is_attached:
        # What was free stays as firmware had it; on QEMU the flag tells of a DIMM, which is gone.
        return run.aa_index, other_flags if isinstance(machine, Qemu) else run.flags
    if run.flags & ASSIGNED and machine.is_placed_as_at_boot(part.first):
        return run.aa_index, run.flags
    flags = other_flags | ASSIGNED | run.flags & HOTREMOVABLE
    if isinstance(machine, Qemu) and name == V2 and machine.version >= _HOTREMOVABLE_SINCE:
        flags |= HOTREMOVABLE
    row = machine.domains_of(part.first)
    if not row or (rows and len(rows[0]) != len(row)):
        return AA_UNSET, flags
    if row not in rows:
        rows.append(row)
    return rows.index(row), flags
