# SPDX-License-Identifier: MIT
"""Command lines that print one of everything that there is a schema for."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import tarfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from drmemctl.check.report import Report
from drmemctl.compare.watching import changes_between, look
from drmemctl.formats.dynamic_memory import NODE, V1, V2
from drmemctl.output.qualify import QualifyView, show_qualified
from drmemctl.output.screen import Screen
from drmemctl.output.watch import show_changes
from drmemctl.qualify.trial import Difference, Trial, TrialResult
from drmemctl.tree.node import Property, Tree
from drmemctl.tree.writer import write_fdt
from tests.check.mutations import edited, entries, fixture, with_entries, with_prop
from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.formats.rtas_vectors import PRRN_SCOPE_2, QEMU_EVENT, words
from tests.kernel.cpu_trees import with_cores
from tests.live_roots import make_root, states, write
from tests.memory.cores import DRMEM, LOOKUP, core_with, recorded
from tests.output.reports import drawn, finding
from tests.schemas.published import documents, printed
from tests.simulate.interleave.cases import CPU_BEFORE, TREES

RACES = FIXTURES / "races"
BEFORE, AFTER = RACES / "before.dts", RACES / "after.dts"
THREADS = ("--thread", f"lpm {AFTER}", "--thread", "dlpar memory add indexed-count 1 0x80000002")
PART = FIXTURES / "cases" / "partial-drconf.dts"
"""A dump that does not show what it takes to know form and nodes."""

PLUGGED = FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz"
LPM = FIXTURES / "captures" / "6.1-lpm.dtb.gz"
AFTER_LPM = FIXTURES / "tutorial" / "lpar7-after.tar.xz"
LPAR7 = FIXTURES / "tutorial" / "lpar7-after.tar.xz"
BAD = FIXTURES / "boot" / "aa-out-of-range.dtb.gz"
HOLED = FIXTURES / "trees" / "v2-dimm-hole.dtb.gz"


def tree_file(folder: Path, tree: Tree) -> Path:
    """Write a tree and return the file."""
    path = folder / f"{len(list(folder.iterdir()))}.dtb"
    path.write_bytes(write_fdt(tree))
    return path


def _with_root(tree: Tree, name: str, value: bytes) -> Tree:
    kept = tuple(prop for prop in tree.root.properties if prop.name != name)
    return replace(tree, root=replace(tree.root, properties=(*kept, Property(name, value))))


def _shuffled(tree: Tree) -> Tree:
    """Return a tree in which there is something of every kind to find and to compare."""
    first, *others = entries(tree)
    changed = with_entries(tree, [*reversed(others), first._replace(flags=first.flags ^ 0x40000000)])
    changed = edited(changed, "/cpus/PowerPC,POWER9@0", lambda node: replace(node, name="PowerPC,POWER10@0"))
    changed = _with_root(changed, "ibm,partition-name", b"lpar7\0")
    changed = _with_root(changed, "system-id", b"IBM,02782233X\0")
    return with_prop(changed, "/chosen", "bootargs", b"mem=2G movable_node\0")


def _fleet(name: str) -> Callable[[Path], list[Any]]:
    def tables_of(_folder: Path) -> list[Any]:
        from tests.fleet.judged import document, tables

        return [
            document(tables([path], kernels)[name]) for path in (BAD, LPM, LPAR7) for kernels in ((), ("6.1",))
        ]

    return tables_of


def _fleet_ask(folder: Path) -> list[Any]:
    from tests.fleet.datasets import add_inputs

    add_inputs(folder / "fleet", 1, [PLUGGED])
    commands = (("ask", "nowhere"), ("ask", folder / "fleet", "lmb-sizes"))
    return [
        document for words in commands for document in printed("fleet.ask", "fleet", *words, "--format", "json")
    ]


def _fleet_diff(folder: Path) -> list[Any]:
    pairs = ("--before", LPAR7.with_name("lpar7-before.tar.xz"), "--after", LPAR7)
    done = run("fleet", "diff", *pairs, "--before", LPAR7, "--after", folder, "--format", "json")
    assert done.code == 3  # the directory holds no tree
    return list(documents("fleet.diff", done.out))


def _fleet_check(_folder: Path) -> list[Any]:
    from drmemctl.fleet.outcome import InputOutcome, Summary
    from drmemctl.output.fleet_summary import show_summary

    outcomes: Counter[int] = Counter({InputOutcome.FINE: 9, InputOutcome.ERROR: 1})
    with contextlib.redirect_stdout(io.StringIO()) as out:
        show_summary(Screen(), Summary("fleet", 10, 4, outcomes), "check", "json")
    return list(documents("fleet.check", out.getvalue()))


def _campaign(table: str) -> Callable[[Path], list[Any]]:
    def rows_of(_folder: Path) -> list[Any]:
        from tests.fleet.test_campaign import carried_out

        return [carried_out(table)]

    return rows_of


def _campaign_summary(command: str) -> Callable[[Path], list[Any]]:
    def printed_summary(_folder: Path) -> list[Any]:
        from drmemctl.fleet.outcome import ScenarioOutcome, Summary
        from drmemctl.output.fleet_summary import show_summary

        outcomes: Counter[int] = Counter({ScenarioOutcome.CONSISTENT: 9, ScenarioOutcome.OOPS: 1})
        with contextlib.redirect_stdout(io.StringIO()) as out:
            show_summary(Screen(), Summary("fleet", 10, 4, outcomes), command, "json")
        return list(documents(f"fleet.{command}", out.getvalue()))

    return printed_summary


def _cut(folder: Path) -> Path:
    """Write text of lsprop, which shows 128 bytes of a value."""
    path = folder / "cut.txt"
    words = "\t\t 00000000 00000000 00000000 00000000\n" * 8
    path.write_text(
        "/proc/device-tree/ibm,dynamic-reconfiguration-memory:\n"
        f"ibm,lmb-size     00000000 10000000\nibm,dynamic-memory\n{words}\t\t [4804 bytes total]\n"
    )
    return path


def _same_drc(folder: Path) -> tuple[Path, Path]:
    """Write two trees in which LMBs with one DRC index changed."""
    tree = fixture("kernel-arrays/v1numa4-boot")
    changed = [run._replace(flags=run.flags ^ 0x80) if run.flags & 0x80 else run for run in entries(tree)]
    return tree_file(folder, tree), tree_file(folder, with_entries(tree, changed))


def _decoded(folder: Path, kind: str, data: bytes) -> list[Any]:
    path = folder / f"{kind}.bin"
    path.write_bytes(data)
    return printed("decode", "decode", kind, path, "--format", "json")


def _show(folder: Path) -> list[Any]:
    broken = with_prop(fixture("kernel-arrays/numa2-plug2"), NODE, V2, b"\0\0\0\2" + bytes(24))
    trees = [PLUGGED, tree_file(folder, _shuffled(fixture("captures/6.1-lpm"))), tree_file(folder, broken)]
    root = make_root(folder / "capture", "captures/6.1-lpm", states("captures/6.1-lpm")[0])
    write(root / "capture.txt", "taken: 2026-11-03T09:15:00Z\nhost: lpar7\n")
    return [
        one
        for tree in (*trees, PART, root)
        for one in printed("show", "show", tree, "--kernel", "6.1", "--format", "json")
    ]


def _diff(folder: Path) -> list[Any]:
    old = fixture("captures/6.1-lpm")
    pairs: list[tuple[str | Path, ...]] = [
        (tree_file(folder, old), tree_file(folder, _shuffled(old)), "--all"),
        (PLUGGED, FIXTURES / "trees" / "numa4-form1-dist.dtb.gz", "--all", "--kernel", "6.1"),
        (PLUGGED, FIXTURES / "kernel-arrays" / "v1numa4-boot.dtb.gz"),
        (BEFORE, AFTER),
        _same_drc(folder),
    ]
    return [one for pair in pairs for one in printed("diff", "diff", *pair, "--format", "json")]


def _simulate(folder: Path) -> list[Any]:
    with_cpu, reassigned = tree_file(folder, CPU_BEFORE), tree_file(folder, TREES["cpu-reassigned"])
    threads = with_cores(CPU_BEFORE, (0,), threads=4)
    runs: list[tuple[str | Path, ...]] = [
        (PLUGGED, "rtas get-sensor 9003 0x80000008", "dlpar memory remove count 1", "plug 0x80000020 2"),
        (
            PLUGGED,
            "firmware /ibm,dynamic-reconfiguration-memory ibm,lmb-size 00",
            "reboot",
            "dlpar memory add count 1",
        ),
        (PLUGGED, "unplug 0x80000008 1", "unmovable 0x80000009", "unplug 0x80000009 1", "expect ok"),
        (LPM, f"lpm {FIXTURES / 'captures' / '6.1-merge.dtb.gz'}", "kexec", "--kernel", "5.10"),
        (LPM, f"lpm {FIXTURES / 'trees' / 'numa4-form1-dist.dtb.gz'}", "--kernel", "5.4", "--trace"),
        (BEFORE, "plug 0x80000fff 9"),
        (FIXTURES / "captures" / "6.1-form1-1.dtb.gz", "plug 0x8000000c 1 assoc 0,0,7,1"),
        (FIXTURES / "captures" / "6.1-hash.dtb.gz", "plug 0x80000004 4"),
        (BEFORE, "offline 1"),
        (FIXTURES / "boot" / "aa-out-of-range.dtb.gz", "dlpar memory add count 1"),
        (PLUGGED, "drmgr -c mem -r -q 2", "drmgr 1.3.8 -c mem -a -s 0x80000020"),
        (tree_file(folder, threads), "dlpar cpu remove index 0x10000000", "--kernel", "5.4"),
        *((with_cpu, f"lpm {reassigned}", "--kernel", kernel) for kernel in ("4.18", "4.20", "6.1")),
    ]
    return [one for steps in runs for one in printed("simulate", "simulate", *steps, "--format", "json")]


def _qualified(_folder: Path) -> list[Any]:
    difference = Difference(1, "dlpar memory add count 1", "errno", "EBUSY", "ok", "dlpar_store")
    trial = Trial("seed 1", ("plug 0x80000008 1", "dlpar memory add count 1"))
    results = [TrialResult(trial), TrialResult(trial, (difference,), trial.steps[1:], (difference,))]
    view = QualifyView("Linux 6.1.0", "6.1", results, "trial", ["--vmlinux", "vmlinux"])
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        show_qualified(Screen.detect(), view, "json")
    return list(documents("qualify", out.getvalue()))


def _array(folder: Path) -> list[Any]:
    path = folder / "array.json"
    assert run("simulate", PLUGGED, "dlpar memory remove count 1", "--save-array", path).code == 0
    return list(documents("array", path.read_text()))


def _baseline(folder: Path) -> list[Any]:
    path = folder / "baseline.json"
    assert run("check", "--isolated", BEFORE, BAD, "--write-baseline", path).code == 0
    return list(documents("baseline", path.read_text()))


def _replayed(folder: Path) -> list[Any]:
    path = folder / "race.steps"
    assert run("explore", BEFORE, *THREADS, "--save-trace", path, "--show", "1").code == 1
    return [
        *printed("explore-replay", "explore", BEFORE, "--replay", path, "--format", "json"),
        *printed("explore-replay", "simulate", BEFORE, "--replay", path, "--format", "json"),
    ]


def _decode(folder: Path) -> list[Any]:
    record = FIXTURES / "mobility" / "basic-6.1.json"
    found = printed("decode", "decode", "update-nodes", record, "--tree", PLUGGED, "--format", "json")
    found += printed("decode", "decode", "update-properties", record, "--format", "json")
    found += _decoded(folder, "rtas-event", QEMU_EVENT) + _decoded(folder, "rtas-event", PRRN_SCOPE_2)
    found += _decoded(folder, "update-nodes", bytes(7)) + _decoded(folder, "update-properties", bytes(7))
    return found + _decoded(
        folder, "configure-connector", words(0x80000004, 0, 20, 4, 27) + b"reg-ab\0" + words(7)
    )


def _check(folder: Path) -> list[Any]:
    missing = folder / "missing.dtb"
    arguments = ("check", "--isolated", "-j1", "--format", "json", BAD, missing, AFTER, PLUGGED, LPAR7)
    done = run(*arguments, FIXTURES / "cases" / "form2-bad-tables.dts")
    assert done.code == 3  # one input cannot be read, and the document says which
    left_out = Report("a.dtb", (finding(ranges_left_out=7),))  # more than any rule names
    return [*documents("check", done.out), *documents("check", drawn([left_out], "json"))]


def _watch(folder: Path) -> list[Any]:
    recorded = states("captures/6.1-lpm")
    roots = [make_root(folder / str(at), "captures/6.1-lpm", state) for at, state in enumerate(recorded)]
    write(roots[1] / "proc/device-tree/chosen/linux,memory-limit", "\0\0\0\1\0\0\0\0")
    looks = [look(str(root)) for root in roots]
    # And back again: what appeared goes.
    looks += looks[::-1]
    changes = [
        (float(at), now, [] if not at else list(changes_between(looks[at - 1], now)))
        for at, now in enumerate(looks)
    ]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        show_changes(Screen(), changes, live=False)
    return list(documents("watch", out.getvalue()))


def _history(folder: Path) -> list[Any]:
    dump = FIXTURES / "vmcores" / "6.1-radix64k-written-back.core.xz"
    counts = (1).to_bytes(4, "big") + (1).to_bytes(4, "big")
    core = core_with(recorded("6.1-radix64k-written-back"), replaced=[(LOOKUP, counts + bytes(4)), ("gone", b"x")])
    core = core_with(core, path="/", replaced=[("gone", bytes(4)), ("#size-cells", bytes(4))])
    path = folder / "vmcore"
    path.write_bytes(core)
    old, new = (
        struct.pack(">I", 4) + b"".join(struct.pack(">QIIII", i << 28, 0, 0, 0xFFFFFFFF, flags) for i in range(4))
        for flags in (0xA0, 0xA1)
    )
    v1 = folder / "v1"
    v1.write_bytes(core_with(recorded("6.1-radix64k-written-back"), current={V1: new}, replaced=[(V1, old)]))
    return [
        document
        for more in ((dump,), (path,), (v1,), (path, DRMEM, LOOKUP), (path, DRMEM, "gone"), (path, "/"))
        for document in printed("history", "history", *more, "--format", "json")
    ]


def _replaced(folder: Path) -> list[Any]:
    place = folder / "dump.tar"
    dump = FIXTURES / "vmcores" / "6.1-radix64k-written-back.core.xz"
    assert run("capture", "--dump", dump, "-o", place).code == 0
    with tarfile.open(place) as tar:
        stream = tar.extractfile("capture/memory/replaced.json")
        return [] if stream is None else [json.load(stream)]


def _of(name: str, *commands: tuple[str | Path, ...]) -> Callable[[Path], list[Any]]:
    return lambda _: [one for each in commands for one in printed(name, *each, "--format", "json")]


SAMPLES: dict[str, Callable[[Path], list[Any]]] = {
    "lmb": _of(
        "lmb", ("lmb", PLUGGED), ("lmb", PLUGGED, "--expand"), ("lmb", PLUGGED, "--node", "1", "--kernel", "6.1")
    ),
    "array": _array,
    "map": _of("map", ("map", PLUGGED), ("map", HOLED, "--kernel", "5.10")),
    "assoc": _of("assoc", ("assoc", PLUGGED), ("assoc", BAD, "--kernel", "5.2")),
    "numa": _of(
        "numa",
        ("numa", PLUGGED),
        ("numa", FIXTURES / "trees" / "numa4-form2-dist.dtb.gz", "--kernel", "5.10.0"),
        ("numa", PART),
    ),
    "show": _show,
    "memblock": _of(
        "memblock",
        ("memblock", PLUGGED, "--cmdline", "movablecore=256M"),
        ("memblock", PLUGGED, "--cmdline", "movable_node kernelcore=1G"),
        ("memblock", FIXTURES / "trees" / "v1-nvdimm.dtb.gz"),
        ("memblock", PLUGGED, "unplug 0x80000008 2", "plug 0x80000020 2 node 1", "--with", "hotplug-mark-all"),
    ),
    "blocks": _of("blocks", ("blocks", PLUGGED), ("blocks", FIXTURES / "trees" / "v1-nvdimm.dtb.gz")),
    "repair": _of(
        "repair",
        ("repair", AFTER_LPM, "--hypervisor", "powervm"),
        ("repair", AFTER_LPM, "unmovable 0x80000005", "--hypervisor", "powervm"),
        ("repair", AFTER_LPM, "offline 4"),
    ),
    "removable": _of("removable", ("removable", PLUGGED), ("removable", PLUGGED, "unmovable 0x80000008")),
    "kexec-next": _of(
        "kexec-next",
        ("kexec", BEFORE, "dlpar memory remove count 1", "dlpar memory add count 2", "--load", "file"),
        ("kexec", BEFORE, "--for", "fadump"),
        ("kexec", BEFORE, "dlpar memory remove count 1", "--for", "fadump", "--kernel", "6.1"),
    ),
    "kexec": _of(
        "kexec",
        ("kexec", PLUGGED),
        ("kexec", PLUGGED, "--crashkernel", "2G@3G", "--cmdline", "crashkernel=1G,cma"),
        ("kexec", PLUGGED, "unplug 0x80000008 2", "--for", "kdump", "--crashkernel", "256M", "--kernel", "6.1"),
    ),
    "tree": lambda folder: [
        *printed(
            "tree",
            "tree",
            tree_file(folder, replace(fixture("captures/6.1-lpm"), reservations=((0, 0x1000),))),
            "--format",
            "json",
        ),
        *printed("tree", "tree", _cut(folder), "--format", "json"),
    ],
    "prop": lambda folder: [
        *printed("prop", "prop", PLUGGED, NODE, "--format", "json"),
        *printed("prop", "prop", _cut(folder), NODE, "--format", "json"),
    ],
    "check": _check,
    "baseline": _baseline,
    "diff": _diff,
    "history": _history,
    "replaced": _replaced,
    "decode": _decode,
    "simulate": _simulate,
    "explore": _of("explore", ("explore", BEFORE, *THREADS), ("explore", BEFORE, *THREADS, "--max-states", "5")),
    "explore-replay": _replayed,
    "qualify": _qualified,
    "fleet.check": _fleet_check,
    "fleet.ask": _fleet_ask,
    "fleet.diff": _fleet_diff,
    "fleet.inputs": _fleet("inputs"),
    "fleet.lmb_runs": _fleet("lmb_runs"),
    "fleet.nodes": _fleet("nodes"),
    "fleet.findings": _fleet("findings"),
    "fleet.simulate": _campaign_summary("simulate"),
    "fleet.simulations": _campaign("simulations"),
    "fleet.explore": _campaign_summary("explore"),
    "fleet.explorations": _campaign("explorations"),
    "kernels": _of(
        "kernels", ("kernels",), ("kernels", "5.10"), ("kernels", "5.10", "6.1"), ("kernels", "rhel-8")
    ),
    "rules": _of("rules", ("rules",)),
    "config": _of("config", ("config",), ("config", "lmb")),
    "explain": _of("explain", ("explain", "DRM015")),
    "explain-all": _of("explain-all", ("explain", "state"), ("explain", BAD)),
    "watch": _watch,
}
"""By schema: a function that prints documents, given a directory for its files."""


def values(document: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    """Return all values in a document with their paths, itself first."""
    found = [(path, document)]
    inner = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for key, value in inner:
        found += values(value, (*path, key))
    return found


def changed(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Return a document with another value at a path."""
    if not path:
        return value
    copy = json.loads(json.dumps(document))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy
