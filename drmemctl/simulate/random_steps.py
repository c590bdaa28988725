# SPDX-License-Identifier: MIT
"""Random steps: what an operator, a hypervisor and firmware may do next, blind to what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, encode_entries
from drmemctl.formats.lookup_arrays import decode_lookup_arrays, encode_lookup_arrays
from drmemctl.hypervisor.powervm import PowerVm
from drmemctl.hypervisor.qemu import Qemu
from drmemctl.kernel.state import KernelState
from drmemctl.model.conversion import singles
from drmemctl.model.drmem import LmbTable

_COUNTS = (0, 1, 1, 1, 2, 2, 3, 4, 7, 1000, 0xFFFFFFFF)
"""LMBs of a request: mostly a few; none, more than there are, and what a sum of 32 bits overflows with."""

_MOST_LMBS = 4
"""LMBs of a DIMM."""

_NO_LMB = 0x7FFFFFF0
"""A DRC index that is of no LMB."""

_MOST_BYTES = 1024
"""Bytes of a property that a step has: a command has them in hex."""

_WEIGHTS = {
    "dlpar": 20,
    "plug": 8,
    "unplug": 6,
    "pin": 4,
    "rtas": 3,
    "firmware": 3,
    "block": 3,
    "prrn": 2,
    "pool": 4,
    "lpm": 5,
}
"""How often which kind of step comes, where the capture has what it takes."""


def random_step(
    random: Random, kernel: KernelState, machine: Qemu | PowerVm, destinations: Sequence[str] = ()
) -> str:
    """Return a step for a partition as it is; `destinations` are trees that a migration may go to."""
    firmware = _firmware(random, kernel)
    drc, lmbs = f"{_drc(random, kernel.table):#x}", random.randint(1, _MOST_LMBS)
    steps = {
        "dlpar": _request(random, kernel.table),
        "plug": f"plug {drc} {lmbs} row 0",
        "unplug": f"unplug {drc} {lmbs}",
        "pin": f"{random.choice(('unmovable', 'unmovable', 'movable'))} {drc}",
        "rtas": _rtas(random, drc),
        "prrn": f"prrn 2 {drc}",
    }
    if firmware:
        steps["firmware"] = firmware
    if kernel.block_size:
        steps["block"] = f"{random.choice(('offline', 'online'))} {_block(random, kernel)}"
    # QEMU has no pool.
    if isinstance(machine, PowerVm):
        steps["pool"] = f"{random.choice(('withhold', 'withhold', 'provide'))} {drc} {lmbs}"
    if destinations:
        steps["lpm"] = f"lpm {random.choice(destinations)}"
    return random.choices([*steps.values()], [_WEIGHTS[kind] for kind in steps])[0]


def _request(random: Random, table: LmbTable) -> str:
    """Return what is written to /sys/kernel/dlpar."""
    action = random.choice(("add", "remove"))
    count, drc = random.choice(_COUNTS), _drc(random, table)
    number = random.choice((f"count {count}", f"index {drc:#x}", f"indexed-count {count} {drc:#x}"))
    return f"dlpar memory {action} {number}"


def _drc(random: Random, table: LmbTable) -> int:
    """Return a DRC index, mostly of an LMB: any run is as likely as any other, however long it is."""
    if not table.runs or random.random() < 0.05:
        return _NO_LMB
    run = random.choice(table.runs)
    return (run.drc_index + random.randrange(run.lmbs)) & 0xFFFFFFFF


def _rtas(random: Random, drc: str) -> str:
    """Return a call that user space may make beside the kernel (librtas)."""
    value = random.randrange(3)
    indicator = random.choice((9001, 9003))
    calls = f"get-sensor 9003 {drc}", f"set-indicator {indicator} {drc} {value}", f"configure-connector {drc}"
    return f"rtas {random.choice(calls)}"


def _block(random: Random, kernel: KernelState) -> int:
    """Return the number of a memory block, of an LMB or beyond all."""
    if not kernel.table.runs:
        return random.randrange(_MOST_LMBS)
    run = random.choice(kernel.table.runs)
    base = run.base + random.randrange(run.lmbs) * (kernel.table.lmb_size or 0)
    return base // kernel.block_size


def _firmware(random: Random, kernel: KernelState) -> str:
    """Return an update that gives lists or LMBs the place of others, as after a migration; empty without any."""
    values = {**_swapped_lists(random, kernel), **_moved_lmbs(random, kernel)}
    names = [name for name, value in values.items() if len(value) <= _MOST_BYTES]
    if not names:
        return ""
    name = random.choice(names)
    return f"firmware {NODE} {name} {values[name].hex()}"


def _swapped_lists(random: Random, kernel: KernelState) -> dict[str, bytes]:
    """Return the lookup arrays with two lists in each other's place."""
    data = kernel.tree.get(NODE, LOOKUP_ARRAYS)
    if data is None or len(data) > _MOST_BYTES:
        return {}
    arrays = decode_lookup_arrays(data)
    lists = arrays.rows()
    if len(lists) < 2 or arrays.defects:
        return {}
    first, second = random.sample(range(len(lists)), 2)
    lists[first], lists[second] = lists[second], lists[first]
    return {LOOKUP_ARRAYS: encode_lookup_arrays(lists, arrays.array_sz)}


def _moved_lmbs(random: Random, kernel: KernelState) -> dict[str, bytes]:
    """Return the LMBs with the aa_index of a run given to another."""
    table, v1 = kernel.table, kernel.tree.get(NODE, V1) is not None
    if len(table.runs) < 2 or table.n_lmbs > _MOST_BYTES or table.lmb_size is None:
        return {}
    index, (run, like) = 0, random.sample(list(table.runs), 2)
    for earlier in table.runs:
        if earlier == run:
            break
        index += earlier.lmbs
    moved = table.with_changed(index, run.lmbs, aa_index=like.aa_index)
    name, entries = (V1, singles(moved)) if v1 else (V2, iter(moved.runs))
    return {name: encode_entries(name, list(entries))}
