# SPDX-License-Identifier: MIT
"""What a DLPAR request costs in the simulator, by the size of the partition."""

from __future__ import annotations

import struct
import time
from itertools import cycle, islice

from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Node, Property, Tree

REQUESTS = 1_000

_LMB = 1 << 28
_BOOT = 2
"""LMBs of boot memory, which a memory node describes."""

_AGREED = bytes.fromhex("19 00 20 00 00 80 04" + " 00" * 15 + " 80 00 00 00 00")
"""Dynamic memory, form 1, hotplug interrupts, v2."""

_DRC = 0x80000000
_STEPS = ("remove index {}", "add index {}", "remove indexed-count 1 {}", "add indexed-count 1 {}")


def _words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def _memory(count: int) -> Property:
    """Return the LMB property: boot memory, half of the rest assigned."""
    half = count // 2
    sets = (
        (_BOOT, 0, _DRC, 0xFFFFFFFF, 0xA0),
        (half, _BOOT * _LMB, _DRC + _BOOT, 1, 8),
        (count - half, (_BOOT + half) * _LMB, _DRC + _BOOT + half, 0xFFFFFFFF, 0),
    )
    packed = b"".join(struct.pack(">IQIII", *one) for one in sets)
    return Property("ibm,dynamic-memory-v2", _words(len(sets)) + packed)


def partition(count: int) -> Simulation:
    """Return a running PowerVM partition with that many LMBs, half of them assigned."""
    size = _words(0, _LMB)
    drmem = (
        Property("ibm,lmb-size", size),
        Property("ibm,associativity-lookup-arrays", _words(2, 1, 0, 1)),
        _memory(count),
    )
    boot = (
        Property("device_type", b"memory\0"),
        Property("reg", _words(0, 0, 0, _BOOT * _LMB)),
        Property("ibm,associativity", _words(1, 0)),
    )
    rtas = (
        Property("ibm,associativity-reference-points", _words(1)),
        Property("ibm,max-associativity-domains", _words(1, 2)),
    )
    chosen = (Property("ibm,architecture-vec-5", _AGREED),)
    children = (
        Node("memory@0", boot),
        Node("rtas", rtas),
        Node("chosen", chosen),
        Node("ibm,dynamic-reconfiguration-memory", drmem),
    )
    root = (Property("#address-cells", _words(2)), Property("#size-cells", _words(2)))
    return Simulation(Tree(Node("", root, children)), "latest", "powervm")


def seconds_to_come_and_go(simulation: Simulation, count: int) -> float:
    """Return what it costs that so many LMBs are added in one request, and removed in another."""
    first = _DRC + _BOOT + simulation.state.table.n_lmbs // 2
    begin = time.perf_counter()
    for action in ("add", "remove"):
        if not simulation.run(f"dlpar memory {action} indexed-count {count} {first:#x}").ok:
            raise AssertionError(action)
    return time.perf_counter() - begin


def seconds_per_request(simulation: Simulation, requests: int = REQUESTS) -> float:
    """Return what a request costs on average, LMBs here and there going and coming back."""
    drcs = [f"{_DRC + _BOOT + number * 7919 % 2000:#x}" for number in range(requests // len(_STEPS) + 1)]
    asked = (step.format(drc) for drc in drcs for step in _STEPS)
    steps = [f"dlpar memory {request}" for request in islice(cycle(asked), requests)]
    simulation.results.clear()
    begin = time.perf_counter()
    for step in steps:
        if not simulation.run(step).ok:
            raise AssertionError(step)
    return (time.perf_counter() - begin) / requests
