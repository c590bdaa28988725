# SPDX-License-Identifier: MIT
"""The answer to a question about a fleet: as a table of 80 columns, JSON, or CSV.

All text in it is from trees or from who asks: none of it reaches an output but through `safe`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain, islice
from textwrap import wrap
from typing import Any

from drmemctl.fleet.ask import QueryAnswer
from drmemctl.fleet.questions import NamedQuestion
from drmemctl.output.screen import Screen
from drmemctl.output.table import SAMPLE, Column, plain_lines
from drmemctl.output.text import safe
from drmemctl.output.wrap import folded

_NUMBERS = ("BIGINT", "DECIMAL", "DOUBLE", "FLOAT", "HUGEINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT")
_WIDTH = 80


def show_answer(screen: Screen, answer: QueryAnswer, format: str, question: str | None, sql: str) -> None:
    """Print an answer as `text`, `json` or `csv`."""
    names = [safe(name, None) for name in answer.columns]
    if format == "json":
        from drmemctl.output.json import row_text, streamed

        head = {
            "question": question,
            "sql": "\n".join(safe(line, None) for line in sql.splitlines()),
            "columns": [
                {"name": name, "type": safe(kind)} for name, kind in zip(names, answer.types, strict=True)
            ],
        }
        rows = (row_text(dict(zip(names, map(plain_value, row), strict=True))) for row in answer.rows)
        screen.write_all(streamed("fleet.ask", head, {"rows": rows}))
    elif format == "csv":
        screen.write_all(csv_text(names, (map(_cell, row) for row in answer.rows)))
    else:
        columns, texts = table_cells(answer)
        sample = list(islice(texts, SAMPLE))
        texts = chain(sample, texts)
        width = screen.width if screen.terminal else _WIDTH
        widths = _fitting(columns, sample, width)
        if widths is None:
            screen.write_all(_blocks(screen, [column.title for column in columns], texts, width))
        else:
            lines = (line for row in texts for line in _folded(row, widths))
            screen.write_all(plain_lines(screen, columns, lines))


def show_questions(screen: Screen, questions: Iterable[NamedQuestion], format: str) -> None:
    """Print which questions there are, as answers are printed."""
    rows = (
        (
            question.name + " PARTITION" * question.takes_partition,
            ", ".join(work.command.rpartition(" ")[2] for work in question.works),
            question.title,
        )
        for question in questions
    )
    show_answer(screen, QueryAnswer(("question", "of", "asks"), ("VARCHAR",) * 3, rows), format, None, "")


def show_sql(screen: Screen, questions: Iterable[NamedQuestion], partition: str | None) -> None:
    """Print the SQL of questions, ready to be given to the same command or to DuckDB."""
    texts = (f"/* {question.name}: {question.title} */\n{question.sql(partition)};\n" for question in questions)
    screen.write("\n".join("".join(f"{safe(line, None)}\n" for line in text.splitlines()) for text in texts))


def table_cells(answer: QueryAnswer) -> tuple[list[Column], Iterator[list[str]]]:
    """Return columns and cells of an answer."""
    columns = [
        Column(safe(name), kind.startswith(_NUMBERS))
        for name, kind in zip(answer.columns, answer.types, strict=True)
    ]
    return columns, ([_text(value) for value in row] for row in answer.rows)


def _fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Return widths of columns that fit a screen, texts folded between words; None where they cannot be."""
    widths = [max([len(column.title), *(len(row[i]) for row in rows)]) for i, column in enumerate(columns)]
    least = [
        size if column.right else max([len(word) for row in rows for word in row[i].split()] + [len(column.title)])
        for i, (column, size) in enumerate(zip(columns, widths, strict=True))
    ]
    while sum(widths) + 2 * len(columns) - 2 > width:
        spare = [size - narrow for size, narrow in zip(widths, least, strict=True)]
        if not any(spare):
            return None
        widths[max(range(len(widths)), key=lambda i: (spare[i] > 0, widths[i]))] -= 1
    return widths


def _folded(row: Sequence[str], widths: Sequence[int]) -> Iterator[list[str]]:
    """Yield a row as the lines that it takes."""
    lines = [
        [cell] if len(cell) <= width else wrap(cell, width, break_long_words=False, break_on_hyphens=False)
        for cell, width in zip(row, widths, strict=True)
    ]
    for at in range(max(map(len, lines), default=0)):
        yield [cell[at] if at < len(cell) else "" for cell in lines]


def _blocks(screen: Screen, titles: Sequence[str], rows: Iterable[Sequence[str]], width: int) -> Iterator[str]:
    """Yield each row as lines of its own, since together they are wider than a screen."""
    indent = max(map(len, titles), default=0) + 2
    blank = ""
    for row in rows:
        yield blank
        for title, cell in zip(titles, row, strict=True):
            lines = folded(cell, width - indent)
            yield screen.style(title, "bold") + " " * (indent - len(title)) + lines[0] + "\n"
            yield from (" " * indent + line + "\n" for line in lines[1:])
        blank = "\n"


def csv_text(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield lines of CSV whose cells may be any text (RFC 4180)."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for row in chain([columns], rows):
        writer.writerow(row)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _cell(value: Any) -> str:
    """Return a value as other files of CSV have it, which programs read: nothing, true and false."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else _text(value)


def plain_value(value: Any) -> Any:
    """Return a value of DuckDB's as JSON has it; a structure is a text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            return None
        return int(value) if isinstance(value, Decimal) and value == int(value) else float(value)
    return [plain_value(item) for item in value] if isinstance(value, list | tuple) else _text(value)


_WORDS = {None: "-", True: "yes", False: "no"}


def _text(value: Any) -> str:
    """Return a value as one printable line."""
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{safe(str(key), None)} {_text(item)}" for key, item in value.items())
    if isinstance(value, datetime):
        return time_text(value)
    return value.hex() if isinstance(value, bytes) else safe(str(value), None)


def time_text(moment: datetime) -> str:
    """Return a time as all outputs have it: in UTC where it is of any zone."""
    return (moment.astimezone(UTC) if moment.tzinfo else moment).isoformat().replace("+00:00", "Z")
