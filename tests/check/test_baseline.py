# SPDX-License-Identifier: MIT
"""Baselines: what is known, by input and number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drmemctl.check.baseline import SCHEMA, Baseline, document
from drmemctl.check.report import Report
from drmemctl.errors import InputError
from tests.output.reports import finding


def report_of(source: str, letters: str) -> Report:
    return Report(source, tuple(finding(fingerprint=letter * 16) for letter in letters))


def new(tmp_path: Path, known: list[Report], now: list[Report]) -> list[tuple[str, int]]:
    """Return the first letters of the new fingerprints and the number of known findings, for each report."""
    path = tmp_path / "base.json"
    path.write_text(document(known, str(path)))
    reports = Baseline.read(str(path)).new_in(now)
    return [("".join(f.fingerprint[0] for f in made.findings), made.known) for made in reports]


def test_what_is_known_is_left_out_and_counted(tmp_path: Path) -> None:
    assert new(tmp_path, [report_of("a", "xy")], [report_of("a", "xyz")]) == [("z", 2)]


def test_nothing_is_new_in_the_same_reports(tmp_path: Path) -> None:
    known = [report_of("a", "xxy"), report_of("b", ""), Report("c", error="c: bad")]
    assert new(tmp_path, known, known) == [("", 3), ("", 0), ("", 0)]


def test_one_more_of_the_same_is_new(tmp_path: Path) -> None:
    assert new(tmp_path, [report_of("a", "xx")], [report_of("a", "xxx")]) == [("x", 2)]


def test_an_input_does_not_excuse_another(tmp_path: Path) -> None:
    assert new(tmp_path, [report_of("a", "x")], [report_of("b", "x")]) == [("x", 0)]


def test_inputs_are_named_from_the_baseline_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "base.json"
    monkeypatch.chdir(tmp_path)
    path.write_text(document([report_of("trees/a.dtb", "x"), report_of("-", "y")], "base.json"))
    assert list(json.loads(path.read_text())["findings"]) == ["-", "trees/a.dtb"]
    (tmp_path / "trees").mkdir()
    monkeypatch.chdir(tmp_path / "trees")
    again = list(Baseline.read("../base.json").new_in([report_of("a.dtb", "x"), report_of("-", "y")]))
    assert [made.known for made in again] == [1, 1]


def test_the_file_says_what_was_agreed_to(tmp_path: Path) -> None:
    text = document([report_of("a", "x")], str(tmp_path / "b"))
    (entries,) = json.loads(text)["findings"].values()
    assert json.loads(text)["schema"] == SCHEMA
    assert entries == [
        {"fingerprint": "x" * 16, "rule": "DRM030", "message": "2 LMBs are assigned, but without a node"}
    ]
    assert text.endswith("\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "this is no baseline: "),
        ("[]", "this is no baseline that this version reads: no schema 'drmemctl.baseline/1'"),
        ('{"schema": "drmemctl.baseline/2"}', "its schema is 'drmemctl.baseline/2', not 'drmemctl.baseline/1'"),
        ('{"schema": "drmemctl.baseline/1"}', "this baseline is damaged"),
        ('{"schema": "drmemctl.baseline/1", "findings": []}', "this baseline is damaged"),
        ('{"schema": "drmemctl.baseline/1", "findings": {"a": [3]}}', "this baseline is damaged"),
        ("[" * 100_000, "this is no baseline: "),
    ],
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "base.json"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        Baseline.read(str(path))
    assert said in str(error.value)
    assert "--write-baseline" in str(error.value)


def test_a_missing_baseline_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        Baseline.read(str(tmp_path / "missing"))


def with_content(source: str, kinds: str) -> Report:
    """Return a report whose findings are pairs of letters: of the fingerprint, of the content."""
    pairs = [kinds[at : at + 2] for at in range(0, len(kinds), 2)]
    return Report(source, tuple(finding(fingerprint=pair[0] * 16, content=pair[1] * 16) for pair in pairs))


def test_a_tree_that_moved_is_known_by_its_content(tmp_path: Path) -> None:
    known = [with_content("a", "xcyd")]
    assert new(tmp_path, known, [with_content("b", "xcyd")]) == [("", 2)]
    assert new(tmp_path, known, [with_content("b", "xcye")]) == [("y", 1)], "other bytes are another tree"
    assert new(tmp_path, known, [with_content("a", "xeye")]) == [("", 2)], "but for the same input"
    assert new(tmp_path, known, [with_content("b", "xcxc")]) == [("x", 1)], "no more of a kind than there were"
    assert new(tmp_path, known, [with_content("a", "xcxc")]) == [("x", 1)]
    assert new(tmp_path, known, [with_content("b", "xcyd"), with_content("c", "xcyd")]) == [("", 2), ("", 2)]


def test_baselines_of_earlier_versions_know_by_name_alone(tmp_path: Path) -> None:
    path = tmp_path / "base.json"
    entry = {"fingerprint": "x" * 16, "rule": "DRM030", "message": "m"}
    path.write_text(json.dumps({"schema": SCHEMA, "findings": {"a": [entry]}}))
    reports = [with_content(str(tmp_path / "a"), "xc"), with_content(str(tmp_path / "b"), "xc")]
    assert [len(made.findings) for made in Baseline.read(str(path)).new_in(reports)] == [0, 1]


def stale(tmp_path: Path, known: list[Report], now: list[Report], rules: str = "DRM030") -> dict[str, str]:
    """Return the first letters of what is stale, by name; the rules asked are those whose id is in `rules`."""
    path = tmp_path / "base.json"
    path.write_text(document(known, str(path)))
    baseline = Baseline.read(str(path))
    list(baseline.new_in(now))
    entries = baseline.stale(lambda _source, rule: rule in rules)
    kept = json.loads(baseline.without(entries))["findings"]
    assert sum(map(len, kept.values())) + sum(map(len, entries.values())) == sum(len(r.findings) for r in known)
    return {name: "".join(entry.fingerprint[0] for entry in listed) for name, listed in entries.items()}


def test_what_is_not_found_any_more_is_stale(tmp_path: Path) -> None:
    here = str(tmp_path / "a")
    (tmp_path / "a").touch()
    assert stale(tmp_path, [with_content(here, "xcxcyd")], [with_content(here, "xc")]) == {"a": "xy"}
    assert stale(tmp_path, [with_content(here, "xc")], [with_content(here, "xc")]) == {}
    assert stale(tmp_path, [with_content(here, "xc")], [with_content(here, "")], rules="") == {}, "nobody asked"
    assert stale(tmp_path, [with_content(here, "xc")], [Report(here, error="no")]) == {}, "nobody could read it"
    assert stale(tmp_path, [with_content(here, "xc")], [with_content("b", "")]) == {}, "nobody read it"


def test_an_input_that_is_gone_is_stale_unless_it_is_elsewhere(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    assert stale(tmp_path, [with_content(gone, "xc")], [with_content("b", "")]) == {"gone": "x"}
    assert stale(tmp_path, [with_content(gone, "xc")], [with_content("b", "xc")]) == {}
    assert stale(tmp_path, [with_content("-", "xc"), with_content("live", "xc")], []) == {}
