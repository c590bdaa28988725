# SPDX-License-Identifier: MIT
"""States of memory blocks, as sysfs has them in memoryN/state (Linux drivers/base/memory.c `state_show`)."""

from __future__ import annotations

ONLINE, OFFLINE = "online", "offline"


def state_name(*, online: bool) -> str:
    """Return the state by name."""
    return ONLINE if online else OFFLINE
