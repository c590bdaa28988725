# SPDX-License-Identifier: MIT
"""Tests of many cases: none is left out, and what fails is named."""

from __future__ import annotations

import inspect
import os
from pathlib import Path

import pytest

from tests.cases import ONLY, each


def test_a_failure_does_not_end_the_others() -> None:
    tried = []

    @each("number", range(5))
    def test(number: int) -> None:
        tried.append(number)
        assert number % 2 == 0

    with pytest.raises(ExceptionGroup, match=r"2 of 5 cases failed: 1, 3$") as caught:
        test()
    assert tried == [0, 1, 2, 3, 4]
    assert all(isinstance(failure, AssertionError) for failure in caught.value.exceptions)
    assert [failure.__notes__ for failure in caught.value.exceptions] == [["case: 1"], ["case: 3"]]


def test_what_does_not_raise_is_a_failure_of_its_case() -> None:
    @each("number", range(3))
    def test(number: int) -> None:
        with pytest.raises(ZeroDivisionError):
            _ = 1 / number

    with pytest.raises(ExceptionGroup, match="2 of 3 cases failed: 1, 2"):
        test()


def test_values_of_the_same_name_are_all_tried() -> None:
    tried = []

    @each(("path", "text"), [(Path("a/x"), "é"), (Path("b/x"), "é")])
    def test(path: Path, text: str) -> None:
        tried.append(path.parent.name)

    test()
    assert tried == ["a", "b"]


def test_cases_are_chosen_by_a_part_of_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    @each("value", [1, 2, 20], ids=["one", "two", "twenty"])
    def test(value: int) -> None:
        tried.append(value)

    monkeypatch.setenv(ONLY, "tw")
    test()
    assert tried == [2, 20]


def test_each_case_has_a_folder_and_a_patch_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @each("number", range(2))
    def test(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "DRMEMCTL_A_CASE" not in os.environ
        monkeypatch.setenv("DRMEMCTL_A_CASE", "1")
        (tmp_path / "file").touch(exist_ok=False)

    assert list(inspect.signature(test).parameters) == ["tmp_path", "monkeypatch"]
    test(tmp_path=tmp_path, monkeypatch=monkeypatch)
    assert "DRMEMCTL_A_CASE" not in os.environ


def test_a_case_that_is_skipped_is_said_and_hides_no_failure() -> None:
    @each("number", range(3))
    def test(number: int, wrong: int) -> None:
        if number == 1:
            pytest.skip("no dtc")
        assert number != wrong

    with pytest.raises(pytest.skip.Exception, match="1 of 3 cases: no dtc"):
        test(wrong=5)
    with pytest.raises(ExceptionGroup, match="1 of 3 cases failed: 2"):
        test(wrong=2)


def test_no_case_at_all_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="no cases of tree"):
        each("tree", [])
