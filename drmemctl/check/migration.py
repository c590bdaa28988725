# SPDX-License-Identifier: MIT
"""Rules of the family migration: what a migration changed, against what LoPAR allows and Linux takes over."""

from __future__ import annotations

from drmemctl.check import migration_affinity, migration_lmbs, migration_memory

__all__ = ["migration_affinity", "migration_lmbs", "migration_memory"]
