# SPDX-License-Identifier: MIT
"""Many cases in one test: all of them are tried to the end, and what fails is told case by case.

pytest takes some milliseconds for every test, in each of its processes. That is more than most cases over every
bundled tree, module, rule or recorded step take themselves.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest

ONLY = "CASE"
"""The variable of the environment that chooses cases: those whose name has it as a part."""

MOST_NAMES = 20
"""How many of the cases that fail a message names; what is wrong with each stands below it."""

PARAM: Any = type(pytest.param())
Ids = Callable[[Any], str] | Iterable[str]
Test = Callable[..., None]


def each(names: str | tuple[str, ...], values: Iterable[Any], *, ids: Ids | None = None) -> Callable[[Test], Test]:
    """Try a test with each of many values, as `pytest.mark.parametrize` does, but in one test.

    Everything is as there, but marks; each case has a `tmp_path` and a `monkeypatch` of its own.
    """
    parameters = (names,) if isinstance(names, str) else names
    cases = list(_named(list(values), ids, single=isinstance(names, str)))
    assert cases, f"no cases of {names}"

    def decorate(test: Test) -> Test:
        signature = inspect.signature(test)

        @wraps(test)
        def every_case(*args: Any, **fixtures: Any) -> None:
            chosen = [case for case in cases if os.environ.get(ONLY, "") in case[0]]
            failures: list[Exception] = []
            skipped: list[str] = []
            for number, (name, value) in enumerate(chosen):
                arguments = zip(parameters, value, strict=True)
                try:
                    with _own(fixtures, number) as own:
                        test(*args, **own, **dict(arguments))
                except pytest.skip.Exception as reason:
                    skipped.append(str(reason))
                except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001 - whatever a test may raise
                    failures.append(_noted(failure, name))
            _tell(failures, skipped, len(chosen))

        kept = [parameter for name, parameter in signature.parameters.items() if name not in parameters]
        every_case.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return every_case

    return decorate


def _named(values: list[Any], ids: Ids | None, *, single: bool) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield the name and the parameters of each case; `pytest.param` has its own."""
    called = map(ids or _called, values) if ids is None or callable(ids) else ids
    for name, value in zip(called, values, strict=True):
        if isinstance(value, PARAM):
            assert not value.marks, f"{name}: a case cannot have marks"
            yield value.id or _called(value.values), tuple(value.values)
        else:
            yield name, (value,) if single else tuple(value)


def _called(value: Any) -> str:
    if isinstance(value, tuple):
        return "-".join(map(_called, value))
    return str(getattr(value, "__name__", None) or getattr(value, "name", None) or value)[:40]


@contextmanager
def _own(fixtures: Mapping[str, Any], number: int) -> Iterator[dict[str, Any]]:
    """Give a case what it would have got in a test of its own."""
    own = dict(fixtures)
    with pytest.MonkeyPatch.context() as patch:
        if "monkeypatch" in own:
            own["monkeypatch"] = patch
        if "tmp_path" in own:
            own["tmp_path"] = own["tmp_path"] / str(number)
            own["tmp_path"].mkdir()
        yield own


def _noted(failure: BaseException, name: str) -> Exception:
    """Return a failure with the name of its case; pytest's own, as that of `pytest.raises`, is no `Exception`."""
    told = failure if isinstance(failure, Exception) else AssertionError(str(failure))
    told.add_note(f"case: {name}")
    return told.with_traceback(failure.__traceback__)


def _tell(failures: list[Exception], skipped: list[str], tried: int) -> None:
    if failures:
        names = ", ".join(failure.__notes__[-1].removeprefix("case: ") for failure in failures[:MOST_NAMES])
        if len(failures) > MOST_NAMES:
            names += " and more"
        raise ExceptionGroup(f"{len(failures)} of {tried} cases failed: {names}", failures)
    if skipped:
        pytest.skip(f"{len(skipped)} of {tried} cases: {'; '.join(sorted(set(skipped)))}")
