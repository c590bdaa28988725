# SPDX-License-Identifier: MIT
"""What a kernel does wrong, and what of a tree it dies of while it boots."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

OOPS, PANIC = "oops at boot", "panic at boot"
"""What the state of a kernel says that did not come up."""

HOTPLUG_LOCK_HELD = "the hotplug lock is held"
"""What the state of a kernel says of which a thread died with device_hotplug_lock: it answers no more requests."""


class Cause(Enum):
    """What of a tree a kernel dies of while it boots."""

    NO_MEMORY = "no memory"
    NO_MEMORY_NODE = "no memory node"
    NO_FORM2_TABLE = "form 2 without a table"
    MEMORY_NODE_WITHOUT_NODE = "memory node without a node"
    LMB_WITHOUT_NODE = "LMB without a node"
    BLOCK_SIZE = "block size"
    CUT_BLOCK_SIZE = "block size cut to 32 bits"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that a kernel does and should not: an oops, a read beyond the end, a lost update.

    Attributes:
        code: stable name, e.g. `oops` or `over-read`.
        message: what happens, in a sentence.
        function: the kernel function that it happens in.
        path: the node that it is about, empty if none.
        property: its property, empty if none.
        rule: the id of the rule that judges it; filled in by the rules, empty until then.
        dead: how the kernel ends that does not survive it while it boots, empty for all else.
        cause: what of the tree it then dies of.

    """

    code: str
    message: str
    function: str
    path: str = ""
    property: str = ""
    rule: str = ""
    dead: str = ""
    cause: Cause | None = None
