# SPDX-License-Identifier: MIT
"""Every target by name."""

from __future__ import annotations

from fuzz import inputs, trees, values
from fuzz.target import Target

TARGETS: dict[str, Target] = {**inputs.TARGETS, **values.TARGETS, **trees.TARGETS}
