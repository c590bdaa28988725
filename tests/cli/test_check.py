# SPDX-License-Identifier: MIT
"""`drmemctl check` as users and CI run it: exit codes one by one, files, settings, many inputs."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree as ET

import pytest

from drmemctl.check import inputs
from drmemctl.check.engine import Plan
from drmemctl.check.report import Report
from tests.cases import each
from tests.cli.running import COMMAND, Outcome, environment, on_terminal, process, run
from tests.conftest import FIXTURES, ROOT, blob, fixture_trees, tree_name
from tests.wide import share

BAD = FIXTURES / "boot" / "aa-out-of-range.dtb.gz"
GOOD = FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz"
ODD = FIXTURES / "trees" / "nomaxmem.dtb.gz"
FORMATS = ("text", "concise", "json", "sarif", "junit", "github", "gitlab", "markdown")


def check(*arguments: str | Path) -> Outcome:
    return run("check", "--isolated", "--jobs", "1", *arguments)


def rules_of(outcome: Outcome) -> list[str]:
    return [finding["rule"] for finding in json.loads(outcome.out)["findings"]]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([GOOD], 0),
        ([BAD], 1),
        ([BAD, GOOD], 1),
        ([BAD, "--fail-on", "never"], 0),
        ([BAD, "--ignore", "DRM"], 0),
        ([BAD, "--select", "blob"], 0),
        ([BAD, "--select", "blob", "--select", "DRM03"], 1),
        ([ODD, "--select", "DRM068"], 0),
        ([ODD, "--select", "DRM068", "--fail-on", "info"], 1),
        ([BAD, "--fail-on", "error"], 1),
        (["missing.dtb"], 3),
        ([BAD, "missing.dtb", GOOD], 3),
        ([BAD, GOOD, "missing.dtb", "--fail-on", "never"], 3),
        ([GOOD, "--before", "missing.dtb"], 3),
        ([GOOD, "--baseline", "missing.json"], 3),
        ([], 2),
        ([GOOD, "--select", "DRMX"], 2),
        ([GOOD, "--ignore", "nuna"], 2),
        ([GOOD, "--kernel", "new"], 2),
        ([GOOD, "--fail-on", "bad"], 2),
        ([GOOD, "--format", "xml"], 2),
        ([GOOD, "--jobs", "0"], 2),
        ([GOOD, "--config", "settings.toml"], 2),
        (["-", "--before", "-"], 2),
    ],
    ids=lambda value: (
        " ".join(getattr(part, "name", str(part)) for part in value) if isinstance(value, list) else ""
    ),
)
def test_exit_codes(arguments: list[str | Path], code: int) -> None:
    outcome = check(*arguments)
    assert outcome.code == code
    assert "Traceback" not in outcome.err


def test_the_findings_of_a_tree() -> None:
    outcome = check(BAD, "--format", "json", "--select", "DRM030")
    document = json.loads(outcome.out)
    assert document["schema"] == "drmemctl.check/1"
    assert document["summary"] == {"error": 2, "warning": 0, "info": 0}
    finding = document["findings"][0]
    assert (finding["rule"], finding["severity"], finding["source"]) == ("DRM030", "error", str(BAD))
    assert finding["path"] == "/ibm,dynamic-reconfiguration-memory"
    assert finding["lmbs"] == [
        {
            "base": 0x50000000,
            "count": 1,
            "drc_index": 0x80000005,
            "drc_index_hex": "0x80000005",
            "aa_index": 5,
            "flags": 8,
            "flag_names": ["assigned"],
            "node": None,
        }
    ]


def test_a_broken_input_does_not_keep_others_from_being_judged(tmp_path: Path) -> None:
    (tmp_path / "cut.dtb").write_bytes(blob("kernel-arrays/numa2-plug2")[:500])
    outcome = check(BAD, tmp_path / "cut.dtb", "missing.dtb", GOOD)
    assert outcome.code == 3
    first, second = outcome.err.splitlines()
    assert first.startswith(f"drmemctl: {tmp_path}/cut.dtb: ")
    assert "offset" in first
    assert second == "drmemctl: missing.dtb: no such file or directory"
    assert "DRM030" in outcome.out
    assert f"{GOOD}: no findings\n" in outcome.out
    assert outcome.out.splitlines()[-2].endswith("in 1 of 2 trees; 2 unreadable")


@cache
def judged() -> tuple[Report, ...]:
    """Return the reports of all fixtures, and of a file that is not there: no format changes them."""
    return tuple(inputs.reports(inputs.find_inputs([str(FIXTURES), "missing.dtb"]), Plan(), None, jobs=1))


@cache
def everything(format: str) -> Outcome:
    """Return what is printed of all these."""
    reports = judged()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "reports", lambda *_: iter(reports))
        return check(FIXTURES, "missing.dtb", "--format", format)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_takes_every_fixture(format: str) -> None:
    outcome = everything(format)
    assert outcome.code == 3
    *nothing, missing = outcome.err.splitlines()
    assert missing == "drmemctl: missing.dtb: no such file or directory"
    assert [Path(line.split(": ")[1]).name for line in nothing] == UNJUDGED
    if format in ("json", "sarif"):
        json.loads(outcome.out)
    if format == "junit":
        assert len(ET.fromstring(outcome.out)) == N_TREES + 1


UNJUDGED = ["before-vector-5.dts", "of-handle-and-ibm-phandle.dts", "precas.dtb.gz"]
"""Those below fixtures/ in which there is nothing to judge."""

OTHERS = [
    *(FIXTURES / "cases").glob("*.dts"),
    *(FIXTURES / "races").glob("*.dts"),
    *(FIXTURES / "tutorial").glob("*.tar.xz"),
    *(FIXTURES / "tutorial").glob("*.vmcore.xz"),
    *(FIXTURES / "vmcores").glob("*.guest.*.gz"),
    *(FIXTURES / "vmcores").glob("*.xz"),
]
N_TREES = len(fixture_trees()) + len(OTHERS)
"""What `check` finds below fixtures/: blobs, source, archives of the tutorial, dumps, guests' trees."""


@each("path", share(fixture_trees(), 2, 3), ids=tree_name)
def test_text_fits_a_screen(path: Path) -> None:
    assert len(check(path).out.splitlines()) <= 24
    assert "--all" not in check(path, "--all").out


def test_order_is_that_of_inputs() -> None:
    *sources, missing = [entry["source"] for entry in json.loads(everything("json").out)["inputs"]]
    assert missing == "missing.dtb"
    assert sources == sorted(sources)
    assert len(sources) == N_TREES


def test_order_is_the_same_with_any_number_of_processes() -> None:
    places = ("fixtures/cases", "fixtures/trees", "fixtures/kernel-arrays")
    one = process("check", "--isolated", "--format", "json", *places, "--jobs", "1")
    for jobs in ("2", "7"):
        many = process("check", "--isolated", "--format", "json", *places, "--jobs", jobs)
        assert many.stdout == one.stdout
        assert (many.returncode, many.stderr) == (3, one.stderr)
    assert one.stderr.count(b"nothing to judge") == len(UNJUDGED)


def test_standard_input_is_read_with_many_processes() -> None:
    done = process("check", "--isolated", BAD, "-", GOOD, "-j", "2", stdin=blob("boot/aa-out-of-range"))
    assert done.returncode == 1
    assert b"\n-: " in done.stdout
    assert b"3 trees" in done.stdout


def test_a_pair_is_judged_by_the_rules_of_migration() -> None:
    assert check(GOOD, "--before", GOOD).code == 0
    outcome = check(
        GOOD, "--before", FIXTURES / "trees" / "form0.dtb.gz", "--format", "json", "--select", "migration"
    )
    assert set(rules_of(outcome)) - set(rules_of(check(GOOD, "--format", "json"))) != set()


def test_a_kernel_narrows() -> None:
    before = set(rules_of(everything("json")))
    for number, version in enumerate(("4.15", "5.10", "7.2")):
        trees = share(fixture_trees(), number, 3)
        assert set(rules_of(check(*trees, "--format", "json", "--kernel", version))) <= before


def test_a_wrong_word_gets_the_nearest_right_ones() -> None:
    assert "did you mean associativity?" in check(GOOD, "--select", "associativty").err


def test_a_word_like_no_right_one_gets_where_they_are_listed() -> None:
    assert "no family; see `drmemctl rules`" in check(GOOD, "--select", "error").err


class TestOutputFiles:
    @pytest.mark.parametrize("format", FORMATS)
    def test_a_file_gets_what_would_be_printed(self, tmp_path: Path, format: str) -> None:
        outcome = check(BAD, "--format", format, "-o", tmp_path / "out")
        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err.startswith("drmemctl: ")
        assert outcome.err.endswith(f"; written to {tmp_path}/out\n")
        assert (tmp_path / "out").read_text() == check(BAD, "--format", format).out

    def test_an_input_is_never_written_to(self, tmp_path: Path) -> None:
        tree = tmp_path / "a.dtb"
        tree.write_bytes(blob("boot/aa-out-of-range"))
        for option in ("-o", "--write-baseline"):
            outcome = check(tree, option, tree)
            assert (outcome.code, outcome.err) == (3, f"drmemctl: {tree}: this is an input; name another file\n")
        assert tree.read_bytes() == blob("boot/aa-out-of-range")

    def test_what_cannot_be_written_is_an_error(self, tmp_path: Path) -> None:
        for place in (tmp_path / "no" / "out", "/dev/full"):
            assert check(BAD, "-o", place).code == 3
        assert check(BAD, "-o", tmp_path).code == 2


class TestFurtherOutputs:
    def test_each_is_what_would_be_printed(self, tmp_path: Path) -> None:
        pairs = [(format, tmp_path / format) for format in FORMATS]
        options = [word for format, path in pairs for word in ("--output-file", f"{format}={path}")]
        outcome = check(BAD, *options, "--format", "concise")
        assert outcome.code == 1
        assert (
            outcome.err == f"drmemctl: 2 errors in 1 of 1 tree; written to {', '.join(str(p) for _, p in pairs)}\n"
        )
        assert outcome.out == (tmp_path / "concise").read_text()
        for format, path in pairs:
            assert path.read_text() == check(BAD, "--format", format).out
        quiet = check(BAD, "--quiet", "--output-file", f"json={tmp_path}/quiet")
        assert (quiet.code, quiet.out) == (1, "")
        assert (tmp_path / "quiet").read_text() == (tmp_path / "json").read_text()

    def test_an_input_is_never_written_to(self, tmp_path: Path) -> None:
        tree = tmp_path / "a.dtb"
        tree.write_bytes(blob("boot/aa-out-of-range"))
        outcome = check(tree, "--output-file", f"sarif={tree}")
        assert (outcome.code, outcome.err) == (3, f"drmemctl: {tree}: this is an input; name another file\n")
        assert tree.read_bytes() == blob("boot/aa-out-of-range")

    @pytest.mark.parametrize("word", ["sarif", "xml=a", "sarif=", "=a", "sarif=-"])
    def test_what_is_none_is_refused(self, word: str) -> None:
        assert check(BAD, "--output-file", word).code == 2

    def test_one_file_has_one_format(self, tmp_path: Path) -> None:
        assert check(BAD, "--output-file", "json=a", "--output-file", "text=a").code == 2
        assert check(BAD, "--output-file", "json=a", "--output-file", "text=./a").code == 2
        assert check(BAD, "--output-file", f"json={tmp_path}/a", "-o", tmp_path / "a").code == 2
        assert not (tmp_path / "a").exists()
        assert check(BAD, "--output-file", "json=a", "--write-baseline", tmp_path / "b").code == 2


class TestSource:
    """Findings in device tree source have line and column."""

    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        assert run("convert", BAD, "-o", tmp_path / "a.dts").code == 0
        return tmp_path / "a.dts"

    def test_every_format_has_them(self, tree: Path) -> None:
        lines = tree.read_text().splitlines()
        (line,) = [number for number, text in enumerate(lines, 1) if "\tibm,dynamic-memory-v2 = " in text]
        column = lines[line - 1].index("ibm,") + 1
        finding = json.loads(check(tree, "--format", "json").out)["findings"][0]
        assert (finding["line"], finding["column"]) == (line, column)
        assert check(tree, "--format", "concise").out.startswith(f"{tree}:{line}:{column}: DRM030 error: ")
        assert f", line {line}, column {column}\n" in check(tree).out
        assert f",line={line},col={column},title=DRM030" in check(tree, "--format", "github").out
        assert f"line {line}, column {column}" in check(tree, "--format", "junit").out
        issue = json.loads(check(tree, "--format", "gitlab").out)[0]
        assert issue["location"]["lines"] == {"begin": line}
        result = json.loads(check(tree, "--format", "sarif").out)["runs"][0]["results"][0]
        region = result["locations"][0]["physicalLocation"]["region"]
        assert region == {"startLine": line, "startColumn": column}

    def test_a_blob_has_none(self) -> None:
        finding = json.loads(check(BAD, "--format", "json").out)["findings"][0]
        assert not {"line", "column"} & set(finding)


class TestBaselines:
    def test_only_new_findings_fail_and_are_shown(self, tmp_path: Path) -> None:
        known = tmp_path / "known.json"
        wrote = check(BAD, "--select", "DRM030", "--write-baseline", known)
        assert (wrote.code, wrote.out) == (0, "")
        assert wrote.err == f"drmemctl: 2 errors in 1 of 1 tree; written to {known}\n"
        again = check(BAD, "--select", "DRM030", "--baseline", known)
        assert (again.code, again.err) == (0, "")
        assert again.out == f"{BAD}: no findings, 2 known from the baseline\n"
        more = check(BAD, GOOD, FIXTURES / "boot" / "no-lmb-size.dtb.gz", "--baseline", known)
        assert more.code == 1
        assert "2 known from the baseline" in more.out.splitlines()[-2]

    def test_an_unreadable_input_is_said_and_the_rest_written(self, tmp_path: Path) -> None:
        known = tmp_path / "known.json"
        assert check(BAD, "missing.dtb", "--write-baseline", known).code == 3
        assert len(json.loads(known.read_text())["findings"]) == 1

    def test_writing_goes_over_an_old_one(self, tmp_path: Path) -> None:
        known = tmp_path / "known.json"
        known.write_text("rubbish")
        assert check(BAD, "--baseline", known, "--write-baseline", known).code == 0
        assert check(BAD, "--baseline", known).code == 0

    def test_stale_entries_are_named_and_taken_out(self, tmp_path: Path) -> None:
        known, tree = tmp_path / "known.json", tmp_path / "a.dtb"
        tree.write_bytes(blob("boot/aa-out-of-range"))
        assert check(tree, "--write-baseline", known).code == 0
        written = known.read_text()
        tree.write_bytes(blob("kernel-arrays/numa2-plug2"))
        assert check(tree, "--baseline", known, "--select", "numa").err == "", "rules that were not asked"
        outcome = check(tree, "--baseline", known)
        assert outcome.code == 0
        assert outcome.err == (
            f"drmemctl: {known}: 2 stale entries, of which nothing is found any more: DRM030 in a.dtb, "
            "DRM030 in a.dtb; --prune-baseline takes them out\n"
        )
        assert known.read_text() == written
        outcome = check(tree, "--baseline", known, "--prune-baseline")
        assert outcome.err == f"drmemctl: {known}: 2 stale entries taken out\n"
        assert json.loads(known.read_text()) == {"schema": "drmemctl.baseline/1", "findings": {}}
        assert check(tree, "--prune-baseline").code == 2

    def test_a_renamed_tree_keeps_what_is_known(self, tmp_path: Path) -> None:
        known, tree = tmp_path / "known.json", tmp_path / "a.dts"
        assert check(BAD, "--write-baseline", known).code == 0
        assert run("convert", BAD, "-o", tree).code == 0
        assert check(tree, "--baseline", known).out == f"{tree}: no findings, 2 known from the baseline\n"

    def test_a_damaged_one_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "known.json").write_text("rubbish")
        assert check(BAD, "--baseline", tmp_path / "known.json").code == 3


class TestSettings:
    @pytest.fixture(autouse=True)
    def _here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "sub").mkdir()
        monkeypatch.chdir(tmp_path / "sub")

    def configured(self, text: str, *arguments: str | Path) -> Outcome:
        Path("../drmemctl.toml").write_text(text)
        return run("check", "-j1", BAD, *arguments)

    def test_they_are_found_upward(self) -> None:
        assert self.configured("ignore = ['DRM']").code == 0
        assert self.configured("fail-on = 'never'").code == 0

    def test_the_command_line_wins(self) -> None:
        assert self.configured("fail-on = 'never'", "--fail-on", "error").code == 1
        assert self.configured("select = ['blob']", "--select", "associativity").code == 1

    def test_isolated_takes_none(self) -> None:
        assert self.configured("ignore = ['DRM']", "--isolated").code == 1

    def test_another_file_can_be_named(self) -> None:
        Path("other.toml").write_text("fail-on = 'error'")
        assert self.configured("ignore = ['DRM']", "--config", "other.toml").code == 1
        outcome = self.configured("", "--config", "missing.toml")
        assert outcome.code == 2
        assert "missing.toml: cannot be read: No such file or directory" in outcome.err

    def test_a_baseline_lies_where_its_settings_do(self) -> None:
        assert run("check", "--isolated", BAD, "--write-baseline", "../known.json").code == 0
        assert self.configured("baseline = 'known.json'").code == 0

    def test_errors_name_file_and_key(self) -> None:
        outcome = self.configured("jobs = 'many'")
        assert outcome.code == 2
        assert f"{Path.cwd().parent}/drmemctl.toml: jobs: this is no number from 1 on" in outcome.err


def seen_on_terminal(command: list[str], out: IO[bytes] | None) -> bytes:
    """Run a command with standard error, and output if `out` is None, on a terminal; return what it shows."""
    ours, theirs = pty.openpty()
    started = subprocess.Popen(
        command, stdout=theirs if out is None else out, stderr=theirs, cwd=ROOT, env=environment({"TERM": "xterm"})
    )
    os.close(theirs)
    shown = b""
    # Linux says EIO at the end of what a closed terminal has left.
    with contextlib.suppress(OSError):
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert started.wait(60) == 0
    return shown


class TestTerminals:
    def test_colour_and_a_bar_only_on_a_terminal(self) -> None:
        shown = on_terminal("check", "--isolated", BAD, GOOD)
        assert b"\x1b[1;31merror   DRM030" in shown
        assert b"\x1b" not in process("check", "--isolated", BAD, GOOD).stdout

    def test_a_long_run_shows_a_bar(self, tmp_path: Path) -> None:
        trees = tmp_path / "trees"
        trees.mkdir()
        for number in range(50):
            (trees / f"{number}.dtb").write_bytes(blob("trees/many-dimms"))
        # One that comes only after longer than anybody waits without a bar, however fast the others are.
        late = f"(sleep 3; cat {shlex.quote(str(trees / '0.dtb'))})"
        ours = shlex.join([*COMMAND, "check", "--isolated", "-j", "2", "-", str(trees)])
        command = ["sh", "-c", f"{late} | {ours}"]
        with (tmp_path / "out").open("wb") as out, ThreadPoolExecutor(2) as pool:
            errors, both = pool.map(seen_on_terminal, [command] * 2, [out, None])
        for shown, text in ((errors, (tmp_path / "out").read_bytes()), (both, both)):
            assert b"/51" in shown
            # A name that is too long for the terminal has the rest of its line below it.
            words = b" ".join(text.split())
            assert words.count(b": no findings") == 51
            assert b"no findings in 51 trees" in text.splitlines()[-1]

    def test_a_short_run_shows_none(self) -> None:
        ours, theirs = pty.openpty()
        command = [*COMMAND, "check", "--isolated", str(BAD), str(GOOD)]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=theirs, check=False, cwd=ROOT)
        os.close(theirs)
        with pytest.raises(OSError, match="Input/output error"):
            os.read(ours, 1)
        os.close(ours)


class TestPipes:
    def test_a_full_disk_is_an_error(self) -> None:
        with Path("/dev/full").open("wb") as full:
            done = process("check", "--isolated", GOOD, stdout=full)
        assert done.returncode == 3
        assert done.stderr.count(b"\n") == 1

    @pytest.mark.parametrize("format", ["text", "json"])
    def test_a_reader_who_has_gone_is_no_error_and_hides_none(self, format: str) -> None:
        # The faulty tree comes long after the reader has left; a gate must not open because of that.
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "wb") as pipe:
            done = process("check", "--isolated", *[GOOD] * 20, BAD, "--format", format, stdout=pipe)
        assert (done.returncode, done.stderr) == (1, b"")

    @pytest.mark.parametrize("jobs", ["1", "2"])
    def test_an_interrupt_ends_it_quietly(self, tmp_path: Path, jobs: str) -> None:
        tree = blob("trees/many-dimms")
        for number in range(3000):
            (tmp_path / f"{number}.dtb").write_bytes(tree)
        command = [*COMMAND, "check", "--isolated", str(tmp_path), "-j", jobs, "-o", str(tmp_path / "out")]
        started = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
            # Whoever runs the tests in the background of a shell has SIGINT ignored, and so would we.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread here
        )
        time.sleep(1.5)
        os.killpg(started.pid, signal.SIGINT)
        _, err = started.communicate(timeout=30)
        assert (started.returncode, err.strip()) == (130, b"drmemctl: interrupted")
        assert not (tmp_path / "out").exists()
        assert not list(tmp_path.glob(".drmemctl-*"))


def test_a_name_is_not_a_command_anywhere(tmp_path: Path) -> None:
    name = tmp_path / "\x1b]0;x\x07\n::error::x<testsuite>|`.dtb"
    name.write_bytes(blob("boot/aa-out-of-range"))
    missing = f"{tmp_path}/\x1b[2J\n::error::y"
    for format in FORMATS:
        outcome = check(name, missing, "--format", format)
        assert outcome.code == 3
        for text in (outcome.out, outcome.err):
            assert "\x1b" not in text
            assert "\x07" not in text
            assert not any(line.startswith("::error::") for line in text.splitlines())
        if format == "junit":
            assert len(ET.fromstring(outcome.out)) == 2


def test_help_has_an_example_and_every_option() -> None:
    outcome = run("check", "--help")
    assert outcome.code == 0
    assert "drmemctl check /proc/device-tree" in outcome.out
    for option in (
        "--select",
        "--ignore",
        "--kernel",
        "--before",
        "--fail-on",
        "--baseline",
        "--jobs",
        "--config",
    ):
        assert option in outcome.out


def test_checking_one_tree_starts_no_process_and_loads_no_rich() -> None:
    code = (
        "import sys; from drmemctl.cli.app import main; main(sys.argv[1:]);"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'rich', 'multiprocessing', 'json', 'fdt'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "check", "--isolated", str(GOOD)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_of_very_many_inputs_it_says_where_they_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    from drmemctl.cli import check

    monkeypatch.setattr(check, "_MANY", 2)
    trees = sorted((FIXTURES / "captures").glob("6.1-*.dtb.gz"))
    assert "fleet check" not in run("check", *trees[:2], "--isolated", "-j1").err
    said = "3 inputs: drmemctl fleet check judges as many into tables, also on a cluster\n"
    assert said in run("check", *trees[:3], "--isolated", "-j1").err


class TestGates:
    TREES = tuple(sorted((FIXTURES / "boot").glob("*.dtb.gz")))

    def findings(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = json.loads(check("--format", "json", *self.TREES).out)["findings"]
        return listed

    def test_the_exit_code_is_all_that_quiet_leaves(self) -> None:
        loud, quiet = check(*self.TREES), check("--quiet", *self.TREES)
        assert (quiet.code, quiet.out, quiet.err) == (loud.code, "", loud.err)
        assert check("-q", GOOD) == (0, "", "")

    def test_a_file_is_written_however_quiet(self, tmp_path: Path) -> None:
        for option in ("--quiet", "--statistics"):
            path = tmp_path / f"{option}.json"
            check(option, "--format", "json", "-o", path, *self.TREES)
            assert json.loads(path.read_text())["findings"] == self.findings()
        for output in ((), ("-o", "-")):
            outcome = check("--statistics", "--format", "json", *output, *self.TREES)
            assert (outcome.code, outcome.out) == (2, "")
            assert "--statistics prints a table" in outcome.err

    def test_statistics_count_what_json_lists(self) -> None:
        counted: dict[str, tuple[int, set[str]]] = {}
        for finding in self.findings():
            number, trees = counted.get(finding["rule"], (0, set()))
            counted[finding["rule"]] = (number + 1, trees | {finding["source"]})
        rows = [line.split() for line in check("--statistics", *self.TREES).out.splitlines()[1:]]
        assert {row[2]: (int(row[0]), int(row[1])) for row in rows} == {
            rule: (number, len(trees)) for rule, (number, trees) in counted.items()
        }
        assert [row[3] for row in rows] == sorted((row[3] for row in rows), key=["error", "warning", "info"].index)

    def test_concise_is_a_line_for_each_finding(self) -> None:
        lines = check("--format", "concise", *self.TREES).out.splitlines()
        expected = [f"{f['source']}: {f['rule']} {f['severity']}: " for f in self.findings()]
        assert len(lines) == len(expected)
        assert all(line.startswith(head) for line, head in zip(lines, expected, strict=True))

    def test_gitlab_has_an_issue_for_each_finding(self) -> None:
        issues = json.loads(check("--format", "gitlab", *self.TREES).out)
        assert [issue["check_name"] for issue in issues] == [finding["rule"] for finding in self.findings()]
        assert len({issue["fingerprint"] for issue in issues}) == len(issues)
        # What GitLab's documentation asks for of each.
        for issue in issues:
            assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
            assert not issue["location"]["path"].startswith("./")
            assert issue["location"]["lines"]["begin"] == 1
            assert issue["description"]
