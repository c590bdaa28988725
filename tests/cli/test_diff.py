# SPDX-License-Identifier: MIT
"""`drmemctl diff`: exit codes, what it says of real pairs word by word, its JSON, hostile trees."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V2
from drmemctl.model.run import Run
from drmemctl.tree.node import Node, Property, Tree
from drmemctl.tree.writer import write_fdt
from tests.cli.running import on_terminal, process, run
from tests.compare.trees import LMB, after, fixture, partition
from tests.conftest import FIXTURES, Tool, blob

ARRAYS = FIXTURES / "kernel-arrays"
BOOT, PLUG1, PLUG2, UNPLUG1 = (ARRAYS / f"numa2-{name}.dtb.gz" for name in ("boot", "plug1", "plug2", "unplug1"))
FORMATS = ("text", "json", "markdown", "unified")


def written(folder: Path, name: str, tree: Tree) -> Path:
    path = folder / name
    path.write_bytes(write_fdt(tree))
    return path


def document(*arguments: str | Path) -> dict[str, Any]:
    outcome = run("diff", *arguments, "--format", "json")
    found: dict[str, Any] = json.loads(outcome.out)
    assert outcome.code == (0 if found["same"] else 1)
    return found


PLUGGED = """\
4 LMBs (1 GiB) went from free to assigned on node 1

LMBs
address                   size  LMBs  DRC index              aa      domains  node    state
0x080000000-0x0bfffffff  1 GiB     4  0x80000008-0x8000000b  - -> 1  - -> 1   - -> 1  free -> assigned

Assigned LMBs by node
node  old    new  difference
   1    0  1 GiB      +1 GiB

If this was a migration
"""


def test_a_plugged_dimm_word_by_word() -> None:
    outcome = run("diff", BOOT, PLUG1)
    assert outcome.out.startswith(PLUGGED)
    assert "DRM072" in outcome.out
    assert (outcome.code, outcome.err) == (1, "")


def test_an_unplugged_one() -> None:
    assert run("diff", PLUG2, UNPLUG1).out.splitlines()[0] == (
        "4 LMBs (1 GiB) went from assigned on node 1 to free"
    )


RENUMBERED = """\
nothing moved: lookup arrays renumbered

LMBs
address                   size  LMBs  DRC index              aa      domains  node  state
0x080000000-0x17fffffff  4 GiB    16  0x80000008-0x80000017  1 -> 0  1        1     assigned
0x180000000-0x27fffffff  4 GiB    16  0x80000018-0x80000027  0 -> 1  0        0     assigned

Lookup arrays: 2 renumbered
change      index   domains
renumbered  0 -> 1  0
renumbered  1 -> 0  1

If this was a migration
severity  rule    what it may not have changed, or Linux does not take over
"""


def renumbered(folder: Path) -> tuple[Path, Path]:
    first, second = (1 << 31, 16, 0x80000008), (0x180000000, 16, 0x80000018)
    old = partition([Run(*first, 1, 8), Run(*second, 0, 8)], ((0,), (1,)))
    new = partition([Run(*first, 0, 8), Run(*second, 1, 8)], ((1,), (0,)))
    return written(folder, "old.dtb", old), written(folder, "new.dtb", new)


def test_a_renumbering_word_by_word(tmp_path: Path) -> None:
    outcome = run("diff", *renumbered(tmp_path))
    assert outcome.code == 1
    assert outcome.out.startswith(RENUMBERED)


UNIFIED = """\
@@ /ibm,dynamic-reconfiguration-memory:ibm,dynamic-memory-v2 @@
-<0x00000010 0x00000000 0x80000000 0x80000008 0x00000001 0x00000008>
-<0x00000010 0x00000001 0x80000000 0x80000018 0x00000000 0x00000008>
+<0x00000010 0x00000000 0x80000000 0x80000008 0x00000000 0x00000008>
+<0x00000010 0x00000001 0x80000000 0x80000018 0x00000001 0x00000008>
@@ /ibm,dynamic-reconfiguration-memory:ibm,associativity-lookup-arrays @@
 <0x00000002 0x00000001>
+<0x00000001>
 <0x00000000>
-<0x00000001>
"""


def test_lines_like_those_of_diff(tmp_path: Path) -> None:
    old, new = renumbered(tmp_path)
    outcome = run("diff", old, new, "--format", "unified")
    assert outcome.out == f"--- {old}\n+++ {new}\n{UNIFIED}"


def test_markdown(tmp_path: Path) -> None:
    out = run("diff", *renumbered(tmp_path), "--format", "markdown").out
    assert "- **nothing moved: lookup arrays renumbered**\n" in out
    assert "\n## Lookup arrays: 2 renumbered\n\n| change | index | domains |\n|---|---|---|\n" in out


def test_memory_that_a_migration_moved(tmp_path: Path) -> None:
    sets = [Run(1 << 31, 6, 0x80000008, 1, 8)]
    old = written(tmp_path, "old.dtb", partition(sets, ((0,), (1,))))
    new = written(tmp_path, "new.dtb", partition(sets, ((0,), (0,))))
    out = run("diff", old, new).out
    assert out.splitlines()[0] == "6 LMBs (1536 MiB) moved from node 1 to node 0"
    assert "DRM075" in out
    found = document(old, new)
    assert found["nodes"] == [
        {"node": 0, "old_lmbs": 0, "new_lmbs": 6, "old_bytes": 0, "new_bytes": 6 * LMB},
        {"node": 1, "old_lmbs": 6, "new_lmbs": 0, "old_bytes": 6 * LMB, "new_bytes": 0},
    ]


def test_the_document() -> None:
    found = document(BOOT, PLUG1)
    assert found["schema"] == "drmemctl.diff/1"
    assert list(found)[:4] == ["schema", "same", "headlines", "old"]
    assert found["old"]["source"] == str(BOOT)
    (change,) = found["lmbs"]
    assert change == {
        "count": 4,
        "bytes": 4 * LMB,
        "changes": ["state"],
        "old": {
            "base": 1 << 31,
            "drc_index": 0x80000008,
            "drc_index_hex": "0x80000008",
            "aa_index": 0xFFFFFFFF,
            "flags": 0,
            "flag_names": [],
            "state": "free",
            "associativity": None,
            "node": None,
        },
        "new": {
            "base": 1 << 31,
            "drc_index": 0x80000008,
            "drc_index_hex": "0x80000008",
            "aa_index": 1,
            "flags": 8,
            "flag_names": ["assigned"],
            "state": "assigned",
            "associativity": [1],
            "node": 1,
        },
    }
    assert found["lookup_arrays"] == {"old": 2, "new": 2, "changes": []}
    assert found["properties"] == []
    assert [finding["rule"] for finding in found["findings"]] == ["DRM072"]


def test_properties_are_hexadecimal_with_their_fields() -> None:
    found = document(BOOT, ARRAYS / "v1numa4-boot.dtb.gz")
    by_name = {(change["path"], change["property"]): change for change in found["properties"]}
    points = by_name["/rtas", "ibm,associativity-reference-points"]
    assert (points["change"], points["old"]) == ("changed", "00000001")
    assert points["fields"][0] == {"name": "[0]", "old": "domain 1 of a list", "new": "domain 4 of a list"}
    assert {"fact": "form", "old": 2, "new": 1} in found["numa"]
    assert {"fact": "feature", "old": True, "new": False, "name": "FORM2"} in found["numa"]


def test_an_lpm_of_a_real_kernel(tmp_path: Path) -> None:
    old, new = (written(tmp_path, f"{step}.dtb", after("6.1-lpm", step)) for step in (0, 2))
    found = document(old, new)
    assert {change["change"] for change in found["lookup_arrays"]["changes"]} == {"added", "renumbered"}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("options", [[], ["--all"]])
def test_exit_codes(format: str, options: list[str], tmp_path: Path) -> None:
    same = run("diff", PLUG1, PLUG1, "--format", format, *options)
    assert (same.code, same.err) == (0, "")
    assert run("diff", PLUG1, PLUG2, "--format", format, *options).code == 1
    assert run("diff", "/nonexistent", PLUG2, "--format", format, *options).code == 3
    bad = tmp_path / "bad.dtb"
    bad.write_bytes(blob("trees/v2-gap")[:500])
    outcome = run("diff", PLUG1, bad, "--format", format, *options)
    assert outcome.code == 3
    assert outcome.err.startswith(f"drmemctl: {bad}: ")
    assert outcome.out == ""


def test_no_differences() -> None:
    known = "no differences\nnote: compared: 64 LMBs, 2 lookup arrays, NUMA facts, features and "
    assert run("diff", PLUG1, PLUG1).out == known + "the properties on memory and affinity; --all compares all\n"
    assert run("diff", PLUG1, PLUG1, "--all").out == known + "all properties\n"
    assert known.splitlines()[1][6:] in run("diff", PLUG1, PLUG1, "--format", "markdown").out
    assert run("diff", PLUG1, PLUG1, "--format", "unified").out == ""


def test_no_differences_where_there_is_nothing_to_compare(tmp_path: Path) -> None:
    path = tmp_path / "bare.dts"
    path.write_text('/dts-v1/;\n/ { model = "x"; };\n')
    outcome = run("diff", path, path)
    assert outcome.out.startswith(
        "no differences\nnote: compared: no LMBs (neither tree has any), no lookup arrays, "
    )


def test_another_format_is_no_difference(tmp_path: Path) -> None:
    sets = [Run(1 << 31, 2, 0x80000008, 1, 8)]
    singles = [Run((1 << 31) + i * LMB, 1, 0x80000008 + i, 1, 8) for i in range(2)]
    old = written(tmp_path, "v2.dtb", partition(sets))
    new = written(tmp_path, "v1.dtb", partition(singles, form="ibm,dynamic-memory"))
    outcome = run("diff", old, new)
    first = "no differences: the same LMBs in ibm,dynamic-memory-v2 and ibm,dynamic-memory\n"
    assert outcome.code == 0
    assert outcome.out.startswith(first)


def test_both_from_standard_input_is_a_usage_error() -> None:
    outcome = run("diff", "-", "-")
    assert outcome.code == 2
    assert "standard input" in outcome.err
    assert run("diff", PLUG1).code == 2


def test_one_from_standard_input() -> None:
    done = process("diff", "-", PLUG2, stdin=blob("kernel-arrays/numa2-plug2"))
    assert done.returncode == 0
    assert done.stdout.startswith(b"no differences\nnote: compared: ")


def test_kinds_of_input_do_not_matter(tmp_path: Path, dtc: Tool) -> None:
    path = written(tmp_path, "plug2.dtb", fixture("kernel-arrays/numa2-plug2"))
    source = tmp_path / "plug2.dts"
    source.write_bytes(dtc("-q", "-I", "dtb", "-O", "dts", path).stdout)
    assert run("diff", path, source, "--all").out.startswith("no differences\nnote: compared: ")
    assert run("diff", source, PLUG2).code == 0


def test_trees_without_dynamic_memory() -> None:
    outcome = run("diff", FIXTURES / "trees/nomaxmem.dtb.gz", FIXTURES / "trees/precas.dtb.gz", "--all")
    assert (outcome.code, outcome.err) == (1, "")
    assert run("diff", FIXTURES / "trees/precas.dtb.gz", BOOT).code == 1


def hostile(tree: Tree) -> Tree:
    name = "evil\x1b[31m|`<b>\n@@ --- \udcff"
    bad = Node(name + "@1", (Property(name, b"\x1b]0;title\x07\0"), Property("device_type", b"memory\0")))
    return replace(tree, root=replace(tree.root, children=(*tree.root.children, bad)))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("turned", [False, True])
def test_no_name_of_a_tree_reaches_the_terminal(
    format: str, turned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = fixture("kernel-arrays/numa2-plug2")
    changed = hostile(tree).with_property("/rtas", "x\x1b[2J", b"\x1b[2Jx\0")
    trees = {"old": changed, "new": tree} if turned else {"old": tree, "new": changed}
    monkeypatch.setattr(
        "drmemctl.cli.diff.open_tree", lambda source: replace(trees[source], source="\x1b[1m" + source)
    )
    outcome = run("diff", "old", "new", "--all", "--format", format)
    assert outcome.code == 1
    assert re.sub(r"[\n\t -~…]", "", outcome.out) == ""
    assert "\n@@ --- " not in outcome.out
    if format == "markdown":
        assert "<b>" not in outcome.out


def test_on_a_narrow_terminal_a_column_in_which_something_changes_is_kept() -> None:
    before, after = (FIXTURES / "races" / name for name in ("before.dts", "after.dts"))
    shown = on_terminal("diff", before, after, COLUMNS="80", NO_COLOR="1", PAGER="cat").decode()
    row = next(line for line in shown.splitlines() if line.startswith("0x20000000-0x3fffffff"))
    assert row.split() == ["0x20000000-0x3fffffff", "2", "0x80000002-0x80000003", "1", "->", "0", "1", "assigned"]
    assert "no room for: size, domains" in shown
    before, after = (FIXTURES / "tutorial" / f"lpar7-{name}.tar.xz" for name in ("before", "after"))
    shown = on_terminal("diff", before, after, COLUMNS="80", NO_COLOR="1", PAGER="cat").decode()
    row = next(line for line in shown.splitlines() if line.startswith("0x40000000-0x5fffffff"))
    assert " 1 -> 0 " in row


def test_colours_on_a_terminal_only(tmp_path: Path) -> None:
    assert "\x1b[" not in run("diff", BOOT, PLUG1).out
    assert "\x1b[" in run("diff", BOOT, PLUG1, "--color", "always").out
    assert b"\x1b[" in on_terminal("diff", str(BOOT), str(PLUG1), "--format", "unified")
    assert b"\x1b[" not in on_terminal("diff", str(BOOT), str(PLUG1), NO_COLOR="1")


def test_whole_trees_as_lines(tmp_path: Path) -> None:
    tree = fixture("kernel-arrays/numa2-plug2")
    new = tree.with_property("/chosen", "bootargs", b"quiet\0" * 20).with_property(NODE, V2, None)
    new = new.with_property(NODE, LOOKUP_ARRAYS, None)
    old_path, new_path = written(tmp_path, "a.dtb", tree), written(tmp_path, "b.dtb", new)
    lines = run("diff", old_path, new_path, "--all", "--format", "unified").out.splitlines()
    assert "@@ /chosen @@" in lines
    assert '+\t"quiet"' in lines
    assert sum(line.startswith("-<") for line in lines) == 3 + len(tree.get(NODE, V2) or b"") // 24


def test_the_reader_may_go_away() -> None:
    done = process("diff", BOOT, ARRAYS / "v1numa4-boot.dtb.gz", "--all", "--format", "unified")
    assert done.returncode == 1
    assert done.stderr == b""


def test_sets_of_two_to_the_32_in_every_format(tmp_path: Path) -> None:
    most = (1 << 32) - 1
    old = written(tmp_path, "old.dtb", partition([Run(0, most, 0, 1, 8)]))
    new = written(tmp_path, "new.dtb", partition([Run(0, most, 0, 2, 8)]))
    for format in FORMATS:
        assert run("diff", old, new, "--format", format).code == 1
    assert document(old, new)["lmbs"][0]["bytes"] == most * LMB
