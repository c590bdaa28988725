# SPDX-License-Identifier: MIT
"""Targets that take any tree: the rules, the diff, the simulation, and every command that reads one."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import islice, pairwise
from random import Random

from drmemctl import check, diff
from drmemctl.cli.app import main
from drmemctl.errors import DrmemctlError
from drmemctl.simulate.files import Files
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.steps.language import parse_step
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Tree
from fuzz.mutate import changed_pair, changed_tree, split
from fuzz.seeds import LONGEST_TREE, recorded_steps, small_trees
from fuzz.target import Mutate, Target, memory_folder
from tests.conftest import FIXTURES

_MOST_STEPS = 12

_KERNELS = ("latest", "7.2", "6.1", "5.10", "5.2", "4.18")
_HYPERVISORS = ("qemu", "powervm", "qemu-6.0")


def run_check(data: bytes) -> None:
    """Judge a tree by all rules: none raises anything."""
    try:
        tree = read_fdt(data)
    except DrmemctlError:
        return
    check(tree)


def run_diff(data: bytes) -> None:
    """Compare two trees: nothing is raised, a tree is as itself, and forth and back are the same difference."""
    first, second = split(data)
    try:
        old, new = read_fdt(first), read_fdt(second)
    except DrmemctlError:
        return
    assert diff(old, old).same
    forth = diff(old, new, everything=True)
    back = diff(new, old, everything=True)
    assert forth.same == back.same
    diff(old, new)


def pairs() -> Iterator[bytes]:
    """Yield each tree and the one after it."""
    trees = small_trees()
    yield from (one + other for one, other in pairwise(trees))


@cache
def _records() -> list[bytes]:
    found = []
    for path in sorted((FIXTURES / "mobility").glob("*.json")):
        steps = json.loads(path.read_text())["steps"]
        found += [json.dumps(step["answers"]).encode() for step in steps if "answers" in step]
    return found


def _files(tree: Tree, number: int) -> Files:
    other = read_fdt(small_trees()[number % len(small_trees())])
    return Files(
        lambda name: _records()[len(name) % len(_records())], lambda name: tree if name == "same" else other
    )


def run_simulate(data: bytes) -> None:
    """Do steps to a tree: they are behind the blob, after a line that says which kernel, hypervisor and files."""
    first, rest = split(data)
    settings, _, text = rest.partition(b"\n")
    number = int.from_bytes(settings[:4], "big")
    lines = text.decode("utf-8", "replace").splitlines()
    with suppress(DrmemctlError):
        tree = read_fdt(first)
        kernel, hypervisor = _KERNELS[number % len(_KERNELS)], _HYPERVISORS[number // 8 % len(_HYPERVISORS)]
        simulation = Simulation(tree, kernel, hypervisor, files=_files(tree, number >> 8), findings=number % 2 > 0)
        for line in islice(lines, _MOST_STEPS):
            with suppress(DrmemctlError):
                step = parse_step(line)
                if step is not None:
                    simulation.run(step)
        assert simulation.consistent in (True, False)
        json.dumps(simulation.to_json())


def scenarios() -> Iterator[bytes]:
    """Yield trees, each with the steps of a recorded run."""
    runs = list(recorded_steps())
    for number, tree in enumerate(small_trees()):
        yield tree + (number * 0x109).to_bytes(4, "big") + b"\n" + runs[number % len(runs)].encode()


_STEPS = (
    "dlpar memory add count 1",
    "dlpar memory remove index 0x80000008",
    "dlpar memory add indexed-count 2 0x80000010",
    "dlpar memory remove count 0xffffffff",
    "dlpar cpu remove count 1",
    "dlpar cpu add index 0x10000001",
    "vphn 0 1,0",
    "plug 0x80000010 2 node 1",
    "unplug 0x80000010 1",
    "attach 0x80000018 1 assoc 4,0,0,0,1",
    "detach 0x80000018 0xffffffff",
    "firmware /ibm,dynamic-reconfiguration-memory ibm,dynamic-memory-v2 00000000",
    "firmware /ibm,dynamic-reconfiguration-memory ibm,associativity-lookup-arrays 0000000100000004",
    "firmware /ibm,dynamic-reconfiguration-memory ibm,lmb-size -",
    "firmware / #address-cells 00000001",
    "lpm same",
    "lpm other",
    "prrn other",
    "topology on",
    "topology off",
    "prrn -1 0x1 0xfffffff",
    "migrate file",
    "migrate another-file",
    "unmovable 0x80000000 0xffffffff",
    "movable 0x80000000",
    "rtas get-sensor 9003 0x80000008",
    "rtas set-indicator 9003 0x80000008 1",
    "rtas configure-connector 0x80000008",
    "reboot",
    "kexec",
    "expect consistent",
)
"""Steps to put between others."""


def changed_scenario(data: bytes, chosen: Random, mutate: Mutate) -> bytes | None:
    """Change the tree, or one of the steps behind it."""
    first, rest = split(data)
    if chosen.random() < 0.4:
        return changed_tree(data, chosen, mutate)
    settings, _, text = rest.partition(b"\n")
    lines = text.split(b"\n")
    kind, at = chosen.random(), chosen.randrange(len(lines))
    if kind < 0.1:
        settings = chosen.randbytes(4).replace(b"\n", b"\0")
    elif kind < 0.6:
        lines.insert(at, chosen.choice(_STEPS).encode())
    elif kind < 0.8:
        lines.pop(at)
    else:
        lines[at] = mutate(lines[at], len(lines[at]) + 16).replace(b"\n", b" ")
    return first + settings + b"\n" + b"\n".join(lines[:_MOST_STEPS])


_COMMANDS = (
    ("show",),
    ("show", "--format", "json"),
    ("lmb",),
    ("lmb", "--format", "csv"),
    ("map",),
    ("assoc",),
    ("numa",),
    ("numa", "--format", "json"),
    ("memblock",),
    ("blocks",),
    ("tree",),
    ("tree", "--format", "dts"),
    ("check",),
    ("check", "--format", "sarif"),
    ("check", "--format", "markdown"),
    ("kexec",),
    ("convert", "--to", "v1", "-o", "/dev/null", "--format", "dtb", "--limit", "10000"),
    ("convert", "--to", "v2", "-o", "/dev/null", "--format", "dts"),
)
"""Commands that read a tree, and options of them."""


def run_commands(data: bytes) -> None:
    """Run the commands on a tree: each says something, and ends with 0, 1 or 3."""
    # Which ones depends on the content, not on an own byte: so a find is a file for any command.
    picked = Random(data)
    with tempfile.NamedTemporaryFile(suffix=".dtb", dir=memory_folder()) as file:
        file.write(data)
        file.flush()
        for command, *options in picked.sample(_COMMANDS, 3):
            _run([command, file.name, *options])


def _run(arguments: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    assert code in (0, 1, 3), (arguments, code, err.getvalue())
    assert "internal error" not in err.getvalue(), (arguments, err.getvalue())
    shown = out.getvalue() + err.getvalue()
    odd = {char for char in shown if char not in "\n\t" and not char.isprintable()}
    assert not odd, (arguments, odd)
    if "json" in arguments or "sarif" in arguments:
        assert code == 3 or json.loads(out.getvalue())


TARGETS = {
    "check": Target(run_check, small_trees, changed_tree, LONGEST_TREE),
    "diff": Target(run_diff, pairs, changed_pair, 2 * LONGEST_TREE),
    "simulate": Target(run_simulate, scenarios, changed_scenario, 2 * LONGEST_TREE),
    "commands": Target(run_commands, small_trees, changed_tree, LONGEST_TREE),
}
