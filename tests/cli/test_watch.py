# SPDX-License-Identifier: MIT
"""`drmemctl watch`: recorded steps of a real kernel, one after the other below a directory that stands for /."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from drmemctl.check.finding import Finding, Severity
from drmemctl.compare.lmbs import LmbChange
from drmemctl.compare.watching import BlockChange, FindingChange, changes_between, look
from tests.cli.running import COMMAND, environment, on_terminal, run
from tests.conftest import ROOT
from tests.live_roots import MEMORY, make_root, states, write

NAME = "captures/6.1-lpm"


def test_the_changes_of_recorded_steps(tmp_path: Path) -> None:
    looks = [look(str(make_root(tmp_path / str(n), NAME, state))) for n, state in enumerate(states(NAME))]
    kinds = {type(change) for old, new in pairwise(looks) for change in changes_between(old, new)}
    assert kinds >= {LmbChange, BlockChange, FindingChange}
    for old, new in pairwise(looks):
        added = {*new.system.blocks} - {*old.system.blocks}
        told = {
            change.first + i
            for change in changes_between(old, new)
            if isinstance(change, BlockChange) and change.old is None
            for i in range(change.count)
        }
        assert told == added
    assert list(changes_between(looks[0], looks[0])) == []


def test_a_finding_is_told_when_it_comes_and_when_it_goes(tmp_path: Path) -> None:
    look_at_end = look(str(make_root(tmp_path, NAME, states(NAME)[-1])))
    first, second, third = (
        Finding(f"DRM00{number}", Severity.ERROR, "", "", fingerprint=str(number)) for number in range(1, 4)
    )
    old, new = (replace(look_at_end, findings=findings) for findings in ((first, second), (second, third)))
    assert list(changes_between(old, new)) == [
        FindingChange(third, is_new=True),
        FindingChange(first, is_new=False),
    ]


def test_ndjson(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", NAME, states(NAME)[0])

    def change() -> None:
        time.sleep(0.5)
        write(root / MEMORY / "memory3/state", "offline\n")

    thread = threading.Thread(target=change)
    thread.start()
    outcome = run("watch", "--root", root, "--interval", "0.2", "--count", "8")
    thread.join()
    lines: list[dict[str, Any]] = [json.loads(line) for line in outcome.out.splitlines()]
    assert (lines[0]["schema"], lines[0]["event"]) == ("drmemctl.watch/1", "start")
    assert [(line["event"], line["first"], line["new"]) for line in lines[1:] if line["event"] == "blocks"] == [
        ("blocks", 3, "offline on node 0")
    ]


def test_a_terminal_gets_a_table(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", NAME, states(NAME)[0])
    shown = on_terminal("watch", "--root", root, "--interval", "0.1", "--count", "2", NO_COLOR="1").decode()
    assert "node 0: 0 LMBs, 4 blocks" in shown
    assert "findings: 0" in shown


def test_a_terminal_is_left_alone_where_there_is_nothing_to_watch(tmp_path: Path) -> None:
    assert on_terminal("watch", "--root", tmp_path, NO_COLOR="1") == b""


def test_an_interrupt_ends_it_cleanly(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", NAME, states(NAME)[0])
    with subprocess.Popen(
        [*COMMAND, "watch", "--root", str(root), "--interval", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment({}),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - no threads here
    ) as process:
        assert process.stdout is not None
        assert b'"event": "start"' in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said.strip()) == (130, b"drmemctl: interrupted")


def test_a_machine_without_a_tree(tmp_path: Path) -> None:
    assert run("watch", "--root", tmp_path, "--count", "1").code == 3
    root = make_root(tmp_path / "root", NAME, states(NAME)[0])
    shutil.rmtree(root / "sys")
    assert run("watch", "--root", root, "--count", "1").code == 0
