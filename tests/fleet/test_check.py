# SPDX-License-Identifier: MIT
"""`fleet check` on clusters of this machine: the findings of `check`, the same bytes for any number of workers.

Also where workers and clients die, and where inputs crash, hang or eat memory.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from drmemctl.errors import DrmemctlError, LimitError, WriteError
from tests.cli.running import Outcome, environment, run
from tests.conftest import FIXTURES, ROOT
from tests.fleet.judged import content, document, pa, tables
from tests.hostile.__main__ import ACCEPTED, ACCEPTED_OF
from tests.hostile.trees import TREES
from tests.schemas.published import fault

pytest.importorskip("distributed", reason="distributed is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (it has no wheels for ppc64le)")

from drmemctl import fleet  # noqa: E402
from drmemctl.fleet import cluster  # noqa: E402
from drmemctl.fleet.dataset import Dataset, DatasetError  # noqa: E402
from drmemctl.fleet.outcome import InputOutcome  # noqa: E402
from drmemctl.fleet.tables import ALL_TABLES  # noqa: E402
from drmemctl.fleet.work import CHECK  # noqa: E402

SMALL = FIXTURES / "captures"
POISON = ROOT / "tests" / "fleet" / "poison"
TABLES = CHECK.tables


def rows(dataset: Path, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(dataset / table).to_pylist()
    return found


def name_of(row: dict[str, Any]) -> str:
    return str(Path(row["url"]).name.partition(".")[0])


# All fixtures.


@pytest.fixture(scope="module")
def fixtures(client: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The data set of all fixtures, made by a scheduler that is there."""
    place = tmp_path_factory.mktemp("fixtures") / "fleet"
    scheduler = client.scheduler.address
    return place, run("fleet", "check", FIXTURES, "-o", place, "--scheduler", scheduler, "--format", "json")


@cache
def checked() -> Outcome:
    return run("check", FIXTURES, "--isolated", "-j1", "--format", "json")


@pytest.mark.one_python
def test_findings_are_those_of_check(fixtures: tuple[Path, Outcome]) -> None:
    reported = json.loads(checked().out)
    judged = {entry["source"]: entry for entry in reported["inputs"]}
    inputs = {row["url"].removeprefix("file://"): row for row in rows(fixtures[0], "inputs")}
    assert {url for url, row in inputs.items() if row["kind"] or row["error"]} == set(judged)
    for url, entry in judged.items():
        row = inputs[url]
        assert (row["judged"], row["note"]) == (entry["judged"], entry["note"]), url
        assert row["errors"] + row["warnings"] + row["infos"] == entry["findings"], url
        assert row["kernel_notes"] == entry.get("kernel_notes", []), url
    assert [_as_check(row) for row in rows(fixtures[0], "findings")] == [
        _as_row(finding) for finding in _sorted(reported["findings"])
    ]


def _as_row(finding: dict[str, Any]) -> dict[str, Any]:
    """Return a finding without what the table has not: DRC indexes a second time."""
    lmbs = [{key: value for key, value in entry.items() if key != "drc_index_hex"} for entry in finding["lmbs"]]
    return finding | {"lmbs": lmbs}


def _sorted(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return findings with inputs in the order of the data set, in which a directory is no place of its own."""
    return sorted(findings, key=lambda finding: str(finding["source"]))


def _as_check(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as `check --format json` has a finding."""
    keys = ("rule", "severity", "title", "message", "path", "property", "offset", "fingerprint")
    assert row["lmbs"] == sum(lmbs["lmbs"] for lmbs in row["lmb_ranges"])
    return {
        **{key: row[key] for key in keys},
        "source": row["url"].removeprefix("file://"),
        "lmbs": [_range(lmbs) for lmbs in row["lmb_ranges"]],
        **({"line": row["line"], "column": row["column"]} if row["line"] else {}),
        **({"fix": row["fix"]} if row["fix"] else {}),
        **({"deadly": True} if row["deadly"] else {}),
        **({"ranges_left_out": row["ranges_left_out"]} if row["ranges_left_out"] else {}),
    }


def _range(lmbs: dict[str, Any]) -> dict[str, Any]:
    from drmemctl.formats.dynamic_memory import flag_names

    named = {**lmbs, "count": lmbs["lmbs"], "flag_names": flag_names(lmbs["flags"])}
    return {key: named[key] for key in ("base", "count", "drc_index", "aa_index", "flags", "flag_names", "node")}


def test_the_summary_counts_and_the_exit_code_is_that_of_check(fixtures: tuple[Path, Outcome]) -> None:
    summary = json.loads(fixtures[1].out)
    inputs = rows(fixtures[0], "inputs")
    assert fault(summary, "fleet.check") is None
    assert summary["inputs"] == summary["new"] == len(inputs) == sum(summary["outcomes"].values())
    assert summary["outcomes"]["error"] == sum(1 for row in inputs if row["errors"])
    assert summary["outcomes"]["other"] == sum(1 for row in inputs if not row["kind"])
    assert fixtures[1].code == checked().code == 3


def test_tables_are_as_their_schemas_say(fixtures: tuple[Path, Outcome]) -> None:
    for name in TABLES:
        table = pq.read_table(fixtures[0] / name)
        assert fault(document(table), f"fleet.{name}") is None
        assert table.schema.names[:2] == ["url", "version"]
        assert table.schema.equals(ALL_TABLES[name])


def test_runs_and_nodes_are_those_of_lmb_and_numa(fixtures: tuple[Path, Outcome]) -> None:
    tree = SMALL / "6.1-lpm.dtb.gz"
    table = json.loads(run("lmb", tree, "--format", "json").out)
    found = [
        row for row in rows(fixtures[0], "lmb_runs") if name_of(row) == "6" and row["url"].endswith(str(tree))
    ]
    keys = ("base", "drc_index", "aa_index", "flags")
    assert [(row["lmbs"], *(row[key] for key in keys)) for row in found] == [
        (lmbs["count"], *(lmbs[key] for key in keys)) for lmbs in table["runs"]
    ]
    numa = json.loads(run("numa", tree, "--format", "json").out)
    nodes = [row for row in rows(fixtures[0], "nodes") if row["url"].endswith(str(tree))]
    assert [(row["node"], row["lmbs"]) for row in nodes] == [
        (node["node"], node["lmbs"]) for node in numa["nodes"]
    ]


@pytest.mark.one_python
def test_two_workers_make_the_bytes_of_one(client: Any, tmp_path: Path) -> None:
    fleet.check([str(SMALL)], str(tmp_path / "one"), client)
    outcome = run("fleet", "check", SMALL, "-o", tmp_path / "two", "-j", "2", "--fail-on", "never")
    assert (outcome.code, outcome.err) == (0, "")
    assert content(tmp_path / "two") == content(tmp_path / "one")
    assert len(Dataset(str(tmp_path / "two")).parts()) > 8


# The same data set once more.


def test_what_is_there_and_unchanged_is_not_judged_again(client: Any, tmp_path: Path) -> None:
    captures, place = tmp_path / "captures", tmp_path / "fleet"
    captures.mkdir()
    for path in sorted(SMALL.glob("6.1-*.dtb.gz"))[:4]:
        shutil.copy(path, captures)
    first = fleet.check([str(captures)], str(place), client)
    before = content(place)
    # Nothing to do takes no cluster.
    again = run("fleet", "check", captures, "-o", place, "--fail-on", "never", "--allow-no-drmem")
    assert (again.code, again.out.splitlines()[0]) == (0, f"{place}: 4 inputs, 0 judged now")
    assert content(place) == before
    changed = next(iter(captures.iterdir()))
    os.utime(changed, ns=(1, 1))
    shutil.copy(FIXTURES / "boot" / "aa-out-of-range.dtb.gz", captures)
    more = fleet.check([str(captures)], str(place), client)
    assert (first.new, more.inputs, more.new) == (4, 5, 2)
    assert {name: data for name, data in content(place).items() if name in before} == before
    keys = [(row["url"], row["version"]) for row in rows(place, "inputs")]
    assert len(keys) == len(set(keys)) == 6


def test_a_part_without_inputs_counts_for_nothing(client: Any, tmp_path: Path) -> None:
    tree = SMALL / "6.1-lpm.dtb.gz"
    place = tmp_path / "fleet"
    fleet.check([str(tree)], str(place), client)
    whole = content(place)
    (place / "inputs" / "part-00000001.parquet").unlink()
    (place / "findings" / "part-00000001.parquet.tmp").write_bytes(b"half")
    assert Dataset(str(place)).parts() == []
    fleet.check([str(tree)], str(place), client)
    assert content(place) == whole


def test_a_data_set_among_its_inputs_is_none_of_them(client: Any, tmp_path: Path) -> None:
    shutil.copy(SMALL / "6.1-lpm.dtb.gz", tmp_path)
    place = tmp_path / "fleet"
    runs = [fleet.check([str(tmp_path)], str(place), client) for _ in range(2)]
    assert [(summary.inputs, summary.new) for summary in runs] == [(1, 1), (1, 0)]


def test_kernels_are_not_mixed(client: Any, tmp_path: Path) -> None:
    place = str(tmp_path / "fleet")
    tree = str(FIXTURES / "boot" / "aa-out-of-range.dtb.gz")
    fleet.check([tree], place, client, kernels=["5.10", "6.12"])
    for kernel in ("5.10", "6.12"):
        reported = json.loads(run("check", tree, "--isolated", "--kernel", kernel, "--format", "json").out)
        found = [_as_check(row) for row in rows(Path(place), "findings") if row["kernel"] == kernel]
        assert found == list(map(_as_row, reported["findings"]))
        assert found
    with pytest.raises(DatasetError, match=r"made with --kernel 5\.10 --kernel 6\.12"):
        fleet.check([tree], place, client)


@pytest.mark.parametrize("metadata", [{}, {"schema": "drmemctl.fleet.inputs/1"}, {"schema": b"\xff\x1b[31m"}])
def test_what_another_program_wrote_is_not_added_to(metadata: Any, tmp_path: Path) -> None:
    part = tmp_path / "fleet" / "inputs" / "part-00000001.parquet"
    part.parent.mkdir(parents=True)
    pq.write_table(pa.table({"url": ["file:///x"]}).replace_schema_metadata(metadata), part)
    for arguments in (("check", SMALL / "6.1-lpm.dtb.gz", "-o"), ("ask",)):
        outcome = run("fleet", *arguments, tmp_path / "fleet", *(["rules"] if arguments == ("ask",) else []))
        assert (outcome.code, outcome.out, outcome.err.count("\n")) == (3, "", 1)
        assert f"{part}: this is " in outcome.err
        assert outcome.err.strip().isprintable()


def test_two_do_not_add_at_once(client: Any, tmp_path: Path) -> None:
    place = str(tmp_path / "fleet")
    with Dataset(place).writer(), pytest.raises(DatasetError, match="another process adds to it"):
        fleet.check([str(SMALL / "6.1-lpm.dtb.gz")], place, client)


# Inputs of any kind.


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name, make in TREES.items():
        (folder / f"{name}.dtb").write_bytes(make(ACCEPTED_OF.get(name, ACCEPTED) >> 11))
    (folder / "esc\x1b[31m\udcff.dtb").write_bytes((folder / f"{next(iter(TREES))}.dtb").read_bytes())
    (folder / "truncated.dtb.gz").write_bytes((SMALL / "6.1-lpm.dtb.gz").read_bytes()[:700])
    return folder


def test_hostile_inputs_fit_the_schemas(hostile: Path) -> None:
    made = tables([hostile], ("6.12",))
    assert [fault(document(made[name]), f"fleet.{name}") for name in TABLES] == [None] * len(TABLES)
    assert made["inputs"].num_rows == len(TREES) + 2
    urls = made["inputs"]["url"].to_pylist()
    assert any(url.endswith(r"/esc\x1b[31m\xff.dtb") for url in urls)
    errors = {Path(row["url"]).name: row["error"] for row in made["inputs"].to_pylist() if row["error"]}
    assert "the gzip data ends early" in errors["truncated.dtb.gz"]
    assert not any("internal error" in error for error in errors.values())


def test_what_is_named_and_is_none_is_an_error_and_what_lies_beside_is_not(client: Any, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(SMALL / "6.1-lpm.dtb.gz", folder)
    (folder / "README.md").write_text("Captures.\n")
    named = [str(folder), str(tmp_path / "absent.dtb"), str(FIXTURES / "README.md"), "file:///nowhere/*.dtb"]
    summary = fleet.check(named, str(tmp_path / "fleet"), client)
    assert summary.inputs == 5
    assert (summary.outcomes[InputOutcome.OTHER], summary.outcomes[InputOutcome.UNREADABLE]) == (1, 3)
    errors = {row["url"]: row["error"] for row in rows(tmp_path / "fleet", "inputs")}
    assert errors[f"file://{tmp_path}/absent.dtb"] == f"{tmp_path}/absent.dtb: no such file or directory"


def test_trees_in_directories_and_archives(client: Any, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked" / "lpar7" / "proc" / "device-tree"
    (unpacked / "ibm,dynamic-reconfiguration-memory").mkdir(parents=True)
    (unpacked / "#address-cells").write_bytes(b"\0\0\0\2")
    (unpacked / "model").write_bytes(b"IBM,9080-HEX\0")
    shutil.make_archive(str(tmp_path / "captures"), "zip", SMALL)
    urls = [str(tmp_path / "unpacked"), f"zip://6.1-*.gz::file://{tmp_path}/captures.zip"]
    urls.append(f"tar://lpar7/proc/version::file://{FIXTURES}/absent.tar")
    fleet.check(urls, str(tmp_path / "fleet"), client)
    found = rows(tmp_path / "fleet", "inputs")
    assert (found[0]["kind"], found[0]["model"]) == ("directory", "IBM,9080-HEX")
    zipped = [row for row in found if row["url"].startswith("zip://")]
    assert len(zipped) == len(list(SMALL.glob("6.1-*.gz")))
    assert all(row["version"] and row["lmbs"] and not row["error"] for row in zipped)
    assert found[-1]["error"].endswith("no such file or directory")


def test_a_capture_says_when_and_where_it_was_taken(client: Any, tmp_path: Path) -> None:
    path = FIXTURES / "tutorial" / "lpar7-after.tar.xz"
    fleet.check([str(path)], str(tmp_path / "fleet"), client)
    (row,) = rows(tmp_path / "fleet", "inputs")
    shown = json.loads(run("show", path, "--format", "json").out)
    assert row["kernels"] == [shown["kernel"]]
    assert row["release"].startswith(shown["kernel"])
    # It is from before captures said so.
    assert (row["taken"].timestamp(), row["host"]) == (int(path.stat().st_mtime), None)
    nodes = rows(tmp_path / "fleet", "nodes")
    assert all(node["sysfs_blocks"] and node["sysfs_online"] for node in nodes)


def test_a_list_names_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tmp_path / "list.txt"
    names.write_text(f"\ufeff{SMALL}/6.1-lpm.dtb.gz\r\n# captures\n\n")
    from drmemctl.fleet import listing
    from drmemctl.fleet.listing import urls_of

    assert list(urls_of(str(names))) == [f"{SMALL}/6.1-lpm.dtb.gz"]
    with pytest.raises(DrmemctlError, match="cannot be read: No such file"):
        list(urls_of(str(tmp_path / "absent")))
    monkeypatch.setattr(listing, "LONGEST_LIST", 16)
    with pytest.raises(LimitError, match="a list of more than"):
        list(urls_of(str(names)))


# Usage.


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "name an URL"),
        (["x", "-j", "2", "--scheduler", "tcp://127.0.0.1:1"], 2, "exclude each other"),
        (["x", "--kernel", "3.10"], 2, "3.10"),
        (["x", "--scheduler", "nonsense://"], 3, "no scheduler answers"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: Sequence[str], code: int, said: str, tmp_path: Path) -> None:
    outcome = run("fleet", "check", *arguments, "-o", tmp_path / "fleet")
    assert outcome.code == code
    assert said in outcome.err.splitlines()[-1]


def test_workers_that_cannot_be_started_are_the_machines_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(cluster, "LocalCluster", refuse)
    outcome = run("fleet", "check", SMALL / "6.1-lpm.dtb.gz", "-o", tmp_path / "fleet")
    assert outcome.code == 3
    assert "drmemctl: this machine: workers cannot be started: Nanny failed to start.; let" in outcome.err


@pytest.mark.parametrize("arguments", [("check",), ("simulate", "--random", "1", "--kernel", "6.1")])
def test_a_working_directory_that_is_gone_is_named(
    arguments: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    command, *options = arguments
    outcome = run("fleet", command, SMALL / "6.1-lpm.dtb.gz", *options, "-o", tmp_path / "out")
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err.startswith("drmemctl: the working directory is gone")


def test_a_data_set_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be written"), Dataset(str(tmp_path / "file")).writer():
        pass


def test_without_the_packages_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from drmemctl.cli.fleet import extra

    monkeypatch.setattr(extra, "find_spec", lambda name: None if name in ("dask", "pyarrow") else name)
    outcome = run("fleet", "check", "x", "-o", tmp_path / "fleet")
    assert outcome.code == 2
    assert outcome.err == "Error: dask, pyarrow: not installed; pip install 'drmemctl[fleet]'\n"


# What harms whoever reads it.


@pytest.fixture
def poisoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with inputs of which some harm the process that reads them, from now on."""
    captures, marks = tmp_path / "captures", tmp_path / "marks"
    captures.mkdir()
    marks.mkdir()
    tree = SMALL / "6.1-lpm.dtb.gz"
    for number in range(15):
        shutil.copy(tree, captures / f"good{number:02}.dtb.gz")
    # The client dies over the second batch, the worker over the third; what is judged alone then harms as well.
    for name in ("good10-client", "h-worker", "z-crash", "z-hang", "z-memory"):
        shutil.copy(tree, captures / f"{name}.dtb.gz")
    (captures / "truncated.dtb.gz").write_bytes(tree.read_bytes()[:700])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(POISON))))
    monkeypatch.setenv("POISON_MARKS", str(marks))
    monkeypatch.setenv("POISON_DATASET", str(tmp_path / "fleet"))
    return captures


@pytest.mark.one_python
def test_dead_workers_and_clients_lose_and_double_nothing(poisoned: Path, client: Any, tmp_path: Path) -> None:
    place = tmp_path / "fleet"
    command = ("fleet", "check", poisoned, "-o", place, "-j", "1", "--max-seconds", "3", "--max-memory", "256")

    def check() -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "drmemctl", *map(str, command)]
        return subprocess.run(words, env=environment({}), capture_output=True, text=True, check=False, timeout=120)

    assert check().returncode == -signal.SIGKILL
    assert Dataset(str(place)).parts() == [1]
    resumed = check()
    assert (resumed.returncode, resumed.stderr) == (3, "")
    assert "21 inputs, 13 judged now" in resumed.stdout
    inputs = {name_of(row): row for row in rows(place, "inputs")}
    assert len(inputs) == len(rows(place, "inputs")) == 21
    assert {name: row["error"] for name, row in inputs.items() if row["error"]} == {
        "z-crash": f"{poisoned}/z-crash.dtb.gz: the process that read it was killed by SIGSEGV",
        "z-hang": f"{poisoned}/z-hang.dtb.gz: took more than 3 s",
        "z-memory": f"{poisoned}/z-memory.dtb.gz: too large for this machine (MemoryError)",
        "truncated": inputs["truncated"]["error"],
    }
    assert "the gzip data ends early" in inputs["truncated"]["error"]
    # Whom it takes how often to get there makes no difference.
    for path in poisoned.glob("z-*"):
        path.unlink()
    fleet.check([str(poisoned)], str(tmp_path / "one"), client)
    for part in ("part-00000001.parquet", "part-00000002.parquet"):
        assert {name: (tmp_path / "one" / name / part).read_bytes() for name in TABLES} == {
            name: (place / name / part).read_bytes() for name in TABLES
        }
    survived = {row["url"]: row for row in rows(tmp_path / "one", "inputs")}
    assert survived == {row["url"]: row for row in inputs.values() if row["url"] in survived}
