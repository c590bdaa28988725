# SPDX-License-Identifier: MIT
"""Recorded answers of ibm,configure-connector, which replace those of the simulated machine."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordedConnector:
    """What ibm,configure-connector answered for one connector.

    Attributes:
        drc_index: the connector.
        status: the status of the call, 0 where the walk came to its end.
        associativity: ibm,associativity of the node then, length cell and all.

    """

    drc_index: int
    status: int = 0
    associativity: bytes = b""


@dataclass(frozen=True, slots=True)
class RecordedConnectors:
    """What is recorded of connectors.

    Attributes:
        connectors: what connectors described, by DRC index.

    """

    connectors: tuple[RecordedConnector, ...] = ()

    def connector(self, drc_index: int) -> RecordedConnector | None:
        """Return what is recorded of a connector, None for nothing."""
        at = bisect_left(self.connectors, drc_index, key=lambda connector: connector.drc_index)
        connector = self.connectors[at] if at < len(self.connectors) else None
        return connector if connector is not None and connector.drc_index == drc_index else None


NOTHING_RECORDED = RecordedConnectors()
