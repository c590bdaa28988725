# SPDX-License-Identifier: MIT
"""Rules of the family state: the tree against the running kernel and the hypervisor."""

from drmemctl.check.state import array, distances, memory, processors, topology, unplugs

__all__ = ["array", "distances", "memory", "processors", "topology", "unplugs"]
