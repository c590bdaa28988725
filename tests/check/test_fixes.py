# SPDX-License-Identifier: MIT
"""The command lines that findings have: they do what they say, and no more of them than can be pasted."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drmemctl.check.engine import all_rules
from drmemctl.check.finding import Finding, Severity
from drmemctl.check.fixes import _REMEDIES, commands, fix_of
from drmemctl.check.subject import MemoryBlock, Running, Subject
from drmemctl.kernel.profiles import profile
from drmemctl.output.check import fix_lines
from drmemctl.tree.source import load
from tests.cli.running import run
from tests.conftest import FIXTURES, blob
from tests.output.reports import LMBS, finding

LPAR7 = FIXTURES / "tutorial" / "lpar7-after.tar.xz"
TREE = load(FIXTURES / "captures" / "6.1-lpm.dtb.gz")


def test_rules_whose_page_names_repair_have_it_as_a_command() -> None:
    named = {rule.id for rule in all_rules().values() if "`drmemctl repair`" in rule.page["Fix"]}
    assert named <= set(_REMEDIES)
    assert set(_REMEDIES) <= set(all_rules())


def fixes(rule: str, source: str = "a b.tar", **running: Any) -> tuple[str, ...]:
    made = finding(rule=rule, lmbs=(LMBS,))
    fix = fix_of(made, Subject(TREE, running=Running(**running)))
    return tuple(commands(made._replace(fix=fix), source))


def test_a_file_is_quoted_and_what_cannot_be_typed_is_not_named() -> None:
    assert fixes("DRM121") == ("drmemctl repair 'a b.tar'",)
    assert fixes("DRM121", "-x.tar") == ("drmemctl repair ./-x.tar",)
    assert fixes("DRM121", "live") == ("drmemctl repair live",)
    assert fixes("DRM121", "a", profile=profile("5.10")) == ("drmemctl repair a --kernel 5.10",)
    for source in ("-", "a\x1b[2J", "a\nb", "\udcff"):
        assert fixes("DRM121", source) == ()
        assert fixes("DRM143", source) == ()
    assert fixes("DRM143") == ("drmemctl diff 'a b.tar'::boot 'a b.tar'",)


@pytest.mark.parametrize(("kernel", "option"), [("6.1", " --kernel 6.1"), ("5.10.262", ""), (None, "")])
def test_a_command_line_names_the_kernel_that_the_input_does_not(kernel: str | None, option: str) -> None:
    chosen = () if kernel is None else ("--kernel", kernel)
    assert f"  $ drmemctl repair {LPAR7}{option}\n" in run("check", "--isolated", LPAR7, *chosen).out


@pytest.mark.parametrize(
    ("before", "after"), [("TREE-old.tar", "MyTREE.tar"), ("TREE", "b"), ("a 'lpm TREE'", "TREE"), ("a", "b c")]
)
def test_names_may_have_the_word_that_stands_for_the_input(before: str, after: str) -> None:
    older = Subject(replace(TREE, source=before))
    migrated = finding(rule="DRM075")
    fix = fix_of(migrated, Subject(TREE, before=older))
    (line,) = commands(migrated._replace(fix=fix), after)
    assert shlex.split(line) == ["drmemctl", "repair", before, f"lpm {shlex.quote(after)}"]
    assert fixes("DRM143", after) == (f"drmemctl diff {shlex.quote(after)}::boot {shlex.quote(after)}",)


@pytest.mark.parametrize("flags", [8, 0])
def test_a_block_is_put_into_the_state_of_its_lmb(flags: int) -> None:
    def lines(blocks: dict[int, MemoryBlock]) -> tuple[str, ...]:
        lmbs = (replace(LMBS, flags=flags),)
        subject = Subject(TREE, running=Running(blocks=blocks, block_size=1 << 28))
        made = finding(rule="DRM120", lmbs=lmbs)
        return tuple(commands(made._replace(fix=fix_of(made, subject)), "c.tar"))

    wrong = {number: MemoryBlock(number, 0, online=not flags) for number in (5, 6)}
    state = "online" if flags else "offline"
    assert lines(wrong) == tuple(
        f"echo {state} > /sys/devices/system/memory/memory{number}/state" for number in (5, 6)
    )
    assert lines({}) == ("drmemctl repair c.tar",), "a block that is not there cannot be put online"
    assert lines({5: wrong[5]}) == ("drmemctl repair c.tar",)


def test_the_command_of_a_capture_can_be_run() -> None:
    document = json.loads(run("check", "--isolated", LPAR7, "--format", "json").out)
    (line,) = next(entry["fix"] for entry in document["findings"] if entry["rule"] == "DRM121")
    program, *arguments = shlex.split(line)
    assert program == "drmemctl"
    assert "requests put it right" in run(*arguments, "--hypervisor", "powervm").out
    assert f"  $ {line}\n" in run("check", "--isolated", LPAR7).out


def test_convert_mends_what_it_is_named_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.dtb").write_bytes(blob("captures/6.1-lpm") + bytes(range(8)))
    document = json.loads(run("check", "--isolated", "a.dtb", "--select", "DRM003", "--format", "json").out)
    ((line,),) = [entry["fix"] for entry in document["findings"]]
    assert run(*shlex.split(line)[1:]).code == 0
    assert (
        json.loads(run("check", "--isolated", "rewritten.dtb", "--select", "DRM003", "--format", "json").out)[
            "findings"
        ]
        == []
    )


def test_the_command_line_for_an_input_with_a_long_name_is_whole() -> None:
    name = "directory/" * 300 + "tree.dtb"
    finding = Finding("DRM002", Severity.WARNING, "", "", "", fix=("drmemctl convert TREE -o rewritten.dtb",))
    assert fix_lines((finding,), name) == [f"drmemctl convert {name} -o rewritten.dtb"]
