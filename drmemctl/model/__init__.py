# SPDX-License-Identifier: MIT
"""What the bytes of a tree mean, as immutable values."""
