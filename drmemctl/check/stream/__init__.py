# SPDX-License-Identifier: MIT
"""Rules of the family stream: what RTAS answers, before a kernel takes it."""

from drmemctl.check.stream import connector, event, nodes, phandles, properties

__all__ = ["connector", "event", "nodes", "phandles", "properties"]
