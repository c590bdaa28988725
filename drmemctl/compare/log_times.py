# SPDX-License-Identifier: MIT
"""When the kernel reported LMBs as added or removed: its log beside a tree.

Source: Linux arch/powerpc/platforms/pseries/hotplug-memory.c; not every kernel reports every LMB (see the
capability quiet-index-messages).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drmemctl.formats.dynamic_memory import ASSIGNED
from drmemctl.model.run import Run
from drmemctl.tree.node import Tree

_REPORT = re.compile(
    rb"^\[ *(\d{1,9}\.\d{6})\] pseries-hotplug-mem: Memory at ([0-9a-f]{1,16}) (?:\(drc index [0-9a-f]{1,8}\) )?"
    rb"was hot-(added|removed)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class LogTimes:
    """Seconds since boot, ascending, by address of the LMB and whether it came or went."""

    reports: Mapping[tuple[int, bool], list[float]]

    @classmethod
    def of(cls, tree: Tree) -> LogTimes:
        """Return the times in the log beside a tree; none where there is no log."""
        files = None if tree.beside is None else tree.beside.files()
        reports: dict[tuple[int, bool], list[float]] = {}
        for seconds, base, action in _REPORT.findall((files.files if files else {}).get("dmesg", b"")):
            reports.setdefault((int(base, 16), action == b"added"), []).append(float(seconds))
        for times in reports.values():
            times.sort()
        return cls(reports)

    def of_request(self, changed: Iterable[tuple[Run, Run]], lmb_size: int, latest: float | None) -> float | None:
        """Return when the last of some LMBs came or went, before `latest`; None where the log does not say.

        Of consecutive LMBs the first and the last are looked up: a request goes through them in their order.
        """
        seconds: float | None = None
        for before, after in changed:
            came = bool(after.flags & ASSIGNED)
            if came == bool(before.flags & ASSIGNED):
                continue
            for base in (after.base, after.base + (after.lmbs - 1) * lmb_size):
                times = self.reports.get((base, came), [])
                index = len(times) if latest is None else bisect_right(times, latest)
                if index and (seconds is None or times[index - 1] > seconds):
                    seconds = times[index - 1]
        return seconds
