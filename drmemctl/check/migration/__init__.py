# SPDX-License-Identifier: MIT
"""Rules of the family migration: what a migration changed, against what LoPAR allows and Linux takes over."""

from drmemctl.check.migration import affinity, lmbs, memory

__all__ = ["affinity", "lmbs", "memory"]
