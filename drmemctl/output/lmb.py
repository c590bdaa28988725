# SPDX-License-Identifier: MIT
"""The LMB table as text, JSON, CSV and NDJSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from drmemctl.formats.dynamic_memory import AA_UNSET, flag_names
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import LmbTable, check_limit
from drmemctl.model.lmb_values import lmb_attributes, lmb_record, run_attributes, run_record
from drmemctl.model.run import Run, is_assigned
from drmemctl.output.lmb_words import address_range, domains_text, drc_range
from drmemctl.output.screen import Screen
from drmemctl.output.table import (
    AS_IT_IS,
    SAMPLE,
    Cell,
    Column,
    NodeCell,
    TableChoice,
    ValueCell,
    heading,
    line_maker,
    show_table,
)
from drmemctl.wording import count_of, size_text

_REMEMBERED = 10_000
_CSV_RUN = ("base", "count", "drc_index", "aa_index", "flags", "flag_names", "associativity", "node")
_CSV_LMB = ("base", "drc_index", "aa_index", "flags", "node")

_MANY = 4096
"""From so many lines on it pays to make them all at once."""


class LmbView(NamedTuple):
    """The LMBs to show, read as `kernel` does; `limit` is how many may be expanded, None shows runs.

    Addresses have `partition_digits`, where these are some LMBs of a partition.
    """

    table: LmbTable
    associativity: Associativity
    limit: int | None = None
    kernel: str | None = None
    partition_digits: int | None = None

    @property
    def digits(self) -> int:
        """Hex digits to which addresses are padded."""
        return self.table.address_digits if self.partition_digits is None else self.partition_digits


def _run_texts(view: LmbView) -> Iterator[str]:
    """Yield the runs as the JSON of `run_record`."""
    attributes = _attributes(run_attributes, view.associativity)
    for base, lmbs, drc_index, aa_index, flags in view.table.runs:
        start = f'{{"base": {base}, "count": {lmbs}, "drc_index": {drc_index}, '
        yield f'{start}{attributes(aa_index, flags)}, "drc_index_hex": "{drc_index:#010x}"}}'


def _lmb_texts(view: LmbView, limit: int) -> Iterator[str]:
    """Yield the LMBs as the JSON of `lmb_record`."""
    attributes = _attributes(lmb_attributes, view.associativity)
    for lmb in view.table.lmbs(limit):
        base = "null" if lmb.base is None else lmb.base
        start = f'{{"base": {base}, "drc_index": {lmb.drc_index}, '
        yield f'{start}{attributes(lmb.aa_index, lmb.flags)}, "drc_index_hex": "{lmb.drc_index:#010x}"}}'


def _attributes(
    record: Callable[[int, int, Associativity], dict[str, Any]], associativity: Associativity
) -> Callable[[int, int], str]:
    """Return what makes the JSON that goes by aa_index and flags: few differ, however many LMBs there are."""
    from drmemctl.output.json import record_text

    @lru_cache(_REMEMBERED)
    def attributes(aa_index: int, flags: int) -> str:
        return record_text(record(aa_index, flags, associativity))[1:-1]

    return attributes


def show_lmbs(screen: Screen, view: LmbView, format: str, choice: TableChoice = AS_IT_IS) -> None:
    """Print the LMBs as `text`, `json`, `csv` or `ndjson`; `LimitError` before the first byte."""
    if view.limit is not None:
        check_limit(view.table.n_lmbs, view.limit)
    if format == "text":
        _show_table(screen, view, choice)
    elif format == "json":
        from drmemctl.output.json import kernel_field, streamed

        head = {
            **kernel_field(view.kernel),
            "property": view.table.property_name or None,
            "lmb_size": view.table.lmb_size,
        }
        lists = {"runs": _run_texts(view)}
        if view.limit is not None:
            lists["lmbs"] = _lmb_texts(view, view.limit)
        screen.write_all(streamed("lmb", head, lists))
    elif format == "csv":
        from drmemctl.output.csv import csv_lines

        if view.limit is None:
            screen.write_all(csv_lines(_CSV_RUN, (run_record(run, view.associativity) for run in view.table.runs)))
        else:
            lmbs = view.table.lmbs(view.limit)
            screen.write_all(csv_lines(_CSV_LMB, (lmb_record(lmb, view.associativity) for lmb in lmbs)))
    else:
        texts = _run_texts(view) if view.limit is None else _lmb_texts(view, view.limit)
        screen.write_all(f"{text}\n" for text in texts)


COLUMNS = (
    Column("address", help="the first and the last address"),
    Column("size", right=True, gives_way=2, help="memory of the run", in_bytes=True),
    Column("LMBs", right=True, help="how many LMBs the run has"),
    Column("DRC index", help="the DRC indexes, the LMBs' names among connectors"),
    Column("aa", right=True, gives_way=1, help="aa_index: which lookup array; - where it is unset"),
    Column("domains", gives_way=3, help="the associativity in that lookup array"),
    Column("node", right=True, help="the Linux node; none where an assigned LMB has none"),
    Column(
        "flags",
        prose=True,
        makes_room_for=1,
        help="assigned, reserved, drc-invalid, ai-invalid, hot-removable; free where none is set",
    ),
)


def _show_table(screen: Screen, view: LmbView, choice: TableChoice) -> None:
    if (
        choice == AS_IT_IS
        and not screen.terminal
        and view.table.n_lmbs >= _MANY
        and not screen.color
        and _is_long(view)
    ):
        screen.write(title(view.table) + "\n")
        screen.write_all(_long_lines(screen, view))
        return
    row = Row(view)
    cells = map(row.sorted_cells if choice.needs_values else row.cells, _lines(view))
    show_table(screen, COLUMNS, cells, title=title(view.table), choice=choice)


def _is_long(view: LmbView) -> bool:
    """Whether there is a line for each LMB, and all of them look alike."""
    from drmemctl.output.lmb_lines import can_fill_in, each_is_a_line

    table = view.table
    if not table.lmb_size or (view.limit is None and not each_is_a_line(table)):
        return False
    return can_fill_in(table, view.digits)


def _long_lines(screen: Screen, view: LmbView) -> Iterator[str]:
    from drmemctl.output.lmb_lines import blocks_of, filled_in

    row, size, digits = Row(view), view.table.lmb_size or 0, view.digits
    line = line_maker(screen, COLUMNS, [row.cells(line_of_run) for line_of_run in islice(_lines(view), SAMPLE)])
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
    size = f" of {size_text(table.lmb_size)}" if table.lmb_size is not None else " of unknown size"
    return f"{lmbs}{size} in {count_of(len(table.runs), 'run')}, {table.property_name}"


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
    size = table.lmb_size
    if size is None:
        yield from map(Line, table.runs)
        return
    first, n_folded = None, 0
    for run in table.runs:
        if (
            first is not None
            and run.lmbs == first.lmbs == 1
            and run.base == first.base + n_folded * size
            and run[2:] == first[2:]
        ):
            n_folded += 1
            continue
        if first is not None:
            yield _folded(first, n_folded)
        first, n_folded = run, 1
    if first is not None:
        yield _folded(first, n_folded)


def _folded(first: Run, n_folded: int) -> Line:
    return Line(first) if n_folded == 1 else Line(first._replace(lmbs=n_folded), same_drc=True)


_size_text = lru_cache(_REMEMBERED)(size_text)


class KindCells(NamedTuple):
    """The cells that LMBs with one aa_index and flags have in common."""

    aa: str
    domains: str
    node: NodeCell
    flags: tuple[str, str | None]


class Row:
    """Turns lines into table cells; what neighbours have in common is worked out once."""

    def __init__(self, view: LmbView) -> None:
        self._lmb_size = view.table.lmb_size
        self._associativity = view.associativity
        self._width = view.digits + len("0x")
        self.kind_cells = lru_cache(_REMEMBERED)(self._kind_cells)

    def cells(self, line: Line) -> Sequence[Cell]:
        """Return the cells of a line, one for each of `COLUMNS`."""
        run, lmb_size = line.run, self._lmb_size
        addresses = size = "?"
        if lmb_size is not None:
            size = _size_text(lmb_size * run.lmbs)
        if line.placed:
            addresses = (
                f"{run.base:#0{self._width}x}"
                if lmb_size is None
                else address_range(run.base, run.lmbs * lmb_size, self._width)
            )
        drc_indexes = drc_range(run.drc_index, run.lmbs, same=line.same_drc)
        return addresses, size, f"{run.lmbs:,}", drc_indexes, *self.kind_cells(run.aa_index, run.flags)

    def sorted_cells(self, line: Line) -> Sequence[Cell]:
        """Return the same cells, with the numbers that they stand for."""
        run, size = line.run, self._lmb_size
        address, _, lmbs, drc_indexes, aa, *last_cells = self.cells(line)
        numbers = (run.base, run.lmbs, run.drc_index, run.aa_index)
        cells = [
            ValueCell(str(cell), None, number)
            for cell, number in zip((address, lmbs, drc_indexes, aa), numbers, strict=True)
        ]
        return [cells[0], ValueCell.of_size(None if size is None else size * run.lmbs), *cells[1:], *last_cells]

    def _kind_cells(self, aa_index: int, flags: int) -> KindCells:
        row, unknown = self._associativity.row(aa_index, flags), self._associativity.unknown
        names = " ".join(flag_names(flags))
        return KindCells(
            "-" if aa_index == AA_UNSET else str(aa_index),
            "-" if row is None else domains_text(row),
            NodeCell.of_node(
                None if unknown else self._associativity.node_of(aa_index, flags),
                "?" if unknown else "none" if is_assigned(flags) else "-",
            ),
            (names, "green" if is_assigned(flags) else "dim") if names else ("free", "dim"),
        )
