# SPDX-License-Identifier: MIT
"""The values that properties of a dumped kernel have had, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drmemctl.compare.history import LMB_PROPERTIES, History, PastValue
from drmemctl.formats.dynamic_memory import ASSIGNED, LOOKUP_ARRAYS, NODE, aa_text
from drmemctl.kernel.flush import function_that_writes
from drmemctl.kernel.writers import BOOT, FLUSH, UPDATE
from drmemctl.model.run import Run
from drmemctl.output.diff import change_records
from drmemctl.output.diff_text import sections
from drmemctl.output.json import streamed
from drmemctl.output.lmb_words import drc_range, run_facts
from drmemctl.output.screen import Screen
from drmemctl.output.table import WITHOUT_OPTIONS, fitted_lines
from drmemctl.output.text import safe, worded
from drmemctl.wording import count_of

WRITER_WORDS = {
    "there since boot": "the value that the kernel was booted with",
    "the oldest that is kept": "likewise, or one before it is lost",
    "written by FUNCTION": "by the kernel, out of its LMB array, after a request",
    "written by firmware or through /proc/ppc64/ofdt": "by an update: a migration, drmgr, an administrator",
    "writer unknown": "the values do not tell",
    "took back": "a flush undid what an update had written: the array did not have it",
}
"""What is said of who wrote a value, for `--help`."""

_FURTHER = 20
_UNDONE = 4


def show_history(screen: Screen, history: History, format: str) -> None:
    """Print the values, the newest first."""
    if format == "json":
        head = {"kernel": history.kernel.name, "path": safe(history.path, None)}
        lists = {
            "properties": (
                {
                    "property": safe(past.name, None),
                    "left_off": past.left_off,
                    "values": [_value_record(value, past.name, history.path) for value in past.values],
                }
                for past in history.properties
            ),
            "further": (
                {"path": safe(path, None), "property": safe(name, None), "values": values}
                for path, name, values in history.further
            ),
        }
        screen.write_all(streamed("history", head, lists))
    else:
        screen.write_text(_lines(screen, history))


def _lines(screen: Screen, history: History) -> Iterator[str]:
    for number, past in enumerate(history.properties):
        yield "\n" if number else ""
        how_many = count_of(len(past.values) + past.left_off, "value")
        title = f"{safe(history.path)}:{safe(past.name)}: {how_many} since boot, the newest first"
        yield screen.style(title, "bold") + "\n"
        for value in past.values:
            yield from _value_lines(screen, value, past.name)
        if past.left_off:
            yield f"\n{count_of(past.left_off, 'older value')} left off: --show says how many are shown\n"
    if not history.properties:
        yield f"{safe(history.path)}: no property was replaced or removed since boot\n"
    if history.further:
        yield screen.style("\nAlso replaced since boot\n", "bold")
        for path, name, values in history.further[:_FURTHER]:
            yield f"  {safe(path)} {safe(name)}: {count_of(values, 'value')}\n"
        if len(history.further) > _FURTHER:
            yield f"  and {count_of(len(history.further) - _FURTHER, 'more property', 'more properties')}\n"


def _value_lines(screen: Screen, value: PastValue, name: str) -> Iterator[str]:
    length = "removed" if value.value is None else count_of(len(value.value), "byte")
    head = f"{value.number}{' (now)' if value.is_current else ''}: {length}, {_writer_text(value, name)}"
    yield "\n" + screen.style(head, "bold") + "\n"
    yield from (f"  {line}\n" for line in _evidence(value))
    if value.change is None:
        return
    shown = False
    for section in sections(value.change):
        if section.title.startswith("Assigned"):
            continue
        shown = True
        rows = iter(section.rows)
        yield from fitted_lines(screen, section.columns, rows, indent="  ", choice=WITHOUT_OPTIONS)
    if not shown:
        yield f"  the same as {value.number - 1}\n"


def _writer_text(value: PastValue, name: str) -> str:
    written = value.written
    if written.writer == BOOT:
        return "there since boot"
    if written.writer == FLUSH:
        when = "" if value.seconds is None else f" at [{value.seconds:12.6f}] or soon after"
        return f"written by {function_that_writes(name)}{when}"
    if written.writer == UPDATE:
        return "written by firmware or through /proc/ppc64/ofdt"
    return "writer unknown" if value.number else "the oldest that is kept"


def _evidence(value: PastValue) -> Iterator[str]:
    """Yield what tells the writer."""
    written = value.written
    if written.reason:
        yield f"not by the kernel: {written.reason}" if written.writer == UPDATE else written.reason
    if written.writer == FLUSH:
        came = sum(new.lmbs for old, new in written.requested if new.flags & ~old.flags & ASSIGNED)
        went = sum(new.lmbs for old, new in written.requested if old.flags & ~new.flags & ASSIGNED)
        again = sum(new.lmbs for old, new in written.requested if old.flags & new.flags & ASSIGNED)
        counts = ((came, "added"), (went, "removed"), (again, "taken out and added again"))
        requests = [f"{count_of(number, 'LMB')} {what_was_done}" for number, what_was_done in counts if number]
        yield f"as the kernel writes its array, with {' and '.join(requests) or 'no LMB added or removed'}"
    digits = 0 if value.change is None else value.change.address_digits
    for old, new in written.undone[:_UNDONE]:
        yield f"took back what {value.number - 1} said of {_undone_text(old, new, digits)}"
    if len(written.undone) > _UNDONE:
        yield f"and {count_of(len(written.undone) - _UNDONE, 'more range')} taken back"


def _undone_text(old: Run, new: Run, digits: int) -> str:
    changes = []
    if old.aa_index != new.aa_index:
        changes.append(f"aa_index {aa_text(old.aa_index)} is {aa_text(new.aa_index)} again")
    if old.flags != new.flags:
        changes.append(f"flags {old.flags:#x} are {new.flags:#x} again")
    address = f"{new.base:#0{digits + len('0x')}x}"
    lmbs = f"{count_of(new.lmbs, 'LMB')} at {address} (DRC {drc_range(new.drc_index, new.lmbs)})"
    return f"{lmbs}: {', '.join(changes)}"


def _value_record(value: PastValue, name: str, path: str) -> dict[str, Any]:
    written = value.written
    record: dict[str, Any] = {
        "number": value.number,
        "current": value.is_current,
        "length": None if value.value is None else len(value.value),
        "hex": None if value.value is None else value.value.hex(),
        "writer": written.writer,
        "function": function_that_writes(name) if written.writer == FLUSH else None,
        "time": value.seconds,
        "reason": worded(written.reason, None) or None,
        "requested": [_pair_record(*pair) for pair in written.requested],
        "undone": [_pair_record(*pair) for pair in written.undone],
    }
    by_meaning = path == NODE and name in (*LMB_PROPERTIES, LOOKUP_ARRAYS)
    record["changes"] = None if value.change is None else change_records(value.change, by_meaning=by_meaning)
    return record


def _pair_record(old: Run, new: Run) -> dict[str, Any]:
    return {"old": run_facts(old), "new": run_facts(new)}
