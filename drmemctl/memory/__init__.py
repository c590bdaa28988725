# SPDX-License-Identifier: MIT
"""The memory of a kernel: dumps and /proc/kcore, what is at an address, and where its structures are."""
