# SPDX-License-Identifier: MIT
"""Tables: their lines, the columns that give way, and what can be chosen of them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from drmemctl.output.screen import Screen
from drmemctl.output.table import Cell, Column, NodeCell, TableChoice, ValueCell, plain_lines, show_table
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


def test_a_terminal_gets_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, TERMINAL, ROWS, "Two rows") == "Two rows\n" + "".join(lines(PIPE, ROWS))


def test_markup_in_cells_and_title_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[Sequence[Cell]] = [("[red]a[/]", "[/b]", ":smile:")]
    drawn = shown(capsys, TERMINAL, rows, "[bold]t[/bold]")
    for text in ("[red]a[/]", "[/b]", ":smile:", "[bold]t[/bold]"):
        assert text in drawn


WIDE = [
    Column("address"),
    Column("size", right=True, gives_way=2),
    Column("aa", right=True, gives_way=1),
    Column("words", prose=True),
]


@pytest.mark.parametrize(
    ("width", "titles"),
    [(64, "address size aa words"), (63, "address aa words"), (57, "address aa words"), (56, "address words")],
)
def test_columns_give_way_in_their_order(width: int, titles: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("0x" + "0" * 30, "2 GiB", "17", "prose of 19 letters")]
    show_table(Screen(terminal=True, width=width), WIDE, iter(rows))
    head, row, *note = capsys.readouterr().out.splitlines()
    note_text = [" ".join(" ".join(note).split())] if note else []
    assert head.split() == titles.split()
    assert max(map(len, (head, row, *note))) <= width
    hidden = [column.title for column in WIDE if column.title not in titles.split()]
    assert note_text == (
        [f"no room for: {', '.join(hidden)} (--output-all, or a wider terminal)"] if hidden else []
    )


def test_a_narrow_column_comes_back_where_a_wide_one_before_it_had_to_go(
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns = [
        Column("address"),
        Column("zone", gives_way=1),
        Column("dump", gives_way=2),
        Column("images", gives_way=3),
    ]
    rows = [("0x" + "0" * 30, "Normal, Movable from 0x40000000", "yes", "no")]
    show_table(Screen(terminal=True, width=40), columns, iter(rows))
    head, _, *note = capsys.readouterr().out.splitlines()
    assert head.split() == ["address", "dump"]
    assert "".join(note).startswith("no room for: zone, images")


@pytest.mark.parametrize(
    ("width", "titles"), [(63, "address aa words"), (48, "address aa words"), (44, "address words")]
)
def test_a_column_stays_for_which_the_text_makes_room(
    width: int, titles: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("0x" + "0" * 30, "2 GiB", "17", "prose of 19 letters")]
    columns = [*WIDE[:3], WIDE[3]._replace(makes_room_for=1)]
    show_table(Screen(terminal=True, width=width), columns, iter(rows))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == titles.split()
    assert max(map(len, lines)) <= width
    assert [word for line in lines[1:4] for word in line.split() if word in rows[0][3].split()] == rows[0][
        3
    ].split()


def test_prose_is_cut_at_last_and_an_address_never(capsys: pytest.CaptureFixture[str]) -> None:
    address = "0x" + "0" * 30
    for text, shown_lines in (
        ("prose-of-19-letters", [f"{address}  prose-of-19-let…"]),
        ("prose of 19 letters", [f"{address}  prose of 19", " " * 34 + "letters"]),
    ):
        show_table(Screen(terminal=True, width=50), WIDE, iter([(address, "2 GiB", "17", text)]))
        assert capsys.readouterr().out.splitlines()[1 : 1 + len(shown_lines)] == shown_lines


@pytest.mark.parametrize("width", [80, 50, 45, 20])
def test_of_columns_that_were_asked_for_nothing_is_cut(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("0x" + "0" * 30, "2 GiB", "17", "prose of 19 letters")]
    choice = TableChoice(("address", "words"))
    show_table(Screen(terminal=True, width=width), WIDE, iter(rows), choice=choice)
    assert " ".join(capsys.readouterr().out.split()) == f"address words {rows[0][0]} prose of 19 letters"


def test_a_last_column_of_prose_goes_on_below_itself(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("0x0", "2 GiB", "17", "a sentence that is wider than the room there is"), ("0x1", "1 GiB", "1", "x")]
    show_table(Screen(terminal=True, width=45), WIDE[:1] + WIDE[3:], iter([(a, d) for a, _, _, d in rows]))
    assert capsys.readouterr().out == (
        "address  words\n0x0      a sentence that is wider than the\n         room there is\n0x1      x\n"
    )


def test_a_last_column_of_blanks_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    columns = (Column("name"), Column("value", prose=True))
    show_table(Screen(terminal=True, width=40), columns, iter([("model", " " * 90), ("a", "b")]))
    assert capsys.readouterr().out == "name   value\nmodel" + " " * 34 + "…\na      b\n"


def test_a_pipe_gets_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[Sequence[Cell]] = [("x" * 78, "1", "y")]
    assert shown(capsys, PIPE, rows) == "".join(lines(PIPE, rows))


SIZES = [Column("node", right=True), Column("size", right=True, in_bytes=True), Column("note")]


def chosen(capsys: pytest.CaptureFixture[str], choice: TableChoice) -> list[str]:
    rows = [
        (NodeCell.of(number, style=None), ValueCell.of_size(size), f"n{number}")
        for number, size in ((10, 1 << 30), (9, 256 << 20), (2, None))
    ]
    show_table(PIPE, SIZES, iter(rows), title="title", choice=choice)
    return capsys.readouterr().out.splitlines()


def test_numbers_are_sorted_as_numbers_and_printed_in_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    by_node = chosen(capsys, TableChoice(sort="node"))
    assert [line.split()[0] for line in by_node[2:]] == ["2", "9", "10"]
    by_size = chosen(capsys, TableChoice(("size",), sort="size", in_bytes=True, headings=False))
    assert [line.strip() for line in by_size] == ["?", "268435456", "1073741824"]


HOSTILE = "x\"y \\ $(touch pwned) `touch pwned` $HOME'"


def test_a_shell_reads_pairs_as_they_were(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    columns = [Column("DRC index"), Column("memory@")]
    show_table(PIPE, columns, iter([(HOSTILE, "1")]), choice=TableChoice(pairs=True))
    script = f'{capsys.readouterr().out}printf %s "$DRC_INDEX|$MEMORY_AT"'
    read = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert read.stdout == f"{HOSTILE}|1"
    assert list(tmp_path.iterdir()) == []


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
