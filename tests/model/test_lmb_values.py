# SPDX-License-Identifier: MIT
"""The LMB table as a Python value: length, iteration, plain values, Arrow, pandas, HTML."""

from __future__ import annotations

import json
import struct
import sys
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

import drmemctl
from drmemctl.errors import DrmemctlError, LimitError
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.model.run import Lmb, Run
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.node import Node, Property, Tree
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES, WITHOUT_LMBS, blob, fixture_trees, tree_name

NAMES = [name for name in map(tree_name, fixture_trees()) if name not in WITHOUT_LMBS]
SMALL = "kernel-arrays/numa2-plug2"
WHOLE_64_TIB = LmbTable.of([Run(i << 40, 4096, i << 12, i, 8) for i in range(64)], 1 << 28)


def table_of(name: str) -> LmbTable:
    return LmbTable.from_tree(read_fdt(blob(name)))


@each("name", NAMES)
def test_length_and_iteration_are_those_of_the_lmbs(name: str) -> None:
    table = table_of(name)
    lmbs = list(table)
    assert len(table) == table.n_lmbs == len(lmbs)
    assert lmbs == list(Drmem.from_tree(read_fdt(blob(name))).table.lmbs(1 << 20))


@pytest.mark.parametrize("name", [SMALL, "captures/6.1-lpm"])
def test_nodes_and_plain_values_are_those_that_the_command_prints(name: str) -> None:
    printed = json.loads(run("lmb", FIXTURES / f"{name}.dtb.gz", "--expand", "--format", "json").out)
    for record in (*printed["runs"], *printed["lmbs"]):
        assert int(record.pop("drc_index_hex"), 16) == record["drc_index"]
    table = table_of(name)
    assert table.to_dict() == {key: printed[key] for key in ("property", "lmb_size", "runs")}
    assert [(lmb.base, lmb.drc_index, lmb.node) for lmb in table] == [
        (lmb["base"], lmb["drc_index"], lmb["node"]) for lmb in printed["lmbs"]
    ]
    assert [run.flag_names for run in table.runs] == [run["flag_names"] for run in printed["runs"]]
    json.dumps(table.to_dict())


def test_an_index_counts_from_both_ends() -> None:
    table = table_of(SMALL)
    lmbs = list(table)
    assert (table[0], table[-1], table.lmb(1)) == (lmbs[0], lmbs[-1], lmbs[1])
    assert table[0].node == lmbs[0].node
    for index in (len(table), -len(table) - 1):
        with pytest.raises(IndexError, match=f"^LMB {index} of {len(table)}$"):
            table[index]


def test_a_change_keeps_the_nodes() -> None:
    table = table_of(SMALL)
    at = next(index for index, lmb in enumerate(table) if lmb.assigned)
    assert table.with_changed(at, 1, flags=0)[at].node == table[at].node is not None


def test_arrow_has_the_records() -> None:
    table = table_of(SMALL)
    rows = table.to_arrow().to_pylist()
    size = table.lmb_size or 0
    assert [{name: row[name] for name in row if name != "bytes"} for row in rows] == table.to_dict()["runs"]
    assert [row["bytes"] for row in rows] == [size * run.lmbs for run in table.runs]


def test_arrow_holds_what_no_partition_has() -> None:
    run = Run((1 << 64) - 1, (1 << 32) - 1, (1 << 32) - 1, (1 << 32) - 1, (1 << 32) - 1)
    arrow = LmbTable.of([run, run._replace(base=0)], 1 << 63).to_arrow()
    assert arrow["base"].to_pylist() == [run.base, 0]
    assert int(arrow["bytes"][0].as_py()) == run.lmbs << 63
    empty = LmbTable.of([], None).to_arrow()
    assert (len(empty), empty.schema.field("node").type) == (0, pa.int32())


def test_long_lists_of_many_runs_are_refused_before_they_are_made() -> None:
    """A list of a million domains, of which each run would have its own copy."""
    domains = 1 << 20
    lookup = Property(LOOKUP_ARRAYS, struct.pack(">2I", 1, domains) + bytes(4 * domains))
    associativity = Associativity.from_tree(Tree(Node("", (), (Node(NODE[1:], (lookup,)),)), "x"))
    runs = [Run(index << 40, 1, 2 * index, 0, 8) for index in range(LIMITS.max_runs * 64 // domains + 1)]
    table = LmbTable.of(runs, 1 << 28).with_nodes(associativity)
    for values in (table.to_dict, table.to_arrow):
        with pytest.raises(LimitError, match="domains, more than the"):
            values()


def test_pandas_has_the_records() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = table_of(SMALL).to_pandas()
    runs = table_of(SMALL).to_dict()["runs"]
    assert isinstance(frame, pandas.DataFrame)
    assert frame["base"].tolist() == [run["base"] for run in runs]
    assert [None if node is pandas.NA else node for node in frame["node"]] == [run["node"] for run in runs]


def test_pandas_gets_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    frame: Any = SimpleNamespace(astype=lambda kinds: (columns, kinds))
    columns: dict[str, list[Any]] = {}
    fake = SimpleNamespace(DataFrame=lambda made: columns.update(made) or frame)
    monkeypatch.setitem(sys.modules, "pandas", fake)
    made, kinds = table_of(SMALL).to_pandas()
    assert kinds == {"node": "Int32"}
    assert {len(column) for column in made.values()} == {len(table_of(SMALL).runs)}


@pytest.mark.parametrize(("package", "extra"), [("pandas", "pandas"), ("pyarrow", "fleet")])
def test_what_is_not_installed_is_said_with_the_extra(
    monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    table = table_of(SMALL)
    with pytest.raises(DrmemctlError, match=rf"{package} is not installed; pip install 'drmemctl\[{extra}\]'"):
        (table.to_pandas if package == "pandas" else table.to_arrow)()


class Cells(HTMLParser):
    """Collects the texts of cells and the tags that there are."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_notebook_shows_a_row_for_each_run_and_not_all_of_many() -> None:
    cells = Cells(table_of(SMALL)._repr_html_())
    assert cells.tags == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    many = LmbTable.of([Run(i << 40, 1, 2 * i, 0, 8) for i in range(100_000)], 1 << 28)
    html = many._repr_html_()
    assert "99,960 more runs" in html
    assert len(html) < 10_000


def test_text_in_html_is_escaped() -> None:
    html = LmbTable.of([], None, "<script>alert(1)</script>&")._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;" in html


def test_a_large_table_is_a_line() -> None:
    assert repr(WHOLE_64_TIB) == "<LmbTable: 262,144 LMBs of 256 MiB in 64 runs>"
    assert repr(Lmb(1 << 30, 1 << 31, 1, 8)) == (
        "Lmb(base=0x40000000, drc_index=0x80000000, aa_index=0x1, flags=0x8, node=None)"
    )
    assert drmemctl.LmbTable is LmbTable
