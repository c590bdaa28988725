# SPDX-License-Identifier: MIT
"""The step drmgr against the real drmgr: what it wrote and printed for options, nodes and refusals."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, encode_entries
from drmemctl.formats.rows import words
from drmemctl.kernel.task import Task
from drmemctl.model.run import Run
from drmemctl.simulate.drmgr import c_number
from drmemctl.simulate.drmgr_nodes import numa_topology
from drmemctl.simulate.partition import StepResult
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.step_words import StepError
from drmemctl.simulate.steps import drmgr_call
from drmemctl.simulate.steps.drmgr_call import Drmgr
from drmemctl.simulate.steps.language import parse_step
from drmemctl.tree.node import Node, Property, Tree
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.kernel.partitions import u32
from tests.simulate.records import tree_of

RUNS: list[dict[str, Any]] = json.loads((FIXTURES / "drmgr/runs.json").read_text(encoding="utf-8"))
CPUS = FIXTURES / "captures/6.1-cpus.dtb.gz"
FIRST = 0x80000000


def tree(nodes: list[list[int]], vec5: int = 0x80, lookup: bytes | None = None) -> Tree:
    """Return what drmgr reads of a partition: so many LMBs on each node, [CPUs, LMBs]."""
    runs, first = [], 0
    for node, (_, lmbs) in enumerate(nodes):
        runs += [Run(first << 28, lmbs, FIRST + first, node, 8)] if lmbs else []
        first += lmbs
    rows = u32(len(nodes), 1, *range(len(nodes))) if lookup is None else lookup
    drmem = (
        Property("ibm,lmb-size", u32(0, 1 << 28)),
        Property(V2, encode_entries(V2, runs)),
        Property(LOOKUP_ARRAYS, rows),
    )
    chosen = Node("chosen", (Property("ibm,architecture-vec-5", bytes((25, 0, 32, 0, 0, vec5)) + bytes(20)),))
    rtas = Node("rtas", (Property("ibm,associativity-reference-points", u32(1)),))
    return Tree(Node("", (), (chosen, rtas, Node(NODE[1:], drmem))))


def called(record: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> StepResult:
    """Return what the step does where the kernel refuses what it refused the real drmgr."""
    cpus = {node: cpus for node, (cpus, _) in enumerate(record["nodes"])}
    refused = {f"{FIRST + number:#x}" for number in record["fail"]}

    def write(_job: object, text: str) -> Task[int]:
        yield from ()
        return -errno.EBUSY if text.rsplit(maxsplit=1)[-1] in refused else 0

    monkeypatch.setattr(drmgr_call, "write_dlpar", write)
    monkeypatch.setattr(drmgr_call, "_topology_seen", lambda _job: numa_topology(tree(record["nodes"]), cpus))
    step = parse_step(f"drmgr {record['release']} {' '.join(record['arguments'])}")
    assert isinstance(step, Drmgr)
    return Simulation(tree_of("trees/v2-empty"), findings=False).run(step)


@each("record", RUNS, ids=lambda one: f"{one['release']} {' '.join(one['arguments'])} {one['nodes']}")
def test_a_recorded_run(record: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    made = called(record, monkeypatch).drmgr
    assert made is not None
    assert [text for text, _ in made.writes] == record["writes"]
    assert made.exit_code == record["exit_code"]
    # Standard output came first in the record: what is counted, and what was said, each in its order.
    assert sorted(made.output) == sorted(record["output"])


def test_more_may_go_than_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    record = next(one for one in RUNS if one["nodes"] == [[0, 2], [0, 40], [4, 10]])
    assert (record["arguments"][-1], len(record["writes"]), record["exit_code"]) == ("10", 52, 0)
    result = called(record, monkeypatch)
    assert not result.ok
    assert "removed 52 LMBs where 10 were asked for" in result.note


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ("-c mem -r -s 80000004", "takes 80000004 for a name"),
        ("-c mem -r -s 0x0", "DRC index 0 is none"),
        ("-c mem -r -g 5 -q 3", "-g is none of drmgr"),
        ("-c mem -a --quantity 3", "a long option is none of drmgr"),
        ("-c mem -r -q -1", "-q is negative"),
        ("-c cpu -r -q 1", "only what it does for memory"),
        ("-c mem -a -p ent_capacity -q 1", "only what it does for memory"),
    ],
)
def test_a_trap_is_said(options: str, note: str) -> None:
    assert note in Simulation(tree_of("captures/6.1-cpus"), "6.1").run(f"drmgr {options}").note


def test_nodes_are_those_of_the_tree_after_a_migration() -> None:
    """LMBs whose aa_index leads to node 0 by the new tree are drained, which Linux has on node 1."""
    simulation = Simulation(tree_of("captures/6.1-lpm"), "6.1")
    rows, width, *cells = words(simulation.tree.get(NODE, LOOKUP_ARRAYS) or b"")
    swapped = [cell for row in reversed(range(rows)) for cell in cells[row * width : (row + 1) * width]]
    simulation.run("plug 0x80000008 4 node 1")
    notes = [simulation.run("drmgr -c mem -r -q 1").note]
    simulation.run(f"firmware {NODE} {LOOKUP_ARRAYS} {u32(rows, width, *swapped).hex()}")
    notes.append(simulation.run("drmgr -c mem -r -q 1").note)
    assert ["on another node than Linux" in note for note in notes] == [False, True]


@pytest.mark.parametrize(
    ("vec5", "lookup", "said"),
    [
        (0, None, []),
        (0x80, u32(1), ["Could not find the associativity lookup arrays"]),
        (0x80, u32(1, 0), ["Bad min common depth or associativity array size"]),
        (0x80, u32(1, 1, 0, 0), ["Bad size of the associativity lookup arrays"]),
        (0x80, u32(1, 1, 300), ["Can't do NUMA based removal operation."]),
    ],
)
def test_where_the_tree_does_not_tell_the_kernel_chooses(vec5: int, lookup: bytes | None, said: list[str]) -> None:
    numa = numa_topology(tree([[1, 2]], vec5, lookup), {0: 1})
    assert numa.nodes == ()
    assert [text for _, text in numa.missing] == said


def test_v1_comes_before_v2() -> None:
    both = tree([[1, 2]]).root
    drmem = both.children[2].with_property(V1, encode_entries(V1, [Run(0, 1, 7, 0, 8)]))
    numa = numa_topology(Tree(Node("", (), (*both.children[:2], drmem))), {0: 1})
    assert [node.lmbs for node in numa.nodes] == [((7, 1),)]


@pytest.mark.parametrize(
    ("text", "base", "number"),
    [("0x1fz", 0, 31), ("017", 0, 15), (" 12a", 0, 12), ("-1", 0, (1 << 64) - 1), ("x", 0, 0), ("0x", 0, 0)],
)
def test_numbers_are_read_as_strtoul_does(text: str, base: int, number: int) -> None:
    assert c_number(text, base) == number


@pytest.mark.parametrize(("text", "column"), [("drmgr", 6), ("drmgr 1.3.1 -c mem -a", 7), ("drmgr 1.3.9", 12)])
def test_what_is_no_call(text: str, column: int) -> None:
    with pytest.raises(StepError) as raised:
        parse_step(text)
    assert raised.value.column == column


def test_json_and_text_have_the_requests() -> None:
    call = ("simulate", CPUS, "drmgr -c mem -a -q 1", "--hypervisor", "powervm")
    shown = json.loads(run(*call, "--format", "json").out)
    assert shown["steps"][0]["drmgr"] == {
        "writes": [{"text": "memory add count 1", "errno": None}],
        "output": ["Validating Memory DLPAR capability...yes.", "DR_TOTAL_RESOURCES=1"],
        "exit_code": 0,
    }
    assert "    > /sys/kernel/dlpar: memory add count 1: ok\n" in run(*call).out
