# SPDX-License-Identifier: MIT
"""Rules of the family kernel: what a simulated kernel does that no kernel should."""

from drmemctl.check.kernel import faults

__all__ = ["faults"]
