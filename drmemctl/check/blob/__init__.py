# SPDX-License-Identifier: MIT
"""Rules of the family blob: the tree as a container, and what makes a node findable."""

from drmemctl.check.blob import names, reading

__all__ = ["names", "reading"]
