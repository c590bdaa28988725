# SPDX-License-Identifier: MIT
"""Rules of the family associativity: lookup arrays, reference points, the node of an LMB."""

from drmemctl.check.associativity import lmbs, lookup, points

__all__ = ["lmbs", "lookup", "points"]
