# SPDX-License-Identifier: MIT
"""`drmemctl fleet ask`: questions to a data set."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from drmemctl.cli.common import color_option, format_option
from drmemctl.cli.fleet.extra import check_extra
from drmemctl.cli.table_options import TableCommand
from drmemctl.output.screen import Screen, say

_EXAMPLE = """
\b
Examples:
  drmemctl fleet ask fleet
  drmemctl fleet ask fleet rules
  drmemctl fleet ask fleet drift lpar7 --format csv
  drmemctl fleet ask s3://support/fleet unreadable
  drmemctl fleet ask fleet worst --sql
  drmemctl fleet ask campaign replay
  drmemctl fleet ask fleet "select release, count(*) from inputs group by all"

SQL is DuckDB's. Of fleet check it sees the views inputs, nodes, lmb_runs and findings, of an input that has
changed as it was when it was judged last, and partitions (url, version, name); of campaigns simulations or
explorations, and scenarios, which is either. docs/schemas describes the columns. It can only read, and only the
data set.
"""


def _complete(_context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from drmemctl.fleet.questions import QUESTIONS

    return [
        CompletionItem(question.name, help=question.title)
        for question in QUESTIONS.values()
        if question.name.startswith(incomplete)
    ]


@click.command(
    "ask",
    cls=TableCommand.of("drmemctl.fleet.answer_words:ANSWER_WORDS"),
    short_help="Answer questions about a data set.",
    epilog=_EXAMPLE,
)
@click.argument("dataset", metavar="DATASET")
@click.argument("question", metavar="[QUESTION|SQL]", required=False, shell_complete=_complete)
@click.argument("partition", metavar="[PARTITION]", required=False)
@click.option("--sql", "show", is_flag=True, help="Print the question's SQL, or that of all, and ask nothing.")
@format_option("text", "json", "csv")
@color_option()
def command(
    dataset: str, question: str | None, partition: str | None, show: bool, format: str, screen: Screen
) -> None:
    """Answer questions about a data set that a command of fleet made: those that have a name, or any in SQL.

    Without a question it lists those that have a name.
    """
    check_extra()
    from drmemctl.fleet.questions import INPUTS_OF, QUESTIONS, is_name
    from drmemctl.output.fleet_ask import show_answer, show_questions, show_sql

    named = QUESTIONS.get(question or "")
    if named is None and question is not None and is_name(question):
        raise click.UsageError(f"no question {question!r}; there are {', '.join(QUESTIONS)}.")
    if partition is not None and not (named and named.takes_partition):
        about_one = [entry.name for entry in QUESTIONS.values() if entry.takes_partition]
        raise click.UsageError(f"only {', '.join(about_one)} ask about one PARTITION.")
    if show:
        show_sql(screen, QUESTIONS.values() if named is None else [named], partition)
        return
    if question is None:
        show_questions(screen, QUESTIONS.values(), format)
        return
    if named is not None and named.takes_partition and partition is None:
        raise click.UsageError(f"{question} asks about one PARTITION; the view partitions has their names.")
    from drmemctl.fleet.ask import check_asked_of, fleet

    sql = question if named is None else named.sql(partition)
    with fleet(dataset) as views:
        if named is not None:
            check_asked_of(named, views.work, dataset)
        if partition is not None and not any(views.ask(INPUTS_OF.sql(partition)).rows):
            say(f"{dataset}: no input is of a partition {partition!r}; the view partitions has their names")
        show_answer(screen, views.ask(sql), format, named and named.name, sql)
