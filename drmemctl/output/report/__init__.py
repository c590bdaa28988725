# SPDX-License-Identifier: MIT
"""The report: one HTML page that shows everything about a tree, and needs nothing but a browser."""
