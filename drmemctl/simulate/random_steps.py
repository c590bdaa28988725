# SPDX-License-Identifier: MIT
"""Random steps: what an operator may request, and a hypervisor plug, blind to what comes of it."""

from __future__ import annotations

from random import Random

from drmemctl.model.drmem import LmbTable

_COUNTS = (0, 1, 1, 1, 2, 2, 3, 4, 7, 1000, 0xFFFFFFFF)
"""LMBs of a request: mostly a few; none, more than there are, and what a sum of 32 bits overflows with."""

_MOST_LMBS = 4
"""LMBs of a DIMM."""

_NO_LMB = 0x7FFFFFF0
"""A DRC index that is of no LMB."""


def random_step(random: Random, table: LmbTable) -> str:
    """Return a step on a partition whose kernel has these LMBs."""
    kind = random.choices(("dlpar", "plug", "unplug", "pin"), (10, 4, 3, 2))[0]
    if kind == "dlpar":
        return _request(random, table)
    if kind == "plug":
        return f"plug {_drc(random, table):#x} {random.randint(1, _MOST_LMBS)} row 0"
    if kind == "unplug":
        return f"unplug {_drc(random, table):#x} {random.randint(1, _MOST_LMBS)}"
    return f"{random.choice(('unmovable', 'unmovable', 'movable'))} {_drc(random, table):#x}"


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
