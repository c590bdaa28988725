# SPDX-License-Identifier: MIT
"""What a rule says of a state: a `Violation`, and the `Finding` that everybody shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from drmemctl.formats.dynamic_memory import flag_names
from drmemctl.formats.plain import record
from drmemctl.model.run import Run

if TYPE_CHECKING:
    from drmemctl.check.subject import Subject

MOST_RANGES = 4096
"""Ranges of LMBs that a finding keeps; a tree can be made to have a million, and nobody reads them."""

NOW, NEXT_FLUSH = "now", "next-flush"


class Severity(StrEnum):
    """The consequence for the running system, worst first.

    `error`: a kernel dies, loses memory, corrupts the property or puts memory on the wrong node; `warning`: that
    can happen after one more operation; `info`: odd.
    """

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Violation(NamedTuple):
    """One place that breaks a rule, as the rule's function yields it.

    Attributes:
        message: what is there, with its figures, and what it leads to; no final stop.
        path: the node.
        property: the property, empty for a node or the whole blob.
        offset: byte offset in the property (in the blob without one), or None.
        lmbs: the LMBs concerned, as runs.
        answer: in a stream of RTAS answers, which of them, from 0; the offset is in it then.
        rule: the id of the rule that it breaks, which the registry fills in.
        severity: that rule's severity, likewise.
        deadly: whether the kernel that is asked about dies of it while it boots, which the registry fills in.

    """

    message: str
    path: str = ""
    property: str = ""
    offset: int | None = None
    lmbs: tuple[Run, ...] = ()
    answer: int | None = None
    rule: str = ""
    severity: Severity = Severity.INFO
    deadly: bool = False


@dataclass(frozen=True, slots=True)
class LmbRange:
    """Consecutive LMBs that a finding is about.

    Attributes:
        base: address of the first.
        count: how many.
        drc_index: DRC index of the first.
        aa_index: of all of them.
        flags: of all of them.
        node: the Linux node that the kernel finds for them, None for none.
        size: bytes of all of them together, None where the tree does not say.
        is_shown: whether the tree shows what it takes to know the node.
        digits: hex digits to which addresses of this partition are padded.

    """

    base: int
    count: int
    drc_index: int
    aa_index: int
    flags: int
    node: int | None
    size: int | None
    is_shown: bool = True
    digits: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it like the runs of `drmemctl lmb --format json`."""
        return record(self, "base count drc_index aa_index flags flag_names node")

    @property
    def flag_names(self) -> list[str]:
        """The names of the flags."""
        return flag_names(self.flags)


_SHOWN = 160
"""Characters of a message that the short form of a finding shows."""


class Finding(NamedTuple):
    """What is wrong, with all that there is to show of it.

    Attributes:
        rule: the rule's id; empty for what no rule is about.
        severity: the worst consequence.
        title: what the rule finds, in a few words.
        message: what is there, and what it leads to.
        path: the node, empty for the blob itself, or for none.
        property: the property, empty for a node or the blob.
        offset: byte offset in the property (in the blob without one), or None.
        lmbs: the LMBs concerned, at most `MOST_RANGES` ranges.
        ranges_left_out: how many more ranges there are.
        fingerprint: the same as long as the rule, the place and the LMBs are.
        answer: in a stream of RTAS answers, which of them, from 0.
        when: `now`, or `next-flush` for what the next successful request would destroy.
        code: for a fault of the kernel, its kind, e.g. `oops`.
        function: the kernel function that it happens in.
        deadly: whether the kernel that is asked about dies of it while it boots.
        content: a digest of what the finding is about: the property, or else its node; baselines know it by that.
        line: where that stands in device tree source, from 1 on; 0 in other kinds of trees.
        column: likewise.
        fix: command lines that help, for a shell of the system that the tree is of; `TREE` stands for the input.

    """

    rule: str
    severity: Severity
    title: str
    message: str
    path: str = ""
    property: str = ""
    offset: int | None = None
    lmbs: tuple[LmbRange, ...] = ()
    ranges_left_out: int = 0
    fingerprint: str = ""
    answer: int | None = None
    when: str = NOW
    code: str = ""
    function: str = ""
    deadly: bool = False
    content: str = ""
    line: int = 0
    column: int = 0
    fix: tuple[str, ...] = ()

    def __repr__(self) -> str:
        cut = "…" if len(self.message) > _SHOWN else ""
        return f"<Finding {self.rule or self.code} {self.severity}: {self.message[:_SHOWN]!r}{cut}>"

    @classmethod
    def of(cls, violation: Violation, title: str, subject: Subject) -> Finding:
        """Return what there is to show of a violation of a rule of that title."""
        size = subject.table.lmb_size if violation.lmbs else None
        digits = subject.address_digits if violation.lmbs else 0
        # Firmware's answers, which `decode` judges, have no associativity, and no LMBs.
        ranges = tuple(
            LmbRange(
                *run,
                node=subject.associativity.node_of(run.aa_index, run.flags),
                size=None if size is None else size * run.lmbs,
                is_shown=not subject.associativity.unknown,
                digits=digits,
            )
            for run in violation.lmbs[:MOST_RANGES]
        )
        return cls(
            violation.rule,
            violation.severity,
            title,
            violation.message,
            violation.path,
            violation.property,
            violation.offset,
            ranges,
            len(violation.lmbs) - len(ranges),
            fingerprint(violation, size),
            violation.answer,
            deadly=violation.deadly,
        )


def fingerprint(violation: Violation, lmb_size: int | None) -> str:
    """Return what stays the same of a finding while other things in the tree change.

    Offsets and messages are not part of it: they shift and count with what stands before. How the LMBs fall
    into runs is not either, since that follows from flags and indexes that the rule may not be about.
    """
    from hashlib import sha256

    place = f"{violation.rule}\0{violation.path}\0{violation.property}"
    digest = sha256(place.encode("utf-8", "surrogatepass"))
    for base, count in _merged(violation.lmbs, lmb_size):
        digest.update(b"\0%x+%x" % (base, count))
    return digest.hexdigest()[:16]


def _merged(runs: Iterable[Run], lmb_size: int | None) -> Iterator[tuple[int, int]]:
    base, count = 0, 0
    for run in runs:
        if lmb_size and count and run.base == base + count * lmb_size:
            count += run.lmbs
            continue
        if count:
            yield base, count
        base, count = run.base, run.lmbs
    if count:
        yield base, count
