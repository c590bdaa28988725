# SPDX-License-Identifier: MIT
"""What a request came to nothing for on the hypervisor's side: LMBs that it has no connector to give for."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.formats.dynamic_memory import ASSIGNED, DRC_INVALID, RESERVED
from drmemctl.hypervisor.inference import POWERVM, QEMU
from drmemctl.kernel.requests import ADD, COUNT, INDEX, INDEXED_COUNT, Request
from drmemctl.kernel.state import KernelState
from drmemctl.numbers import parse_kernel_int
from drmemctl.scenario.simulation import Hypervisor

_ADVICE = {
    QEMU: "it gives only what was plugged or attached; on powervm (--hypervisor) every unassigned LMB can be had",
    POWERVM: "it gives what is unassigned and has a connector; on qemu (--hypervisor) LMBs can be plugged",
}


_SHORTEST = 4
"""Words of a request at least: memory add KIND NUMBER."""


def taken_to_be(machine: Hypervisor) -> str:
    """Return which hypervisor a refusal was made by."""
    return f"the hypervisor is taken to be {machine.name}"


def lacking_connectors(state: KernelState, machine: Hypervisor, text: str) -> str:
    """Return what a failed request to add lacked, and on which hypervisor; empty where that was not the cause."""
    request = _added(text)
    if request is None:
        return ""
    free = list(_free(state, request))
    number = sum(size for _, size in free)
    # By index those that are assigned do not matter.
    wanted = request.count if request.kind == COUNT else number
    obtainable = sum(machine.obtainable(first, size) for first, size in free)
    if number < wanted or obtainable >= wanted:
        return ""
    return f"{taken_to_be(machine)}, which gives {obtainable:,} of {wanted:,} LMBs: {_ADVICE[machine.name]}"


def _added(text: str) -> Request | None:
    """Return the request to add that was written, None for anything else."""
    words = text.split()
    if words[:2] != ["memory", ADD] or len(words) < _SHORTEST:
        return None
    try:
        numbers = [parse_kernel_int(word, 32) for word in words[3:5]]
    except ValueError:
        return None
    if words[2] == INDEXED_COUNT and len(numbers) > 1:
        return Request(ADD, INDEXED_COUNT, numbers[0], numbers[1])
    if words[2] == INDEX:
        return Request(ADD, INDEX, 1, numbers[0])
    return Request(ADD, COUNT, numbers[0]) if words[2] == COUNT else None


def _free(state: KernelState, request: Request) -> Iterator[tuple[int, int]]:
    """Yield the unassigned LMBs that a request can be about: the DRC index of the first, and how many follow."""
    for run in state.table.runs:
        if run.flags & (ASSIGNED | RESERVED | DRC_INVALID):
            continue
        first, end = run.drc_index, run.drc_index + run.lmbs
        if request.kind != COUNT:
            first, end = max(first, request.drc_index), min(end, request.drc_index + request.count)
        if first < end:
            yield first, end - first
