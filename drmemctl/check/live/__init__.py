# SPDX-License-Identifier: MIT
"""The rules of the family live: what the kernel made of the tree, as sysfs shows it."""

from drmemctl.check.live import blocks, system

__all__ = ["blocks", "system"]
