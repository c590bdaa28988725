# SPDX-License-Identifier: MIT
"""What `import drmemctl` offers: a function for each command, with the values that the command prints."""

from __future__ import annotations

import ast
import json
import struct
from collections.abc import Callable
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

import drmemctl
from drmemctl.cli.app import COMMANDS
from drmemctl.errors import DrmemctlError
from drmemctl.formats.cells import LMB_SIZE
from drmemctl.formats.dynamic_memory import NODE, V2
from drmemctl.simulate.session import simulate
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.node import Node, Property, Tree
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES, ROOT, blob
from tests.live_roots import make_root, states

BEFORE, AFTER = FIXTURES / "tutorial/lpar7-before.tar.xz", FIXTURES / "tutorial/lpar7-after.tar.xz"
RACES = FIXTURES / "races"
RECORD = "captures/6.1-lpm"
LPM = f"lpm {AFTER}"
PLUG = "plug 0x80000006 1 node 0"

FUNCTIONS = {
    "show": "overview",
    "map": "address_map",
    "tree": "Tree",
    "prop": "Tree",
    "kernels": "profile",
    "qualify": None,  # drmemctl.qualify
    "fleet": None,  # drmemctl.fleet
    "rules": None,  # drmemctl.check.engine.all_rules
    "explain": None,
    "completion": None,
    "config": None,
    "help": None,
}
"""What is not called as its command."""


@cache
def loaded(path: Path) -> Tree:
    return drmemctl.load(path)


def test_every_command_has_its_function() -> None:
    named = {name: FUNCTIONS.get(name, name) for name in COMMANDS}
    assert [name for name, function in named.items() if function and function not in drmemctl.__all__] == []


def test_the_types_and_the_names_are_the_same_ones() -> None:
    source = ast.parse((ROOT / "drmemctl/__init__.py").read_text(encoding="utf-8"))
    (guarded,) = (node for node in source.body if isinstance(node, ast.If))
    told = {alias.name for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    told |= {node.name for node in guarded.body if isinstance(node, ast.FunctionDef)}
    assert set(drmemctl.__all__) - told == {"__version__"}
    assert sorted(drmemctl.__all__) == drmemctl.__dir__()
    for name in drmemctl.__all__:
        assert getattr(drmemctl, name) is not None, name
    assert signature(drmemctl.simulate) == signature(simulate)
    with pytest.raises(AttributeError, match="no attribute 'lmbs'"):
        drmemctl.lmbs  # noqa: B018


def without_hex(facts: dict[str, Any]) -> dict[str, Any]:
    facts.pop("drc_index_hex", None)
    return facts


def printed(*arguments: str | Path) -> Any:
    """Return what a command prints, but for the strings by which DRC indexes are searched."""
    return json.loads(run(*arguments, "--format", "json").out, object_hook=without_hex)


def test_numa_and_blocks_are_what_the_commands_print() -> None:
    layout = drmemctl.numa(loaded(AFTER))
    assert [node.node for node in layout.nodes] == [node["node"] for node in printed("numa", AFTER)["nodes"]]
    assert len(list(drmemctl.blocks(loaded(AFTER)).spans())) == len(printed("blocks", AFTER)["blocks"])
    regions = printed("memblock", AFTER, "--cmdline", "mem=1G")["regions"]
    memory = drmemctl.memblock(loaded(AFTER), cmdline="mem=1G")
    assert [entry.region.base for entry in memory.regions] == [region["base"] for region in regions]


def test_simulated_steps_are_what_the_command_prints() -> None:
    session = drmemctl.simulate(loaded(BEFORE), f"{LPM}\n# a comment\n{PLUG}", kernel="5.10")
    document = printed("simulate", BEFORE, LPM, PLUG, "--kernel", "5.10")
    assert session.simulation.to_json() == document
    assert session.verdict().consistent is document["consistent"]
    assert drmemctl.simulate(loaded(BEFORE), [LPM, PLUG], kernel="5.10").simulation.to_json() == document


def test_what_explore_finds_is_what_the_command_prints() -> None:
    tree = loaded(RACES / "before.dts")
    threads = [f"lpm {RACES / 'after.dts'}", "dlpar memory remove count 1"]
    explored = drmemctl.explore(tree, threads, locking=["kernel", "hotplug"])
    options = [word for text in threads for word in ("--thread", text)]
    document = printed("explore", RACES / "before.dts", *options, "--locking", "kernel", "--locking", "hotplug")
    told = [(answer.policy.name, answer.states, len(answer.bad)) for answer in explored.answers]
    assert told == [(row["locking"], row["states"], row["inconsistent"]) for row in document["policies"]]
    assert not explored.consistent
    assert (explored.of("hotplug").bad, explored.worst() is None) == ((), False)
    with pytest.raises(DrmemctlError, match="locking 'mutx' is not one of kernel"):
        drmemctl.explore(tree, threads, locking=["mutx"])


def test_repair_removable_and_kexec_are_what_the_commands_print() -> None:
    way_back = drmemctl.repair(loaded(BEFORE), [LPM], kernel="5.10")
    document = printed("repair", BEFORE, LPM, "--kernel", "5.10")
    assert (way_back.verdict, len(way_back.requests)) == (document["verdict"], len(document["plan"]))
    leaving = drmemctl.removable(loaded(BEFORE)).parts
    assert [part.run.base for part in leaving] == [part["base"] for part in printed("removable", BEFORE)["lmbs"]]
    next_kernel = drmemctl.kexec(loaded(BEFORE), ["dlpar memory remove count 1"], load="file")
    document = printed("kexec", BEFORE, "dlpar memory remove count 1", "--load", "file")
    assert (next_kernel.why, len(next_kernel.lmbs)) == (document["why"], len(document["lmbs"]))
    assert [finding.rule for finding in next_kernel.findings] == [entry["rule"] for entry in document["findings"]]


def test_decode_gives_values_and_findings() -> None:
    decoding = drmemctl.decode("rtas-event", b"062060a0 00000002")
    assert [answer.kind for answer in decoding.answers] == ["rtas-event"]
    assert decoding.answers[0].data.hex() == "062060a000000002"
    document = json.dumps({"answers": [{"value": {}}]}).encode()
    with pytest.raises(DrmemctlError):
        drmemctl.encode("rtas-event", document)
    with pytest.raises(DrmemctlError, match="no kind 'rtas'"):
        drmemctl.decode("rtas", b"00")


def test_a_tree_is_written_and_read_back() -> None:
    tree = loaded(AFTER)
    assert drmemctl.load(drmemctl.dtb(tree)).root == drmemctl.load(drmemctl.dts(tree).encode()).root == tree.root
    v1 = drmemctl.convert(tree, "v1").tree
    assert list(drmemctl.lmb(v1)) == list(drmemctl.lmb(tree))


def test_a_capture_is_a_tree(tmp_path: Path) -> None:
    root = make_root(tmp_path, RECORD, states(RECORD)[0])
    taken = drmemctl.capture(str(root), when=0)
    assert taken.tree.root == drmemctl.load(taken.to_bytes(".tar.xz")).root
    assert repr(taken).startswith("<CapturedFiles: ")
    ((_, look, changes),) = drmemctl.watch(str(root), count=1)
    assert (look.tree.root, changes) == (taken.tree.root, [])


def test_the_page_is_that_of_the_command() -> None:
    page = drmemctl.report(loaded(BEFORE), loaded(AFTER), steps=[PLUG])
    assert page == run("report", BEFORE, AFTER, "--step", PLUG, "-o", "-").out


WORDS: dict[str, Callable[[Tree], object]] = {
    "goal cannot be 'DRM001'; one of consistent, DRM": lambda tree: drmemctl.repair(tree, goal="DRM001"),
    "purpose cannot be 'kdump'; one of plain, fadump": lambda tree: drmemctl.kexec(tree, purpose=word("kdump")),
    "load cannot be 'fast'; one of file, classic": lambda tree: drmemctl.kexec(tree, load=word("fast")),
    "producer cannot be 'x'; one of kexec-tools": lambda tree: drmemctl.kdump(tree, producer=word("x")),
    "origin cannot be 'dump'; one of tree, array, boot": lambda tree: drmemctl.lmb(tree, origin=word("dump")),
    "to cannot be 'v3'; one of v1, v2": lambda tree: drmemctl.convert(tree, word("v3")),
    "'DRM' is neither a rule nor 'inconsistent'": lambda tree: drmemctl.explore(tree, [PLUG], until="DRM"),
    "no kind 'rtas' of RTAS answers; one of update-nodes": lambda _: drmemctl.encode("rtas", b"{}"),
}


def word(text: str) -> Any:
    """Return what no type checker lets pass."""
    return text


@each("message", WORDS)
def test_a_word_that_an_argument_cannot_be_is_refused(message: str) -> None:
    with pytest.raises(DrmemctlError, match=f"^{message}"):
        WORDS[message](loaded(BEFORE))


def test_as_many_runs_are_listed_as_by_the_command() -> None:
    number = LIMITS.max_runs + 1
    rows = b"".join(struct.pack(">IQ3I", 1, index << 40, index, 0, 8) for index in range(number))
    properties = (Property(LMB_SIZE, bytes(7) + b"\1"), Property(V2, struct.pack(">I", number) + rows))
    tree = Tree(Node("", (), (Node(NODE[1:], properties),)), "x")
    assert len(drmemctl.lmb(tree).runs) == number
    with pytest.raises(DrmemctlError, match="more than 262,144 runs of LMBs"):
        drmemctl.assoc(tree)


def test_history_is_about_dumps() -> None:
    with pytest.raises(DrmemctlError, match="keeps no former values"):
        drmemctl.history(loaded(AFTER))
    with pytest.raises(DrmemctlError, match="no kernel dump"):
        drmemctl.lmb(loaded(AFTER), origin="boot")


# Subscripts.


def test_a_node_is_found_by_its_path() -> None:
    tree = loaded(AFTER)
    assert tree["/rtas"] is tree.node("/rtas")
    assert tree["/cpus/PowerPC,POWER9"].name.startswith("PowerPC,POWER9@")
    assert tree["/rtas"]["ibm,lrdr-capacity"] == tree.get("/rtas", "ibm,lrdr-capacity")
    assert ("/rtas" in tree, "/rtsa" in tree, 7 in tree) == (True, False, False)
    assert ("ibm,lrdr-capacity" in tree["/rtas"], "x" in tree["/rtas"]) == (True, False)
    assert list(tree) == [path for path, _ in tree.walk()]
    assert list(tree["/rtas"]) == [prop.name for prop in tree["/rtas"].properties]


@pytest.mark.parametrize("path", ["/rtsa", "/rtas/x", "nowhere", "/a\x1b[31m"])
def test_a_path_that_is_none_is_named(path: str) -> None:
    with pytest.raises(KeyError) as caught:
        loaded(AFTER)[path]
    assert isinstance(caught.value, DrmemctlError)
    assert path in caught.value.message
    with pytest.raises(KeyError, match=r"no property ibm,lrdr; did you mean ibm,lrdr-capacity\?"):
        loaded(AFTER)["/rtas"]["ibm,lrdr"]
    with pytest.raises(KeyError, match=r"no property x; see its \.properties"):
        loaded(AFTER)["/cpus"]["x"]


# Short forms.

SHORT = 400


@cache
def public_values() -> dict[str, Any]:
    tree, after = loaded(BEFORE), loaded(AFTER)
    session = drmemctl.simulate(tree, [LPM, PLUG])
    explored = drmemctl.explore(
        loaded(RACES / "before.dts"), [f"lpm {RACES / 'after.dts'}", "dlpar memory remove count 1"]
    )
    answer = explored.answers[0]
    large = Node("", (Property("x" * 5000, b"\0" * 5000),), tuple(Node(f"n{i}") for i in range(5000)))
    values: dict[str, Any] = {
        "tree": tree,
        "large": Tree(large, "s" * 5000),
        "node": large,
        "property": large.properties[0],
        "table": drmemctl.lmb(tree),
        "runs": drmemctl.lmb(tree).runs,
        "lmb": drmemctl.lmb(tree)[0],
        "drmem": drmemctl.Drmem.from_tree(tree),
        "associativity": drmemctl.Associativity.from_tree(tree),
        "overview": drmemctl.overview(after),
        "map": drmemctl.address_map(tree),
        "assoc": drmemctl.assoc(tree),
        "numa": drmemctl.numa(tree),
        "numa node": drmemctl.numa(tree).nodes[0],
        "memblock": drmemctl.memblock(tree),
        "blocks": drmemctl.blocks(tree),
        "conversion": drmemctl.convert(tree, "v1"),
        "diff": drmemctl.diff(tree, after),
        "finding": drmemctl.check(after)[0],
        "session": session,
        "simulation": session.simulation,
        "state": session.simulation.state,
        "partition": session.simulation.situation,
        "result": session.done[0],
        "verdict": session.verdict(),
        "repair": drmemctl.repair(tree, [LPM], kernel="5.10"),
        "removable": drmemctl.removable(tree),
        "kexec": drmemctl.kexec(tree),
        "exploration": explored,
        "question": explored.question,
        "answer": answer,
        "end": answer.bad[0],
        "saved": explored.worst(),
        "decoding": drmemctl.decode("rtas-event", b"062060a0 00000002"),
        "profile": drmemctl.profile("6.1"),
    }
    return values


def test_each_value_is_a_short_line() -> None:
    lines = {name: repr(value) for name, value in public_values().items()}
    odd = {name: line for name, line in lines.items() if len(line) > SHORT or not line.isprintable()}
    assert odd == {}
    assert [name for name, line in lines.items() if " object at 0x" in line] == []


def test_text_of_a_tree_is_quoted() -> None:
    hostile = "\x1b[31m\n\u202e"
    tree = Tree(Node("", (Property(hostile, b""),), (Node(hostile),)), hostile)
    for value in (tree, tree.root.children[0], tree.root.properties[0]):
        assert repr(value).isprintable()


def test_a_blob_is_loaded() -> None:
    assert repr(drmemctl.load(blob("captures/6.1-lpm"))).startswith("<Tree '<bytes>': ")
