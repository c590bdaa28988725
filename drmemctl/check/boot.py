# SPDX-License-Identifier: MIT
"""Rules of the family boot: boot memory, what limits it, and what kexec hands on."""

from __future__ import annotations

from drmemctl.check import boot_kexec, boot_limits, boot_memory

__all__ = ["boot_kexec", "boot_limits", "boot_memory"]
