# SPDX-License-Identifier: MIT
"""What a rule says of a state."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from drmemctl.model.lmbs import Run


class Severity(StrEnum):
    """The consequence for the running system, worst first.

    `error`: a kernel dies, loses memory, corrupts the property or puts memory on the wrong node; `warning`: that
    can happen after one more operation; `info`: odd.
    """

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Violation(NamedTuple):
    """One place that breaks a rule, as the rule's function yields it.

    Attributes:
        message: what is there, with its figures, and what it leads to; no final stop.
        path: the node.
        property: the property, empty for a node or the whole blob.
        offset: byte offset in the property (in the blob without one), or None.
        lmbs: the LMBs concerned, as runs.
        answer: in a stream of RTAS answers, which of them, from 0; the offset is in it then.

    """

    message: str
    path: str = ""
    property: str = ""
    offset: int | None = None
    lmbs: tuple[Run, ...] = ()
    answer: int | None = None


class Finding(NamedTuple):
    """A violation with the rule that it breaks and that rule's severity."""

    rule: str
    severity: Severity
    violation: Violation

    @property
    def message(self) -> str:
        """The violation's message."""
        return self.violation.message
