# SPDX-License-Identifier: MIT
"""`drmemctl explore` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.cli.running import on_terminal, process, run
from tests.conftest import FIXTURES, ROOT

RACES = FIXTURES / "races"
BEFORE = str(RACES / "before.dts")
LPM = f"lpm {RACES / 'after.dts'}"
FLUSH = "dlpar memory add indexed-count 1 0x80000002"


def test_a_table_then_the_shortest_schedule() -> None:
    done = run(
        "explore", BEFORE, "--thread", LPM, "--thread", FLUSH, "--locking", "kernel", "--locking", "hotplug"
    )
    lines = done.out.splitlines()
    assert done.code == 1
    assert lines[0].split()[:6] == ["locking", "schedules", "states", "ends", "inconsistent", "by"]
    assert lines[2].split()[0] == "hotplug"
    assert lines[2].split()[4:7] == ["0", "0", "-"]
    assert "PASSED OVER, another thread has in_drmem_update set" in done.out
    assert "DRM085 error: 2 LMBs are on node 1, where the aa_index says 0" in done.out


def test_nothing_wrong_is_exit_code_0() -> None:
    done = run("explore", BEFORE, "--thread", LPM, "--thread", FLUSH, "--locking", "hotplug")
    assert (done.code, done.err) == (0, "")


def test_what_is_wrong_at_the_start_is_not_counted_but_said() -> None:
    """After a migration that left memory where it was; `simulate` without steps says the same."""
    after = FIXTURES / "tutorial" / "lpar7-after.tar.xz"
    done = run("explore", after, "--thread", "attach 0x8000000a 1")
    said = "DRM085: 2 LMBs are on node 1, where the aa_index says 0"
    assert (done.code, done.out.splitlines()[1].split()[4]) == (0, "0")
    assert f"not consistent before any thread begins, which is not counted: {said}" in done.err
    assert said in run("simulate", after).out
    document = json.loads(run("explore", after, "--thread", "attach 0x8000000a 1", "--format", "json").out)
    assert document["consistent"]
    first = document["start_findings"][0]
    assert f"{first['rule']}: {first['message']}".startswith(said)
    assert [(lmbs["drc_index"], lmbs["count"]) for lmbs in first["lmbs"]] == [(0x80000004, 2)]


def test_all_policies_in_two_processes_are_those_of_one() -> None:
    arguments = ("explore", BEFORE, "--thread", LPM, "--thread", FLUSH, "--locking", "all", "--format", "json")
    one, two = run(*arguments), process(*arguments, "--jobs", "2")
    assert two.stdout.decode() == one.out
    document = json.loads(one.out)
    assert document["schema"] == "drmemctl.explore/1"
    assert document["start_findings"] == []
    assert [policy["locking"] for policy in document["policies"]] == [
        "kernel", "none", "mutex", "drain", "both", "hotplug",
    ]  # fmt: skip
    assert [bool(policy["by_race"]) for policy in document["policies"]] == [True, True, True, True, True, False]
    end = document["policies"][0]["bad_ends"][0]
    assert len(end["schedule"]) == len(end["actions"])
    assert {finding["rule"] for finding in end["findings"]} == {"DRM081", "DRM085"}
    assert end["findings"][0]["lmbs"][0]["drc_index"] == 0x80000002


def test_a_trace_is_saved_and_kept(tmp_path: Path) -> None:
    steps = tmp_path / "race.steps"
    first = run("explore", BEFORE, "--thread", LPM, "--thread", FLUSH, "--save-trace", steps, "--show", "1")
    again = run("explore", BEFORE, "--replay", steps)
    assert again.code == 1
    trace = first.out.split("switches\n")[1].split("outcome:")[0]
    assert again.out.startswith(trace)
    steps.write_bytes(b"\xef\xbb\xbf" + steps.read_bytes())
    assert run("simulate", BEFORE, "--replay", steps) == again
    kept = json.loads(run("explore", BEFORE, "--replay", steps, "--format", "json").out)
    assert (kept["consistent"], kept["ended"]) == (False, True)
    assert run("explore", BEFORE, "--replay", steps, "--format", "mermaid").out.startswith("sequenceDiagram\n")


def test_no_trace_is_saved_where_nothing_is_wrong(tmp_path: Path) -> None:
    steps = tmp_path / "race.steps"
    done = run("explore", BEFORE, "--thread", FLUSH, "--save-trace", steps)
    assert done.code == 0
    assert "is not written" in done.err
    assert not steps.exists()


def test_mermaid() -> None:
    done = run("explore", BEFORE, "--thread", LPM, "--thread", FLUSH, "--format", "mermaid")
    lines = done.out.splitlines()
    assert lines[0] == "sequenceDiagram"
    assert sum(line.startswith("    participant ") for line in lines) == 4
    assert any("T2->>K: drmem_update_dt: in_drmem_update = true" in line for line in lines)
    assert any(line.startswith("    Note over T1,T2: DRM085") for line in lines)


def test_a_bound_is_told_on_top() -> None:
    done = run("explore", BEFORE, "--thread", LPM, "--thread", FLUSH, "--max-states", "40")
    assert "kernel: NOT COMPLETE: 40 states were looked at; there may be other ends" in done.out
    assert "40+" in done.out.splitlines()[1]


@pytest.mark.parametrize("width", [40, 80, 100])
@pytest.mark.parametrize("more", [(), ("--thread", "kdump", "--kernel", "6.9")], ids=["two", "three"])
def test_on_a_terminal_columns_fit_and_nothing_is_cut(
    width: int, more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A path cannot be broken, and that of a checkout may be wider than the screen: files are named from there.
    monkeypatch.chdir(ROOT)
    before, after = (str((RACES / name).relative_to(ROOT)) for name in ("before.dts", "after.dts"))
    command = ("explore", before, "--thread", f"lpm {after}", "--thread", FLUSH, *more, "--show", "1")
    shown = on_terminal(*command, COLUMNS=str(width), NO_COLOR="1").decode()
    on_screen, in_pipe = (text.split("switches")[1].split("outcome")[0] for text in (shown, run(*command).out))
    assert max(map(len, on_screen.splitlines())) <= width
    words = [text[text.index("suspend-me") :].split() for text in (on_screen, in_pipe)]
    assert words[0] == words[1]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "there is no thread to explore"),
        (("--thread", "reboot"), 2, "--thread 1: line 1"),
        (("--thread", "reboot"), 2, "offline, online), or kdump, not 'reboot'"),
        (("--thread", FLUSH, "--thread", "migrate answers.json"), 2, "expected a step that sets a thread off"),
        (("--thread", "lpm"), 2, "\n  lpm\n     ^"),
        (("--thread", FLUSH, "--kernel", "2.6"), 2, "nothing is known of Linux 2.6"),
        (("--thread", FLUSH, "--locking", "some"), 2, "is not one of"),
        (("--thread", FLUSH, "--hypervisor", "xen"), 2, "no hypervisor 'xen'"),
        (("--replay", BEFORE), 3, "this is no saved schedule"),
        (("--thread", "lpm nowhere.dtb"), 3, "nowhere.dtb"),
    ],
)
def test_what_cannot_be_explored(arguments: tuple[str, ...], code: int, said: str) -> None:
    done = process("explore", BEFORE, *arguments)
    assert (done.returncode, done.stdout) == (code, b"")
    assert said in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_junit_has_a_case_for_each_policy() -> None:
    threads = ("--thread", LPM, "--thread", FLUSH)
    outcome = run("explore", BEFORE, *threads, "--locking", "kernel", "--locking", "hotplug", "--format", "junit")
    (suite,) = ET.fromstring(outcome.out)
    cases = {case.get("name"): case for case in suite.findall("testcase")}
    assert list(cases) == ["locking kernel", "locking hotplug"]
    failed = {name for name, case in cases.items() if case.find("failure") is not None}
    assert (outcome.code, suite.get("failures")) == (1 if failed else 0, str(len(failed)))
    assert failed
    for name in failed:
        failure = cases[name].find("failure")
        assert failure is not None
        assert str(failure.get("message")).startswith("DRM")
        assert "outcome: 1 " in str(failure.text), "how the worst end comes about"
    bounded = run("explore", BEFORE, *threads, "--locking", "hotplug", "--max-states", "3", "--format", "junit")
    (suite,) = ET.fromstring(bounded.out)
    assert suite.get("skipped") == "1", "what was not looked at has not passed"
    assert run("explore", BEFORE, "--replay", "x", "--format", "junit").code == 2
