# SPDX-License-Identifier: MIT
"""A partition at one moment, as the rules of `drmemctl.check` look at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from drmemctl.check.subject import BlockRange, Flush, Running, SenseRange, Subject, Unplug
from drmemctl.formats.dynamic_memory import KERNEL_TOUCHED, NODE, V1, decode_entries, rows_v1
from drmemctl.formats.lists import COUNT_SIZE
from drmemctl.hypervisor.connectors import kind_of, sense_of
from drmemctl.hypervisor.machine import Machine
from drmemctl.hypervisor.qemu import Qemu
from drmemctl.kernel.capabilities import DRMEM_ARRAY
from drmemctl.kernel.flush import FLUSHES
from drmemctl.kernel.lmb_node import current_associativity
from drmemctl.kernel.state import KernelState
from drmemctl.model.distances import Form1
from drmemctl.model.drmem import PAPR_CELLS, Drmem, RootCells


def subject_of(kernel: KernelState, machine: Machine, flush: Flush | None = None) -> Subject:
    """Return what the rules judge: the tree, and beside it array, connectors, memory blocks, CPUs, hypervisor.

    `flush` is what wrote the LMB property, where more is known than by which function.
    """
    if flush is None and kernel.writer in FLUSHES:
        flush = Flush(kernel.writer)
    lmb_connectors = (run for run in machine.connectors.runs if kind_of(run.first).is_lmb)
    # With NUMA off all blocks are on node 0, whatever the tree says, and none is misplaced.
    numa = kernel.topology.primary_index is not None
    running = Running(
        array=kernel.table if kernel.profile.has(DRMEM_ARRAY) else None,
        senses=tuple(SenseRange(run.first, run.count, sense_of(run)) for run in lmb_connectors),
        blocks=tuple(
            BlockRange(run.first, run.count, run.node if numa else None, online)
            for run, online in kernel.blocks.states()
        ),
        block_size=kernel.block_size,
        associativity=current_associativity(kernel),
        profile=kernel.profile,
        cpus=kernel.cpus,
        distances=kernel.distances if isinstance(kernel.distances, Form1) else None,
        at_home=_at_home(kernel, machine),
        delivered=machine.delivered,
        flush=flush,
        unplugs=tuple(_unplugs(machine)) if isinstance(machine, Qemu) else None,
    )
    return Subject(kernel.tree, running=running, drmem=written_back(kernel))


def _unplugs(machine: Qemu) -> Iterator[Unplug]:
    for device in () if machine.aborted else machine.devices:
        if not kind_of(device.first).is_lmb:
            continue
        waiting = tuple(
            SenseRange(run.first, run.count, sense_of(run))
            for run in machine.connectors.between(device.first, device.count)
            if run.unplug
        )
        if waiting or device.pending is not None:
            yield Unplug(device.name, waiting, device.pending)


def _at_home(kernel: KernelState, machine: Machine) -> frozenset[str]:
    """Return the paths of the CPUs that Linux has on the home node that the hypervisor tells (VPHN)."""
    if not machine.homes:
        return frozenset()
    associativity = current_associativity(kernel)
    home_domains = ((cpu, machine.home_node(cpu.threads[0]) if cpu.threads else None) for cpu in kernel.cpus)
    return frozenset(
        cpu.path
        for cpu, domains in home_domains
        if domains is not None and associativity.node_of_row(domains) in (None, cpu.node)
    )


def written_back(kernel: KernelState) -> Drmem | None:
    """Return the content of a v1 property that this kernel wrote from its array; None where it has to be decoded.

    A v1 property has an entry for each LMB. Decoding it after each step would cost by the LMB.
    """
    if kernel.written is None:
        return None
    table, data = kernel.written
    cells = RootCells.from_tree(kernel.tree)
    if kernel.tree.get(NODE, V1) is not data or cells.address != PAPR_CELLS:
        return None
    marked = any(flags & KERNEL_TOUCHED for flags in table.runs.flags)
    if marked or len(data) != COUNT_SIZE + rows_v1().size * table.n_lmbs:
        return None
    return Drmem(replace(table, property_name=V1), decode_entries(V1, data), cells, ())
