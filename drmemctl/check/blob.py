# SPDX-License-Identifier: MIT
"""Rules of the family blob: the tree as a container, and what makes a node findable."""

from __future__ import annotations

from drmemctl.check import blob_names, blob_reading

__all__ = ["blob_names", "blob_reading"]
