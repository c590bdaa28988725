# SPDX-License-Identifier: MIT
"""The schemas: a file for each name, every field described, used and held to, and all outputs fit."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from drmemctl.check.engine import all_rules
from drmemctl.check.families import FAMILIES
from drmemctl.compare.lmbs import KINDS
from drmemctl.formats.rtas_kinds import KINDS as DECODED
from drmemctl.simulate.interleave.policy import POLICIES
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES, ROOT, WITHOUT_LMBS, fixture_trees, tree_name
from tests.formats.rtas_vectors import answers as recorded_answers
from tests.schemas.published import FOLDER, fault, printed, schema, schema_files, validator
from tests.schemas.samples import PLUGGED, SAMPLES, changed, values
from tests.wide import share

NAMES = tuple(SAMPLES)
NODE = "/ibm,dynamic-reconfiguration-memory"

NAMING = ("schema", "streamed")
"""The functions that take the name of a schema."""

each_schema = pytest.mark.parametrize("name", NAMES)


@cache
def samples(name: str) -> list[Any]:
    with TemporaryDirectory() as folder:
        return SAMPLES[name](Path(folder))


def names_in_the_package() -> Iterator[str]:
    """Yield what the package calls its schemas: `streamed("lmb", …)`, `schema("lmb")`, or the name as a text."""
    for path in sorted((ROOT / "drmemctl").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if not any(word in source for word in ("schema(", "streamed(", '/1"')):
            continue  # the others would take seconds to parse
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMING:
                argument = node.args[0]
                if isinstance(argument, ast.Name) and path.name == "json.py":
                    continue  # where `streamed` hands its own on
                assert isinstance(argument, ast.Constant), path
                yield str(argument.value)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value.removeprefix("drmemctl.")
                if text != node.value and text.endswith("/1") and text.count("/") == 1:
                    yield text.removesuffix("/1")


def parts(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every schema inside a schema, itself first."""
    if isinstance(node, list):
        for one in node:
            yield from parts(one)
    elif isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key in ("properties", "$defs"):
                for one in value.values():
                    yield from parts(one)
            elif key not in ("const", "enum", "required", "dependentRequired"):
                yield from parts(value)


def test_every_name_in_the_package_has_a_file_and_every_file_is_of_one() -> None:
    found = {path.name for path in schema_files()}
    assert found == {f"drmemctl.{name}-1.json" for name in names_in_the_package()}
    assert found == {f"drmemctl.{name}-1.json" for name in NAMES}


def test_the_index_lists_every_schema_with_its_command() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"| [drmemctl.{name}/1](drmemctl.{name}-1.json) | `{schema(name)['title']}` |" in index


@each_schema
def test_a_schema_is_one_of_draft_2020_12(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert schema(name)["$id"] == f"urn:drmemctl:schema:{name}:1"
    assert schema(name)["title"].startswith("drmemctl ")


@each_schema
def test_every_field_is_described_and_no_other_is_let_through(name: str) -> None:
    for part in parts(schema(name)):
        for key, field in part.get("properties", {}).items():
            is_kind = "const" in field or "$ref" in field
            assert is_kind or len(field.get("description", "").split()) > 0, key
        if "properties" in part and "if" not in part and "type" in part:
            assert part["additionalProperties"] is False
            assert set(part["required"]) <= set(part["properties"])


def test_a_definition_of_one_name_is_the_same_everywhere() -> None:
    known: dict[str, Any] = {}
    for name in NAMES:
        for key, definition in schema(name).get("$defs", {}).items():
            assert known.setdefault(key, definition) == definition, (name, key)


@each_schema
def test_every_definition_is_used(name: str) -> None:
    used = {part["$ref"] for part in parts(schema(name)) if "$ref" in part}
    assert {f"#/$defs/{key}" for key in schema(name).get("$defs", {})} == used


@each_schema
def test_a_document_says_which_schema_it_has(name: str) -> None:
    assert samples(name)[0]["schema"] == f"drmemctl.{name}/1"


@each_schema
def test_documents_fit_and_between_them_have_every_field(name: str) -> None:
    assert [fault(document, name) for document in samples(name)] == [None] * len(samples(name))
    described = {key for part in parts(schema(name)) for key in part.get("properties", ())}
    there = {key for one in samples(name) for _, value in values(one) if isinstance(value, dict) for key in value}
    assert described - there == set()


def trimmed(document: Any, seen: set[tuple[str, ...]], place: tuple[str, ...] = ()) -> Any:
    """Return a document whose lists have only the elements in which there is a place that none before has.

    Lists of numbers and texts are left as they are, and of others the first element: some may not be empty.
    """
    seen.add(place)
    if isinstance(document, dict):
        return {key: trimmed(value, seen, (*place, key)) for key, value in document.items()}
    if not isinstance(document, list) or not any(isinstance(value, dict | list) for value in document):
        return document
    kept: list[Any] = []
    for value in document:
        n_seen = len(seen)
        element = trimmed(value, seen, (*place, "*"))
        if len(seen) > n_seen or not kept:
            kept.append(element)
    return kept


def breakages(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield a document broken in one place at a time: a value of another type, a field too many.

    What else is in its lists makes no difference, and each of these is judged.
    """
    document = trimmed(document, set())
    seen = set()
    for path, value in values(document):
        place = tuple("*" if isinstance(key, int) else key for key in path)
        if place in seen:
            continue
        seen.add(place)
        wrong: Any = [[]] if isinstance(value, dict) else {"wrong": []}
        yield f"{path} of another type", changed(document, path, wrong)
        if isinstance(value, dict):
            yield f"{path} with another field", changed(document, (*path, "unexpected"), {})


@each_schema
def test_what_is_wrong_does_not_fit(name: str) -> None:
    judge = validator(name)
    small = sorted(samples(name), key=lambda document: len(str(document)))[:20]
    assert [fault(trimmed(document, set()), name) for document in small] == [None] * len(small)
    let_through = {what for document in small for what, broken in breakages(document) if judge.is_valid(broken)}
    assert let_through == set()


@each_schema
def test_a_field_too_few_does_not_fit(name: str) -> None:
    document = samples(name)[0]
    needed = schema(name).get("required") or schema(name)["$defs"]["start"]["required"]
    for key in needed:
        assert fault({one: value for one, value in document.items() if one != key}, name) is not None


def choices(name: str, key: str) -> set[Any]:
    """Return what a field of that name may be, wherever it is in a schema."""
    found = [part["properties"][key] for part in parts(schema(name)) if key in part.get("properties", {})]
    return {choice for field in found for choice in field.get("enum", ())}


def test_lists_of_choices_are_those_of_the_program() -> None:
    assert choices("rules", "family") == set(FAMILIES)
    assert choices("explore", "locking") == {policy.name for policy in POLICIES}
    assert choices("decode", "kind") == set(DECODED)
    assert set(schema("diff")["$defs"]["lmb_changes"]["items"]["enum"]) == set(KINDS)


@each("rule", sorted(all_rules()))
def test_the_page_of_every_rule(rule: str) -> None:
    printed("explain", "explain", rule, "--format", "json")


ON_A_TREE = (
    ("show",),
    ("lmb",),
    ("lmb", "--expand"),
    ("map",),
    ("assoc",),
    ("numa",),
    ("memblock",),
    ("memblock", "--cmdline", "movable_node mem=1G", "--kernel", "5.10"),
    ("blocks",),
    ("kexec", "--crashkernel", "256M"),
    ("kexec", "--crashkernel", "256M", "--producer", "kexec-file", "--page", "65536"),
    ("check", "--isolated", "-j1"),
    ("tree",),
    ("prop", NODE),
    ("prop", "/chosen"),
    ("simulate", "dlpar memory add count 1", "dlpar memory remove count 1", "reboot", "kexec"),
)


TREES = fixture_trees()

NO_OUTPUT: dict[str, list[tuple[str, ...]]] = {
    # Before CAS: nothing says yet which memory the partition has.
    "trees/precas": [
        ("show",),
        ("lmb",),
        ("lmb", "--expand"),
        ("map",),
        ("assoc",),
        ("numa",),
        ("blocks",),
        ("prop", NODE),
    ],
    # No maxmem: all memory is in memory nodes.
    **{
        name: [("lmb",), ("lmb", "--expand"), ("assoc",), ("prop", NODE)]
        for name in WITHOUT_LMBS - {"trees/precas"}
    },
    # A crash kernel does not load another.
    "captures/7.2-kdump": [command for command in ON_A_TREE if "kexec-file" in command],
}
"""Commands that refuse a tree, which has nothing of what they would show."""


@each("path", TREES, ids=tree_name)
def test_every_output_on_every_tree(path: Path) -> None:
    commands = share(ON_A_TREE, TREES.index(path), 3)
    silent = [
        command
        for command in commands
        if not printed(command[0], command[0], path, *command[1:], "--format", "json")
    ]
    refused = NO_OUTPUT.get(tree_name(path), [])
    assert silent == [command for command in commands if command in refused]


@each("path", fixture_trees("captures"), ids=tree_name)
def test_every_diff_of_captures(path: Path) -> None:
    commands = [(*pair, *more) for more in ((), ("--all",)) for pair in ((path, PLUGGED), (PLUGGED, path))]
    for command in share(commands, TREES.index(path), 3):
        assert printed("diff", "diff", *command, "--format", "json")


@pytest.mark.parametrize("path", sorted((FIXTURES / "mobility").glob("*.json")), ids=lambda path: path.stem)
def test_every_recorded_migration(path: Path, tmp_path: Path) -> None:
    tree = path.with_suffix(".dtb.gz")
    assert printed("decode", "decode", "update-nodes", path, "--tree", tree, "--format", "json")
    version = path.stem.rpartition("-")[2]
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps(recorded_answers(path)))
    assert printed("simulate", "simulate", tree, f"migrate {answers}", "--kernel", version, "--format", "json")


@pytest.mark.parametrize("option", [(), ("--expand",)], ids=["runs", "lmbs"])
def test_lines_of_lmbs_are_the_records_of_the_document(option: tuple[str, ...]) -> None:
    done = run("lmb", PLUGGED, *option, "--format", "ndjson")
    lines = [json.loads(line) for line in done.out.splitlines()]
    definition = "lmb" if option else "run"
    assert [fault(line, "lmb", definition) for line in lines] == [None] * len(lines)
    assert lines


REFUSED = ("show", "lmb", "map", "assoc", "numa", "memblock", "blocks", "kexec", "tree", "prop", "simulate")


@pytest.mark.parametrize("name", REFUSED)
def test_an_input_that_is_no_tree_prints_no_document(name: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.dtb"
    bad.write_bytes(b"\xd0\x0d\xfe\xed" + bytes(60))
    more = ("/",) if name == "prop" else ()
    assert printed(name, name, bad, *more, "--format", "json") == []
