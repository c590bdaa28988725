# SPDX-License-Identifier: MIT
"""Reports to draw: one of everything, and one made of what a hostile tree could be named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from drmemctl.check.engine import Plan
from drmemctl.check.finding import Finding, LmbRange, Severity
from drmemctl.check.report import Report
from drmemctl.check.tally import CheckTally
from drmemctl.output.check import CheckView, rendered
from drmemctl.output.screen import Screen

MIB_256 = 1 << 28

HOSTILE = (
    "\x1b[2J\x1b]0;x\x07\x00\x0b\x9b31m\u202e\ufffe\udcff"
    "</testsuite>]]><b onclick='x'>&amp;\"`|`\\|\r\n::error file=x::pwned\r\n##[error]pwned %0A,: @team [a](b)"
)
"""What a node may be called by somebody who means harm to a terminal, to XML, to a workflow, to a page."""

LMBS = LmbRange(0x50000000, 2, 0x80000005, 5, 8, None, 2 * MIB_256)


def finding(**changes: Any) -> Finding:
    """Return a finding, changed."""
    values: dict[str, Any] = {
        "rule": "DRM030",
        "severity": Severity.ERROR,
        "title": "assigned LMB whose node cannot be found",
        "message": "2 LMBs are assigned, but without a node",
        "path": "/ibm,dynamic-reconfiguration-memory",
        "property": "ibm,dynamic-memory-v2",
        "offset": 0x1C,
        "lmbs": (LMBS,),
        "ranges_left_out": 0,
        "fingerprint": "0123456789abcdef",
    }
    return Finding(**{**values, **changes})


def hostile() -> Report:
    """Return a report all of whose texts are `HOSTILE`."""
    return Report(
        f"dir/{HOSTILE}",
        (finding(message=HOSTILE, path=f"/{HOSTILE}", property=HOSTILE), finding(message="x" * 5000)),
        note=HOSTILE,
    )


def unreadable(source: str = "bad.dtb") -> Report:
    """Return a report of an input that cannot be read."""
    return Report(source, error=f"{source}: no such file or directory")


def drawn(
    reports: Iterable[Report],
    format: str,
    *,
    screen: Screen | None = None,
    fail_on: str = "warning",
    everything: bool = False,
    plan: Plan | None = None,
) -> str:
    """Return the reports in a format."""
    tally = CheckTally()
    view = CheckView(tally.counted(reports), tally, plan or Plan(), fail_on, everything)
    return "".join(rendered(screen or Screen(), view, format))
