# SPDX-License-Identifier: MIT
"""What firmware does: the connectors and their states, QEMU's and PowerVM's policies, the RTAS calls."""
