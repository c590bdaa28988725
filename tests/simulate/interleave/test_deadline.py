# SPDX-License-Identifier: MIT
"""`explore --max-seconds`: it is kept to whatever takes long, and what was not looked at is said."""

from __future__ import annotations

import io
import json
import signal
import sys
import threading
from time import monotonic, sleep

import pytest

from drmemctl.output.progress import Counter
from drmemctl.simulate.interleave.deadline import NEVER, TimeUpError, ended_at
from tests.cli.running import run
from tests.conftest import FIXTURES

pytestmark = pytest.mark.one_python

TREE = FIXTURES / "captures" / "6.1-lpm.dtb.gz"
FEW = ("--thread", "dlpar memory add count 1", "--thread", "dlpar memory remove count 1")
MANY = (
    *("--thread", "dlpar memory add count 4", "--thread", "dlpar memory remove count 4"),
    *("--thread", "prrn 2 0x80000002", "--thread", "dlpar memory add count 3"),
)
ALLOWED = 3.0
"""Seconds beyond the limit: one is promised, the rest is for busy machines."""


def forever(*_args: object, **_kwargs: object) -> None:
    while True:
        sum(range(1000))


def explored(*more: str, seconds: float = 1, threads: tuple[str, ...] = FEW) -> tuple[int, str, str]:
    begin = monotonic()
    outcome = run(
        "explore",
        TREE,
        *threads,
        "--kernel",
        "5.4",
        "--hypervisor",
        "powervm",
        "--locking",
        "none",
        "--max-seconds",
        f"{seconds}",
        *more,
    )
    assert monotonic() - begin < seconds + ALLOWED
    return outcome.code, outcome.out, outcome.err


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """Load what exploring takes: a busy machine that counts branches needs more than the limit for that."""
    explored(seconds=300)


@pytest.mark.parametrize(
    ("name", "missed"),
    [
        ("drmemctl.simulate.interleave.answer.running_kernel", "a single state"),
        ("drmemctl.simulate.interleave.engine.Engine.step", "of the actions from 1 state"),
        ("drmemctl.simulate.interleave.judge.EndJudge.findings", "ends"),
        ("drmemctl.simulate.interleave.answer.permutations", "what comes by race"),
        ("drmemctl.simulate.interleave.answer.shortest", "how these ends come about"),
        ("drmemctl.simulate.interleave.answer.tidied", "fewer switches between threads"),
        ("drmemctl.simulate.interleave.search.Graph.schedules", "how many schedules there are"),
    ],
)
def test_whatever_takes_long_is_given_up(name: str, missed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name, forever)
    code, out, _ = explored("--format", "json")
    policy = json.loads(out)["policies"][0]
    assert not policy["complete"]
    assert policy["why"] == "1 s were over"
    assert any(missed in said for said in policy["not_looked_at"])
    assert code == (1 if policy["inconsistent"] else 0)


def test_text_says_that_it_is_not_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drmemctl.simulate.interleave.judge.EndJudge.findings", forever)
    assert "NOT COMPLETE: 1 s were over" in explored()[1]


def test_showing_takes_no_longer_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drmemctl.simulate.interleave.trace.rows", forever)
    assert "how it comes about: no time was left for that" in explored()[1]
    bad = json.loads(explored("--format", "json")[1])["policies"][0]["bad_ends"]
    assert [end["actions"] for end in bad] == [[]] * len(bad)
    assert bad


def test_a_tree_that_is_not_read_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drmemctl.cli.explore.open_tree", forever)
    code, out, err = explored()
    assert (code, out) == (3, "")
    assert "1 s were over before it was read: nothing was looked at" in err


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_time_is_for_all_policies(jobs: str) -> None:
    _, out, _ = explored("--locking", "all", "-j", jobs, "--all", "--format", "json", seconds=2, threads=MANY)
    found = json.loads(out)
    assert not found["complete"]
    assert len(found["policies"]) > 3
    for policy in found["policies"]:
        assert policy["complete"] == (not policy["not_looked_at"])


def test_with_time_enough_all_is_looked_at() -> None:
    assert "nan is no time" in run("explore", TREE, *FEW, "--max-seconds", "nan").err
    with_limit = json.loads(explored("--format", "json", seconds=1e300)[1])
    assert with_limit["complete"]
    assert with_limit["policies"][0]["why"] is None


def test_a_time_that_is_over_interrupts_once() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeUpError), ended_at(monotonic() + 0.05):
        forever()
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    with pytest.raises(TimeUpError), ended_at(monotonic()):
        pytest.fail("it is over at once")
    with ended_at(NEVER), ended_at(monotonic() + 60):
        pass


def test_other_threads_are_not_interrupted() -> None:
    done = []

    def work() -> None:
        with ended_at(monotonic() + 0.01):
            sleep(0.05)
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drmemctl.output.progress._PATIENCE", 0)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    counter = Counter()
    counter.show("kernel: 64 states, 2 ends")
    counter.hide()
    assert terminal.getvalue() == "\r\x1b[Kkernel: 64 states, 2 ends, 0 s\r\x1b[K"
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    Counter().show("nobody sees this")
    assert file.getvalue() == ""


def test_what_falls_into_a_callback_is_raised_again() -> None:
    begin = monotonic()

    class Dropping:
        def __del__(self) -> None:
            while monotonic() < begin + 0.3:
                pass

    def dropped() -> None:
        Dropping()
        sleep(5)

    with pytest.raises(TimeUpError), ended_at(begin + 0.1):
        dropped()
    assert monotonic() - begin < 3
