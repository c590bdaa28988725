# SPDX-License-Identifier: MIT
"""One input, one answer: check, show, the Python interface, the report and diff name the same findings."""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import drmemctl
from drmemctl.check.finding import Finding
from drmemctl.compare.migration import FAMILY
from drmemctl.fleet.listing import Input
from drmemctl.fleet.rows import rows_of
from drmemctl.tree.discover import candidates
from tests.cli.running import run
from tests.conftest import FIXTURES, fixture_trees
from tests.live_roots import write_tree
from tests.model.partitions import AI_INVALID, ASSIGNED, LMB, drmem, memory, partition
from tests.pages import parsed
from tests.wide import share

Said = Counter[tuple[object, ...]]

ARCHIVES = sorted((FIXTURES / "tutorial").glob("*.tar.xz"))
CONSISTENT = FIXTURES / "tutorial" / "lpar7-before.tar.xz"
TEXTS = sorted([*FIXTURES.rglob("*.dts"), *FIXTURES.rglob("*.lsprop")])


def printed(*arguments: str | Path) -> Any:
    return json.loads(run(*arguments, "--format", "json").out)


def of_json(findings: list[dict[str, Any]]) -> Said:
    return Counter(
        (one["rule"], one["severity"], one["path"], one["property"], one["offset"], one["message"])
        for one in findings
    )


def of_values(findings: tuple[Finding, ...]) -> Said:
    return Counter(
        (one.rule, one.severity.value, one.path or None, one.property or None, one.offset, one.message)
        for one in findings
    )


def checked(place: Path) -> Said:
    """Return what `check` says, which `show` and the Python interface must say, too."""
    said = of_json(printed("check", place)["findings"])
    counts = Counter(severity for _, severity, *_ in said.elements())
    shown = run("show", place, "--format", "json")
    if shown.code == 0:
        numbers = json.loads(shown.out)["findings"]
        assert numbers == {severity: counts[severity] for severity in numbers}, place
        assert set(counts) <= set(numbers), place
    assert of_values(drmemctl.check(drmemctl.load(place))) == said, place
    return said


def reported(place: Path) -> list[str]:
    """Return the rules that the page of a tree explains, and what its first line says."""
    document = parsed(run("report", place, "-o", "-").out)
    rules = [one.text for one in document.one("section", id="findings").all("span", class_="rule")]
    return [*rules, document.one("dl", class_="lead").all("dd")[0].text.split(maxsplit=2)[-1]]


def agreed(place: Path) -> Said:
    said = checked(place)
    found = printed("check", place)["findings"]
    rules = list(dict.fromkeys(one["rule"] for one in found))
    assert reported(place)[:-1] == rules, place
    if found:
        assert reported(place)[-1] == found[0]["message"], place
    return said


@pytest.mark.parametrize("part", range(4))
def test_every_bundled_tree(part: int) -> None:
    for place in share([*fixture_trees(), *TEXTS][part::4], part, 3):
        checked(place)


def unpacked(archive: Path, place: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(place, filter="data")
    return place


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name.partition(".")[0])
def test_archives_with_sysfs_and_what_is_unpacked_of_them(archive: Path, tmp_path: Path) -> None:
    said = agreed(archive)
    place = unpacked(archive, tmp_path / "all")
    (capture,) = place.iterdir()
    assert agreed(place) == agreed(capture) == agreed(capture / "proc" / "device-tree") == said
    # Wherever the tree lies: what is beside it is beside it.
    tree = capture / "proc" / "device-tree"
    tree.rename(capture / "device-tree")
    assert agreed(capture) == agreed(capture / "device-tree") == agreed(place) == said


def test_a_capture_in_which_links_were_followed_is_one_partition(tmp_path: Path) -> None:
    """As `scp -r` and `zip -r` make of a sosreport's link: the tree is there under both of Linux's names."""
    archive = FIXTURES / "tutorial" / "lpar7-after.tar.xz"
    (capture,) = unpacked(archive, tmp_path / "all").iterdir()
    said = agreed(capture)
    other = capture / "sys" / "firmware" / "devicetree" / "base"
    shutil.copytree(capture / "proc" / "device-tree", other)
    assert agreed(capture) == agreed(tmp_path / "all") == said
    assert candidates(str(tmp_path / "all"))[0] == [str(capture / "proc" / "device-tree")]  # what a fleet lists
    # Where they differ, both are shown: one of them was taken at another time.
    (other / "model").write_bytes(b"another\0")
    assert len(printed("check", capture)["inputs"]) == 2


def test_there_is_something_to_agree_on() -> None:
    families = {one[0] for archive in ARCHIVES for one in checked(archive)}
    assert {"DRM121"} <= families


def test_a_file_that_is_gone_from_beside_the_tree_is_gone_for_all(tmp_path: Path) -> None:
    archive = FIXTURES / "tutorial" / "lpar7-after.tar.xz"
    (capture,) = unpacked(archive, tmp_path / "all").iterdir()
    (capture / "proc" / "device-tree").rename(tmp_path / "tree")
    rules = {one[0] for one in agreed(tmp_path / "tree")}
    assert "DRM121" in {one[0] for one in checked(archive)} - rules


def pairs() -> Iterator[tuple[Path, Path]]:
    names = ["numa2-boot", "numa2-plug2", "numa2-unplug1", "v1numa4-boot", "v1numa4-plug1"]
    trees = [FIXTURES / "kernel-arrays" / f"{name}.dtb.gz" for name in names]
    yield from ((old, new) for old in trees for new in trees if old != new)
    yield from ((old, new) for old in ARCHIVES for new in ARCHIVES if old != new)


def test_a_diff_says_what_check_says_of_a_migration() -> None:
    for old, new in pairs():
        difference = printed("diff", old, new)
        expected = of_json(printed("check", new, "--before", old, "--select", FAMILY)["findings"])
        same = not any(difference[key] for key in ("lmbs", "lookup_arrays", "numa", "properties"))
        assert of_json(difference["findings"]) == expected or same, (old, new)
        assert of_values(drmemctl.diff(drmemctl.load(old), drmemctl.load(new)).findings) == of_json(
            difference["findings"]
        )


KERNELS = ("4.19", "5.10", "5.14", "6.6", "latest")


@pytest.mark.parametrize("kernel", KERNELS)
def test_for_a_kernel_too(kernel: str) -> None:
    old, new = ARCHIVES[0], FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz"
    for place in (*ARCHIVES, new, FIXTURES / "captures" / "6.1-lpm.dtb.gz"):
        said = of_json(printed("check", place, "--kernel", kernel)["findings"])
        assert of_values(drmemctl.check(drmemctl.load(place), kernel=kernel)) == said
        assert sum(printed("show", place, "--kernel", kernel)["findings"].values()) == said.total()
        html = run("report", place, "--kernel", kernel, "-o", "-").out
        rules = {one.text for one in parsed(html).one("section", id="findings").all("span", class_="rule")}
        assert rules == {one[0] for one in said}, (place, kernel)
    for pair in ((old, new), (new, old)):
        difference = printed("diff", *pair, "--kernel", kernel)
        checked_pair = printed("check", pair[1], "--before", pair[0], "--kernel", kernel, "--select", FAMILY)
        assert of_json(difference["findings"]) == of_json(checked_pair["findings"])


@pytest.mark.parametrize("kernel", [None, "5.10", "5.10.262"])
def test_a_diff_says_what_to_do_as_check_does(kernel: str | None) -> None:
    """A command line names the kernel where someone did and the older tree does not name the same."""
    before, after = (FIXTURES / "races" / f"{name}.dts" for name in ("before", "after"))
    named = () if kernel is None else ("--kernel", kernel)
    for old in (before, CONSISTENT):
        difference = printed("diff", old, after, *named)
        checked_pair = printed("check", after, "--before", old, *named, "--select", FAMILY)
        fixes = [[finding.get("fix") for finding in said["findings"]] for said in (difference, checked_pair)]
        assert fixes[0] == fixes[1]
        assert any(fixes[0])
        assert (" --kernel 5.10" in str(fixes[0])) == (kernel == "5.10" or (kernel is not None and old is before))


def test_a_migration_takes_the_kernel_along() -> None:
    old, new = ARCHIVES[0], FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz"
    expected = of_json(printed("check", new, "--before", old, "--select", FAMILY)["findings"])
    assert of_json(printed("diff", old, new)["findings"]) == expected
    text = run("report", old, new, "-o", "-").out
    assert "the kernel is 5.10.262" in parsed(text).one("section", id="findings").text


def test_several_trees_at_once_are_judged_as_each_alone() -> None:
    places = [*ARCHIVES, *fixture_trees()[:5]]
    together = of_json(printed("check", *places)["findings"])
    assert together == sum((of_json(printed("check", place)["findings"]) for place in places), Counter())


def test_a_tree_that_is_made_from_another_has_nothing_beside_it() -> None:
    tree = drmemctl.load(FIXTURES / "tutorial" / "lpar7-after.tar.xz")
    assert tree.beside is not None
    assert tree.with_property("/", "model", b"x\0").beside is None


@pytest.mark.parametrize("command", [("repair",), ("removable",), ("kexec", "--load", "classic")])
def test_commands_that_take_steps_say_which_failed(command: tuple[str, ...]) -> None:
    """A step that fails is said and makes the exit code 1, unless an expectation behind it names its error."""
    name, *options = command
    failing = "dlpar memory remove index 0xdeadbeef"
    outcome = run(name, CONSISTENT, failing, *options)
    assert (outcome.code, "step 1 failed, EINVAL: " in outcome.err) == (1, True)
    expected = run(name, CONSISTENT, failing, "expect EINVAL", *options)
    assert (expected.code, "failed" in expected.err) == (0, False)


@pytest.mark.parametrize("name", ["tree.dtb", "old.dtb"])
def test_show_report_and_explain_go_by_the_settings_that_check_goes_by(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(gzip.decompress((FIXTURES / "boot" / "aa-out-of-range.dtb.gz").read_bytes()))
    (tmp_path / "drmemctl.toml").write_text(
        'severity = {DRM030 = "info"}\nper-path-ignores = {"old*" = ["DRM030"]}\n'
    )
    monkeypatch.chdir(tmp_path)
    place = Path(name)
    numbers = Counter(finding["severity"] for finding in printed("check", place)["findings"])
    assert numbers == ({} if name == "old.dtb" else {"info": 2})
    assert Counter(printed("show", place)["findings"]) == numbers
    run("report", place, "-o", "page.html")
    page = Path("page.html").read_text()
    assert ("DRM030" in page) == bool(numbers)
    assert ("DRM030" in run("explain", place).out) == bool(numbers)


def test_a_diff_says_where_in_a_text_and_of_which_bytes_as_check_does() -> None:
    old, new = (drmemctl.load(FIXTURES / "races" / f"{name}.dts") for name in ("before", "after"))
    findings = drmemctl.diff(old, new).findings
    assert findings == drmemctl.check(new, before=old, select=[FAMILY])
    assert {finding.line for finding in findings} == {40}
    result = json.loads(run("diff", old.source, new.source, "--format", "sarif").out)["runs"][0]["results"][-1]
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 40, "startColumn": 3}
    records = printed("diff", old.source, new.source)["findings"]
    judged = printed("check", new.source, "--before", old.source, "--select", FAMILY)["findings"]
    extras = [{key: record.get(key) for key in ("line", "column", "fix")} for record in records]
    assert extras == [{key: record.get(key) for key in ("line", "column", "fix")} for record in judged]
    assert {(record["line"], record["column"]) for record in extras} == {(40, 3)}
    assert any(record["fix"] for record in extras)


BOOTING = (
    ("simulate",),
    ("explore", "--thread", "dlpar memory add count 1", "--max-states", "9"),
    ("removable",),
    ("repair",),
    ("memblock",),
    ("kexec", "--for", "plain"),
    ("kexec", "--crashkernel", "64M@128M"),
)


@pytest.mark.parametrize("command", BOOTING, ids=lambda command: command[0])
def test_commands_that_boot_a_tree_say_what_it_does_not_show(command: tuple[str, ...]) -> None:
    """`blocks` and `numa` leave such nodes open; a simulated kernel takes what is there, which has to be said."""
    name, *options = command
    said = run(name, FIXTURES / "cases" / "partial-drconf.dts", *options).err
    assert "memory-not-shown: " in said
    assert "affinity-unknown: no /chosen is shown" in said
    before_cas = run(name, FIXTURES / "trees" / "precas.dtb.gz", *options).err
    assert "no LMBs: this blob was made before ibm,client-architecture-support" in before_cas
    whole = run(name, FIXTURES / "captures" / "6.1-lpm.dtb.gz", *options).err
    assert not {"no LMBs", "not-shown", "unknown"} & set(whole.replace(":", "").split())


@pytest.mark.parametrize("command", ["lmb", "numa", "map", "assoc", "show"])
def test_commands_that_go_by_the_tree_say_when_linux_does_not(command: str, tmp_path: Path) -> None:
    tree = drmemctl.load(FIXTURES / "captures" / "6.1-lpm.dtb.gz")
    place = tmp_path / "guest.dtb"
    for bootargs, told in ((b"mem=1G numa=off\0", True), (b"quiet\0", False)):
        place.write_bytes(drmemctl.dtb(tree.with_property("/chosen", "bootargs", bootargs)))
        assert ("the command line has mem=1G numa=off: " in run(command, place).err) == told
        page = parsed(run("report", place, "-o", "-").out)
        assert ("the command line has mem=1G numa=off: " in page.one("section", id="overview").text) == told


@pytest.mark.parametrize("command", ["lmb", "numa", "map", "assoc", "show"])
def test_commands_that_go_by_the_tree_say_when_a_kernel_reads_no_lmbs(command: str) -> None:
    place = FIXTURES / "captures" / "6.1-lpm.dtb.gz"
    for kernel, told in (("4.14", True), ("4.19", False)):
        assert (
            "Linux 4.14 does not read ibm,dynamic-memory-v2: " in run(command, place, "--kernel", kernel).err
        ) == told
        page = parsed(run("report", place, "--kernel", kernel, "-o", "-").out).one("section", id="overview")
        assert ("Linux 4.14 does not read ibm,dynamic-memory-v2: " in page.text) == told


@pytest.mark.parametrize(
    ("points", "kernel", "expected"),
    [
        ((1,), "6.1", {0: 2, 1: 2, None: 2}),
        ((1,), "4.19", {0: 4, 1: 2}),  # of_drconf_to_nid_single begins with node 0
        (None, "6.1", {0: 6}),  # no NUMA
        (None, "4.19", {0: 6}),
    ],
)
def test_assigned_lmbs_are_on_one_node_whoever_is_asked(
    points: tuple[int, ...] | None, kernel: str, expected: dict[int | None, int], tmp_path: Path
) -> None:
    """Six of them: with a list that leads to node 1, with none (flag 0x40), and with one that leads to node 0."""
    places = []
    for name, assigned in (("old", 0), ("new", ASSIGNED)):
        sets = [
            (2, (4 + 2 * at) * LMB, 0x80000004 + 2 * at, aa, flags | assigned)
            for at, (aa, flags) in enumerate([(1, 0), (1, AI_INVALID), (0, 0)])
        ]
        tree = partition(memory(0, 4 * LMB, (0,)), drmem(sets, [[0], [1]]), points=points)
        places.append(tmp_path / f"{name}.dtb")
        places[-1].write_bytes(drmemctl.dtb(tree))
    old, new = places
    counts = {
        "lmb": [(run["node"], run["count"]) for run in printed("lmb", new, "--kernel", kernel)["runs"]],
        "numa": [(node["node"], node["lmbs"]) for node in printed("numa", new, "--kernel", kernel)["nodes"]],
        "map": [
            (None if part["node"] == "none" else part["node"], part["size"] // LMB)
            for part in printed("map", new, "--kernel", kernel)["segments"]
            if part["kind"] == "assigned"
        ],
        "diff": [
            (change["new"]["node"], change["count"])
            for change in printed("diff", old, new, "--kernel", kernel)["lmbs"]
        ],
        "totals": [
            (total["node"], total["new_lmbs"]) for total in printed("diff", old, new, "--kernel", kernel)["nodes"]
        ],
        "api": [(lmb.node, 1) for lmb in drmemctl.lmb(drmemctl.load(new), kernel=kernel)],
    }
    if None not in expected:  # a kernel that finds none does not come up
        array = tmp_path / "array.json"
        assert run("simulate", new, "--kernel", kernel, "--save-array", array).code == 0
        runs = json.loads(array.read_text())["runs"]
        counts["array"] = [(part["node"], part["count"]) for part in runs if "assigned" in part["flag_names"]]
    for where, found in counts.items():
        summed: Counter[int | None] = Counter()
        for node, number in found:
            summed[node] += number
        assert summed == expected, where
    for node, number in expected.items():
        selected = printed("lmb", new, "--kernel", kernel, "--node", str(-1 if node is None else node))
        assert sum(run["count"] for run in selected["runs"]) == number


@pytest.mark.parametrize(("kernel", "node"), [("4.19", 0), ("6.1", None)])
def test_a_finding_has_lmbs_on_the_node_that_its_kernel_has_them_on(
    kernel: str, node: int | None, tmp_path: Path
) -> None:
    """They had a list that leads to node 1, and have none: of_drconf_to_nid_single of 4.19 begins with node 0."""
    places = []
    for name, aa in (("old", 1), ("new", 2)):
        tree = partition(
            memory(0, 4 * LMB, (0,)), drmem([(2, 4 * LMB, 0x80000004, aa, ASSIGNED)], [[0], [1]]), points=(1,)
        )
        places.append(tmp_path / f"{name}.dtb")
        places[-1].write_bytes(drmemctl.dtb(tree))
    old, new = places
    difference = printed("diff", old, new, "--kernel", kernel)
    checked_pair = printed("check", new, "--before", old, "--kernel", kernel)["findings"]
    assert {lmbs["node"] for finding in checked_pair for lmbs in finding["lmbs"]} == {node}
    assert [change["new"]["node"] for change in difference["lmbs"]] == [node]
    family = printed("check", new, "--before", old, "--kernel", kernel, "--select", FAMILY)["findings"]
    assert of_json(difference["findings"]) == of_json(family)
    assert ("DRM075" in {finding["rule"] for finding in family}) == (node is not None)


def test_the_kernel_that_an_input_names_counts_wherever_nodes_are_counted(tmp_path: Path) -> None:
    """4.19 has LMBs without a list on node 0, later kernels on none."""
    drmem_node = drmem([(2, 4 * LMB, 0x80000004, 1, ASSIGNED | AI_INVALID)], [[0], [1]])
    for version, expected in (("4.19.78", 0), ("6.1.0", None)):
        root = tmp_path / version
        write_tree(root / "proc" / "device-tree", partition(memory(0, 4 * LMB, (1,)), drmem_node).root)
        (root / "proc" / "version").write_text(f"Linux version {version} (a@b) #1 SMP\n")
        said = [(node["node"], node["lmbs"]) for node in printed("numa", root)["nodes"] if node["lmbs"]]
        watched = json.loads(run("watch", "--root", root, "--count", "1").out)["nodes"]
        listed = rows_of(Input(f"file://{root}", "1", 0))
        assert said == [(expected, 2)]
        assert [(node["node"], node["lmbs"]) for node in watched if node["lmbs"]] == said
        assert [(node["node"], node["lmbs"]) for node in listed["nodes"] if node["lmbs"]] == said
        assert [(run_row["node"], run_row["lmbs"]) for run_row in listed["lmb_runs"]] == said
