# SPDX-License-Identifier: MIT
"""What the work areas of ibm,update-properties deliver of one node, taken one after the other.

Source: LoPAR 2.9, "ibm,update-properties RTAS call": a value that does not fit into one goes on in the next.
"""

from __future__ import annotations

from dataclasses import dataclass

from drmemctl.formats.strings import to_bytes
from drmemctl.formats.update_nodes import WORK_AREA
from drmemctl.formats.update_properties import DELETED, NAME_ONLY, Change, UpdateProperties


@dataclass(frozen=True, slots=True)
class Delivery:
    """A node's new values, as far as they have come.

    Attributes:
        name: the property of which only the beginning has come; None without one.
        value: that beginning.
        changes: what the last work area brought to its end, in its order.

    """

    name: str | None = None
    value: bytes = b""
    changes: tuple[Change, ...] = ()

    def taken(self, area: bytes) -> Delivery:
        """Return what is delivered once another work area has come."""
        name, value = self.name, self.value
        changes: list[Change] = []
        # Whoever recorded a work area may have left out the zeros at its end.
        for descriptor in UpdateProperties.decode(area.ljust(WORK_AREA, b"\0")).changes:
            if descriptor.word == NAME_ONLY or len(descriptor.value) < descriptor.size:
                continue  # without a value, or with one that is cut, nothing is delivered
            if descriptor.word == DELETED:
                changes.append(Change(to_bytes(descriptor.name), None))
                name, value = None, b""
                continue
            name, value = name or descriptor.name, value + descriptor.value
            if not descriptor.is_part:
                changes.append(Change(to_bytes(name), value))
                name, value = None, b""
        return Delivery(name, value, tuple(changes))
