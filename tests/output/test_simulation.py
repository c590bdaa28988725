# SPDX-License-Identifier: MIT
"""A simulation as people read it: whole runs word for word, the trace, the bytes before and after."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from contextlib import redirect_stdout

import pytest

from drmemctl.cli.simulate import run_steps
from drmemctl.formats.dynamic_memory import NODE, V2
from drmemctl.kernel.processors import CpuChange
from drmemctl.output.screen import Screen
from drmemctl.output.simulation_text import Detail, shortened
from drmemctl.output.simulation_words import cpu_lines
from drmemctl.simulate.session import Session
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.steps.language import parse_script
from tests.simulate.records import record, tree_of

MIGRATION = [step["step"] for step in record("captures/5.10-lpm")["steps"]]

FINDING = re.compile(r" +(error|warning|info) DRM\d+ ")


def shown(steps: Iterable[str], kernel: str, **detail: bool) -> str:
    """Return the text of a run without what the rules say: their words have tests of their own."""
    detailed = Detail(**detail)
    session = Session(Simulation(tree_of("captures/5.10-lpm"), kernel), traced=detailed.trace)
    out = io.StringIO()
    with redirect_stdout(out):
        run_steps(Screen(), session, list(parse_script("\n".join(steps))), "text", "", detailed)
    return "".join(line for line in out.getvalue().splitlines(keepends=True) if not FINDING.match(line))


COMMON = """\
Linux {kernel} on qemu: 32 LMBs of 256 MiB, ibm,dynamic-memory-v2
memory blocks of 256 MiB: 4 on node 0, 4 on node 1
[1] plug 0x80000008 2 node 1: ok
    pseries-hotplug-mem: Attempting to hot-add 2 LMB(s) at index 80000008
    pseries-hotplug-mem: Memory at 80000000 (drc index 80000008) was hot-added
    pseries-hotplug-mem: Memory at 90000000 (drc index 80000009) was hot-added
  0x080000000-0x09fffffff  2 LMBs  aa unset -> 1 (node 1)  free -> assigned
  memory blocks 8-9 added on node 1
[2] firmware /ibm,dynamic-reconfiguration-memory ibm,associativity-lookup-a...: ok
  lookup arrays: [0] <0> -> <2>, [2] <0> added
[3] firmware /ibm,dynamic-reconfiguration-memory ibm,dynamic-memory-v2 0000...: ok
"""

STALE = """\
  0x080000000-0x08fffffff  1 LMB  aa 1 -> 0 (node 1 -> 2)  tree only
[4] plug 0x8000000a 1 node 0: ok
    pseries-hotplug-mem: Attempting to hot-add 1 LMB(s) at index 8000000a
    pseries-hotplug-mem: Memory at a0000000 (drc index 8000000a) was hot-added
  0x080000000-0x08fffffff  1 LMB  aa 0 -> 1 (node 2 -> 1)  written back
  0x0a0000000-0x0afffffff  1 LMB  aa unset -> 2 (node 0)  free -> assigned
  memory block 10 added on node 0
[5] dlpar memory remove count 1: ok
    pseries-hotplug-mem: Attempting to hot-remove 1 LMB(s)
    pseries-hotplug-mem: Memory at 80000000 was hot-removed
  0x080000000-0x08fffffff  1 LMB  aa 1 -> unset (node 1)  assigned -> free
  memory block 8 removed from node 1
"""

SYNCHRONISED = """\
  0x080000000-0x08fffffff  1 LMB  aa 1 -> 0 (node 1 -> 2)
[4] plug 0x8000000a 1 node 0: ok
    pseries-hotplug-mem: Attempting to hot-add 1 LMB(s) at index 8000000a
    pseries-hotplug-mem: Memory at a0000000 (drc index 8000000a) was hot-added
  0x0a0000000-0x0afffffff  1 LMB  aa unset -> 2 (node 0)  free -> assigned
  memory block 10 added on node 0
[5] dlpar memory remove count 1: ok
    pseries-hotplug-mem: Attempting to hot-remove 1 LMB(s)
    pseries-hotplug-mem: Memory at 80000000 was hot-removed
  0x080000000-0x08fffffff  1 LMB  aa 0 -> unset (node 2)  assigned -> free
  memory block 8 removed from node 1
"""


@pytest.mark.parametrize(("kernel", "rest"), [("5.10", STALE), ("6.1", SYNCHRONISED)])
def test_a_migration_with_a_stale_array_is_told_step_by_step(kernel: str, rest: str) -> None:
    text = shown(MIGRATION, kernel).replace("…", "...")
    story, _, verdict = text.partition("not consistent: ")
    assert story == COMMON.format(kernel=kernel) + rest
    assert verdict.count("\n") == 1


def test_the_verdict_says_what_the_next_flush_would_change() -> None:
    text = shown(MIGRATION[:3], "5.10")
    assert text.endswith(
        "the next flush would change what the tree says:\n"
        "  0x080000000-0x08fffffff  1 LMB  aa 0 -> 1 (node 2 -> 1)\n"
    )
    assert "next flush" not in shown(MIGRATION[:3], "6.1")


def test_the_trace_shows_calls_and_writes_between_the_messages() -> None:
    text = shown(["plug 0x80000008 1 node 1"], "6.1", trace=True)
    lines = [line.split() for line in text.splitlines() if line.startswith("     ")]
    assert lines == [
        ["dlpar_acquire_drc", "get-sensor-state", "9003", "0x80000008", "->", "0", "2"],
        ["dlpar_acquire_drc", "set-indicator", "9003", "0x80000008", "1", "->", "0"],
        ["dlpar_acquire_drc", "set-indicator", "9001", "0x80000008", "1", "->", "0"],
        ["dlpar_configure_connector", "configure-connector", "0x80000008", "->", "0"],
        ["update_lmb_associativity_index", "array[8]", "0x80000008:", "aa", "=", "1"],
        ["__add_memory", "memory", "block", "8", "comes", "on", "node", "1"],
        ["dlpar_add_lmb", "array[8]", "0x80000008:", "flags", "=", "assigned"],
        ["drmem_mark_lmb_reserved", "array[8]", "0x80000008:", "flags", "=", "assigned", "and", "the", "mark"],
        ["drmem_remove_lmb_reservation", "array[8]", "0x80000008:", "flags", "=", "assigned"],
        ["drmem_update_dt_v2", f"{NODE}:{V2}", "=", "76", "bytes"],
    ]
    before, _, after = text.partition("      drmem_remove_lmb_reservation")
    assert before.rstrip("\n").endswith("(drc index 80000008) was hot-added")
    assert "Attempting" not in after


def test_a_long_trace_is_cut_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drmemctl.output.simulation_trace.MOST", 4)
    step = ["plug 0x80000008 1 node 1"]
    assert "      … 6 more events; -v shows them\n" in shown(step, "6.1", trace=True)
    assert "more events" not in shown(step, "6.1", trace=True, verbose=True)


def test_the_update_of_an_array_is_traced_to_its_function() -> None:
    text = shown(MIGRATION[:3], "6.1", trace=True)
    assert re.search(r"\n +drmem_update_lmbs +array\[8\] 0x80000008: aa = 0\n", text)
    assert "drmem_update_lmbs" not in shown(MIGRATION[:3], "5.10", trace=True)


def test_the_diff_shows_sets_and_lists_before_and_after() -> None:
    text = shown([*MIGRATION[1:2], "plug 0x80000008 1 node 1"], "6.1", diff=True)
    assert (
        "  @@ /ibm,dynamic-reconfiguration-memory:ibm,associativity-lookup-arrays @@\n"
        "  -2 arrays of 1, 16 bytes\n  -[0] 0\n  +3 arrays of 1, 20 bytes\n  +[0] 2\n   [1] 1\n  +[2] 0\n"
    ) in text
    assert "\n  +     1 LMB   0x080000000  DRC 0x80000008  aa 1  0x8 assigned\n" in text


def test_other_properties_are_shown_with_their_new_value() -> None:
    text = shown(["firmware / model 414200", "firmware / model -", f"firmware / big {'00' * 40}"], "6.1")
    assert "\n  /:model = 414200\n" in text
    assert "\n  /:model removed\n" in text
    assert "\n  /:big = 40 bytes\n" in text


def test_an_oops_is_named_as_the_outcome() -> None:
    steps = [f"firmware {NODE} ibm,dynamic-memory 0000000000000000"]
    text = shown(steps, "5.2.2")
    assert "\n[1] firmware " in text
    assert ": oops\n" in text


def test_verbose_adds_drc_indexes_and_shows_steps_whole() -> None:
    text = shown(MIGRATION[:3], "5.10", verbose=True)
    assert MIGRATION[2] in text
    assert "  0x080000000-0x09fffffff  2 LMBs  DRC 0x80000008-0x80000009  aa unset -> 1" in text


@pytest.mark.parametrize(
    ("step", "limit", "expected"),
    [("a  b\tc", None, "a b c"), ("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"), ("\x1b", None, "\\x1b")],
)
def test_a_long_step_is_shortened(step: str, limit: int | None, expected: str) -> None:
    assert shortened(step, limit) == expected


@pytest.mark.parametrize(
    ("threads", "before", "node", "in_tree", "expected"),
    [
        ((8,), 0, 1, 1, "CPU 8: node 0 -> 1"),
        ((0, 1, 2, 3), 0, 0, 1, "CPUs 0-3: stays on node 0, the tree says node 1: because"),
        ((0,), 0, 2, None, "CPU 0: node 0 -> 2, the tree says node none: because"),
    ],
)
def test_a_cpu_keeps_or_gets_a_node(
    threads: tuple[int, ...], before: int, node: int, in_tree: int | None, expected: str
) -> None:
    change = CpuChange("/cpus/x", threads, before, node, in_tree, "" if in_tree == node else "because")
    assert list(cpu_lines(Screen(), [change])) == [expected]
