# SPDX-License-Identifier: MIT
"""Rules of the family drmem: ibm,dynamic-memory(-v2) and what belongs to it."""

from drmemctl.check.drmem import flags, lengths, merge, places, size

__all__ = ["flags", "lengths", "merge", "places", "size"]
