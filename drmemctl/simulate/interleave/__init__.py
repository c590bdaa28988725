# SPDX-License-Identifier: MIT
"""Every interleaving of migrations, reassignments and requests, and what it leaves behind."""
