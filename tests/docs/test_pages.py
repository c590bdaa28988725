# SPDX-License-Identifier: MIT
"""What the documents say beside their transcripts: links, steps, tables, bytes in pictures; pages made."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import click
import pytest

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.kernel.capabilities import CAPABILITIES, NEWEST
from drmemctl.model.conversion import convert
from drmemctl.output.kernels import measured_of
from drmemctl.simulate.steps.language import STEP_NAMES, parse_script
from drmemctl.tree.limits import LIMITS, MIB
from tests.cases import each
from tests.conftest import ROOT
from tests.docs.sosreport import RECORD, state
from tests.simulate.records import record, tree_of
from tools.site import capabilities, commands, files
from tools.site.markdown import table, text
from tools.site.pages import expanded
from tools.site.pages import pages as made_pages

pytestmark = pytest.mark.one_python

DOCS = ROOT / "docs"
PICTURES = sorted((DOCS / "pictures").glob("*.svg"))
WRITTEN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#[^)]*)?\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@cache
def pages() -> dict[str, str]:
    """Return the pages that are made."""
    return made_pages()


def blocks(path: Path, language: str) -> list[str]:
    """Return the content of the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@each("path", WRITTEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_or_to_a_page_that_is_made(path: Path) -> None:
    targets = {target for target in LINK.findall(FENCED.sub("", path.read_text(encoding="utf-8"))) if target}
    made = {(DOCS / page).resolve() for page in pages()}
    inside = {target for target in targets if not target.startswith("https://")}
    lost = {
        target
        for target in inside
        if not (place := (path.parent / target).resolve()).exists() and place not in made
    }
    assert lost == set()


@pytest.mark.parametrize("path", [path for path in WRITTEN if blocks(path, "python")], ids=lambda path: path.name)
def test_the_python_runs(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    for code in blocks(path, "python"):
        exec(compile(code, str(path), "exec"), {})
    assert "0x40000000 2 0x80000004 0x108\n" in capsys.readouterr().out


STEPS = DOCS / "step-language.md"


@pytest.mark.parametrize("steps", blocks(STEPS, "steps"))
def test_every_step_of_the_reference_is_one(steps: str) -> None:
    assert len(list(parse_script(steps))) == len(steps.splitlines())


def test_the_reference_has_every_step() -> None:
    (grammar,) = blocks(STEPS, "text")
    named = {word for line in grammar.splitlines() for word in line.partition(" ")[0:1]}
    named |= {match[1] for match in re.finditer(r"^[\w-]+ \| ([\w-]+)", grammar, re.MULTILINE)}
    assert named == set(STEP_NAMES)


@pytest.mark.parametrize(
    "line", re.findall(r"^\| `(expect [^`]+)`", STEPS.read_text(encoding="utf-8"), re.MULTILINE)
)
def test_every_expectation_of_the_reference_is_one(line: str) -> None:
    assert len(list(parse_script(line))) == 1


def test_numbers_are_as_the_reference_says() -> None:
    (step, same) = parse_script("unplug 0x1f 017\nunplug 0X1f 15 # a comment")
    assert (vars_of(step), vars_of(same)) == ((31, 15), (31, 15))


def vars_of(step: Any) -> tuple[int, int]:
    return step.drc_index, step.count


def test_every_environment_variable_is_documented() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "drmemctl").rglob("*.py"))
    said = (DOCS / "inputs.md").read_text(encoding="utf-8")
    assert {name for name in re.findall(r"\bDRMEMCTL_[A-Z_]+", code) if f"`{name}" not in said} == set()


def test_the_limits_are_those_of_the_program() -> None:
    said = (DOCS / "inputs.md").read_text(encoding="utf-8")
    figures = (LIMITS.max_nodes, LIMITS.max_properties, LIMITS.max_members)
    assert [figure for figure in figures if f"{figure:,}" not in said] == []
    assert f"| {LIMITS.max_bytes // MIB} MiB " in said
    assert f"| {LIMITS.max_text // MIB} MiB " in said
    assert (
        f"{LIMITS.max_unpacked // MIB} MiB, and {LIMITS.max_ratio} times its size from {LIMITS.ratio_floor // MIB}"
        in said
    )
    assert f"| compressions inside one another | {LIMITS.max_layers} |" in said


# The bytes in the pictures.


def drawn(name: str) -> list[str]:
    """Return the words of eight or more hex digits in a picture, in their order."""
    root = ET.parse(DOCS / "pictures" / name).getroot()
    svg = "{http://www.w3.org/2000/svg}text"
    found = ("".join(one.itertext()) for one in root.iter(svg) if "mono" in one.get("class", ""))
    return [word for line in found for word in re.findall(r"\b[0-9a-f]{8,}\b", line)]


def test_the_records_are_those_of_the_recorded_partition() -> None:
    tree = tree_of(RECORD)
    first = convert(tree, "v1").tree.get(NODE, "ibm,dynamic-memory")
    second = tree.get(NODE, "ibm,dynamic-memory-v2")
    assert first is not None
    assert second is not None
    words = drawn("records.svg")
    assert "".join(words[:10]) == first[4 + 24 * 4 : 4 + 24 * 6].hex()
    assert "".join(words[10:]) == second[4 + 24 : 4 + 48].hex()


def test_the_node_is_looked_up_in_a_recorded_table() -> None:
    tree = tree_of("kernel-arrays/v1numa4-plug1")
    lookup = tree.get(NODE, "ibm,associativity-lookup-arrays")
    points = tree.get("/rtas", "ibm,associativity-reference-points")
    assert lookup is not None
    assert points is not None
    assert "".join(drawn("node.svg")) == lookup[8:].hex() + points.hex()


def test_the_story_is_the_recorded_one() -> None:
    steps = [state("before"), state("after"), record(RECORD)["steps"][-1]]
    held = [bytes.fromhex(one["properties"]["ibm,dynamic-memory-v2"])[28:52] for one in steps]
    # Drawn from left to right: tree and array at boot, behind the migration, behind the request.
    words = drawn("stale-array.svg")
    trees = ["".join(words[at : at + 2]) for at in (0, 4, 8)]
    assert trees == [one[12:20].hex() for one in held]
    told = blocks(DOCS / "how-it-works.md", "text")
    assert [block.replace(" ", "").strip() for block in told] == [one.hex() for one in held]


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_says_in_words_what_it_shows(path: Path) -> None:
    root = ET.parse(path).getroot()
    svg = "{http://www.w3.org/2000/svg}"
    title, description = root.findtext(f"{svg}title"), root.findtext(f"{svg}desc")
    assert title
    assert len(description or "") > len(title)
    assert root.get("role") == "img"
    assert "://" not in path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")


# The pages that are made.


def test_every_command_has_a_page_with_all_its_options() -> None:
    for name, command in commands.commands().items():
        page = pages()[f"{commands.FOLDER}/{commands.place(name)}"]
        options = [option for one in command.params if isinstance(one, click.Option) for option in one.opts]
        assert [option for option in options if option not in page] == [], name
        assert "## Examples" in page or "## Example" in page, name
        assert "\b" not in page


def test_every_capability_is_listed_with_its_commits() -> None:
    page = pages()[capabilities.PATH]
    assert [one.name for one in CAPABILITIES if page.count(f"| `{one.name}` |") != 2] == []
    assert [one.name for one in CAPABILITIES if one.commit and one.commit.split(",")[0] not in page] == []


def test_the_releases_are_joined_where_nothing_differs() -> None:
    spans = capabilities.spans()
    assert spans[0] == ((4, 14), (4, 14))
    assert [after for _, after in spans][-1] == NEWEST
    assert all(capabilities.after(last) == first for (_, last), (first, _) in pairwise(spans))
    assert [capabilities.after(one) for one in ((4, 20), (5, 19), (6, 1), (6, 19))] == [
        (5, 0),
        (6, 0),
        (6, 2),
        (7, 0),
    ]


def test_a_copied_page_has_no_link_to_what_the_site_lacks() -> None:
    for page in files.COPIED:
        for target in LINK.findall(FENCED.sub("", files.copied(page))):
            assert target.startswith("https://") or (DOCS / target).exists() or target in pages(), (page, target)


def test_text_cannot_become_markup() -> None:
    assert text("a <b> `<c|d>` *e* [f] x|y") == "a \\<b\\> `<c|d>` \\*e\\* \\[f\\] x\\|y"
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_the_navigation_has_every_page_once() -> None:
    import yaml

    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    found = list(leaves(expanded(config["nav"])))
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert sorted(found) == sorted(written | set(pages()))


def leaves(entries: list[Any]) -> list[str]:
    """Return the pages of a navigation."""
    made: list[str] = []
    for entry in entries:
        target = next(iter(entry.values())) if isinstance(entry, dict) else entry
        made += leaves(target) if isinstance(target, list) else [target]
    return made


def test_the_glossary_names_functions_that_the_package_names_too() -> None:
    rows = [line.split(" | ") for line in (DOCS / "glossary.md").read_text(encoding="utf-8").splitlines()]
    named = {name for row in rows if len(row) == 4 for name in re.findall(r"`([\w.]+)`", row[3])}
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "drmemctl").rglob("*.py"))
    assert len(named) > 15
    assert sorted(name for name in named if name not in sources) == []


def test_the_figures_of_how_it_is_tested_are_those_of_the_fixtures() -> None:
    page = (DOCS / "how-it-is-tested.md").read_text(encoding="utf-8")

    def recorded(pattern: str) -> int:
        return len(list((ROOT / "fixtures").glob(pattern)))

    assert f"{recorded('captures/*.json')} recorded runs of" in page
    assert f"{recorded('mobility/*.json')} runs of" in page
    assert f"{recorded('reassignments/*.json')} runs of" in page
    assert f"{recorded('memblock/*.json')} boots of" in page
    assert f"{recorded('trees/*.dtb.gz')} trees that QEMU built" in page
    assert f"{recorded('kernel-arrays/*.sysfs.json')} states of three guests" in page
    assert f"{recorded('vmcores/*.guest.blocks')} dumps of" in page
    walks = sum(
        len(json.loads(path.read_text())["walks"]) for path in (ROOT / "fixtures" / "drc").glob("*-walks.json")
    )
    assert f"{walks} walks over LMBs" in page
    sides = [measured_of(capability) for capability in CAPABILITIES]
    whole = sum(measured.is_whole for measured in sides)
    half = sum(bool(measured.having) != bool(measured.lacking) for measured in sides)
    assert f"Of {len(sides)} capabilities {whole} are measured on both sides, {half} on" in page


ROW = re.compile(
    r"\| `(?P<layer>\w+)/(?P<module>\w+)` \| (?P<mutants>\d+) \| (?P<noticed>\d+) \| (?P<survivors>none|\d+)"
)


@pytest.mark.parametrize("layer", ["kernel", "formats"])
def test_the_mutants_are_those_of_modules_that_there_are(layer: str) -> None:
    page = (DOCS / "testing-mutants.md").read_text(encoding="utf-8")
    rows = [row for row in map(ROW.match, page.splitlines()) if row and row["layer"] == layer]
    assert [
        row["module"] for row in rows if not (ROOT / "drmemctl" / layer / f"{row['module']}.py").exists()
    ] == []
    mutants, noticed = (sum(int(row[column]) for row in rows) for column in ("mutants", "noticed"))
    for row in rows:
        survivors = 0 if row["survivors"] == "none" else int(row["survivors"])
        assert int(row["mutants"]) == int(row["noticed"]) + survivors, row[0]
    words = page.partition(f"## `{layer}/`")[2].partition("\n## ")[0]
    said = f"All {mutants:,} mutants of these {len(rows)} modules were run, and {noticed:,} were noticed"
    assert words.strip().startswith(said)
    assert f"The {mutants - noticed} survivors" in words
