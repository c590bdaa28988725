# SPDX-License-Identifier: MIT
"""The rules of the family blocks, imported to be registered."""

from drmemctl.check.blocks import sharing, sizes

__all__ = ["sharing", "sizes"]
