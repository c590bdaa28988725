# SPDX-License-Identifier: MIT
"""How many processes this machine has CPUs for."""

from __future__ import annotations

import os


def n_cpus() -> int:
    """Return how many CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
