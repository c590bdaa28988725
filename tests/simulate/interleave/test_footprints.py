# SPDX-License-Identifier: MIT
"""What a step says that its actions read and write is no less than they do: the search goes by that."""

from __future__ import annotations

import pytest

from drmemctl.kernel import plugins
from drmemctl.kernel.profiles import profile
from drmemctl.kernel.task import Action, Footprint, StatePart
from drmemctl.simulate.interleave import engine
from drmemctl.simulate.interleave.answer import Question, answer
from drmemctl.simulate.interleave.policy import BY_NAME
from drmemctl.simulate.interleave.search import Bounds
from drmemctl.simulate.interleave.threads import Thread
from drmemctl.tree.source import load
from tests.conftest import FIXTURES

RACES = FIXTURES / "races"
LPM, PRRN = f"lpm {RACES / 'after.dts'}", f"prrn {RACES / 'reassigned.dts'}"

THREADS = (
    (LPM, "dlpar memory add count 1"),
    (LPM, "dlpar memory remove count 1"),
    (PRRN, "prrn 2 0x80000002"),
    ("plug 0x80000005 1", "unplug 0x80000002 1"),
    ("attach 0x80000004 1", "firmware / x 00"),
    ("vphn 0 1", "topology off"),
    ("offline 2", "drmgr -c mem -a -q 1"),
)


@pytest.mark.parametrize("kernel", ["4.14", "4.20", "5.10", "latest", "arrayless"])
def test_no_action_touches_more_than_its_step_says(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    beyond: set[tuple[str, str]] = set()

    def check(action: Action, thread: Thread) -> None:
        if not action.touches.is_within(thread.touches):
            beyond.add((action.name, thread.text.split()[0]))

    monkeypatch.setattr(engine, "_check_touches", check)
    monkeypatch.setattr(plugins, "loaded", lambda: (plugins.Plugin("any", ""),))
    tree = load(RACES / "before.dts")
    for threads in THREADS:
        question = Question(tree, threads, profile(kernel), bounds=Bounds(400, 60))
        answer(question, BY_NAME["none"])
    assert beyond == set()


def test_what_is_written_may_be_read() -> None:
    parts = frozenset({StatePart.CPUS})
    assert Footprint(reads=parts).is_within(Footprint(writes=parts))
    assert not Footprint(writes=parts).is_within(Footprint(reads=parts))
