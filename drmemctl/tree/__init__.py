# SPDX-License-Identifier: MIT
"""Device trees: readers of every kind of input, one writer, `Tree` and `Node` with raw bytes."""
