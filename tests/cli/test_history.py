# SPDX-License-Identifier: MIT
"""`drmemctl history`: the values that a dumped kernel kept, who wrote them, and what replaying them gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drmemctl import Simulation, load
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.memory.cores import DRMEM, LOOKUP, V2, Set, core_with, lmbs_of, recorded, v2
from tests.schemas.published import printed

UNSET = 0xFFFFFFFF
BOOT_LMBS: Set = (4, 0, 0, UNSET, 0xA0)
FIRST = (1, 0x40000000, 0x80000004)
REST: Set = (7, 0x50000000, 0x80000005, UNSET, 0)
WRITTEN_BACK = "6.1-radix64k-written-back"
DUMPS = sorted((FIXTURES / "vmcores").glob("*.xz"))


def dump(name: str) -> Path:
    return FIXTURES / "vmcores" / f"{name}.core.xz"


def document(path: Path, *more: str) -> Any:
    (printed_document,) = printed("history", "history", path, *more, "--format", "json")
    return printed_document


def writers(path: Path, *more: str) -> list[str | None]:
    return [value["writer"] for value in document(path, *more)["properties"][0]["values"]]


def written(folder: Path, core: bytes) -> Path:
    path = folder / "vmcore"
    path.write_bytes(core)
    return path


@each("path", DUMPS)
def test_every_dump_says_what_was_done_to_its_guest(path: Path) -> None:
    # fixtures/README.md: two DIMMs plugged, then (stale) a write through ofdt, or that between the two.
    expected = {
        "16384": ["boot"],
        "kdump": ["flush", "flush", "boot"],
        "plugged": ["flush", "flush", "boot"],
        "stale": ["update", "flush", "flush", "boot"],
        "written-back": ["flush", "update", "flush", "boot"],
    }
    (kind,) = (kind for kind in expected if kind in path.name)
    assert writers(path) == expected[kind]


@each("path", DUMPS)
def test_the_values_are_those_of_the_dump(path: Path) -> None:
    tree = load(path)
    assert tree.dump is not None
    replaced = [prop.value.hex() for prop in tree.dump.replaced.get(DRMEM, ()) if prop.name == V2]
    current = tree.node(DRMEM).get(V2)
    assert current is not None
    values = document(path)["properties"][0]["values"]
    assert [value["hex"] for value in values] == [current.hex(), *replaced]
    assert [value["number"] for value in values] == list(range(len(values)))[::-1]


def test_a_flush_that_took_back_what_was_written_from_outside_is_named_with_its_time() -> None:
    # The guest's console: "[   21.224363] … Memory at 60000000 (drc index 80000006) was hot-added".
    newest, update, _, _ = document(dump(WRITTEN_BACK))["properties"][0]["values"]
    assert newest["function"] == "drmem_update_dt_v2"
    assert newest["time"] == 21.224363
    ((undone,), (came,)) = newest["undone"], newest["requested"]
    assert (undone["old"]["flags"], undone["new"]["flags"], undone["new"]["base"]) == (8, 0, 0x80000000)
    assert (came["new"]["base"], came["new"]["count"]) == (0x50000000, 2)
    assert "LMB 0x80000004 has aa_index 0, 1 in the array" in update["reason"]
    text = run("history", dump(WRITTEN_BACK)).out
    assert "took back what 2 said of 1 LMB at 0x80000000 (DRC 0x80000008): flags 0x8 are 0x0 again" in text
    assert "at [   21.224363]" in text


def test_replaying_the_requests_on_the_oldest_value_gives_the_others() -> None:
    values = [value["hex"] for value in document(dump(WRITTEN_BACK))["properties"][0]["values"]][::-1]
    boot = load(dump(WRITTEN_BACK)).with_property(DRMEM, V2, bytes.fromhex(values[0]))
    simulation = Simulation(boot, "6.1")
    steps = ("plug 0x80000004 1 node 1", f"firmware {DRMEM} {V2} {values[2]}", "plug 0x80000005 2 node 0")
    for step, value in zip(steps, values[1:], strict=True):
        simulation.run(step)
        assert simulation.tree.get(DRMEM, V2) == bytes.fromhex(value), step


@each("name", ["6.1-radix64k-plugged", "6.12-radix4k-stale", "7.2-hash64k-stale"])
def test_replaying_two_plugs_on_the_value_of_boot_gives_those_of_other_kernels(name: str) -> None:
    values = [value["hex"] for value in document(dump(name))["properties"][0]["values"]][::-1]
    boot = load(dump(name)).with_property(DRMEM, V2, bytes.fromhex(values[0]))
    simulation = Simulation(boot, name.partition("-")[0])
    for step, value in zip(("plug 0x80000004 1 node 1", "plug 0x80000005 2 node 0"), values[1:3], strict=True):
        simulation.run(step)
        assert simulation.tree.get(DRMEM, V2) == bytes.fromhex(value), step


def source_written_back(tmp_path: Path, *, release: bytes = b"5.10.0-50-powerpc64l") -> Path:
    """Return a dump of a kernel that does not take aa_indexes over: an add after a migration wrote its array."""
    sets: tuple[Set, ...] = (
        BOOT_LMBS,
        (*FIRST, 1, 8),
        (1, 0x50000000, 0x80000005, 0, 8),
        (6, 0x60000000, 0x80000006, UNSET, 0),
    )
    values = [v2(BOOT_LMBS, (*FIRST, 1, 8), REST), v2(BOOT_LMBS, (*FIRST, 0, 8), REST), v2(*sets)]
    core = core_with(
        recorded("6.1-radix64k-plugged"),
        current={V2: values[2]},
        replaced=[(V2, values[1]), (V2, values[0])],
        array=lmbs_of(*sets),
        release=release,
    )
    return written(tmp_path, core)


def test_the_aa_index_of_the_source_written_back(tmp_path: Path) -> None:
    path = source_written_back(tmp_path)
    assert writers(path) == ["flush", "update", "boot"]
    newest = document(path)["properties"][0]["values"][0]
    ((undone,),) = (newest["undone"],)
    assert (undone["old"]["aa_index"], undone["new"]["aa_index"]) == (0, 1)
    assert "aa_index 0 is 1 again" in run("history", path).out
    # What a simulated 5.10 does to the oldest value is what the dump has.
    values = [value["hex"] for value in document(path)["properties"][0]["values"]][::-1]
    simulation = Simulation(load(path).with_property(DRMEM, V2, bytes.fromhex(values[0])), "5.10")
    simulation.run(f"firmware {DRMEM} {V2} {values[1]}")
    simulation.run("plug 0x80000005 1 node 0")
    assert simulation.tree.get(DRMEM, V2) == bytes.fromhex(values[2])


def test_a_kernel_that_takes_aa_indexes_over_has_written_nothing_back(tmp_path: Path) -> None:
    # On 6.1 the array had the new aa_index: the LMB was taken out and added again, as by a removal that failed.
    path = source_written_back(tmp_path, release=b"6.1.0-50-powerpc64le")
    newest = document(path)["properties"][0]["values"][0]
    assert (newest["writer"], newest["undone"]) == ("flush", [])
    assert "with 1 LMB added and 1 LMB taken out and added again" in run("history", path).out


@each(
    ("last", "why"),
    [
        (((*FIRST, 1, 8), (3, *REST[1:]), (4, 0x80000000, 0x80000008, UNSET, 0)), "write sets 2 and 3 as one"),
        (((*FIRST, 1, 0x108), REST), "has flags 0x108, 0x8 in the array"),
        (((*FIRST, 0, 8), REST), "no request added it"),
        (((*FIRST, 1, 8),), "it has other LMBs than the array"),
        (((*FIRST, 1, 8), (7, 0x60000000, *REST[2:])), "it has other LMBs than the array"),
        (((*FIRST, 1, 8), (0, 0, 0, 0, 0), REST), "no set like number 2"),
        (((*FIRST, 1, 0), REST), "is free and has an aa_index"),
    ],
)
def test_what_the_kernel_cannot_have_written(tmp_path: Path, last: tuple[Set, ...], why: str) -> None:
    before = v2(BOOT_LMBS, (*FIRST, 1, 8), REST)
    current = {V2: v2(BOOT_LMBS, *last)}
    core = core_with(recorded("6.1-radix64k-plugged"), current=current, replaced=[(V2, before)])
    newest = document(written(tmp_path, core))["properties"][0]["values"][0]
    assert newest["writer"] == "update"
    assert why in newest["reason"]


def test_a_removal_is_a_flush(tmp_path: Path) -> None:
    before = v2(BOOT_LMBS, (2, 0x40000000, 0x80000004, 1, 8), (6, 0x60000000, 0x80000006, UNSET, 0))
    after = (BOOT_LMBS, (1, 0x40000000, 0x80000004, 1, 8), (7, 0x50000000, 0x80000005, UNSET, 0))
    core = core_with(
        recorded("6.1-radix64k-plugged"), current={V2: v2(*after)}, replaced=[(V2, before)], array=lmbs_of(*after)
    )
    path = written(tmp_path, core)
    assert writers(path) == ["flush", "boot"]
    assert "with 1 LMB removed" in run("history", path).out


def test_lookup_arrays_and_other_properties_have_their_history(tmp_path: Path) -> None:
    counts = (1).to_bytes(4, "big") + (1).to_bytes(4, "big")
    lists = [(LOOKUP, counts + (9).to_bytes(4, "big")), (LOOKUP, counts + bytes(4))]
    core = core_with(recorded(WRITTEN_BACK), replaced=[*lists, (V2, v2(BOOT_LMBS))])
    core = core_with(core, path="/chosen", replaced=[("bootargs", b"quiet\0"), ("gone", b"\0\0\0\1")])
    path = written(tmp_path, core)
    lookup = document(path, DRMEM, LOOKUP)["properties"][0]
    assert [value["writer"] for value in lookup["values"]] == ["update", "update", "boot"]
    changes = [change["change"] for change in lookup["values"][0]["changes"]["lookup_arrays"]]
    assert sorted(changes) == ["added", "changed"]
    assert document(path)["further"] == [
        {"path": "/chosen", "property": "bootargs", "values": 2},
        {"path": "/chosen", "property": "gone", "values": 1},
        {"path": DRMEM, "property": LOOKUP, "values": 3},
    ]
    chosen = {past["property"]: past["values"] for past in document(path, "/chosen")["properties"]}
    assert [value["hex"] for value in chosen["gone"]] == [None, "00000001"]
    assert chosen["bootargs"][1]["hex"] == b"quiet\0".hex()
    assert run("history", path, "/chosen:gone").out == run("history", path, "/chosen", "gone").out
    assert "removed" in run("history", path, "/chosen", "gone").out


def test_one_list_more_may_be_the_kernels(tmp_path: Path) -> None:
    core = core_with(recorded(WRITTEN_BACK), replaced=[(LOOKUP, bytes((0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0)))])
    values = document(written(tmp_path, core), DRMEM, LOOKUP)["properties"][0]["values"]
    assert [value["writer"] for value in values] == [None, "boot"]
    assert "find_aa_index" in values[0]["reason"]
    assert "\n  one list more" in run("history", tmp_path / "vmcore", DRMEM, LOOKUP).out


def test_lmbs_are_read_with_the_lookup_arrays_of_their_time(tmp_path: Path) -> None:
    # Newest first: the property was replaced after the lookup arrays were, so that it was read with the new ones.
    current = load(dump(WRITTEN_BACK)).node(DRMEM)
    now, other = (current.get(name) or b"" for name in (V2, LOOKUP))
    swapped = other[:8] + other[12:16] + other[8:12]
    core = core_with(recorded(WRITTEN_BACK), replaced=[(LOOKUP, swapped), (V2, v2(BOOT_LMBS))])
    change = document(written(tmp_path, core))["properties"][0]["values"][0]["changes"]
    nodes = {lmbs["new"]["aa_index"]: lmbs["new"]["node"] for lmbs in change["lmbs"] if lmbs["new"]}
    assert nodes[0] == 1, now


def test_limit_and_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = document(dump(WRITTEN_BACK), "--show", "2")["properties"][0]
    assert limited["left_off"] == 2
    assert [(value["number"], value["writer"]) for value in limited["values"]] == [(3, "flush"), (2, "update")]
    assert "2 older values left off" in run("history", dump(WRITTEN_BACK), "--show", "2").out


@pytest.mark.one_python
def test_many_values_of_many_sets_are_bounded(tmp_path: Path) -> None:
    many = v2(*((1, i << 28, i, i & 1, 8) for i in range(10_000)))
    core = core_with(recorded(WRITTEN_BACK), replaced=[(V2, many)] * 40)
    past = json.loads(run("history", written(tmp_path, core), "--format", "json").out)["properties"][0]
    assert [value["writer"] for value in past["values"]] == ["update", *["flush"] * 5, None]
    assert past["left_off"] == 34


def test_what_a_dump_says_reaches_no_terminal(tmp_path: Path) -> None:
    core = core_with(recorded(WRITTEN_BACK), path="/chosen", replaced=[("bootargs", b"\x1b[2J\n::error::x\0")])
    result = run("history", written(tmp_path, core), "/chosen")
    assert result.code == 0
    assert "\x1b" not in result.out
    assert not any(line.lstrip().startswith("::") for line in result.out.splitlines())


@each("arguments", [(), ("/chosen",), ("/nowhere",)])
def test_a_tree_that_is_no_dump_keeps_nothing(arguments: tuple[str, ...]) -> None:
    result = run("history", FIXTURES / "trees" / "v2-gap.dtb.gz", *arguments)
    assert result.code == 3
    assert result.err.count("\n") == 1
    assert "vmcore" in result.err
    assert result.out == ""


def test_what_was_never_there_is_said() -> None:
    assert "no property nothing" in run("history", dump(WRITTEN_BACK), DRMEM, "nothing").err
    assert "no node /nothing" in run("history", dump(WRITTEN_BACK), "/nothing").err
    assert "no property was replaced" in run("history", dump(WRITTEN_BACK), "/chosen").out


def test_a_kernel_without_an_array_wrote_each_lmb() -> None:
    assert set(writers(dump(WRITTEN_BACK), "--kernel", "4.15")) == {None}


def test_lmbs_of_boot(tmp_path: Path) -> None:
    # With the tree of boot in the dump, and without it: the values that were replaced lead to the same.
    own = run("lmb", dump(WRITTEN_BACK), "--from", "boot", "--format", "json")
    kept = run("lmb", dump("6.1-radix64k-stale"), "--from", "boot", "--format", "json")
    assert own.code == kept.code == 0
    assert json.loads(own.out)["runs"] == json.loads(kept.out)["runs"]
    assert "oldest values that the kernel kept" in kept.err
    assert "oldest" not in own.err
    refused = run("lmb", FIXTURES / "trees" / "v2-gap.dtb.gz", "--from", "boot")
    assert (refused.code, refused.out) == (3, "")
    assert "this is no kernel dump" in refused.err
