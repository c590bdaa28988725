# SPDX-License-Identifier: MIT
"""A diff as lines of device tree source with - and + before them, for people who like `diff -u`.

The LMBs stand set by set whatever their property, lookup arrays list by list, other values in lines of eight
cells: a line that is the same in both trees is not shown as changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher

from drmemctl.compare.diff import Diff
from drmemctl.compare.properties import HEADER
from drmemctl.formats.cells import LMB_SIZE
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.formats.lookup_arrays import LookupArrays
from drmemctl.model.run import Run
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe
from drmemctl.tree.dts_text import is_strings, shown_name, value_text
from drmemctl.tree.node import Property

CONTEXT = 3
"""Lines shown before and after those that changed, as by `diff -u`."""

_ALIGNED = 2000
"""Lines that are aligned with one another; of longer stretches all old ones come first, then all new ones."""

_ROW = 32

Lines = Sequence[str]


def unified(screen: Screen, diff: Diff) -> Iterator[str]:
    """Yield the lines; none if there is no difference."""
    if diff.same:
        return
    yield styled(screen, f"--- {safe(diff.old.source, None)}")
    yield styled(screen, f"+++ {safe(diff.new.source, None)}")
    for title, old_lines, new_lines in _blocks(diff):
        lines = iter(compared(old_lines, new_lines))
        first = next(lines, None)
        if first is not None:
            yield styled(screen, f"@@ {title} @@")
            yield styled(screen, first)
            yield from (styled(screen, line) for line in lines)


def styled(screen: Screen, line: str) -> str:
    """Return a line in the colour of its mark, with its end."""
    styles = {"-": "red", "+": "green", "@": "cyan"}
    style = "bold" if line.startswith(("--- ", "+++ ")) else styles.get(line[:1])
    return screen.style(line, style) + "\n"


def _blocks(diff: Diff) -> Iterator[tuple[str, Lines, Lines]]:
    """Yield what is compared: a title, and the lines of both trees."""
    old, new = diff.old, diff.new
    if not diff.lmbs.same or old.lmb_size != new.lmb_size:
        yield (
            f"{NODE}:{LMB_SIZE}",
            value_lines(LMB_SIZE, old.size_property),
            value_lines(LMB_SIZE, new.size_property),
        )
        yield (
            f"{NODE}:{new.property or old.property or ''}",
            _set_lines(old.table.runs),
            _set_lines(new.table.runs),
        )
    if not diff.lookup.same:
        yield f"{NODE}:{LOOKUP_ARRAYS}", _list_lines(old.lookup), _list_lines(new.lookup)
    for change in diff.properties:
        path = _path(change.new_path if change.old is None and change.change != "removed" else change.old_path)
        if change.name is not None:
            name = change.name if change.old_path == HEADER else shown_name(change.name)
            yield path, value_lines(name, change.old), value_lines(name, change.new)
        elif change.node is None:
            yield path, [f"{_path(change.old_path)} {{"], [f"{_path(change.new_path)} {{"]
        else:
            from drmemctl.tree.writer import to_dts

            lines = to_dts(change.node).splitlines()
            yield (path, lines, []) if change.change == "removed" else (path, [], lines)


def _set_lines(runs: Iterable[Run]) -> Lines:
    """Return LMBs as sets, whatever the format of their property."""
    cells = "<{:#010x} {:#010x} {:#010x} {:#010x} {:#010x} {:#010x}>".format
    return [cells(lmbs, base >> 32, base & 0xFFFFFFFF, drc, aa, flags) for base, lmbs, drc, aa, flags in runs]


def _list_lines(lookup: LookupArrays | None) -> Lines:
    if lookup is None:
        return []
    rows = (f"<{' '.join(f'{domain:#010x}' for domain in row)}>" for row in lookup.rows())
    return [f"<{lookup.n_arrays:#010x} {lookup.array_sz:#010x}>", *rows]


def _path(path: str) -> str:
    if path == HEADER:
        return path
    return "/".join(shown_name(part) if part else "" for part in path.split("/"))


def value_lines(name: str, prop: Property | None) -> Lines:
    """Return a property; a long value in several lines, so that only those that differ are shown as changed."""
    if prop is None:
        return []
    note = "" if prop.total is None else f" /* the first {len(prop.value)} of {prop.total} bytes */"
    if not prop.value:
        return [f"{name};{note}"]
    if len(prop.value) <= _ROW:
        return [f"{name} = {_source(prop.value)};{note}"]
    if is_strings(prop.value):
        rows = [_source(text + b"\0") for text in prop.value[:-1].split(b"\0")]
    else:
        parts = (prop.value[start : start + _ROW] for start in range(0, len(prop.value), _ROW))
        even = len(prop.value) % 4 == 0
        rows = [_source(part) if even and not is_strings(part) else f"[{part.hex(' ')}]" for part in parts]
    return [f"{name} ={note}", *(f"\t{row}" for row in rows)]


def _source(value: bytes) -> str:
    return value_text(value) if value.strip(b"\0") or not is_strings(value) else f"[{value.hex(' ')}]"


def compared(old: Lines, new: Lines) -> Iterator[str]:
    """Yield the lines that differ, with some around them."""
    head = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    if head == len(old) == len(new):
        return
    backwards = zip(reversed(old[head:]), reversed(new[head:]), strict=False)
    tail = next((i for i, (a, b) in enumerate(backwards) if a != b), min(len(old), len(new)) - head)
    yield from _context(old[max(0, head - CONTEXT) : head], more=head > CONTEXT)
    old_middle, new_middle = old[head : len(old) - tail], new[head : len(new) - tail]
    operations: Iterable[tuple[str, int, int, int, int]] = [("replace", 0, len(old_middle), 0, len(new_middle))]
    if len(old_middle) + len(new_middle) <= _ALIGNED:
        operations = SequenceMatcher(None, old_middle, new_middle, autojunk=False).get_opcodes()
    for operation, a, b, c, d in operations:
        if operation != "equal":
            yield from (f"-{line}" for line in old_middle[a:b])
            yield from (f"+{line}" for line in new_middle[c:d])
        elif b - a <= 2 * CONTEXT:
            yield from _context(old_middle[a:b])
        else:
            yield from _context(old_middle[a : a + CONTEXT])
            yield from _context(old_middle[b - CONTEXT : b], more=True)
    after = old[len(old) - tail :]
    yield from _context(after[:CONTEXT])
    if len(after) > CONTEXT:
        yield " …"


def _context(lines: Iterable[str], *, more: bool = False) -> Iterator[str]:
    if more:
        yield " …"
    yield from (f" {line}" for line in lines)
