# SPDX-License-Identifier: MIT
"""Rules of the family blob."""
