# SPDX-License-Identifier: MIT
"""Rules of the family connectors: DRC indexes and what lists them."""

from drmemctl.check.connectors import arrays, devices, info, lmbs

__all__ = ["arrays", "devices", "info", "lmbs"]
