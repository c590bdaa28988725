# SPDX-License-Identifier: MIT
"""Rules of the family drmem: ibm,dynamic-memory(-v2) and what belongs to it."""

from __future__ import annotations

from drmemctl.check import drmem_bytes, drmem_flags, drmem_merge, drmem_places, drmem_size

__all__ = ["drmem_bytes", "drmem_flags", "drmem_merge", "drmem_places", "drmem_size"]
