# SPDX-License-Identifier: MIT
"""Campaigns: what `simulate` and `explore` say one by one, and commands that show it again."""

from __future__ import annotations

import json
import shlex
import shutil
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from drmemctl.fleet.answer_words import ANSWER_WORDS
from drmemctl.fleet.campaign import explore, grouped_by_capabilities, simulate
from drmemctl.fleet.isolated import rows_alone
from drmemctl.fleet.scenario import Scenario
from drmemctl.fleet.simulating import rows_of
from drmemctl.fleet.work import EXPLORE, SIMULATE, Work
from drmemctl.fleet.worker import judge
from drmemctl.kernel.profiles import all_kernels, profile
from drmemctl.simulate.steps.language import parse_step
from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.fleet.judged import LIMITS, content, document, pa
from tests.pages import parsed
from tests.schemas.published import fault

TREE = FIXTURES / "captures" / "6.1-lpm.dtb.gz"
NO_BOOT = FIXTURES / "boot" / "aa-out-of-range.dtb.gz"
"""A real 6.1 does not come up with it."""

REMOVE = "dlpar memory remove count 1"
PLUG = "plug 0x80000009 1 row 0"


def scenario(tree: Path = TREE, **changes: Any) -> Scenario:
    kernel = changes.pop("kernel", "6.1")
    return Scenario(f"file://{tree}", "", 1, "1", kernel, (kernel,), **changes).versioned()


SCENARIOS = {
    SIMULATE: (
        *(scenario(seed=seed, random=6, kernel=kernel) for seed in range(5) for kernel in ("5.10", "7.2")),
        scenario(steps=("dlpar memory add count 1", PLUG, "unmovable 0x80000003", REMOVE)),
        scenario(steps=("expect blocks 99",)),
        scenario(steps=("lpm absent.dtb",)),
        scenario(NO_BOOT, steps=(REMOVE,)),
    ),
    EXPLORE: (
        scenario(steps=(f"lpm {TREE}", REMOVE), policy="kernel"),
        scenario(steps=(PLUG, REMOVE), policy="none"),
        scenario(steps=("lpm absent.dtb",), policy="none"),
        scenario(NO_BOOT, steps=(REMOVE, "dlpar memory add count 1"), policy="kernel"),
    ),
}


@cache
def table(work: Work) -> Any:
    packed = judge(SCENARIOS[work], (), LIMITS, work)
    return parquet.read_table(pa.BufferReader(packed.files[work.commit]))


def carried_out(name: str) -> Any:
    """Return the rows of a table as a JSON document."""
    return document(table(SIMULATE if name == "simulations" else EXPLORE))


@pytest.mark.parametrize("work", [SIMULATE, EXPLORE])
def test_what_fails_can_be_replayed(work: Work) -> None:
    failing = [row for row in table(work).to_pylist() if row["replay"] and row["outcome"] == "inconsistent"]
    assert failing
    for row in failing:
        words = shlex.split(row["replay"])
        assert words[0] == "drmemctl"
        outcome = run(*words[1:], "--format", "json")
        shown = json.loads(outcome.out)
        if work == SIMULATE:
            assert shown["consistent"] is False
            assert row["rule"] in run(*words[1:]).out
            steps = words[3 : words.index("--kernel")]
            assert set(steps) <= set(row["steps"])
            # None of them can be left out.
            for step in steps:
                fewer = run(*(word for word in words[1:] if word != step), "--format", "json")
                assert json.loads(fewer.out)["consistent"] is True, (row["replay"], step)
        else:
            assert outcome.code == 1
            worst = shown["policies"][0]["worst"]
            assert (worst["rule"], worst["message"]) == (row["rule"], row["verdict"])


@pytest.mark.parametrize("work", [SIMULATE, EXPLORE])
def test_a_kernel_that_does_not_come_up_is_dead_in_both(work: Work) -> None:
    (row,) = [row for row in table(work).to_pylist() if row["url"] == f"file://{NO_BOOT}"]
    assert (row["outcome"], row["rule"], row["error"]) == ("oops", None, None)
    assert "oops at boot" in row["verdict"]
    shown = run(*shlex.split(row["replay"])[1:])
    assert shown.code != 0
    assert "oops at boot" in shown.out + shown.err


def test_outcomes_are_told_apart() -> None:
    rows = {tuple(row["steps"]): row for row in table(SIMULATE).to_pylist()}
    unexpected = rows["expect blocks 99",]
    assert unexpected["outcome"] == "unexpected"
    assert run(*shlex.split(unexpected["replay"])[1:]).code == 1
    error = rows["lpm absent.dtb",]
    assert (error["outcome"], error["replay"]) == ("error", None)
    assert "absent.dtb" in error["error"]


def test_random_steps_follow_from_the_scenario() -> None:
    again = judge(SCENARIOS[SIMULATE][:2], (), LIMITS, SIMULATE)
    assert parquet.read_table(pa.BufferReader(again.files["simulations"])).equals(table(SIMULATE).slice(0, 2))
    assert len({tuple(row["steps"]) for row in table(SIMULATE).to_pylist()[:10]}) == 10


@pytest.mark.parametrize("work", [SIMULATE, EXPLORE])
def test_a_process_of_its_own_makes_the_same_rows(work: Work) -> None:
    expected = table(work).to_pylist()[:2]
    rows = [rows[work.commit][0] for rows in rows_alone(work, SCENARIOS[work][:2], (), 60, 1 << 30)]
    assert [{name: row.get(name) for name in expected[0]} for row in rows] == expected


def test_kernels_that_can_do_the_same_are_run_once() -> None:
    groups = list(grouped_by_capabilities(all_kernels()))
    assert sum(map(len, groups)) == len(set(all_kernels()))
    assert len({profile(group[0]).capabilities for group in groups}) == len(groups)
    for group in groups:
        assert len({profile(name).capabilities for name in group}) == 1


@pytest.mark.parametrize("work", [SIMULATE, EXPLORE])
def test_named_questions_and_the_page_count_what_the_rows_say(work: Work, tmp_path: Path) -> None:
    place = tmp_path / "campaign"
    (place / work.commit).mkdir(parents=True)
    parquet.write_table(table(work), place / work.commit / "part-00000001.parquet")
    scenarios = table(work).to_pylist()
    failing = [row for row in scenarios if row["outcome"] in ("inconsistent", "oops", "unexpected")]

    def ask(question: str) -> list[dict[str, Any]]:
        outcome = run("fleet", "ask", place, question, "--format", "json")
        assert (outcome.code, outcome.err) == (0, "")
        rows: list[dict[str, Any]] = json.loads(outcome.out)["rows"]
        assert {name for row in rows for name in row} <= set(ANSWER_WORDS)
        return rows

    by_rule = Counter((row["outcome"], row["rule"]) for row in failing)
    assert {(row["outcome"], row["rule"]): row["scenarios"] for row in ask("failures")} == by_rule
    by_kernel = Counter(row["kernel"] for row in failing)
    assert {row["kernel"]: row["failing"] for row in ask("failures-by-kernel") if row["failing"]} == by_kernel
    assert sorted(row["replay"] for row in ask("replay")) == sorted(row["replay"] for row in failing)
    assert [row["error"] for row in ask("not-carried-out")] == [row["error"] for row in scenarios if row["error"]]
    if work == EXPLORE:
        by_policy = Counter(row["policy"] for row in failing)
        assert {row["locking"]: row["failing"] for row in ask("failures-by-locking")} == by_policy
        assert sum(row["states"] or 0 for row in ask("states")) == sum(row["states"] or 0 for row in scenarios)
    else:
        refused = run("fleet", "ask", place, "states")
        assert (refused.code, refused.out, refused.err.count("\n")) == (3, "", 1)
    refused = run("fleet", "ask", place, "rules")
    assert (refused.code, refused.out, refused.err.count("\n")) == (3, "", 1)
    page = parsed(run("fleet", "report", place, "-o", "-").out)
    tiles = [tile.text for tile in page.one("ul", class_="tiles").all("li")]
    assert (tiles[0], tiles[3]) == (f"{len(scenarios)} scenarios", f"{len(failing)} failing")
    replayed = page.one("section", id="replay").one("table").rows()
    assert sorted(row[-1] for row in replayed) == sorted(row["replay"] for row in failing)


@pytest.mark.one_python
def test_random_steps_are_of_every_kind_that_the_capture_has_something_for() -> None:
    kinds = {}
    for hypervisor in ("qemu", "powervm"):
        steps = [
            step
            for seed in range(12)
            for rows in [rows_of(scenario(seed=seed, random=12, hypervisor=hypervisor, destinations=(str(TREE),)))]
            for step in rows["simulations"][0]["steps"]
        ]
        kinds[hypervisor] = {step.split()[0] for step in steps}
        for step in steps:
            assert parse_step(step) is not None
    common = {"dlpar", "plug", "unplug", "rtas", "firmware", "prrn", "lpm"}
    assert common <= kinds["qemu"] & kinds["powervm"]
    assert {"withhold", "provide"} & kinds["powervm"]
    assert not {"withhold", "provide"} & kinds["qemu"]


def test_two_workers_make_the_bytes_of_one_and_a_campaign_is_gone_on_with(
    client: Any, two_workers: Any, tmp_path: Path
) -> None:
    place = tmp_path / "campaign"
    command = ("fleet", "simulate", TREE, "--random", "2", "--seed", "1-6", "--kernel", "5.10,6.1", "-o", place)
    first = run(*command, "--scheduler", two_workers.scheduler.address, "--format", "json")
    assert fault(json.loads(first.out), "fleet.simulate") is None
    before = content(place)
    assert len(before) == 2  # parts, each a batch that either of the workers may have taken
    simulate([str(TREE)], str(tmp_path / "one"), client, kernels=["5.10", "6.1"], random=2, seeds=range(1, 7))
    assert content(tmp_path / "one") == before
    again = run(*command)
    assert (again.code, again.out.splitlines()[0]) == (first.code, f"{place}: 12 scenarios, 0 carried out now")
    assert content(place) == before
    for words in (
        ("explore", TREE, "--thread", REMOVE, "-o", place),
        ("check", TREE, "-o", place),
        ("diff", place),
    ):
        refused = run("fleet", *words)
        assert (refused.code, refused.out, refused.err.count("\n")) == (3, "", 1), words
        assert "it has simulations of drmemctl fleet simulate, not " in refused.err
    assert content(place) == before


def test_two_workers_explore_the_bytes_of_one(client: Any, two_workers: Any, tmp_path: Path) -> None:
    trees = [str(TREE), str(NO_BOOT), str(FIXTURES / "captures" / "6.1-merge.dtb.gz")]
    options: Any = {"threads": [PLUG, REMOVE], "policies": ["kernel", "none"], "kernels": ["5.10", "6.1"]}
    for name, workers in (("one", client), ("two", two_workers)):
        summary = explore(trees, str(tmp_path / name), workers, **options)
        assert summary.inputs == summary.new == 12
    assert content(tmp_path / "two") == content(tmp_path / "one")
    assert len(content(tmp_path / "one")) == 2


def test_a_file_that_a_step_names_belongs_to_the_scenario(client: Any, tmp_path: Path) -> None:
    after, place = tmp_path / "after.dtb.gz", tmp_path / "campaign"
    shutil.copy(TREE, after)
    options: Any = {"kernels": ["6.1"], "steps": [f"lpm {after}"]}
    new = [simulate([str(TREE)], str(place), client, **options).new for _ in range(2)]
    shutil.copy(FIXTURES / "trees" / "v2-gap.dtb.gz", after)
    new.append(simulate([str(TREE)], str(place), client, **options).new)
    assert new == [1, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("simulate",), "name steps"),
        (("simulate", "--random", "3", "--step", REMOVE), "name steps"),
        (("simulate", "--random", "3", "--seed", "5-1"), "FIRST is after LAST"),
        (("simulate", "--step", "plog 1"), "plog"),
        (("simulate", "--random", "3", "--kernel", "3.10"), "3.10"),
        (("explore",), "--thread"),
        (("explore", "--thread", REMOVE, "--locking", "kernel,x"), "'x' is not one of"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    outcome = run("fleet", *arguments, TREE, "-o", tmp_path / "campaign")
    assert outcome.code == 2
    assert said in outcome.err
