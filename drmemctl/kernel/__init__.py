# SPDX-License-Identifier: MIT
"""What Linux does with the tree, the LMB array and its memory blocks, release by release."""
