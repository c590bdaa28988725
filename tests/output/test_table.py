# SPDX-License-Identifier: MIT
"""Tables: the plain formatter, and when rich draws instead."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import pytest

from drmemctl.output.screen import Screen
from drmemctl.output.table import Cell, Column, plain_lines, show_table
from tests.conftest import ROOT

PIPE = Screen()
COLOURED = Screen(color=True)
TERMINAL = Screen(color=False, terminal=True, width=80)
COLUMNS = [Column("name"), Column("size", right=True), Column("flags")]
ROWS: list[Sequence[Cell]] = [("a", "1", "x y"), ("long name", "1000", "")]


def lines(screen: Screen, rows: Sequence[Sequence[Cell]], columns: Sequence[Column] = COLUMNS) -> list[str]:
    return list(plain_lines(screen, columns, iter(rows)))


def shown(
    capsys: pytest.CaptureFixture[str], screen: Screen, rows: Sequence[Sequence[Cell]], title: str = ""
) -> str:
    show_table(screen, COLUMNS, iter(rows), title=title)
    return capsys.readouterr().out


def test_columns_stand_two_spaces_apart_and_lines_end_where_their_text_does() -> None:
    assert lines(PIPE, ROWS) == [
        "name       size  flags\n",
        "a             1  x y\n",
        "long name  1000\n",
    ]


def test_a_table_without_rows_is_its_heading() -> None:
    assert lines(PIPE, []) == ["name  size  flags\n"]


def test_colour_does_not_move_a_column() -> None:
    rows: list[Sequence[Cell]] = [(("a", "red"), ("1", "bold red"), "z"), ("bb", "22", ("z", None))]
    assert lines(COLOURED, rows)[1:] == [
        "\x1b[31ma\x1b[0m        \x1b[1;31m1\x1b[0m  z\n",
        "bb      22  z\n",
    ]
    assert lines(PIPE, rows)[1:] == ["a        1  z\n", "bb      22  z\n"]


def test_a_later_and_wider_cell_shifts_only_its_own_line() -> None:
    row: Sequence[Cell] = ("a", "1", "x")
    made = lines(PIPE, [*[row] * 1500, ("wider than all", "1", "x"), row])
    assert made[1501] == "wider than all     1  x\n"
    assert made[1502] == made[1]


def test_rows_are_made_as_they_are_written() -> None:
    asked: list[int] = []

    def rows() -> Iterator[Sequence[Cell]]:
        for number in range(10**9):
            asked.append(number)
            yield (str(number), "", "")

    made = plain_lines(PIPE, COLUMNS, rows())
    assert next(made).startswith("name")
    assert len(asked) <= 2000


def test_a_pipe_gets_the_title_and_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, PIPE, ROWS, "Two rows") == "Two rows\n" + "".join(lines(PIPE, ROWS))


def test_a_terminal_gets_a_drawn_table_with_the_same_cells(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = shown(capsys, TERMINAL, ROWS, "Two rows")
    assert "─" in drawn
    assert "Two rows" in drawn
    assert [word for row in ROWS for cell in row for word in str(cell).split() if word not in drawn] == []


def test_markup_in_cells_and_title_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[Sequence[Cell]] = [("[red]a[/]", "[/b]", ":smile:")]
    drawn = shown(capsys, TERMINAL, rows, "[bold]t[/bold]")
    for text in ("[red]a[/]", "[/b]", ":smile:", "[bold]t[/bold]"):
        assert text in drawn


def test_a_table_wider_than_the_terminal_is_plain_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[Sequence[Cell]] = [("x" * 78, "1", "y")]
    assert shown(capsys, TERMINAL, rows) == "".join(lines(TERMINAL, rows))


@pytest.mark.parametrize(("n_rows", "drawn"), [(100, True), (101, False)])
def test_only_short_tables_are_drawn(n_rows: int, drawn: bool, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, TERMINAL, [("a", str(number), "x") for number in range(n_rows)])
    assert ("─" in out) is drawn
    assert len([line for line in out.splitlines() if line.lstrip().startswith("a ")]) == n_rows


@pytest.mark.parametrize("width", [30, 31, 40, 200])
@pytest.mark.parametrize("color", [False, True])
def test_no_cell_is_ever_cut(width: int, color: bool, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[Sequence[Cell]] = [("0x000080000000", "256", "assigned"), ("0x000090000000", "1", "free")]
    out = shown(capsys, Screen(color, True, width), rows)
    for row in rows:
        assert any(all(str(cell) in line for cell in row) for line in out.splitlines())


def test_a_long_table_costs_neither_time_nor_rich() -> None:
    code = (
        "import sys\nfrom drmemctl.output.screen import Screen\n"
        "from drmemctl.output.table import Column, show_table\n"
        "rows = ((f'{n:#x}', str(n)) for n in range(100_000))\n"
        "show_table(Screen(True, True, 80), [Column('a'), Column('b', True)], rows)\n"
        "sys.exit('rich' in sys.modules)"
    )
    begin = time.process_time()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 100_001)
    assert time.process_time() - begin < 10
