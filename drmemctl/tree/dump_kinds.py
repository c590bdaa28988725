# SPDX-License-Identifier: MIT
"""Which inputs are dumps of a kernel's memory, by their first bytes."""

from __future__ import annotations

_ELF = b"\x7fELF"
_CORE = 4
"""`e_type` of a core file, in the byte order of the header."""

_COMPRESSED = (b"KDUMP   ", b"makedumpfile")


def is_dump(head: bytes) -> bool:
    """Whether an input is a dump; a core of any machine is, and is told what is wrong with it."""
    return head.startswith(_COMPRESSED) or (head.startswith(_ELF) and _CORE in head[16:18])
