# SPDX-License-Identifier: MIT
"""`drmemctl report`: the page of every bundled tree, what it may hold and load, hostile trees, exit codes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drmemctl.formats.dynamic_memory import NODE, V2
from drmemctl.tree.capture import redacted_tree
from drmemctl.tree.node import Node, encode_name
from drmemctl.tree.source import load
from drmemctl.tree.writer import write_fdt
from tests.blobs import Plain, blob, write
from tests.cases import each
from tests.check.test_hostile import changed_values
from tests.cli.running import process, run
from tests.conftest import FIXTURES, ROOT, fixture_trees, tree_name
from tests.pages import Element, column, data_of, parsed
from tests.wide import share

NAMES = [tree_name(path) for path in fixture_trees() if tree_name(path) != "trees/precas"]
LPM, V1_TREE = "captures/6.1-lpm", "captures/5.10-v2-to-v1"
STEPS = ROOT / "docs" / "scenarios" / "failed-add.steps"


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.dtb.gz"


def html(*arguments: str | Path) -> str:
    outcome = run("report", *arguments, "-o", "-")
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.out


def page(*arguments: str | Path) -> Element:
    return parsed(html(*arguments))


def section(document: Element, name: str) -> Element:
    return document.one("section", id=name)


@each("name", share(NAMES, 0, 3))
def test_every_tree_has_a_page_whose_parts_fit_together(name: str) -> None:
    document = page(fixture(name))
    ids = [one.attributes["id"] for one in document.walk() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    links = [one.attributes["href"] or "" for one in document.all("a")]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    labels = [one.attributes["aria-labelledby"] for one in document.walk() if "aria-labelledby" in one.attributes]
    assert set(labels) <= set(ids)
    for table in document.all("table"):
        widths = {len(row) for row in table.rows()}
        assert widths <= {len(table.one("thead").all("th"))}


@each("name", share(NAMES, 1, 3))
def test_the_lmb_rows_and_the_findings_are_those_of_the_other_commands(name: str) -> None:
    document = page(fixture(name))
    tables = [table for table in document.all("table") if table.attributes.get("id") == "lmb-table"]
    lines = run("lmb", fixture(name)).out.splitlines()[2:] if tables else []
    shown = [" ".join(filter(None, row)) for table in tables for row in table.rows()]
    # The letter of a node stands before its number; the terminal has the number alone.
    assert [re.sub(r" [A-Z] (\d+) ", r" \1 ", row) for row in shown] == [
        " ".join(line.split()) for line in lines[:200]
    ]
    found = json.loads(run("check", fixture(name), "--format", "json").out)["findings"]
    rules = [one.text for one in section(document, "findings").all("span", class_="rule")]
    assert rules == list(dict.fromkeys(one["rule"] for one in found))


@each("name", [*NAMES[::4], "trees/v1-huge-1T", "kernel-arrays/v1numa4-boot", V1_TREE])
def test_the_data_is_that_of_lmb_and_map(name: str) -> None:
    data = data_of(page(fixture(name)))
    if data["lmbs"] is not None:
        assert list(lmbs_of(data["lmbs"])) == [
            (lmb["base"], lmb["drc_index"], lmb["aa_index"])
            for lmb in json.loads(run("lmb", fixture(name), "--expand", "--format", "json").out)["lmbs"]
        ]
    segments = json.loads(run("map", fixture(name), "--format", "json").out)["segments"]
    assert segments_of(data["maps"]["map"]) == [
        (one["start"], one["size"]) for one in segments if one["kind"] != "hole"
    ]


def lmbs_of(lmbs: Any) -> Iterator[tuple[int, int, int]]:
    size, unit = int(lmbs["size"] or 0), int(lmbs["unit"])
    base = drc = 0
    columns = (column(lmbs[name]) for name in ("kind", "count", "base", "drc"))
    for kind, count, base_step, drc_step in zip(*columns, strict=True):
        base, drc = base + base_step * unit, drc + drc_step
        aa, *_, same_drc = lmbs["kinds"][kind]
        for number in range(count):
            yield base + number * size, drc + (0 if same_drc else number), 0xFFFFFFFF if aa == "-" else int(aa)
        base, drc = base + count * size, drc + count


def segments_of(found: Any) -> list[tuple[int, int]]:
    unit, at = int(found["unit"]), 0
    segments = []
    for gap, size in zip(column(found["gaps"]), column(found["sizes"]), strict=True):
        segments.append(((at + gap) * unit, size * unit))
        at += gap + size
    return segments


EVERYTHING = (fixture(LPM), fixture(V1_TREE), "-f", STEPS, "--kernel", "6.1", "--title", "März: A → B")


def test_a_page_with_everything_says_what_the_commands_say() -> None:
    document = page(*EVERYTHING)
    assert document.one("h1").text == "März: A → B"
    headlines = run("diff", fixture(LPM), fixture(V1_TREE)).out.split("\n\n")[0].splitlines()
    assert [one.text for one in section(document, "changes").one("ul", class_="headlines").all("li")] == [
        line for line in headlines if not line.startswith("note: ")
    ]
    outcomes = json.loads(run("simulate", fixture(LPM), "-f", STEPS, "--kernel", "6.1", "--format", "json").out)
    steps = section(document, "simulation").one("ol", class_="steps")
    assert [one.one("code").text for one in steps.all("h3")] == [one["step"] for one in outcomes["steps"]]
    broken = [finding["rule"] for one in outcomes["steps"] for finding in one["findings"]]
    assert [one.text for one in steps.all("span", class_="rule")] == broken
    explained = section(document, "simulation").all("details", class_="explain")
    assert [one.one("summary").text.partition(" ")[0] for one in explained] == list(dict.fromkeys(broken))
    assert "pseries-hotplug-mem: Attempting to hot-add 2 LMB(s) at index 80000008" in steps.text
    assert section(document, "simulation").one("div", class_="verdict bad").text.startswith("not consistent")
    assert [one.attributes["id"] for one in document.all("div") if "data-map" in one.attributes] == [
        "map",
        "map-old",
        "map-end",
    ]


def test_what_a_migration_may_not_have_changed_is_explained_once() -> None:
    document = page(fixture(LPM), fixture(V1_TREE))
    findings = section(document, "findings")
    assert [one.text for one in findings.all("span", class_="rule")] == ["DRM071", "DRM078"]
    assert findings.text.count("boot memory changed") == 1
    assert len(findings.all("details")) == 2
    assert section(document, "changes").all("span", class_="rule") == []


def test_with_two_trees_the_page_is_about_the_second() -> None:
    document, alone = page(fixture(LPM), fixture(V1_TREE)), page(fixture(V1_TREE))
    assert data_of(document)["lmbs"] == data_of(alone)["lmbs"]
    assert segments_of(data_of(document)["maps"]["map"]) == segments_of(data_of(alone)["maps"]["map"])
    assert segments_of(data_of(document)["maps"]["map-old"]) == segments_of(
        data_of(page(fixture(LPM)))["maps"]["map"]
    )
    facts = [section(one, "overview").one("dl", class_="facts").text for one in (document, alone)]
    assert facts[0] == facts[1]


def test_the_first_line_is_the_worst_finding_of_the_newest_tree() -> None:
    before, after = (FIXTURES / "tutorial" / f"lpar7-{when}.tar.xz" for when in ("before", "after"))
    for arguments in ((after,), (before, after)):
        found = json.loads(run("check", after, "--format", "json").out)["findings"][0]
        # What it says of the kernel goes to standard error.
        document = parsed(run("report", *arguments, "-o", "-").out)
        line = document.one("dl", class_="lead").all("dd")[0].text
        assert line.split(maxsplit=2) == [found["severity"], found["rule"], found["message"]]
    nothing = page(fixture("trees/v2-gap")).one("dl", class_="lead").all("dd")[0].text
    assert nothing.split() == ["fine", "no", "findings"]


def test_it_says_what_it_read_and_not_where_that_lay() -> None:
    archive = FIXTURES / "tutorial" / "lpar7-after.tar.xz"
    text = run("report", archive, archive, "--step", f"lpm {archive}", "-o", "-").out
    assert str(FIXTURES) not in text
    assert "lpar7-after.tar.xz (archive)" in text
    assert "6 memory blocks (sysfs), Linux 5.10.262" in text
    assert "no memory blocks (sysfs)" in html(fixture(LPM))


def test_redacted_it_tells_no_machine_from_another(tmp_path: Path) -> None:
    real = load(str(fixture(LPM)))
    secrets = ("SERIAL4711", "lpar-of-acme", "U78D2.001.WZS0B1C-P1")
    for name, value in zip(("system-id", "ibm,partition-name", "ibm,loc-code"), secrets, strict=True):
        real = real.with_property("/", name, value.encode() + b"\0")
    tree = tmp_path / "acme.dtb"
    tree.write_bytes(write_fdt(real))
    arguments = (tree, tree, "--step", f"lpm {tree}")
    plain_page, redacted_page = html(*arguments), html(*arguments, "--redact")
    assert [secret in plain_page for secret in secrets[:2]] == [True, True]
    assert not [secret for secret in (*secrets, "acme", str(tmp_path)) if secret in redacted_page]
    first, second = (section(parsed(text), "findings").text for text in (plain_page, redacted_page))
    assert first == second


def test_redacted_the_kernel_is_the_same_and_its_host_is_not_named() -> None:
    for banner in ("Linux acme-lpar7 9.9.x odd", "Linux version 5.10.262 (me@acme) (gcc) #1"):
        kernel = redacted_tree(replace(load(str(fixture(LPM))), kernel=banner)).kernel
        assert "acme" not in kernel
        assert kernel.split()[2] == banner.split()[2]


def test_a_failed_step_is_shown_and_no_error() -> None:
    text = html(fixture(LPM), "--step", "dlpar memory add index 0x1", "--kernel", "6.1")
    card = section(parsed(text), "simulation").one("li", class_="step bad")
    assert card.one("h3").text == "1 dlpar memory add index 0x1 EPERM"


def test_steps_of_the_command_line_come_after_those_of_the_file(tmp_path: Path) -> None:
    script = tmp_path / "first.steps"
    script.write_text("expect consistent\n")
    document = page(fixture(LPM), "-f", script, "--step", "expect blocks 8")
    cards = section(document, "simulation").one("ol", class_="steps").all("li")
    assert [card.one("h3").one("code").text for card in cards] == ["expect consistent", "expect blocks 8"]


# What it may load


def hashes(text: str, directive: str) -> list[str]:
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    (sources,) = [
        part.split()[1:] for part in policy.replace("&#39;", "'").split("; ") if part.startswith(directive)
    ]
    return [source.strip("'").removeprefix("sha256-") for source in sources]


def test_only_its_own_style_and_script_are_allowed() -> None:
    text = html(*EVERYTHING)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    for directive, content in (("style-src", style), ("script-src", script)):
        assert hashes(text, directive) == [base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()]
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text


def test_it_refers_to_nothing_outside_itself() -> None:
    text = html(*EVERYTHING)
    document = parsed(text)
    assert document.all("link") + document.all("img") + document.all("iframe") + document.all("base") == []
    attributes = [(name, value or "") for one in document.walk() for name, value in one.attributes.items()]
    assert [pair for pair in attributes if pair[0] in ("src", "style", "srcset", "action", "xlink:href")] == []
    assert [pair for pair in attributes if pair[0].startswith("on")] == []
    assert [value for name, value in attributes if name == "href" and not value.startswith("#")] == []
    assert re.findall(r"url\((?!#)|@import|fetch\(|XMLHttpRequest|WebSocket|import\(|eval\(", text) == []


def test_the_same_input_gives_the_same_bytes() -> None:
    arguments = ("report", *EVERYTHING, "-o", "-")
    one, other = (process(*arguments, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert one.returncode == 0
    assert one.stdout == other.stdout == html(*EVERYTHING).encode()


# Hostile trees

NASTY = (
    b"<script>alert(1)</script>",
    b'"><img src=x onerror=alert(1)>',
    b"</script><script>alert(1)</script>",
    b"</style></title></svg><svg onload=alert(1)>",
    b"{{ 7 * 7 }}{% raw %}",
    "\u2028\u2029\u202e\u2066evil\u202c".encode(),
    b"\x1b]0;evil\x07\x1b[31m",
    b"\xff\xfe\x80\xc3",
    b"]]><!-- --!> <!--",
    b"&lt;b&gt;&#x3c;b&#x3e;",
)


def hostile() -> bytes:
    """Return a real tree whose names and strings are what NASTY has, in every place from which text is shown."""
    text = b"".join(NASTY) + b"\0"
    names = [name.replace(b"/", b"\\") for name in NASTY]
    real = plain(load(str(fixture(LPM))).root)
    strings = ((b"model", text), (b"ibm,partition-name", text), (b"system-id", text))
    kept = tuple(pair for pair in real.properties if pair[0] not in dict(strings))
    memory = (b"device_type", b"memory\0")
    extra = tuple(Plain(b"memory@" + name, (memory, (name, b"x"), (b"reg", b"odd"))) for name in names)
    return blob(write(replace(real, properties=(*kept, *strings), children=(*real.children, *extra))).finish())


def plain(node: Node) -> Plain:
    properties = tuple((encode_name(prop.name), prop.value) for prop in node.properties)
    return Plain(encode_name(node.name), properties, tuple(map(plain, node.children)))


def test_text_of_a_tree_stays_text(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.dtb", fixture(LPM)
    bad.write_bytes(hostile())
    usual = {one.tag for one in (*page(*EVERYTHING).walk(), *page(fixture("captures/7.2-vectors-2")).walk())}
    text = html(good, bad, "--step", f"lpm {bad}")
    both = parsed(text), parsed(html(bad, good))
    for document in both:
        assert {one.tag for one in document.walk()} - usual == set()
        assert not [name for one in document.walk() for name in one.attributes if name.startswith("on")]
        assert len(document.all("script")) == 2
        assert "<script>alert(1)" in document.text
    for char in "\u2028\u2029\u202e\u2066\x1b\x07\x80\ufffd":
        assert char not in text
    assert data_of(both[1])["maps"].keys() == {"map", "map-old"}


def test_a_title_is_text_as_well() -> None:
    document = page(fixture(LPM), "--title", "</title><script>\u202e\x1b")
    assert document.one("head").one("title").raw == document.one("h1").text == "</title><script>\\u{202e}\\x1b"


def test_a_tree_of_which_hardly_anything_can_be_read_has_a_page(tmp_path: Path) -> None:
    tree = load(str(fixture(LPM))).with_property(
        NODE, V2, bytes.fromhex("00000002 ffffffff ffffffff00000000 0000")
    )
    tree = tree.with_property(NODE, "ibm,lmb-size", b"\0").with_property(
        "/rtas", "ibm,associativity-reference-points", b""
    )
    bad = tmp_path / "bad.dtb"
    bad.write_bytes(write_fdt(tree))
    assert page(bad).one("h1").text == "Memory of bad.dtb"


@settings(max_examples=25)
@given(data=st.data())
def test_trees_with_broken_values_have_a_page_or_an_error(data: st.DataObject) -> None:
    base = data.draw(st.sampled_from([LPM, V1_TREE, "captures/7.2-vectors-2", "trees/numa4-form2-dist"]))
    with TemporaryDirectory() as folder:
        bad = Path(folder) / "bad.dtb"
        bad.write_bytes(write_fdt(data.draw(changed_values(load(str(fixture(base)))))))
        for arguments in (
            (bad,),
            (fixture(base), bad),
            (bad, "--step", "dlpar memory add count 1", "--step", "reboot"),
        ):
            outcome = run("report", *arguments, "-o", "-")
            assert outcome.code in (0, 3)
            assert "internal error" not in outcome.err
            if outcome.code == 0:
                assert section(parsed(outcome.out), "overview")


def test_the_numbers_of_a_hostile_table_are_exact(tmp_path: Path) -> None:
    # Sets near the end of the address space, whose numbers no floating point holds, and which wrap.
    sets = "".join(
        f"00000001 {base:016x} {drc:08x} 00000000 00000008"
        for base, drc in ((0xFFFFFFFFFFFFF001, 0xFFFFFFFF), (3, 7), (0x8000000000000003, 0))
    )
    tree = load(str(fixture(LPM))).with_property(NODE, V2, bytes.fromhex("00000003" + sets))
    bad = tmp_path / "bad.dtb"
    bad.write_bytes(write_fdt(tree))
    data = data_of(page(bad))
    assert [lmb[:2] for lmb in lmbs_of(data["lmbs"])] == [
        (0xFFFFFFFFFFFFF001, 0xFFFFFFFF),
        (3, 7),
        (0x8000000000000003, 0),
    ]
    found = json.loads(run("map", bad, "--format", "json").out)["segments"]
    assert segments_of(data["maps"]["map"]) == [
        (one["start"], one["size"]) for one in found if one["kind"] != "hole"
    ]


def test_more_rows_than_a_page_holds_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drmemctl.output.report.data.RUNS", 2)
    monkeypatch.setattr("drmemctl.output.report.data.SEGMENTS", 2)
    document = page(fixture("kernel-arrays/numa2-plug2"))
    assert "This page holds the first 2 of 4 rows: drmemctl lmb shows all." in section(document, "lmbs").text
    data = data_of(document)
    assert sum(column(data["lmbs"]["count"])) == 12
    assert data["maps"]["map"]["exact"] is False


def test_a_page_holds_only_so_many_kinds_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drmemctl.output.report.data.KINDS", 3)
    document = page(fixture("kernel-arrays/numa2-plug2"))
    assert "This page holds the first 3 of 4 rows" in section(document, "lmbs").text
    assert len(data_of(document)["lmbs"]["kinds"]) == 3


# Output and exit codes


def test_it_is_written_whole_and_not_over_what_was_read(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert run("report", fixture(LPM), "-o", out) == (0, "", "")
    assert out.read_text(encoding="utf-8") == html(fixture(LPM))
    tree, script = tmp_path / "tree.dtb", tmp_path / "x.steps"
    tree.write_bytes(write_fdt(load(str(fixture(LPM)))))
    script.write_text(f"lpm {tree}\n")
    for arguments, name in (
        ((tree,), tree),
        ((fixture(LPM), tree), tree),
        ((fixture(LPM), "-f", script), script),
        ((fixture(LPM), "-f", script), tree),
    ):
        before = name.read_bytes()
        outcome = run("report", *arguments, "-o", name)
        assert (outcome.code, outcome.out) == (3, "")
        assert outcome.err == f"drmemctl: {name}: this is an input; name another file\n"
        assert name.read_bytes() == before


def test_standard_input_is_read_once() -> None:
    data = write_fdt(load(str(fixture(LPM))))
    done = process("report", "-", "-o", "-", stdin=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert parsed(done.stdout.decode()).one("h1").text == "Memory of a partition"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((fixture(LPM),), 2, "Missing option '-o'"),
        (("no-such-file", "-o", "-"), 3, "no-such-file"),
        ((fixture(LPM), "no-such-file", "-o", "-"), 3, "no-such-file"),
        ((fixture("trees/precas"), "-o", "-"), 3, "ibm,client-architecture-support"),
        ((fixture(LPM), "-o", "/nowhere/at/all.html"), 3, "the directory must exist"),
        ((fixture(LPM), "-o", "-", "--step", "dance"), 2, "STEP 1"),
        ((fixture(LPM), "-o", "-", "-f", "no-such-file"), 3, "no-such-file"),
        ((fixture(LPM), "-o", "-", "--step", "lpm no-such-file"), 3, "no-such-file"),
        ((fixture(LPM), "-o", "-", "--kernel", "windows"), 2, "windows"),
        ((fixture(LPM), "-o", "-", "--hypervisor", "xen"), 2, "xen"),
        (("-", "-", "-o", "-"), 2, "standard input can be only one"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments: tuple[str | Path, ...], code: int, said: str) -> None:
    outcome = run("report", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert said in outcome.err


def test_rules_are_only_those_about_the_kernel() -> None:
    name = fixture("captures/6.1-merge")
    everything = section(page(name), "findings").text
    old = section(page(name, "--kernel", "4.15"), "findings").text
    assert "DRM015" in everything
    assert "DRM015" not in old
