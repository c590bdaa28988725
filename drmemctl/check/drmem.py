# SPDX-License-Identifier: MIT
"""Rules of the family drmem: ibm,dynamic-memory(-v2) and what belongs to it."""
