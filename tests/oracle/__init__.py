# SPDX-License-Identifier: MIT
"""A real kernel in a real guest as the oracle: `make oracle`. Opt-in, since it downloads and boots a kernel."""

from pathlib import Path

CACHE = Path.home() / ".cache/drmemctl-oracle"
"""Where what was downloaded stays."""
