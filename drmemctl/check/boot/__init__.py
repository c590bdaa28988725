# SPDX-License-Identifier: MIT
"""Rules of the family boot: boot memory, what limits it, and what kexec hands on."""

from drmemctl.check.boot import kexec, limits, memory, next_kernel

__all__ = ["kexec", "limits", "memory", "next_kernel"]
