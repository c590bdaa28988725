# SPDX-License-Identifier: MIT
"""`drmemctl simulate`: its JSON against the records of real kernels, exit codes, errors, files and the prompt."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from drmemctl.formats.dynamic_memory import NODE, V1, V2
from drmemctl.simulate.steps.language import STEP_NAMES
from tests.cases import each
from tests.cli.running import COMMAND, environment, on_terminal, process, run
from tests.conftest import FIXTURES, ROOT, Tool
from tests.oracles import fdtget_value
from tests.simulate.records import expected_properties, record, record_names

TREE = FIXTURES / "captures/5.10-lpm.dtb.gz"
PLUG = "plug 0x80000008 2 node 1"
REMOVE = "dlpar memory remove index 0x8000000a"
"""Fails with EINVAL: the LMB is free."""


def steps_of(name: str) -> list[str]:
    """Return the steps of a recorded run, with what could not be moved."""
    found = []
    for step in record(name)["steps"]:
        stuck = " ".join(step.get("unmovable", ()))
        found += [f"unmovable {stuck}"] if stuck else []
        found.append(step["step"])
        found += [f"movable {stuck}"] if stuck else []
    return found


def simulated(*arguments: str | Path) -> Any:
    outcome = run("simulate", *arguments, "--format", "json")
    assert outcome.code in (0, 1), outcome.err
    return json.loads(outcome.out)


MIGRATED = (
    FIXTURES / "tutorial/lpar7-before.tar.xz",
    f"lpm {FIXTURES / 'tutorial/lpar7-after.tar.xz'}",
    "plug 0x80000006 1 node 0",
)
STALE = "array, tree, connectors and memory blocks agree with each other, not with the hypervisor: DRM088"
LEFT_BEHIND = "array, tree, connectors and the hypervisor agree, memory blocks do not: DRM085"


@pytest.mark.parametrize(("kernel", "words"), [("5.10", STALE), ("5.14", STALE), ("6.1", LEFT_BEHIND)])
def test_the_verdict_on_a_migration_knows_the_hypervisor(kernel: str, words: str) -> None:
    """By dtc, the destination has both LMBs on list 0; 5.10 and 5.14 write 1 over it, memory stays."""
    outcome = run("simulate", *MIGRATED, "--kernel", kernel)
    assert outcome.out.splitlines()[-1].startswith(f"not consistent: {words}: 2 LMBs ")
    assert simulated(*MIGRATED, "--kernel", kernel)["consistent"] is False
    assert run("simulate", *MIGRATED, "expect consistent", "--kernel", kernel).code == 1
    assert run("simulate", *MIGRATED, "expect finding DRM088", "--kernel", kernel).code == (words != STALE)
    assert run("simulate", *MIGRATED, "reboot", "expect consistent", "--kernel", kernel).code == 0


# Runs in which the operator removed a property between steps cannot be given as steps alone; of some others the
# replay tests say what the record does not have.
NOT_AS_STEPS = ("v2-to-v1", "4.14-errors", "4.14-unplug-fails", "5.4-errors", "5.4-unplug-fails1")
CAPTURES = [name for name in record_names("captures") if not name.endswith(NOT_AS_STEPS) and record(name)["steps"]]


@each("name", CAPTURES)
def test_json_is_what_the_real_kernel_did(name: str, tmp_path: Path) -> None:
    script = tmp_path / "steps"
    script.write_text("\n".join(steps_of(name)))
    run_record = record(name)
    found = simulated(FIXTURES / f"{name}.dtb.gz", "-f", script, "--kernel", run_record["kernel"])
    assert (found["schema"], found["kernel"]) == ("drmemctl.simulate/1", run_record["kernel"])
    done = [step for step in found["steps"] if not step["step"].startswith(("movable", "unmovable"))]
    held = dict(run_record["boot"]["properties"])
    for step, recorded in zip(done, run_record["steps"], strict=True):
        assert step["step"] == recorded["step"]
        assert (step["errno"], step["log"]) == (recorded.get("errno"), recorded["log"])
        for key, data in step["changed"].items():
            held[key.rpartition(":")[2]] = data
        wanted = expected_properties(recorded)
        assert {key: held[key] for key in wanted} == wanted
    online = [block for block in run_record["steps"][-1]["blocks"] if block["state"] == "online"]
    assert found["blocks"] == [{"block": one["block"], "node": one["node"]} for one in online]
    assert [event for step in done for event in step["events"]] == [one["event"] for one in run_record["events"]]


@pytest.mark.parametrize("name", record_names("mobility"))
def test_recorded_migrations_come_out_as_on_the_real_kernel(name: str, tmp_path: Path) -> None:
    run_record = record(name)
    steps = []
    for step in run_record["steps"]:
        steps.append(step["step"])
        if "answers" in step:
            answers = tmp_path / f"{len(steps)}.json"
            answers.write_text(json.dumps(step["answers"]))
            steps[-1] = f"migrate {answers}"
    found = simulated(FIXTURES / f"{name}.dtb.gz", *steps, "--kernel", run_record["kernel"])
    held = dict(run_record["boot"]["properties"])
    for step, recorded in zip(found["steps"], run_record["steps"], strict=True):
        for key, data in step["changed"].items():
            held[key.rpartition(":")[2]] = data
        wanted = expected_properties(recorded)
        assert {key: held[key] for key in wanted} == wanted
        assert step["errno"] == recorded.get("errno")
        assert any(one.get("code") == "oops" for one in step["findings"]) == recorded.get("oops", False)


@pytest.mark.parametrize(
    ("tree", "kernel", "dead", "functions"),
    [
        ("boot/aa-out-of-range", "6.1", "oops at boot", ["numa_setup_drmem_lmb"]),
        ("boot/lmb-not-power-of-two", "6.1", "panic at boot", ["memory_dev_init"]),
        ("boot/aa-out-of-range", "4.19", None, []),
        ("captures/5.10-lpm", "5.10", None, []),
    ],
)
def test_json_says_what_a_kernel_dies_of(tree: str, kernel: str, dead: str | None, functions: list[str]) -> None:
    path = FIXTURES / f"{tree}.dtb.gz"
    got = simulated(path, "--kernel", kernel)
    assert (got.get("dead"), [fault["function"] for fault in got.get("boot", ())]) == (dead, functions)
    text = run("simulate", path, "--kernel", kernel).out
    assert (f"the kernel does not come up: {dead}" in text) == (dead is not None)
    assert all(fault["message"] in text for fault in got.get("boot", ()))


def test_the_keys_are_those_of_the_schema() -> None:
    found = simulated(TREE, PLUG, "rtas get-sensor 9003 0x80000008")
    assert list(found) == ["schema", "kernel", "consistent", "steps", "blocks"]
    keys = ["step", "ok", "errno", "log", "events", "changed", "findings", "lmbs", "memory_blocks"]
    assert list(found["steps"][0]) == keys
    assert found["steps"][1]["answer"] == [0, 1]
    assert found["kernel"] == "latest"


@each(
    ("steps", "code"),
    [
        ([], 0),
        ([PLUG], 0),
        ([REMOVE], 1),
        ([REMOVE, "expect EINVAL"], 0),
        ([REMOVE, PLUG, "expect ok"], 1),
        ([REMOVE, "expect consistent"], 1),
        ([REMOVE, "expect consistent", "expect EINVAL"], 0),
        ([REMOVE, "expect EBUSY"], 1),
        ([PLUG, "expect EBUSY"], 1),
        ([PLUG, "expect blocks 10"], 0),
        ([PLUG, "expect blocks 9"], 1),
        (["unplug 0x80000010 1"], 1),
        (["unplug 0x80000010 1", "expect blocks 8"], 0),
        (["rtas get-sensor 9003 0x99", "expect blocks 8"], 0),
    ],
)
@pytest.mark.parametrize("form", ["text", "json", "junit"])
def test_exit_codes(steps: list[str], code: int, form: str) -> None:
    outcome = run("simulate", TREE, *steps, "--format", form)
    assert (outcome.code, outcome.err) == (code, "")


def test_it_stops_at_the_first_expectation_that_fails() -> None:
    outcome = run("simulate", TREE, PLUG, "expect EBUSY", "reboot")
    assert "[2] expect EBUSY: does not hold\n    expected EBUSY, is ok\n" in outcome.out
    assert "reboot" not in outcome.out
    assert outcome.out.endswith("failed: step 2 of 2\n")
    assert len(simulated(TREE, PLUG, "expect EBUSY", "reboot")["steps"]) == 2


class TestUsage:
    @pytest.mark.parametrize(
        ("steps", "message", "line", "column"),
        [
            (
                [PLUG, "plug 0x80000008"],
                "STEP 2: line 1, column 16: expected how many",
                "plug 0x80000008",
                16,
            ),
            (["pluck 1 2"], "STEP 1: line 1, column 1: expected a step", "pluck 1 2", 1),
            (["reboot now"], "expected the end of the step, not 'now'", "reboot now", 8),
            (["reboot\n\nexpect EFOO"], "line 3, column 8: expected ok", "expect EFOO", 8),
            (["expect drc 0x8 ab 3"], "expected `aa` or `node`, not 'ab'", "expect drc 0x8 ab 3", 16),
        ],
    )
    def test_a_step_that_is_none_is_shown_with_a_caret(
        self, steps: list[str], message: str, line: str, column: int
    ) -> None:
        outcome = run("simulate", TREE, *steps)
        assert (outcome.code, outcome.out) == (2, "")
        said, shown, caret = outcome.err.splitlines()[-3:]
        assert message in said
        assert (shown, caret) == (f"  {line}", f"  {' ' * (column - 1)}^")

    def test_a_long_line_is_shown_around_the_fault(self) -> None:
        step = f"firmware / x {'00' * 500}0"
        said, shown, caret = run("simulate", TREE, step).err.splitlines()[-3:]
        assert "column 14" in said
        assert len(shown) < 80
        assert shown[len(caret) - 1 :] == "0" * 40 + "..." or shown.startswith("  firmware / x 0000")

    def test_control_characters_do_not_shift_the_caret_nor_reach_the_terminal(self) -> None:
        _, shown, caret = run("simulate", TREE, "plug \x1b[31m 1").err.splitlines()[-3:]
        assert "\x1b" not in shown
        assert shown[len(caret) - 1 :].startswith("\\x1b[31m")

    def test_the_help_has_every_step(self) -> None:
        steps = run("simulate", "--help").out.partition("\n  Steps, ")[2].partition("\n\n")[0]
        assert set(re.findall(r"[a-z-]+", steps)) >= set(STEP_NAMES)

    def test_nothing_is_done_before_all_steps_are_read(self, tmp_path: Path) -> None:
        out = tmp_path / "out.dtb"
        assert run("simulate", TREE, PLUG, "nonsense", "-o", out).code == 2
        assert not out.exists()

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (("--kernel", "9.x"), "no kernel '9.x'"),
            (("--hypervisor", "xen"), "no hypervisor 'xen'"),
            (("--with", "aa-synk"), "did you mean aa-sync"),
            (("--with", "aa-sync", "--without", "aa-sync"), "both name aa-sync"),
            (("-o", "-"), "name a file"),
            (("-o", "x", "--save-array", "x"), "cannot be the same file"),
            (("-i", "--format", "json"), "exclude each other"),
            (("-i", "-f", "-"), "name a file"),
        ],
    )
    def test_wrong_options(self, arguments: tuple[str, ...], expected: str) -> None:
        outcome = run("simulate", TREE, *arguments)
        assert outcome.code == 2
        assert expected in outcome.err

    def test_standard_input_is_one_thing_only(self) -> None:
        assert b"cannot be both" in process("simulate", "-", "-f", "-").stderr
        again = process("simulate", "-", "lpm -", stdin=TREE.read_bytes())
        assert again.stderr.startswith(b"drmemctl: <stdin>: standard input was read already; put one")


def test_on_a_terminal_a_long_line_goes_on_below_it_without_the_blanks_of_a_column() -> None:
    update = f"lpm {FIXTURES / 'races' / 'after.dts'}"
    shown = on_terminal(
        "simulate", FIXTURES / "races" / "before.dts", update, "--trace", COLUMNS="80", NO_COLOR="1"
    ).decode()
    lines = [line.rstrip() for line in shown.splitlines()]
    at = lines.index("      update_dt_property")
    assert lines[at + 1] == f"          {NODE}:ibm,associativity-lookup-arrays ="
    assert lines[at + 2] == "          16 bytes"


class TestFiles:
    def test_steps_of_a_file_come_before_those_of_the_command_line(self, tmp_path: Path) -> None:
        script = tmp_path / "steps"
        script.write_text(f"# first\n\n{PLUG}   # two LMBs\n")
        found = simulated(TREE, "expect blocks 10", "-f", script)
        assert [step["step"] for step in found["steps"]] == [PLUG, "expect blocks 10"]

    def test_a_file_may_be_standard_input(self) -> None:
        done = process("simulate", TREE, "-f", "-", stdin=f"{PLUG}\n".encode())
        assert done.returncode == 0
        assert done.stdout.count(b"\n[1] plug") == 1

    def test_an_error_names_the_file_and_the_line(self, tmp_path: Path) -> None:
        script = tmp_path / "steps"
        script.write_text(f"{PLUG}\nplug\n")
        assert f"{script}: line 2, column 5: expected a DRC index" in run("simulate", TREE, "-f", script).err

    @pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["absent", "no text"])
    def test_a_file_that_cannot_be_read(self, content: bytes | None, tmp_path: Path) -> None:
        script = tmp_path / "steps"
        if content is not None:
            script.write_bytes(content)
        outcome = run("simulate", TREE, "-f", script)
        assert outcome.code == 3
        assert outcome.err.startswith(f"drmemctl: {script}: ")

    def test_a_tree_that_a_step_names_and_cannot_be_read(self, tmp_path: Path) -> None:
        outcome = run("simulate", TREE, PLUG, f"lpm {tmp_path}/none.dtb")
        assert outcome.code == 3
        assert "none.dtb" in outcome.err
        assert "[1] plug" in outcome.out  # what was done before is told

    @pytest.mark.parametrize("kernel", ["5.10", "6.1"])
    def test_the_tree_that_is_written_holds_the_last_bytes(
        self, kernel: str, fdtget: Tool, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.dtb"
        outcome = run("simulate", TREE, *steps_of("captures/5.10-lpm"), "--kernel", kernel, "-o", out)
        assert outcome.code == 0
        wanted = record(f"captures/{kernel}-lpm")["steps"][-1]["properties"]
        for name in {V1, V2, "ibm,associativity-lookup-arrays"} & set(wanted):
            value = fdtget_value(fdtget, out, NODE, name)
            assert value is not None
            assert value.hex() == wanted[name]

    def test_a_tree_may_be_written_as_source(self, dtc: Tool, tmp_path: Path) -> None:
        out = tmp_path / "out.dts"
        assert run("simulate", TREE, PLUG, "-o", out).code == 0
        assert dtc("-q", "-I", "dts", "-O", "dtb", "-o", tmp_path / "x.dtb", out).returncode == 0
        assert run("diff", out, tmp_path / "x.dtb").code == 0

    def test_no_step_opens_a_device_or_waits_for_a_fifo(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        for step in ("lpm {}", "lpm {}::x", "prrn {}", "firmware / x @{}"):
            outcome = run("simulate", TREE, step.format(tmp_path / "fifo"))
            assert (outcome.code, "this is no regular file; a step names" in outcome.err) == (3, True)

    def test_no_input_is_written_over_unless_asked(self, tmp_path: Path) -> None:
        tree, script = tmp_path / "tree.dtb", tmp_path / "steps"
        data = TREE.read_bytes()
        tree.write_bytes(data)
        script.write_text(f"lpm {tree}")
        for option in ("-o", "--save-array"):
            for victim in (tree, script):
                outcome = run("simulate", TREE, "-f", script, option, victim)
                assert (outcome.code, "this is an input" in outcome.err) == (3, True)
        assert (tree.read_bytes(), script.read_text()) == (data, f"lpm {tree}")
        assert run("simulate", tree, "-o", tree, "--force").code == 0
        assert tree.read_bytes() != data

    def test_the_array_is_saved_as_runs(self, tmp_path: Path) -> None:
        out = tmp_path / "array.json"
        steps = steps_of("captures/5.10-lpm")[:3]
        run("simulate", TREE, *steps, "--kernel", "5.10", "--save-array", out)
        found = json.loads(out.read_text())
        assert (found["schema"], found["kernel"], found["lmb_size"]) == ("drmemctl.array/1", "5.10", 256 << 20)
        # The tree says aa_index 0 for the first of these by now, the array does not.
        assert [(run["drc_index"], run["count"], run["aa_index"]) for run in found["runs"]][1:2] == [
            (0x80000008, 2, 1)
        ]
        assert sum(run["count"] for run in found["runs"]) == 32


def test_capabilities_can_be_given_and_taken() -> None:
    steps = steps_of("captures/5.10-lpm")[:4]

    def bytes_at_the_end(*options: str) -> Any:
        return simulated(TREE, *steps, *options)["steps"][-1]["changed"][f"{NODE}:{V2}"]

    old, new = bytes_at_the_end("--kernel", "5.10"), bytes_at_the_end("--kernel", "6.1")
    assert old != new
    assert bytes_at_the_end("--kernel", "5.10", "--with", "aa-sync") == new
    assert bytes_at_the_end("--kernel", "6.1", "--without", "aa-sync") == old


def test_hypervisors_differ() -> None:
    add = "dlpar memory add index 0x80000008"
    assert [run("simulate", TREE, add, "--hypervisor", one).code for one in ("qemu", "qemu-6.0", "powervm")] == [
        1,
        1,
        0,
    ]


def test_junit_has_a_case_for_each_step_and_says_what_failed() -> None:
    steps = [PLUG, REMOVE, "expect EBUSY", "reboot"]
    suite = ET.fromstring(run("simulate", TREE, *steps, "--format", "junit").out).find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "2",
        "errors": "0",
        "skipped": "1",
    }
    assert [case.get("name") for case in cases] == [
        "boot",
        *(f"{number:03} {step}" for number, step in enumerate(steps, 1)),
    ]
    failures = [case.find("failure") for case in cases]
    assert [None if one is None else one.get("message") for one in failures] == [
        None,
        None,
        "EINVAL",
        "does not hold: expected EBUSY, is EINVAL",
        None,
    ]
    assert cases[-1].find("skipped") is not None


class TestHostileInput:
    EVIL = "\x1b]0;x\x07\x9b31m\x7f\u202e"

    @pytest.mark.parametrize("form", ["text", "json", "junit"])
    def test_nothing_of_a_step_controls_the_terminal(self, form: str) -> None:
        steps = [
            f"firmware /{self.EVIL} a{self.EVIL} 00",
            f"firmware / a{self.EVIL} 00",
            f"dlpar memory {self.EVIL}",
        ]
        out = run("simulate", TREE, *steps, "--format", form, "--diff" if form == "text" else "-v").out
        assert not re.search("[^\\n -~→…]", out)
        if form == "junit":
            ET.fromstring(out)
        if form == "json":
            json.loads(out)

    def test_a_kernel_that_does_not_come_up_is_a_failure(self) -> None:
        # 3.2 GiB is no block size: Linux 5.4 and later stop.
        outcome = run(
            "simulate", FIXTURES / "trees/v2-gap.dtb.gz", f"firmware {NODE} ibm,lmb-size 00000000cc000000", "kexec"
        )
        assert outcome.code == 1
        assert "panic" in outcome.out


class TestTerminals:
    def test_steps_are_bold_and_messages_dim(self) -> None:
        shown = on_terminal("simulate", TREE, PLUG)
        assert b"[1] \x1b[1mplug 0x80000008 2 node 1\x1b[0m: \x1b[32mok\x1b[0m\r\n" in shown
        assert b"    \x1b[2mpseries-hotplug-mem: Attempting" in shown

    @pytest.mark.parametrize("columns", [40, 80, 200])
    def test_lines_are_broken_between_words(self, columns: int) -> None:
        steps = steps_of("captures/5.10-lpm")
        shown = on_terminal("simulate", TREE, *steps, "--kernel", "5.10", "--color", "never", COLUMNS=str(columns))
        lines = shown.decode().replace("\r\n", "\n").split("\n")
        longest = max(max(map(len, line.split()), default=0) for line in lines)
        # Two columns of a range are not parted, and a word may itself be longer than the terminal.
        assert max(map(len, lines)) <= max(columns, longest + 12)

    def test_a_pipe_gets_whole_plain_lines(self) -> None:
        out = process("simulate", TREE, *steps_of("captures/5.10-lpm"), "--kernel", "5.10").stdout.decode()
        assert "\x1b" not in out
        assert any(len(line) > 120 for line in out.splitlines())

    def test_an_output_without_unicode_gets_ascii(self) -> None:
        done = process("simulate", TREE, PLUG, PYTHONIOENCODING="ascii")
        assert b"aa unset -> 1 (node 1)  free -> assigned" in done.stdout
        assert done.stdout.isascii()

    def test_a_reader_who_leaves_is_no_error(self) -> None:
        step = "expect blocks 8\n" * 10_000
        command = f"{sys.executable} -m drmemctl simulate {TREE} -f - | head -1; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", command], input=step.encode(), capture_output=True, cwd=ROOT, timeout=120, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")


class TestPrompt:
    def test_a_pipe_gets_no_prompt_and_undo_takes_a_step_back(self) -> None:
        lines = f"{PLUG}\nundo\nexpect blocks 8\nsteps\n"
        done = process("simulate", TREE, "-i", stdin=lines.encode())
        out = done.stdout.decode()
        assert (done.returncode, done.stderr) == (0, b"")
        assert "drmemctl>" not in out
        assert "undone: plug 0x80000008 2 node 1\n[1] expect blocks 8: holds\nexpect blocks 8\n" in out

    def test_a_wrong_line_is_pointed_at_and_nothing_ends(self) -> None:
        done = process(
            "simulate",
            TREE,
            "--interactive",
            stdin=b"plug x\nlpm /nonexistent\nundo\nshow\nquit\nreboot\n",
        )
        out = done.stdout.decode()
        assert "  plug x\n       ^\nexpected a DRC index" in out
        assert "drmemctl: /nonexistent: " in out
        assert "nothing to undo\n" in out
        assert "reboot" not in out
        assert done.returncode == 0

    def test_a_word_that_is_no_step_names_what_else_there_is(self) -> None:
        out = process("simulate", TREE, "-i", stdin=b"plig 4\n").stdout.decode()
        assert "\ndid you mean plug or unplug?\nor show, steps, undo or quit; `help` tells more\n" in out

    def test_show_tells_how_things_are_now(self) -> None:
        out = process("simulate", TREE, "-i", stdin=f"{PLUG}\nshow\nshow lmb\nhelp\n".encode()).stdout.decode()
        assert "memory blocks of 256 MiB: 4 on node 0, 6 on node 1\n" in out
        assert "32 LMBs of 256 MiB in 3 runs" in out
        assert "undo          take the last step back" in out

    def test_what_failed_and_was_not_undone_counts(self) -> None:
        assert process("simulate", TREE, "-i", stdin=f"{REMOVE}\n".encode()).returncode == 1
        assert process("simulate", TREE, "-i", stdin=f"{REMOVE}\nundo\n".encode()).returncode == 0

    def test_a_terminal_has_a_prompt_completion_and_history(self, tmp_path: Path) -> None:
        pytest.importorskip("readline")
        shown = typed(tmp_path, "plu\t0x80000008 2 no\t1\r", "undo\r", "quit\r")
        assert "drmemctl> " in shown
        assert "[1] plug 0x80000008 2 node 1: ok" in shown
        assert "undone: plug 0x80000008 2 node 1" in shown
        assert "plug 0x80000008 2 node 1" in (tmp_path / ".drmemctl_history").read_text()

    def test_ctrl_d_leaves(self, tmp_path: Path) -> None:
        assert "consistent" in typed(tmp_path, "\x04")


def typed(home: Path, *inputs: str) -> str:
    """Return what a terminal shows on which these inputs are typed, each when the prompt is there."""
    ours, theirs = pty.openpty()
    variables = environment({"TERM": "xterm", "HOME": str(home), "COLUMNS": "100"})
    command = [*COMMAND, "simulate", str(TREE), "-i", "--color", "never"]
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=variables)
    os.close(theirs)
    shown = ""
    left = list(inputs)
    end = time.monotonic() + 60
    prompts = 0
    while time.monotonic() < end:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other side has gone
            break
        if not part:
            break
        shown += part.decode("utf-8", "replace")
        if left and shown.count("drmemctl> ") > prompts:
            prompts = shown.count("drmemctl> ")
            os.write(ours, left.pop(0).encode())
    os.close(ours)
    assert child.wait(60) == 0
    return shown.replace("\r", "")


@pytest.mark.parametrize("where", ["file", "input", "argument"])
def test_steps_are_bounded(where: str, tmp_path: Path) -> None:
    path = tmp_path / "x.steps"
    path.write_bytes(b"reboot\n" * 10_001)
    given: dict[str, tuple[tuple[str, ...], bytes]] = {
        "file": (("-f", str(path)), b""),
        "input": (("-f", "-"), path.read_bytes()),
        "argument": (("\n".join(["reboot"] * 10_000), "reboot"), b""),
    }
    arguments, typed = given[where]
    done = process("simulate", TREE, *arguments, stdin=typed)
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"more than the 10,000 steps that are simulated" in done.stderr
    if where != "argument":
        path.write_bytes(b"# " + b"x" * (4 << 20))
        done = process("simulate", TREE, *arguments, stdin=path.read_bytes())
        assert done.returncode == 3
        assert b"more than the 4,194,304 bytes" in done.stderr
