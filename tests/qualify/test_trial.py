# SPDX-License-Identifier: MIT
"""Trials without a QEMU: recorded sessions in the place of guests, and steps that are made fewer."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drmemctl.errors import DrmemctlError
from drmemctl.kernel.profiles import profile
from drmemctl.qualify import recorder
from drmemctl.qualify.connector_walk import WalkAnswer
from drmemctl.qualify.guest import Guest
from drmemctl.qualify.kernel_trial import (
    DIRECTED,
    FIRST,
    KernelSubject,
    checked_elf,
    kernel_trials,
    random_steps,
    record_differences,
)
from drmemctl.qualify.monitor import OracleError
from drmemctl.qualify.qemu_trial import answer_differences, qemu_trials
from drmemctl.qualify.records import Record
from drmemctl.qualify.trial import Difference, Trial, tried
from drmemctl.simulate.steps.language import parse_script
from tests.cases import each
from tests.cli.running import run
from tests.conftest import ROOT, blob
from tests.qualify.fake_stub import ENTRIES, elf_with_symbols
from tests.simulate.records import record, tree_of

LPM = "captures/6.1-lpm"
ELF = b"\x7fELF\x02\x01" + bytes(12) + b"\x15\x00"


@dataclass
class Fake:
    """Something that does otherwise as soon as two steps were done."""

    wrong: tuple[str, ...] = ("b", "d")
    places: list[str] = field(default_factory=list)

    name = "QEMU 9.9"
    model = "qemu-9.9"

    def differences(self, steps: Sequence[str], place: str) -> list[Difference]:
        self.places.append(place)
        if not set(self.wrong) <= set(steps):
            return []
        number = max(steps.index(step) for step in self.wrong) + 1
        return [Difference(number, steps[number - 1], "answer", "0", "-3")]


def test_a_trial_that_differs_is_made_fewer() -> None:
    good, bad = tried(Fake(), [Trial("good", ("a", "b", "c")), Trial("bad", tuple("abcdefgh"))])
    assert (good.differences, good.fewest) == ((), ())
    assert [difference.step for difference in bad.differences] == [4]
    assert bad.fewest == ("b", "d")
    assert [(difference.step, difference.text) for difference in bad.shown] == [(2, "d")]


def changed(**values: Any) -> Record:
    new = copy.deepcopy(record(LPM))
    new["steps"][4].update(values)
    return new


def test_a_recorded_session_is_as_simulated() -> None:
    assert list(record_differences(record(LPM), tree_of(LPM))) == []


@pytest.mark.parametrize(
    ("values", "aspect", "real", "simulated", "function"),
    [
        ({"errno": "EBUSY"}, "errno", "EBUSY", "", ""),
        ({"log": ["else"]}, "log", "else", "hot-remove", ""),
        ({"blocks": []}, "blocks", "nothing", "block 0 on node 0, online", "__remove_memory"),
        (
            {"properties": {}},
            "properties",
            "ibm,dynamic-memory-v2 -",
            "memory-v2 0000",
            "drmem_update_dt",
        ),
    ],
)
def test_what_differs_is_shown_from_both_sides(
    values: dict[str, Any], aspect: str, real: str, simulated: str, function: str
) -> None:
    (found,) = record_differences(changed(**values), tree_of(LPM))
    assert (found.step, found.aspect) == (5, aspect)
    assert real in found.real
    assert simulated in found.simulated
    assert function in found.function


def test_a_block_in_another_state_is_a_difference() -> None:
    blocks = copy.deepcopy(record(LPM)["steps"][4]["blocks"])
    blocks[3]["state"] = "offline"
    (found,) = record_differences(changed(blocks=blocks), tree_of(LPM))
    assert (found.aspect, found.real) == ("blocks", "block 3 on node 0, offline")
    assert found.simulated == "block 3 on node 0, online"


def test_a_real_kernel_took_scripted_migrations_as_simulated() -> None:
    name = "qualify/6.1-migrations"
    assert sum("asked" in step for step in record(name)["steps"]) == 7
    assert list(record_differences(record(name), tree_of(name))) == []
    # One that keeps its array would write the source's aa_indexes back; 5.10 prints something else, too.
    for like, step, aspect in ((profile("6.1", [], ["aa-sync"]), 3, "properties"), (profile("5.10"), 2, "log")):
        found = next(record_differences(record(name), tree_of(name), like))
        assert (found.step, found.aspect) == (step, aspect), like.name


def test_calls_that_were_not_made_are_a_difference() -> None:
    name = "qualify/6.1-migrations"
    new = copy.deepcopy(record(name))
    new["steps"][1]["asked"].pop()
    (found,) = record_differences(new, tree_of(name))
    assert (found.step, found.aspect, found.real) == (2, "calls", "nothing")
    published = json.loads((ROOT / "docs/schemas/drmemctl.qualify-1.json").read_text())
    assert found.aspect in published["$defs"]["difference"]["properties"]["aspect"]["enum"]
    assert found.simulated.startswith("update-properties 0x")


def test_boot_and_events_are_compared() -> None:
    boot = copy.deepcopy(record(LPM))
    boot["boot"]["blocks"] = boot["boot"]["blocks"][:-1]
    assert [(one.step, one.aspect) for one in record_differences(boot, tree_of(LPM))] == [(0, "blocks")]
    events = {**record(LPM), "events": [{"event": "DEVICE_DELETED", "data": {"device": "x"}}]}
    (found,) = record_differences(events, tree_of(LPM))
    assert (found.aspect, found.real, found.simulated) == ("events", "DEVICE_DELETED", "")


def test_a_release_that_the_kernel_is_not_differs() -> None:
    differences = list(record_differences(record(LPM), tree_of(LPM), profile("5.10")))
    assert differences
    assert differences[0].real != differences[0].simulated


def subject(place: Path, session: Record) -> KernelSubject:
    """Return a kernel whose guest is a recorded session."""

    def boot(guest: Guest, plan: Record, folder: Path) -> tuple[Record, bytes]:
        assert guest.root.startswith(b"\x1f\x8b")
        del folder
        steps = session["steps"][: len(plan["steps"])] if len(plan["steps"]) <= len(session["steps"]) else []
        return {**session, "steps": steps, "events": session["events"] if steps else []}, blob(LPM)

    return KernelSubject(place / "vmlinux", b"busybox", place, boot=boot)


def test_a_kernel_is_tried_and_all_is_kept(tmp_path: Path) -> None:
    kernel = subject(tmp_path, record(LPM))
    steps = tuple(step["step"] for step in record(LPM)["steps"])
    (result,) = tried(kernel, [Trial("a session", steps)])
    assert result.differences == ()
    assert (kernel.name, kernel.model) == (f"Linux {record(LPM)['kernel']}", record(LPM)["kernel"])
    kept = {path.name for path in (tmp_path / "a-session").iterdir()}
    assert kept == {"record.json", "boot.dtb.gz", "steps"}
    assert json.loads((tmp_path / "a-session/record.json").read_text())["steps"] == record(LPM)["steps"]


def test_a_kernel_that_differs_is_booted_again_for_fewer_steps(tmp_path: Path) -> None:
    kernel = subject(tmp_path, changed(errno="EBUSY"))
    steps = tuple(step["step"] for step in record(LPM)["steps"])
    (result,) = tried(kernel, [Trial("a session", steps)], tries=5)
    assert result.differences[0].step == 5
    assert len(result.fewest) <= 5


@each(
    ("text", "message"),
    [
        ("no json", "no list of RTAS answers"),
        ("{}", "no list of RTAS answers"),
        ('[{"call": "update-nodes"}]', "no list of RTAS answers"),
        ('[{"call": "update-nodes", "answer": "%s", "status": 0}]' % ("00" * 4097), "more than 4,096 bytes"),
        (
            '{"answers": [{"call":"","answer":"","status":0}],"homes":[{"cpu":0,"associativity":"00000000"}]}',
            "can only get",
        ),
    ],
)
def test_answers_that_no_guest_can_get_are_told_before_it_boots(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_text(text)
    with pytest.raises(DrmemctlError, match=message) as raised:
        subject(tmp_path, record(LPM)).differences([f"migrate {path}"], "mine")
    assert raised.value.source == str(path)


@each("step", ["drmgr -c mem -a -q 1", "kexec file"])
def test_what_a_guest_cannot_do_is_told_before_it_boots(step: str, tmp_path: Path) -> None:
    with pytest.raises(DrmemctlError, match="no step for a guest"):
        subject(tmp_path, record(LPM)).differences([step], "mine")


def test_random_steps_are_steps_and_the_same_again(tmp_path: Path) -> None:
    trials = list(kernel_trials(subject(tmp_path, record(LPM)), 3, 10, 2))
    assert [trial.name for trial in trials] == ["directed", "seed 3", "seed 4"]
    assert trials[0].steps == DIRECTED
    assert list(trials[1].steps) == random_steps(tree_of(LPM), record(LPM)["kernel"], 3, 10)
    for trial in trials:
        assert len(list(parse_script("\n".join(trial.steps)))) == len(trial.steps)
        plan = {"boot": {"properties": {}}, "steps": [{"step": step, "properties": {}} for step in trial.steps]}
        assert len(recorder._commands(plan)) == len(trial.steps)


@each(
    ("step", "command"),
    [
        ("dlpar memory add  count 1", "dlpar 'memory add  count 1'"),  # every blank reaches the guest
        ("offline 0x10", "block offline 16"),  # sysfs has the numbers of blocks in decimal
    ],
)
def test_a_step_is_a_command_of_the_guest(step: str, command: str) -> None:
    plan = {"boot": {"properties": {}}, "steps": [{"step": step, "properties": {}}]}
    assert recorder._commands(plan) == [f"step {command}"]


@pytest.mark.parametrize("data", [b"", b"\x7fELF", ELF[:18] + b"\x3e\x00"])
def test_what_is_no_kernel_of_ppc64el_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(data)
    with pytest.raises(OracleError, match="no 64-bit little-endian PowerPC ELF"):
        checked_elf(path)
    path.write_bytes(ELF + b"rest")
    assert checked_elf(path) == ELF + b"rest"
    with pytest.raises(OracleError, match="No such file"):
        checked_elf(tmp_path / "nonesuch")


def test_answers_are_compared_up_to_the_first_that_differs() -> None:
    real = [WalkAnswer("ok"), WalkAnswer((0,), ("DEVICE_DELETED",)), WalkAnswer("ABORT", said="assertion failed")]
    model = [WalkAnswer("ok"), WalkAnswer((0,)), WalkAnswer((-3,))]
    (found,) = answer_differences(["a", "b", "c"], real, model)
    assert (found.step, found.aspect, found.real, found.simulated) == (2, "events", "0 DEVICE_DELETED", "0")
    (found,) = answer_differences(["c"], real[2:], model[2:])
    assert (found.aspect, found.real, found.simulated) == ("answer", "ABORT (assertion failed)", "-3")
    assert [trial.name for trial in qemu_trials(5, 3, 2)][-2:] == ["seed 5", "seed 6"]


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the fake in the place of QEMU."""
    fake = Fake(("rtas get-sensor 9003 0x80000009", "attach 0x80000004 2", "detach 0x80000004 2"))
    monkeypatch.setattr("drmemctl.cli.qualify._qemu", lambda _qemu, _place: fake)
    monkeypatch.setattr("drmemctl.qualify.qtest.version_of", lambda _qemu: (9, 9))


QEMU = "qemu-system-ppc64"


@pytest.mark.usefixtures("faked")
def test_the_command_says_what_differs_and_how_to_see_it_again(tmp_path: Path) -> None:
    steps = tmp_path / "mine.steps"
    needed = "rtas get-sensor 9003 0x80000009\nattach 0x80000004 2\n", "detach 0x80000004 2\n"
    steps.write_text("rtas get-sensor 9003 0x80000004\n".join(needed))
    outcome = run("qualify", "--qemu", QEMU, "-f", steps, "-o", tmp_path)
    assert outcome.code == 1
    assert "mine: 4 steps, differs at step 4: detach 0x80000004 2" in outcome.out
    assert "  real       0\n    simulated  -3\n" in outcome.out
    again = f"again: drmemctl qualify --qemu qemu-system-ppc64 -f {tmp_path}/mine.steps"
    assert again in outcome.out.replace("\n", "")
    assert steps.read_text() == "".join(needed)
    document = json.loads(run("qualify", "--qemu", QEMU, "-f", steps, "-o", tmp_path, "--format", "json").out)
    assert document["trials"][0]["fewest"] == "".join(needed).splitlines()
    junit = run("qualify", "--qemu", QEMU, "-f", steps, "-o", tmp_path, "--format", "junit").out
    assert 'failures="1"' in junit
    assert "<failure" in junit


@pytest.mark.usefixtures("faked")
def test_the_command_is_content_where_nothing_differs(tmp_path: Path) -> None:
    outcome = run("qualify", "--qemu", QEMU, "--random", "5", "--trials", "0", "-o", tmp_path, "--format", "junit")
    assert (outcome.code, 'failures="0"' in outcome.out) == (0, True)
    assert run("qualify", "--qemu", QEMU, "--trials", "1", "--random", "3", "-o", tmp_path).out.endswith(
        "all as simulated\n"
    )


@pytest.mark.parametrize(("symbols", "is_told"), [({}, True), (ENTRIES, False)])
def test_a_kernel_that_is_not_migrated_is_told(
    symbols: dict[str, int], is_told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drmemctl.cli.qualify._kernel", lambda *_: Fake(()))
    monkeypatch.setattr("drmemctl.qualify.qtest.version_of", lambda _qemu: (9, 9))
    monkeypatch.setattr("drmemctl.qualify.kernel_trial.kernel_trials", lambda *_: ())
    vmlinux = tmp_path / "vmlinux"
    vmlinux.write_bytes(elf_with_symbols(of=symbols))
    outcome = run("qualify", "--vmlinux", vmlinux, "-o", tmp_path)
    assert (outcome.code, "the kernel is not migrated" in outcome.err) == (0, is_told)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--kernel", "6.1"), 2, "--kernel goes with --vmlinux"),
        (("--kernel", "nonesuch", "--vmlinux", "x"), 2, "nonesuch"),
        (("--qemu", "/nonesuch"), 3, "/nonesuch cannot be run"),
        (("--qemu", "/nonesuch", "--vmlinux", "x"), 3, "/nonesuch cannot be run"),
        (("--qemu", QEMU, "-f", "/nonesuch"), 3, "no such file"),
        ((), 2, "name what is put to the test"),
        (("--random", "0"), 2, "--random"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], code: int, said: str, tmp_path: Path) -> None:
    outcome = run("qualify", *arguments, "-o", tmp_path)
    assert (outcome.code, said in outcome.err.replace("\n", " ")) == (code, True), outcome.err


def test_the_first_lmb_is_behind_boot_memory() -> None:
    assert FIRST == 0x80000000 + (2 << 30 >> 28)
