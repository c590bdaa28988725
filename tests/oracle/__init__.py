# SPDX-License-Identifier: MIT
"""A real kernel in a real guest as the oracle: `make oracle`. Opt-in, since it downloads and boots a kernel."""

from drmemctl.qualify.packages import CACHE

__all__ = ["CACHE"]
