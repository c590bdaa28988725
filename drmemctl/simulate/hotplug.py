# SPDX-License-Identifier: MIT
"""What the steps `plug`, `unplug`, `attach` and `detach` change in the hypervisor, and what it tells the guest."""

from __future__ import annotations

from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5, decode_architecture_vec5
from drmemctl.hypervisor.machine import RefusedError
from drmemctl.kernel.requests import ADD, COUNT, INDEXED_COUNT, REMOVE, Request
from drmemctl.model.associativity import CHOSEN
from drmemctl.simulate.simulation import Hypervisor
from drmemctl.simulate.steps import Attach, Detach

_NODES = 16
"""Nodes that a refusal names."""


def changed(machine: Hypervisor, step: Attach | Detach) -> Hypervisor:
    """Return the hypervisor's side after it attached or detached; `RefusedError` where it does not."""
    if isinstance(step, Detach):
        return machine.detach(step.drc_index, step.count)
    return machine.attach(step.drc_index, step.count, _domains(machine, step))


def _domains(machine: Hypervisor, step: Attach) -> tuple[int, ...]:
    if step.domains is not None:
        return step.domains
    if step.node is not None:
        return _leading_to(machine, step.node)
    rows, row = machine.rows, step.row or 0
    if row < len(rows):
        return rows[row]
    if step.row is None:
        return ()
    raise RefusedError(f"the lookup arrays had no row {row} at boot, but {len(rows)}")


def _leading_to(machine: Hypervisor, node: int) -> tuple[int, ...]:
    """Return the first list of boot that leads to a Linux node; without NUMA all lead to node 0."""
    nodes = [0 if machine.primary_index is None else machine.node_of(row) for row in machine.rows]
    if node in nodes:
        return machine.rows[nodes.index(node)]
    known = ", ".join(map(str, sorted({found for found in nodes if found is not None})[:_NODES])) or "none"
    raise RefusedError(f"no row of the lookup arrays at boot leads to node {node}, but to {known}: see `row N`")


def request_of(machine: Hypervisor, step: Attach | Detach) -> Request:
    """Return what the guest is asked for by the hotplug event."""
    if isinstance(step, Detach):
        return Request(REMOVE, INDEXED_COUNT, step.count, step.drc_index)
    if not _has_event_source(machine):
        # Guests that did not negotiate the event source are told a number of LMBs only.
        return Request(ADD, COUNT, step.count)
    return Request(ADD, INDEXED_COUNT, step.count, step.drc_index)


def _has_event_source(machine: Hypervisor) -> bool:
    data = machine.tree.get(CHOSEN, ARCHITECTURE_VEC5)
    return data is None or decode_architecture_vec5(data).has("HP_EVT")
