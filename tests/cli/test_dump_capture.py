# SPDX-License-Identifier: MIT
"""Captures of dumps, the array in a file of its own, and simulations that go on where a dump ends."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from drmemctl import LmbTable, Simulation, load
from drmemctl.model.dumped import array_in
from drmemctl.tree.system_files import ARRAY, REPLACED
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.memory.cores import DRMEM, V2, Set, core_with, lmbs_of, recorded, v2
from tests.wide import share

DUMPS = sorted((FIXTURES / "vmcores").glob("*.xz"))
WRITTEN_BACK = FIXTURES / "vmcores" / "6.1-radix64k-written-back.core.xz"
STALE = FIXTURES / "vmcores" / "6.1-radix64k-stale.core.xz"
BOOT: Set = (4, 0, 0, 0xFFFFFFFF, 0xA0)
REST: Set = (7, 0x50000000, 0x80000005, 0xFFFFFFFF, 0)
COMMANDS = (
    ("check", "--isolated", "--format", "json"),
    ("lmb", "--format", "json"),
    ("lmb", "--from", "array", "--format", "json"),
    ("blocks", "--format", "json"),
    ("history", "--format", "json"),
    ("numa", "--format", "json"),
    ("map", "--format", "json"),
    ("simulate", "dlpar memory remove count 1", "--format", "json"),
)


def answers(place: Path, name: Path) -> list[tuple[int, str]]:
    results = [run(command, place, *more) for command, *more in COMMANDS]
    return [(result.code, result.out.replace(str(place), str(name))) for result in results]


@each("path", share([path for path in DUMPS if "16384" not in path.name], 0, 3))
def test_a_capture_says_what_its_dump_says(path: Path) -> None:
    expected = answers(path, path)
    with TemporaryDirectory() as folder:
        for more in ((), ("--redact",)):
            place = Path(folder) / "dump.tar.gz"
            assert run("capture", "--dump", path, "-o", place, "--force", *more).code == 0
            assert answers(place, path) == expected
            assert place.stat().st_size < 40_000


def unpacked(place: Path) -> Path:
    with tarfile.open(place) as tar:
        tar.extractall(place.parent / "unpacked", filter="data")
    return place.parent / "unpacked"


def test_an_unpacked_capture_says_the_same(tmp_path: Path) -> None:
    place = tmp_path / "dump.tar"
    assert run("capture", "--dump", WRITTEN_BACK, "-o", place).code == 0
    tree = load(unpacked(place))
    assert tree.dump is not None
    assert tree.dump.release == "6.1.0-50-powerpc64le"
    assert array_in(tree) == array_in(load(WRITTEN_BACK))
    assert tree.dump.replaced == (load(WRITTEN_BACK).dump or tree.dump).replaced
    booted = load(f"{place}::capture/sys/firmware/fdt")
    assert booted.root == load(f"{WRITTEN_BACK}::boot").root
    assert booted.dump is None


def test_a_capture_of_a_capture_is_one_again(tmp_path: Path) -> None:
    first, second = tmp_path / "first.tar", tmp_path / "second.tar"
    assert run("capture", "--dump", STALE, "-o", first).code == 0
    assert run("capture", "--dump", first, "-o", second).code == 0
    assert answers(first, STALE) == answers(second, STALE)


def test_a_redacted_capture_has_no_secret_in_its_former_values_either(tmp_path: Path) -> None:
    secret = b"IBM,0278ABCDE\0"
    core = core_with(
        recorded("6.1-radix64k-plugged"), path="/", replaced=[("system-id", secret), ("note", secret)]
    )
    vmcore, place = tmp_path / "vmcore", tmp_path / "dump.tar"
    vmcore.write_bytes(core)
    assert run("capture", "--dump", vmcore, "--redact", "-o", place).code == 0
    data = place.read_bytes()
    assert b"0278ABCDE" not in data
    assert b"0278ABCDE".hex().encode() not in data
    assert b"system-id" in data


@each(
    ("tree", "message"),
    [(FIXTURES / "trees" / "v2-gap.dtb.gz", "this is no dump"), (FIXTURES / "none", "no such file")],
)
def test_what_no_capture_can_be_made_of(tree: Path, message: str) -> None:
    result = run("capture", "--dump", tree, "-o", "never.tar")
    assert result.code == 3
    assert message in result.err
    assert run("capture", "--dump", tree, "--root", "/tmp", "-o", "never.tar").code == 2
    assert not Path("never.tar").exists()


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    vmcore = tmp_path / "vmcore"
    for name in ("../../etc/passwd", "..", "a/b"):
        vmcore.write_bytes(core_with(recorded("6.1-radix64k-plugged"), path="/", current={name: b"x"}))
        result = run("capture", "--dump", vmcore, "-o", tmp_path / "dump.tar")
        assert result.code == 3
        assert "can be no file" in result.err


def changed(place: Path, files: Mapping[str, bytes]) -> Path:
    """Return a capture in which files are other ones."""
    changed_place = place.with_name("changed.tar")
    with tarfile.open(place) as tar, tarfile.open(changed_place, "w") as out:
        for member in tar:
            data = files.get(member.name.removeprefix("capture/"))
            stream = tar.extractfile(member) if data is None else io.BytesIO(data)
            member.size = member.size if data is None else len(data)
            out.addfile(member, stream)
    return changed_place


RUN = dict.fromkeys(("base", "drc_index", "aa_index", "flags"), 0) | {"count": 0xFFFFFFFF}
MANY = json.dumps({"schema": "drmemctl.array/1", "lmb_size": 16, "runs": [RUN]}).encode()
NAMELESS = b'{"schema": "drmemctl.replaced/1", "nodes": [{"path": "/", "values": [{"name": 1}]}]}'


@each(
    ("name", "data", "message"),
    [
        (ARRAY, b"{", "no JSON"),
        (ARRAY, b"[]", "no document of drmemctl.array/1"),
        (ARRAY, b'{"schema": "drmemctl.array/1"}', "it needs runs and an lmb_size"),
        (ARRAY, b'{"schema": "drmemctl.array/1", "lmb_size": 16, "runs": [{}]}', "run 0 is none"),
        (ARRAY, MANY, "more than 1,048,576 LMBs"),
        (REPLACED, b'{"schema": "drmemctl.replaced/1"}', "it needs nodes"),
        (REPLACED, b'{"schema": "drmemctl.replaced/1", "nodes": [1]}', "has no path"),
        (
            REPLACED,
            b'{"schema": "drmemctl.replaced/1", "nodes": [{"path": "/", "values": [{"name": 1}]}]}',
            "no name",
        ),
    ],
)
def test_what_is_damaged_in_a_capture_is_a_defect(name: str, data: bytes, message: str, tmp_path: Path) -> None:
    place = tmp_path / "dump.tar"
    assert run("capture", "--dump", STALE, "-o", place, "--force").code == 0
    tree = load(changed(place, {name: data}))
    assert any(name in str(defect) and message in str(defect) for defect in tree.defects)
    assert run("check", tmp_path / "changed.tar", "--isolated").code == 1
    if name == ARRAY:
        (tmp_path / "array.json").write_bytes(data)
        result = run("check", FIXTURES / "trees" / "v2-gap.dtb.gz", "--array", tmp_path / "array.json")
        assert result.code == 3
        assert message in result.err


def test_check_takes_the_array_of_a_simulation(tmp_path: Path) -> None:
    tree, array = tmp_path / "now.dtb", tmp_path / "array.json"
    first = v2(BOOT, (1, 0x40000000, 0x80000004, 0, 8), REST)
    plugged = FIXTURES / "vmcores" / "6.1-radix64k-plugged.guest.tree.gz"
    steps = ("simulate", plugged, f"firmware {DRMEM} {V2} {first.hex()}", "--kernel", "5.10")
    result = run(*steps, "-o", tree, "--save-array", array)
    assert result.code == 0
    rules = {
        finding["rule"]
        for finding in json.loads(run("check", tree, "--array", array, "--format", "json").out)["findings"]
    }
    assert {"DRM080", "DRM081"} <= rules
    assert "DRM080" not in run("check", tree).out
    assert run("check", tree, tree, "--array", array).code == 2


def test_a_simulation_goes_on_with_the_array_of_the_dump() -> None:
    # In the recorded guest the second DIMM's flush took back what was written for 0x80000000: so does this one's.
    simulation = Simulation(load(STALE))
    simulation.run("plug 0x80000008 1 node 1")
    flags = {lmb.base: lmb.flags for lmb in LmbTable.from_tree(simulation.tree).lmbs(100)}
    assert (flags[0x70000000], flags[0x80000000]) == (0, 8)
    assert dict(simulation.state.blocks)[5] == 0  # where its memory is, whatever the aa_index says


def test_a_stale_aa_index_is_written_back_by_the_next_request(tmp_path: Path) -> None:
    source, target = ((1, 0x40000000, 0x80000004, aa, 8) for aa in (1, 0))
    plugged: Set = (2, 0x50000000, 0x80000005, 0, 8)
    free: Set = (5, 0x70000000, 0x80000007, 0xFFFFFFFF, 0)
    core = core_with(
        recorded("6.1-radix64k-plugged"),
        current={V2: v2(BOOT, target, plugged, free)},
        replaced=[(V2, v2(BOOT, source, plugged, free))],
        array=lmbs_of(BOOT, source, plugged, free),
        release=b"5.10.0-50-powerpc64l",
    )
    path = tmp_path / "vmcore"
    path.write_bytes(core)
    result = run("simulate", path, "plug 0x80000007 1 node 0", "--diff")
    assert "written back" in result.out
    simulation = Simulation(load(path))
    simulation.run("plug 0x80000007 1 node 0")
    expected = v2(BOOT, source, (3, *plugged[1:]), (4, 0x80000000, 0x80000008, 0xFFFFFFFF, 0))
    assert simulation.tree.get(DRMEM, V2) == expected
    # A kernel that boots on the tree has the destination's.
    booted = Simulation(load(path).with_root(load(path).root), "5.10")
    booted.run("plug 0x80000007 1 node 0")
    assert booted.tree.get(DRMEM, V2) != expected
