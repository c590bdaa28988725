# SPDX-License-Identifier: MIT
"""A data set on one page: how much there is, the questions with names, and how partitions drift."""

from __future__ import annotations

from typing import NamedTuple

from drmemctl.fleet.ask import Fleet, QueryAnswer
from drmemctl.fleet.questions import COUNTS, DRIFTED, QUESTIONS, NamedQuestion
from drmemctl.fleet.work import Work


class Answered(NamedTuple):
    """A question, its SQL, and the answer; the partition, empty where it is about all."""

    question: NamedQuestion
    sql: str
    answer: QueryAnswer
    partition: str = ""


class FleetOverview(NamedTuple):
    """What there is to say of a data set.

    Attributes:
        url: where it is, as the user named it.
        work: what filled it.
        counts: how much there is, by what it is.
        answers: the questions about all of it.
        drifts: the captures of the partitions whose LMBs changed most.

    """

    url: str
    work: Work
    counts: dict[str, int]
    answers: tuple[Answered, ...]
    drifts: tuple[Answered, ...]


def overview_of(fleet: Fleet, url: str) -> FleetOverview:
    """Return what there is to say of the data set at a URL."""
    drift, work = QUESTIONS["drift"], fleet.work
    names = [str(name) for (name,) in fleet.ask(DRIFTED).rows] if work in drift.works else []
    questions = [question for question in QUESTIONS.values() if work in question.works]
    counts = fleet.ask(COUNTS[work])
    return FleetOverview(
        url,
        work,
        dict(zip(counts.columns, next(counts.rows), strict=True)),
        tuple(_answered(fleet, question, None) for question in questions if not question.takes_partition),
        tuple(_answered(fleet, drift, name) for name in names),
    )


def _answered(fleet: Fleet, question: NamedQuestion, partition: str | None) -> Answered:
    sql = question.sql(partition)
    answer = fleet.ask(sql)
    # A connection has one result at a time.
    return Answered(question, sql, answer._replace(rows=iter(list(answer.rows))), partition or "")
