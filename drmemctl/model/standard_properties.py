# SPDX-License-Identifier: MIT
"""What any node may say of itself: its type, and whether it is to be used.

Source: Devicetree Specification v0.4, 2.3 and 2.4.1 (`device_type`, `status`); Linux drivers/of/base.c
`of_device_is_available`, `of_node_is_type`.
"""

from __future__ import annotations

from drmemctl.formats.strings import to_text
from drmemctl.tree.node import Node


def first_string(node: Node, name: str) -> str | None:
    """Return the first string of a property, None where it has none; untrusted text."""
    data = node.get(name)
    return to_text(data.partition(b"\0")[0]) if data else None


def device_type(node: Node) -> str | None:
    """Return a node's `device_type`."""
    return first_string(node, "device_type")


def is_available(node: Node) -> bool:
    """Whether `status` lets Linux use a device: absent, `okay` or `ok` (`of_device_is_available`)."""
    return node.find("status") is None or first_string(node, "status") in ("okay", "ok")
