# SPDX-License-Identifier: MIT
"""The semantic diff of two trees: LMBs, lookup arrays, NUMA layout, other properties. Meaning, not bytes."""
