# SPDX-License-Identifier: MIT
"""Rules by family: each a small function that judges a state, registered with what `explain` tells of it."""
