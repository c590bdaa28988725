# SPDX-License-Identifier: MIT
"""Whether a dump has to be armed again, and what becomes of `crashkernel=SIZE,cma`, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from drmemctl.formats.plain import record
from drmemctl.kernel.crash_cma import CONSEQUENCES, CrashCma
from drmemctl.model.drmem import LmbTable
from drmemctl.simulate.memory_events import LmbSpan
from drmemctl.simulate.rearm import Rearm
from drmemctl.wording import count_of, size_text

_LISTS = ("came", "went", "lacks", "stale")


def rearm_lines(rearm: Rearm | None, table: LmbTable) -> Iterator[str]:
    """Yield the lines that say it of a partition with these LMBs; none without steps."""
    if rearm is None:
        return
    yield "\n"
    yield f"arm again: {'yes, ' + rearm.command if rearm.needed else 'no'}\n"
    yield f"  {rearm.why}\n"
    width = table.address_digits + len("0x")
    yield from _about(rearm.came, width, "came since then" + (", not in the dump" if rearm.lacks else ""))
    all_are_stale = rearm.stale == rearm.went
    yield from _about(rearm.went, width, "went since then" + (_STILL_DUMPED if all_are_stale else ""))
    if not all_are_stale:
        yield from _about(rearm.stale, width, "gone" + _STILL_DUMPED)
    has = "is not there" if rearm.flag_value is None else f"reads {rearm.flag_value}"
    yield f"  {rearm.flag} {has}\n"
    yield from (f"  {note}\n" for note in rearm.notes)


_STILL_DUMPED = ", still dumped: the dump may fail there"


def _about(spans: Sequence[LmbSpan], width: int, words: str) -> Iterator[str]:
    if spans:
        number = count_of(sum(span.lmbs for span in spans), "LMB")
        first = f"{spans[0].base:#0{width}x} (DRC {spans[0].drc_index:#010x})"
        yield f"  {number} {words}, first {first}\n"


def rearm_record(rearm: Rearm | None) -> dict[str, Any] | None:
    """Return it as JSON has it."""
    if rearm is None:
        return None
    lists = {name: [span._asdict() for span in getattr(rearm, name)] for name in _LISTS}
    return {
        **record(rearm, "needed kept_by why events command"),
        **lists,
        **record(rearm, "flag flag_value notes"),
    }


def cma_lines(cma: CrashCma | None) -> Iterator[str]:
    """Yield the lines about more memory for the crash kernel; none where that is not asked for."""
    if cma is not None:
        yield f"\ncrashkernel={size_text(cma.size)},cma: {cma.state}\n"
        yield from (f"  {line}\n" for line in (cma.why, *CONSEQUENCES[cma.state]))


def cma_record(cma: CrashCma | None) -> dict[str, Any] | None:
    """Return it as JSON has it."""
    return None if cma is None else record(cma, "size state why")
