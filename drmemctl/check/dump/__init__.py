# SPDX-License-Identifier: MIT
"""Rules of the family dump: importing it registers them."""

from drmemctl.check.dump import array, history

__all__ = ["array", "history"]
