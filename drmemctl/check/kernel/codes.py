# SPDX-License-Identifier: MIT
"""Which rule a fault of the simulated kernel breaks: the kernel tells of faults by code, and knows no rules."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Violation
from drmemctl.check.subject import Subject

RULE_OF = {
    "oops": "DRM090",
    "panic": "DRM091",
    "over-read": "DRM092",
    "heap-overrun": "DRM093",
    "never-returns": "DRM094",
    "desync": "DRM095",
    "lopar-not-allowed": "DRM096",
    "no-answer": "DRM097",
    "block-size": "DRM011",
}
"""Rule ids by fault code. A block size that Linux replaces is a fault of the tree, and has a rule of its own."""


def violations(subject: Subject, code: str) -> Iterator[Violation]:
    """Yield the faults of a code as violations."""
    for fault in subject.running.faults or ():
        if fault.code == code:
            yield Violation(f"{fault.function}: {fault.message}", fault.path, fault.property)
