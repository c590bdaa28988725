# SPDX-License-Identifier: MIT
"""Figures of whole processes, as ratios within one run: `make bench`."""
