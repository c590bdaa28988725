# SPDX-License-Identifier: MIT
"""Reports: what of a finding they keep, what stays the same, and inputs that cannot be read."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import drmemctl
from drmemctl.check.engine import Plan
from drmemctl.check.finding import MOST_RANGES, Severity, Violation, fingerprint
from drmemctl.check.report import Report, report, report_tree
from drmemctl.check.rule import RULES, rule
from drmemctl.check.subject import Subject
from drmemctl.check.tally import CheckTally
from drmemctl.errors import InputError
from drmemctl.formats.dynamic_memory import NODE, V2
from drmemctl.model.run import Run
from tests.check.mutations import fixture

BAD = "boot/aa-out-of-range"
GOOD = "kernel-arrays/numa2-plug2"
LMB = 1 << 28


@pytest.fixture
def violations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Register a rule DRM999 that yields what is in the returned list, or raises it."""
    found: list[Any] = []

    def judge(subject: Subject) -> Iterator[Violation]:
        """Look for what a test put there."""
        for violation in found:
            if isinstance(violation, BaseException):
                raise violation
            yield violation

    monkeypatch.setitem(RULES, "DRM999", None)
    del RULES["DRM999"]
    judge.__module__ = "drmemctl.check.drmem.made_by_a_test"
    rule("DRM999", Severity.INFO, "made by a test")(judge)
    return found


ONLY = Plan(select=("DRM999",))


def test_a_finding_keeps_all_there_is_to_show() -> None:
    (finding, other) = report_tree(fixture(BAD), Plan(select=("DRM030",))).findings
    assert (finding.rule, finding.severity, finding.path, finding.property) == ("DRM030", "error", NODE, V2)
    assert finding.title == RULES["DRM030"].title
    (lmbs,) = finding.lmbs
    assert (lmbs.base, lmbs.count, lmbs.size, lmbs.aa_index, lmbs.flags, lmbs.node) == (
        0x50000000,
        1,
        LMB,
        5,
        8,
        None,
    )
    assert finding.fingerprint != other.fingerprint


def test_a_report_can_go_to_another_process() -> None:
    made = report_tree(fixture(BAD), Plan())
    assert pickle.loads(pickle.dumps(made)) == made


def test_nodes_are_those_of_the_kernel(violations: list[Any]) -> None:
    runs = tuple(Subject(fixture(GOOD)).table.runs)
    violations.append(Violation("all", lmbs=runs))
    (finding,) = report_tree(fixture(GOOD), ONLY).findings
    associativity = drmemctl.Associativity.from_tree(fixture(GOOD))
    assert [lmbs.node for lmbs in finding.lmbs] == [associativity.node_of(r.aa_index, r.flags) for r in runs]
    assert {lmbs.node for lmbs in finding.lmbs} > {0, 1}


def test_long_lists_of_lmbs_are_cut_and_counted(violations: list[Any]) -> None:
    run = Run(0, 1, 0x80000000, 0, 8)
    violations.append(Violation("many", lmbs=(run,) * (MOST_RANGES + 3)))
    (finding,) = report_tree(fixture(GOOD), ONLY).findings
    assert (len(finding.lmbs), finding.ranges_left_out) == (MOST_RANGES, 3)


def test_a_tree_without_an_lmb_size_has_ranges_without_a_size(violations: list[Any]) -> None:
    violations.append(Violation("x", lmbs=(Run(0, 2, 0x80000000, 0, 8),)))
    (finding,) = report_tree(fixture("boot/no-lmb-size"), ONLY).findings
    assert finding.lmbs[0].size is None


BASE = Violation("message", NODE, V2, 4, (Run(0, 2, 5, 1, 8), Run(8 * LMB, 1, 9, 1, 8)))


def print_of(violation: Violation, rule_id: str = "DRM001", size: int | None = LMB) -> str:
    return fingerprint(violation._replace(rule=rule_id), size)


@pytest.mark.parametrize(
    "same",
    [
        BASE._replace(message="another"),
        BASE._replace(offset=None),
        BASE._replace(lmbs=(Run(0, 1, 5, 1, 8), Run(LMB, 1, 6, 7, 0), Run(8 * LMB, 1, 9, 1, 8))),
    ],
    ids=["message", "offset", "runs"],
)
def test_a_fingerprint_stays_the_same(same: Violation) -> None:
    assert print_of(same) == print_of(BASE)


@pytest.mark.parametrize(
    "other",
    [
        BASE._replace(path="/x"),
        BASE._replace(property="x"),
        BASE._replace(path=f"{NODE}:{V2}", property=""),
        BASE._replace(lmbs=()),
        BASE._replace(lmbs=BASE.lmbs[:1]),
        BASE._replace(lmbs=(Run(LMB, 2, 5, 1, 8), BASE.lmbs[1])),
    ],
)
def test_a_fingerprint_tells_places_and_lmbs_apart(other: Violation) -> None:
    assert print_of(other) != print_of(BASE)
    assert print_of(BASE, "DRM002") != print_of(BASE)


def test_a_fingerprint_can_be_had_of_any_name() -> None:
    assert len(print_of(Violation("x", "/\udcff\ud800", "\0"), size=None)) == 16


def test_what_cannot_be_read_is_a_report_with_an_error(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.dtb")
    assert report(missing, Plan()) == Report(missing, error=f"{missing}: no such file or directory")
    (tmp_path / "text").write_text("nothing")
    assert "is no device tree" in report(str(tmp_path / "text"), Plan()).error


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (ValueError("x"), "internal error: ValueError: x; DRMEMCTL_DEBUG=1 shows where, please report it"),
        (MemoryError(), "too large for this machine (MemoryError)"),
        (RecursionError(), "too large for this machine (RecursionError)"),
        (InputError("no sense"), "no sense"),
    ],
)
def test_a_rule_that_fails_costs_one_tree(
    violations: list[Any], failure: Exception, said: str, dtb_file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DRMEMCTL_DEBUG", raising=False)
    violations.append(failure)
    source = str(dtb_file(GOOD))
    assert report(source, ONLY).error == f"{source}: {said}"


def test_debugging_shows_where_a_rule_fails(
    violations: list[Any], dtb_file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRMEMCTL_DEBUG", "1")
    violations.append(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        report(str(dtb_file(GOOD)), ONLY)


def test_a_tree_before_cas_is_judged_as_far_as_it_goes() -> None:
    note = report_tree(fixture("trees/precas"), Plan()).note
    assert "made before ibm,client-architecture-support" in note
    assert report_tree(fixture(GOOD), Plan()).note == ""


def test_the_library_checks_trees() -> None:
    tree = fixture(BAD)
    assert [finding.rule for finding in drmemctl.check(tree, select=["DRM030"])] == ["DRM030", "DRM030"]
    assert drmemctl.check(tree, ignore=["DRM"]) == ()
    assert drmemctl.check(fixture(GOOD), before=fixture(GOOD), kernel="6.1") == ()
    for wrong in ({"kernel": "new"}, {"select": ["DRMX"]}):
        with pytest.raises(ValueError, match="no "):
            drmemctl.check(tree, **wrong)


def test_a_tally_counts_and_decides() -> None:
    made = report_tree(fixture(BAD), Plan(select=("DRM030",)))
    tally = CheckTally()
    assert list(tally.counted([made, Report("x", error="x"), Report("y", known=2)])) != []
    assert (tally.trees, tally.faulty, tally.unreadable, tally.known, tally.worst_rule) == (2, 1, 1, 2, "DRM030")
    assert [tally.fails(word) for word in ("error", "warning", "info", "never")] == [True, True, True, False]


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        ("error", [True, True, True, False]),
        ("warning", [False, True, True, False]),
        ("info", [False, False, True, False]),
    ],
)
def test_fail_on_means_this_or_worse(severity: str, expected: list[bool]) -> None:
    tally = CheckTally()
    tally.findings[Severity(severity)] = 1
    assert [tally.fails(word) for word in ("error", "warning", "info", "never")] == expected
