# SPDX-License-Identifier: MIT
"""What docs/scenarios says is so, on the kernels named; and not so on those that it is told apart from.

Its transcripts are held by `tests.docs`.
"""

from __future__ import annotations

import pytest

from tests.cases import each
from tests.simulate.documented import FOLDER, NAMES, POINT, read, run
from tests.simulate.records import record

EXAMPLES = [read(name) for name in NAMES]
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")


@each(("name", "kernel"), [(one.name, kernel) for one in EXAMPLES for kernel in one.listed("kernels")])
def test_every_expectation_holds(name: str, kernel: str) -> None:
    failed, _ = run(read(name), kernel)
    assert [(result.step, result.note) for result in failed] == []


@pytest.mark.parametrize(
    ("name", "where"), [(one.name, where) for one in EXAMPLES for where in one.listed("differs on")]
)
def test_the_point_fails_elsewhere(name: str, where: str) -> None:
    kernel, _, hypervisor = where.partition(" ")
    assert run(read(name), kernel, hypervisor)[1]


@pytest.mark.parametrize("name", [one.name for one in EXAMPLES if "differs without" in one.header])
def test_the_point_fails_without_a_step(name: str) -> None:
    example = read(name)
    (step,) = example.listed("differs without")
    assert step in example.lines
    assert run(example, example.listed("kernels")[0], without=step)[1]


@pytest.mark.parametrize("name", [one.name for one in EXAMPLES if "differs without capability" in one.header])
def test_the_point_fails_without_a_capability(name: str) -> None:
    example = read(name)
    (capability,) = example.listed("differs without capability")
    assert run(example, example.listed("kernels")[0], lacking=capability)[1]


@pytest.mark.parametrize("name", NAMES)
def test_every_example_has_a_point_and_is_told_apart(name: str) -> None:
    example = read(name)
    assert example.listed("kernels")
    assert any(POINT in line for line in example.lines)
    assert any(key.startswith("differs") for key in example.header)


@pytest.mark.parametrize("name", [one.name for one in EXAMPLES if "recorded" in one.header])
def test_what_is_said_to_be_recorded_is(name: str) -> None:
    """The replay tests hold every step of a record; here it is shown that these are its steps."""
    example = read(name)
    found = record(example.header["recorded"])
    assert found["kernel"].startswith(example.listed("kernels")[0])
    steps = iter([step["step"] for step in found["steps"]])
    for step in example.steps:
        if step in ("reboot", "kexec"):
            return
        if not step.startswith(("unmovable", "movable")) and not step.endswith("-v2 -"):
            assert step == next(steps)


def test_the_index_lists_every_page_and_every_page_its_steps() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if f"({page.name})" not in index] == []
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in NAMES if f"docs/scenarios/{name}.steps" not in pages] == []
