# SPDX-License-Identifier: MIT
"""The LMB table as text, JSON, CSV and NDJSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from drmemctl.formats.dynamic_memory import AA_UNSET, flag_names
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import LmbTable, check_limit
from drmemctl.model.run import Lmb, Run, is_assigned
from drmemctl.output.lmb_words import address_range, domains_text, drc_range
from drmemctl.output.screen import Screen, node_style
from drmemctl.output.table import SAMPLE, Cell, Column, heading, line_maker, show_table
from drmemctl.wording import count_of, size_text

_REMEMBERED = 10_000
_MANY = 4096
"""From so many lines on it pays to make them all at once."""


class LmbView(NamedTuple):
    """The LMBs to show, read as `kernel` does; `limit` is how many may be expanded, None shows runs."""

    table: LmbTable
    associativity: Associativity
    limit: int | None = None
    kernel: str | None = None


def run_record(run: Run, associativity: Associativity) -> dict[str, Any]:
    """Return a run as JSON has it."""
    row = associativity.row(run.aa_index, run.flags)
    return {
        "base": run.base,
        "count": run.lmbs,
        "drc_index": run.drc_index,
        "aa_index": run.aa_index,
        "flags": run.flags,
        "flag_names": flag_names(run.flags),
        "associativity": None if row is None else list(row),
        "node": associativity.node_of(run.aa_index, run.flags),
    }


def lmb_record(lmb: Lmb, associativity: Associativity) -> dict[str, Any]:
    """Return an LMB as JSON has it."""
    return {
        "base": lmb.base,
        "drc_index": lmb.drc_index,
        "aa_index": lmb.aa_index,
        "flags": lmb.flags,
        "node": associativity.node_of(lmb.aa_index, lmb.flags),
    }


def show_lmbs(screen: Screen, view: LmbView, format: str) -> None:
    """Print the LMBs as `table`, `json`, `csv` or `ndjson`; `LimitError` before the first byte."""
    if view.limit is not None:
        check_limit(view.table.n_lmbs, view.limit)
    if format == "table":
        _show_table(screen, view)
    elif format == "json":
        _show_json(screen, view)
    elif format == "csv":
        screen.write_all(_csv_lines(view))
    else:
        from drmemctl.output.json import lines

        screen.write_all(lines(_records(view)))


def _records(view: LmbView) -> Iterator[dict[str, Any]]:
    if view.limit is None:
        return (run_record(run, view.associativity) for run in view.table.runs)
    return (lmb_record(lmb, view.associativity) for lmb in view.table.lmbs(view.limit))


def _show_json(screen: Screen, view: LmbView) -> None:
    from drmemctl.output.json import kernel_field, schema, streamed

    head = {
        "schema": schema("lmb"),
        **kernel_field(view.kernel),
        "property": view.table.property_name or None,
        "lmb_size": view.table.lmb_size,
    }
    lists = {"runs": (run_record(run, view.associativity) for run in view.table.runs)}
    if view.limit is not None:
        lists["lmbs"] = (lmb_record(lmb, view.associativity) for lmb in view.table.lmbs(view.limit))
    screen.write_all(streamed(head, lists))


_CSV_RUN = ("base", "count", "drc_index", "aa_index", "flags", "flag_names", "associativity", "node")
_CSV_LMB = ("base", "drc_index", "aa_index", "flags", "node")


def _csv_lines(view: LmbView) -> Iterator[str]:
    from drmemctl.output.csv import csv_lines

    return csv_lines(_CSV_RUN if view.limit is None else _CSV_LMB, _records(view))


COLUMNS = (
    Column("address"),
    Column("size", right=True),
    Column("LMBs", right=True),
    Column("DRC index"),
    Column("aa", right=True),
    Column("domains"),
    Column("node", right=True),
    Column("flags"),
)


def _show_table(screen: Screen, view: LmbView) -> None:
    if view.table.n_lmbs >= _MANY and not screen.color and _is_long(view):
        screen.write(title(view.table) + "\n")
        screen.write_all(_long_lines(screen, view))
        return
    show_table(screen, COLUMNS, map(Row(view).cells, _lines(view)), title=title(view.table))


def _is_long(view: LmbView) -> bool:
    """Whether there is a line for each LMB, and all of them look alike."""
    from drmemctl.output.lmb_lines import can_fill_in, each_is_a_line

    table = view.table
    if not table.lmb_size or (view.limit is None and not each_is_a_line(table)):
        return False
    return can_fill_in(table, address_width(table) - len("0x"))


def _long_lines(screen: Screen, view: LmbView) -> Iterator[str]:
    from drmemctl.output.lmb_lines import blocks_of, filled_in

    row, size, digits = Row(view), view.table.lmb_size or 0, address_width(view.table) - len("0x")
    line = line_maker(screen, COLUMNS, [row.cells(one) for one in islice(_lines(view), SAMPLE)])
    yield heading(COLUMNS, line)

    def form_of(kind: tuple[int, int]) -> str:
        cells = row.cells(Line(Run(0, 1, 0, *kind)))
        addresses = f"0x%0{digits}x-0x%0{digits}x"
        form = line(cells).replace("%", "%%").replace(str(cells[0]), addresses, 1)
        return form.replace(str(cells[3]), "0x%08x", 1)

    yield from filled_in(blocks_of(view.table), size, form_of)


def title(table: LmbTable) -> str:
    """Return how many LMBs there are, of which size, in which property."""
    lmbs = count_of(table.n_lmbs, "LMB")
    each = f" of {size_text(table.lmb_size)}" if table.lmb_size is not None else " of unknown size"
    return f"{lmbs}{each} in {count_of(len(table.runs), 'run')}, {table.property_name}"


class Line(NamedTuple):
    """A run as a person reads it.

    Attributes:
        run: the LMBs.
        same_drc: whether all of them have the first one's DRC index.
        placed: whether the address is known; that of a set's later LMBs is not where there is no LMB size.

    """

    run: Run
    same_drc: bool = False
    placed: bool = True


def _lines(view: LmbView) -> Iterator[Line]:
    lmb_size = view.table.lmb_size
    if view.limit is not None:
        return (
            Line(run.part(position, 1, lmb_size), placed=position == 0 or lmb_size is not None)
            for run in view.table.runs
            for position in range(run.lmbs)
        )
    return folded(view.table)


def folded(table: LmbTable) -> Iterator[Line]:
    """Yield the runs, those folded that differ in nothing but that their DRC index does not count.

    QEMU's v1 property gives every LMB of boot memory the DRC index 0: a line each would hide the rest.
    """
    size = table.lmb_size or 0
    folds = table.lmb_size is not None
    base, count, drc, aa, flags = 0, 0, 0, 0, 0
    same_drc, next_base = False, -1
    for run_base, n, run_drc, run_aa, run_flags in table.runs:
        alike = n == 1 and run_base == next_base and run_drc == drc and run_aa == aa and run_flags == flags
        if alike and folds and (count == 1 or same_drc):
            count, same_drc = count + 1, True
        else:
            if count:
                yield Line(Run(base, count, drc, aa, flags), same_drc)
            base, count, drc, aa, flags, same_drc = run_base, n, run_drc, run_aa, run_flags, False
        next_base = base + count * size
    if count:
        yield Line(Run(base, count, drc, aa, flags), same_drc)


class Row:
    """Turns lines into table cells; what neighbours have in common is worked out once."""

    def __init__(self, view: LmbView) -> None:
        self._lmb_size = view.table.lmb_size
        self._associativity = view.associativity
        self._known: dict[tuple[int, int, int], tuple[Cell, ...]] = {}
        self._width = address_width(view.table)

    def cells(self, line: Line) -> Sequence[Cell]:
        """Return the cells of a line, one for each of `COLUMNS`."""
        run = line.run
        key = (run.lmbs, run.aa_index, run.flags)
        rest = self._known.get(key)
        if rest is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            rest = self._known[key] = self._rest(run)
        lmb_bytes, count, aa, domains, node, flags = rest
        drc_indexes = drc_range(run.drc_index, run.lmbs, same=line.same_drc)
        return self._addresses(line), lmb_bytes, count, drc_indexes, aa, domains, node, flags

    def _rest(self, run: Run) -> tuple[Cell, ...]:
        row = self._associativity.row(run.aa_index, run.flags)
        return (
            "?" if self._lmb_size is None else size_text(self._lmb_size * run.lmbs),
            str(run.lmbs),
            "-" if run.aa_index == AA_UNSET else str(run.aa_index),
            "-" if row is None else domains_text(row),
            _node_cell(self._associativity, run),
            _flags_cell(run.flags),
        )

    def _addresses(self, line: Line) -> str:
        run = line.run
        if not line.placed:
            return "?"
        if self._lmb_size is None:
            return f"{run.base:#0{self._width}x}"
        return address_range(run.base, run.count * self._lmb_size, self._width)


def address_width(table: LmbTable) -> int:
    """Return the characters of the highest address; of a table with many runs, of a usual one."""
    if len(table.runs) > _REMEMBERED:
        return len("0x000000000000")
    return max((len(f"{run.base + run.lmbs * (table.lmb_size or 1) - 1:#x}") for run in table.runs), default=1)


def _node_cell(associativity: Associativity, run: Run) -> tuple[str, str | None]:
    if associativity.unknown:
        return "?", "dim"
    node = associativity.node_of(run.aa_index, run.flags)
    if node is not None:
        return str(node), node_style(node)
    # Assigned memory whose node cannot be found kills a booting kernel: not a detail to dim.
    return ("none", "bold red") if is_assigned(run.flags) else ("-", "dim")


def _flags_cell(flags: int) -> tuple[str, str | None]:
    names = " ".join(flag_names(flags))
    if not names:
        return "free", "dim"
    return names, "green" if is_assigned(flags) else "dim"
