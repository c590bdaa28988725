# SPDX-License-Identifier: MIT
"""`drmemctl fleet ask`: its answers against what `check`, `show` and `lmb` say of the same inputs, one by one."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from drmemctl.fleet.answer_words import ANSWER_WORDS
from tests.cases import each
from tests.cli.running import Outcome, run
from tests.conftest import FIXTURES
from tests.fleet.datasets import add_inputs, add_part, captures, with_row
from tests.fleet.judged import pa, tables

TREES = [
    FIXTURES / "boot" / "aa-out-of-range.dtb.gz",
    FIXTURES / "boot" / "lmb-not-power-of-two.dtb.gz",
    FIXTURES / "captures" / "6.1-merge.dtb.gz",
    FIXTURES / "trees" / "many-dimms.dtb.gz",
    FIXTURES / "tutorial" / "lpar7-after.tar.xz",
]


class Asked:
    """A data set of trees, of captures of a partition, and of a file that was another one before.

    Attributes:
        dataset: where it is.
        readable: the inputs that can be read.
        changed: the one that has changed.
        torn: the one that cannot be read.

    """

    def __init__(self, folder: Path) -> None:
        self.dataset = folder / "fleet"
        self.partition = captures(folder)
        self.changed, self.torn = folder / "changed.dtb.gz", folder / "torn.dtb"
        shutil.copy(FIXTURES / "boot" / "no-lmb-size.dtb.gz", self.changed)
        add_inputs(self.dataset, 1, [*TREES, self.changed])
        shutil.copy(FIXTURES / "trees" / "v2-gap.dtb.gz", self.changed)
        os.utime(self.changed, (1, 1))  # it says that it is older: what was judged last counts
        self.torn.write_bytes(b"\xd0\x0d\xfe\xed\0\0")
        add_inputs(self.dataset, 2, [*self.partition, self.changed, self.torn])
        self.readable = [*TREES, *self.partition, self.changed]

    def ask(self, *arguments: str) -> Outcome:
        """Return what the command makes of it."""
        return run("fleet", "ask", self.dataset, *arguments)

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the rows of an answer."""
        outcome = self.ask(*arguments, "--format", "json")
        assert (outcome.code, outcome.err) == (0, "")
        rows: list[dict[str, Any]] = json.loads(outcome.out)["rows"]
        return rows


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    return Asked(tmp_path_factory.mktemp("fleet"))


def document(*arguments: str | Path) -> Any:
    return json.loads(run(*arguments, "--format", "json").out)


def test_rules_are_counted_as_check_does(asked: Asked) -> None:
    findings = Counter[tuple[str, str, str | None]]()
    for tree in asked.readable:
        release = "5.10.262" if tree.suffix == ".xz" else "6.1.0-50-powerpc64le" if tree.is_dir() else None
        for finding in document("check", "--isolated", tree)["findings"]:
            findings[finding["rule"], finding["severity"], release] += 1
    rows = asked.rows("rules")
    assert {(row["rule"], row["severity"], row["release"]): row["findings"] for row in rows} == findings
    assert "DRM042" not in {row["rule"] for row in rows}  # of what the file was before


def test_memory_on_the_wrong_node_is_that_of_check(asked: Asked) -> None:
    expected = {}
    for tree in asked.readable:
        findings = document("check", "--isolated", "--select", "DRM121", tree)["findings"]
        if findings:
            expected[f"file://{tree}"] = sum(lmbs["count"] for finding in findings for lmbs in finding["lmbs"])
    assert {row["url"]: row["lmbs"] for row in asked.rows("wrong-node")} == expected
    assert len(expected) > 1


def test_lmb_sizes_and_lookup_arrays_are_those_of_show_and_assoc(asked: Asked) -> None:
    sizes, lookup = Counter[int](), Counter[tuple[int, int]]()
    for tree in asked.readable:
        size = document("show", tree)["dynamic_memory"]["lmb_size"]
        sizes[size >> 20] += 1
        lists = document("assoc", tree)["arrays"]
        lookup[len(lists), sum(1 for entry in lists if not entry["lmbs"])] += 1
    assert {row["lmb_mib"]: row["inputs"] for row in asked.rows("lmb-sizes")} == sizes
    answered = Counter[tuple[int, int]]()
    for row in asked.rows("lookup-arrays"):
        answered[row["arrays"], row["unused"]] += row["inputs"]
    assert answered == lookup


def test_a_partition_that_is_not_there_is_told(asked: Asked) -> None:
    outcome = run("fleet", "ask", asked.dataset, "drift", "lpar99", "--format", "csv")
    assert outcome.code == 0
    assert "no input is of a partition 'lpar99'" in outcome.err


def test_drift_follows_the_captures_of_a_partition(asked: Asked) -> None:
    assigned, runs = [], []
    for capture in asked.partition:
        lmbs = document("lmb", capture)["runs"]
        assigned.append(sum(run["count"] for run in lmbs if run["flags"] & 0x88 == 8))
        runs.append({(hex(run["base"]), run["count"], run["aa_index"], hex(run["flags"])) for run in lmbs})
    rows = asked.rows("drift", "lpar7")
    assert [row["taken"][:10] for row in rows] == [f"2026-11-{day:02}" for day in range(1, len(assigned) + 1)]
    assert [row["assigned"] for row in rows] == assigned
    assert [row["more"] for row in rows] == [None, *(b - a for a, b in pairwise(assigned))]
    assert [row["changed"] for row in rows] == [False, *(a != b for a, b in pairwise(runs))]
    expected = [
        (at, change, lmbs)
        for at, (old, new) in enumerate(pairwise(runs), 2)
        for change, both in (("gone", old - new), ("new", new - old))
        for lmbs in both
    ]
    changes = [
        (row["capture"], row["change"], (row["base"], row["lmbs"], row["aa_index"], row["flags"]))
        for row in asked.rows("drift-lmbs", "lpar7")
    ]
    assert sorted(changes) == sorted(expected)
    assert len({row["capture"] for row in asked.rows("drift-lmbs", "lpar7")}) > 1


def test_the_worst_and_the_unreadable(asked: Asked) -> None:
    errors = {
        f"file://{tree}": document("check", "--isolated", tree)["summary"]["error"] for tree in asked.readable
    }
    last = f"file://{asked.partition[-1]}"
    for capture in asked.partition[:-1]:
        del errors[f"file://{capture}"]
    rows = asked.rows("worst")
    assert {row["url"]: row["errors"] for row in rows} == errors
    assert [row["errors"] for row in rows] == sorted(errors.values(), reverse=True)
    assert [(row["partition"], row["captures"]) for row in rows if row["url"] == last] == [
        ("lpar7", len(asked.partition))
    ]
    (row,) = asked.rows("unreadable")
    assert row == {
        "error": run("check", asked.torn).err.removeprefix("drmemctl: ").strip(),
        "url": f"file://{asked.torn}",
    }


@each(
    "question",
    [
        "rules",
        "wrong-node",
        "lookup-arrays",
        "lmb-sizes",
        "worst",
        "unreadable",
        "drift lpar7",
        "drift-lmbs lpar7",
    ],
)
def test_every_form_says_the_same_and_its_sql_too(question: str, asked: Asked) -> None:
    rows = asked.rows(*question.split())
    assert {name for row in rows for name in row} <= set(ANSWER_WORDS)
    sql = asked.ask(*question.split(), "--sql").out
    assert sql.startswith(f"/* {question.split(maxsplit=1)[0]}: ")
    assert asked.rows(sql) == rows
    records = list(csv.DictReader(io.StringIO(asked.ask(*question.split(), "--format", "csv").out)))
    words = {None: "", True: "true", False: "false"}
    assert records == [
        {
            name: words[value] if value is None or isinstance(value, bool) else str(value)
            for name, value in row.items()
        }
        for row in rows
    ]
    for line in asked.ask(*question.split()).out.splitlines():
        assert len(line) <= 80 or "file://" in line


def test_the_list_of_questions_needs_no_data_set() -> None:
    questions = document("fleet", "ask", "nowhere")["rows"]
    assert [row["question"] for row in questions][:2] == ["rules", "wrong-node"]
    assert all(len(line) <= 80 for line in run("fleet", "ask", "nowhere").out.splitlines())
    assert run("fleet", "ask", "nowhere", "--sql").out.count("/* ") == len(questions)


@each(
    "arguments",
    [("rulez",), ("drift",), ("rules", "lpar7"), ("select 1", "lpar7")],
)
def test_wrong_questions_are_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert run("fleet", "ask", "nowhere", *arguments).code == 2


FORBIDDEN = [
    "copy inputs to '{there}/x.csv'",
    "copy (select 1) to '{there}/x.parquet' (format parquet)",
    "export database '{there}/x'",
    "attach '{there}/x.db'",
    "create table x as select 1",
    "drop view inputs",
    "insert into inputs select * from inputs",
    "set enable_external_access = true",
    "pragma enable_profiling",
    "install httpfs",
    "load '{there}/x'",
    "call pragma_version()",
    "explain analyze copy inputs to '{there}/x.csv'",
    "select 1; copy inputs to '{there}/x.csv'",
    "select * from '{there}/secret.csv'",
    "select * from read_csv('{there}/secret.csv')",
    "select * from read_text('{there}/secret.csv')",
    "select * from read_blob('{there}/*')",
    "select * from glob('{there}/*')",
    "select * from sniff_csv('{there}/secret.csv')",
    "select * from read_parquet('{there}/*.parquet')",
    "select * from parquet_metadata('{there}/x.parquet')",
    "select * from read_csv('http://127.0.0.1:9/x')",
    "select getenv('HOME')",
    "select * from connection",
    "select error(chr(27) || '[31mred' || chr(10) || 'green')",
    "selec\x1b[31m",
    "select * from none",
    "select 1 / 'x'",
    "select repeat('x', 1 << 60)",
    "",
    ";",
    "/* nothing */",
    "select 'x",
]


def test_sql_can_read_the_data_set_and_nothing_else(asked: Asked) -> None:
    from drmemctl.fleet.ask import QueryError, fleet

    there = asked.dataset.parent / "there"
    there.mkdir()
    (there / "secret.csv").write_text("a,b\nsecret,1\n")
    before = sorted(asked.dataset.parent.rglob("*"))
    with fleet(str(asked.dataset)) as views:
        for sql in FORBIDDEN:
            with pytest.raises(QueryError) as error:
                list(views.ask(sql.format(there=there)).rows)
            assert "\n" not in str(error.value), sql
            assert "secret,1" not in str(error.value), sql
    for sql in FORBIDDEN[::7]:
        outcome = asked.ask(sql.format(there=there))
        assert (outcome.code, outcome.out, outcome.err.count("\n")) == (3, "", 1)
        assert outcome.err.startswith("drmemctl: ")
        assert outcome.err.isascii()
        assert outcome.err.strip().isprintable()
    assert sorted(asked.dataset.parent.rglob("*")) == before


def test_values_of_any_type_are_printable(asked: Asked) -> None:
    sql = (
        "select chr(27) || '[31m' as \"\x1b[1m\", 1 as a, 2 as a, 'nan'::double as n, [1, null] as list,"
        " {'k': chr(10)} as pair, 'ab'::blob as bytes, 1e20::hugeint as big, 1.50::decimal(9, 2) as part,"
        " date '2026-11-03' as day, timestamptz '2026-11-03 09:15:00+01' as moment,"
        " true as yes, null as nothing, '=1+1,\"' as text"
    )
    (row,) = asked.rows(sql)
    assert row == {
        r"\x1b[1m": r"\x1b[31m",
        "a": 1,
        "a_2": 2,
        "n": None,
        "list": [1, None],
        "pair": r"k \x0a",
        "bytes": "6162",
        "big": 10**20,
        "part": 1.5,
        "day": "2026-11-03",
        "moment": "2026-11-03T08:15:00Z",
        "yes": True,
        "nothing": None,
        "text": '=1+1,"',
    }
    for form in ("text", "csv"):
        out = asked.ask(sql, "--format", form).out
        assert out.isascii()
        assert "\x1b" not in out


def test_a_data_set_that_others_wrote(tmp_path: Path) -> None:
    dataset = tmp_path / "fleet"
    part = tables([FIXTURES / "boot" / "aa-out-of-range.dtb.gz"])
    names = {
        "url": "file:///\x1b[31mred\n\u202e",
        "partition": "\x1b]0;title\x07",
        "model": "x" * 5000,
        "errors": 2**62,
        **dict.fromkeys(("lmb_size", "lmbs", "assigned"), 2**63 - 1),
    }
    part["inputs"] = with_row(part["inputs"], names)
    add_part(dataset, 1, part)
    for question in ("worst", "rules", "lmb-sizes", "select * from inputs"):
        for form in ("text", "csv", "json"):
            outcome = run("fleet", "ask", dataset, question, "--format", form)
            out = outcome.out
            assert outcome.code == 0
            assert out.isascii()
            assert all(line.isprintable() for line in out.splitlines())


@each(
    ("table", "message"), [("inputs", "no part of a data set"), ("findings", "query: "), ("lmb_runs", "query: ")]
)
def test_a_damaged_part_is_named_in_one_line(table: str, message: str, asked: Asked, tmp_path: Path) -> None:
    dataset = tmp_path / table
    shutil.copytree(asked.dataset, dataset)
    path = dataset / table / "part-00000002.parquet"
    for data in (path.read_bytes()[:-9], b"PAR1", b""):
        path.write_bytes(data)
        outcome = run("fleet", "ask", dataset, f"select count(url) from {table}")
        assert (outcome.code, outcome.out, outcome.err.count("\n")) == (3, "", 1)
        assert message in outcome.err
        assert "part-00000002.parquet" in outcome.err


@each("table", ["inputs", "findings"])
def test_a_part_that_is_no_file_is_named_and_not_waited_for(table: str, asked: Asked, tmp_path: Path) -> None:
    dataset = tmp_path / table
    shutil.copytree(asked.dataset, dataset)
    path = dataset / table / "part-00000002.parquet"
    for make in (Path.unlink, os.mkfifo, lambda path: (path.unlink(), path.mkdir())):
        make(path)
        outcome = run("fleet", "ask", dataset, "worst")
        said = "part-00000002.parquet" if path.exists() or table != "inputs" else ""
        assert (outcome.code, outcome.err.count("\n")) == ((3, 1) if said else (0, 0))
        assert said in outcome.err


@each(
    ("urls", "said"),
    [
        ([[7]], "this is no part of a data set"),
        ([b"\xff"], "this is no part of a data set"),
        (pa.array([b"\xff"]).view(pa.string()), "this is no part of a data set"),
        (["x", "x"], "an input is there twice"),
        ([None, None], "an input is there twice"),
    ],
)
def test_urls_that_are_none_are_a_damaged_part(urls: Any, said: str, tmp_path: Path) -> None:
    inputs = tables([FIXTURES / "trees" / "v2-gap.dtb.gz"])["inputs"]
    rows = pa.concat_tables([inputs.slice(0, 1)] * len(urls))
    part = {**tables([FIXTURES / "trees" / "v2-gap.dtb.gz"]), "inputs": rows.set_column(0, "url", pa.array(urls))}
    add_part(tmp_path / "fleet", 1, part)
    outcome = run("fleet", "ask", tmp_path / "fleet", "worst")
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (3, "", 1)
    assert f"part-00000001.parquet: {said}" in outcome.err


def test_tables_of_another_version_are_not_read(asked: Asked, tmp_path: Path) -> None:
    part = tables([FIXTURES / "trees" / "v2-gap.dtb.gz"])
    part["inputs"] = part["inputs"].replace_schema_metadata({"schema": "drmemctl.fleet.inputs/2"})
    add_part(tmp_path / "fleet", 1, part)
    outcome = run("fleet", "ask", tmp_path / "fleet", "worst")
    assert (outcome.code, outcome.err.count("\n")) == (3, 1)
    assert "drmemctl.fleet.inputs/2" in outcome.err
    assert run("fleet", "ask", tmp_path, "worst").code == 3


def test_a_data_set_can_lie_where_fsspec_reads(asked: Asked) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(f"{asked.dataset}/", "/somewhere/fleet/", recursive=True)
    outcome = run("fleet", "ask", "memory://somewhere/fleet", "rules")
    assert (outcome.code, outcome.out) == (0, asked.ask("rules").out)
