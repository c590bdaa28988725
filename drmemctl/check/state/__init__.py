# SPDX-License-Identifier: MIT
"""Rules of the family state: the tree against the running kernel and the hypervisor."""

from drmemctl.check.state import array, memory, processors, topology, unplugs

__all__ = ["array", "memory", "processors", "topology", "unplugs"]
