# SPDX-License-Identifier: MIT
"""File names and words that a command line can hold by accident or malice."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from drmemctl.output.json import document
from drmemctl.output.text import safe
from tests.cases import each
from tests.cli.outputs import BOOTED, RACE, REMOVE
from tests.cli.running import environment, run
from tests.conftest import ROOT, gunzip

NAMES = [
    "\x1b[31mred.dtb",
    "a\n::error::made up.dtb",
    "##[error]made up.dtb",
    "\u202edtb.a",
    "::error::made up.dtb",
    "  ::add-mask::x.dtb",
    "b\x7f.dtb",
    "c\x9b1m.dtb",
]
"""Of a terminal's colours, of GitHub's commands (a line's beginning and anywhere in it), bidi marks, controls."""

COMMANDS = [
    ["show", "NAME", "NAME"],
    ["show", "NAME"],
    ["NAME"],
    ["show", "--NAME"],
    ["show", BOOTED, "--format", "NAME"],
    ["lmb", BOOTED, "--limit", "NAME"],
    ["check", BOOTED, "--kernel", "NAME"],
    ["check", BOOTED, "--select", "NAME"],
    ["check", "--isolated", "NAME"],
    ["check", BOOTED, "--config", "NAME"],
    ["convert", BOOTED, "-o", "none/NAME"],
    ["capture", "-o", "none/NAME"],
    ["capture", "--root", "NAME"],
    ["explain", "NAME"],
    ["config", "NAME"],
    ["explore", RACE, "--thread", "NAME"],
    ["explore", RACE, "--thread", REMOVE, "--until", "NAME"],
    ["simulate", BOOTED, "NAME"],
    ["simulate", BOOTED, "-f", "NAME"],
    ["simulate", BOOTED, "--kernel", "NAME"],
    ["simulate", BOOTED, "--hypervisor", "NAME"],
    ["kexec", BOOTED, "--crashkernel", "NAME"],
    ["prop", BOOTED, "NAME"],
    ["prop", BOOTED, "/", "NAME"],
    ["tree", BOOTED, "NAME"],
    ["decode", "NAME", "NAME"],
    ["decode", "update-nodes", "NAME"],
    ["diff", BOOTED, "NAME"],
    ["completion", "NAME"],
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@each("name", NAMES)
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_nothing_of_a_name_gets_through(arguments: list[str], name: str, folder: Path) -> None:
    outcome = run(*(word.replace("NAME", name) for word in arguments))
    # What begins with # is a step's comment.
    assert outcome.code in (2, 3) or arguments[0] == "simulate"
    assert outcome.err or not outcome.code
    for text in (outcome.out, outcome.err):
        assert re.fullmatch(r"[\n\t -~\u2026]*", text), text
        assert "##[" not in text
        assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]


def test_a_command_of_github_is_broken_wherever_it_stands() -> None:
    assert safe("a ##[error]b") == "a ##\\x5berror]b"
    assert safe("###[[x]") == "###\\x5b[x]"
    assert safe("[#] ## [x]") == "[#] ## [x]"
    assert safe(" ::set-env name=x::y") == " \\x3a:set-env name=x::y"
    assert safe("a::b :: c") == "a::b :: c"
    assert "##[" not in safe("x" * 198 + "##[error]")
    assert document({"a": "##[x]"}) == '{\n  "a": "##\\u005bx]"\n}\n'


@pytest.mark.parametrize("name", ["-", "-::x", "live", "a::b"])
def test_a_pattern_means_files_whatever_they_are_called(name: str, folder: Path) -> None:
    (folder / name).write_bytes(gunzip(Path(BOOTED)))
    outcome = run("check", "--isolated", "-j1", "*")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(name if name[0] != "-" else f"./{name}")


def test_a_pattern_passes_over_what_nobody_writes_to(folder: Path) -> None:
    (folder / "a.dtb").write_bytes(gunzip(Path(BOOTED)))
    os.mkfifo(folder / "b.dtb")
    (folder / "c.dtb").symlink_to("/dev/zero")
    (folder / "d.dtb").symlink_to("gone")
    outcome = run("check", "--isolated", "-j1", "*.dtb")
    assert outcome.code == 3
    assert outcome.out.startswith("a.dtb: no findings")
    assert outcome.err == "drmemctl: d.dtb: no such file or directory\n"


@pytest.mark.parametrize("until", ["NONSENSE", "DRM", "DRM999", "consistent", "\x1b[1m"])
def test_until_is_a_rule_or_inconsistent(until: str) -> None:
    outcome = run("explore", RACE, "--thread", REMOVE, "--until", until)
    assert outcome.code == 2
    assert "is neither a rule nor 'inconsistent'" in outcome.err


@pytest.mark.parametrize("until", ["inconsistent", "DRM053", "drm053"])
def test_until_that_there_is(until: str) -> None:
    assert run("explore", RACE, "--thread", REMOVE, "--until", until).code == 0


@pytest.mark.parametrize(
    "text",
    [
        "anon 49152000\nfile 81920000\nkernel 12345678\nsock 99999999\npgfault 10000001\n",
        "nr_free_pages 12345678\nnr_zone 23456789 34567890\n",
        "  12345678 23456789 34567890\n",
        "000003e8 00000040 000f4240 3b9aca00\n",
        "00132574 00000000 00000001\n00147e3e 00000000 00000003\n",
    ],
    ids=["memory.stat", "vmstat", "stat", "psched", "softnet_stat"],
)
def test_tables_of_sysfs_and_procfs_are_no_text_of_lsprop(text: str, folder: Path) -> None:
    (folder / "memory.stat").write_text(text)
    outcome = run("check", "--isolated", ".")
    assert "no device tree in the directory" in outcome.out + outcome.err
    assert "text that neither lsprop" in run("show", "memory.stat").err


def test_a_full_directory_for_temporary_files_is_named() -> None:
    stored = io.BytesIO()
    with tarfile.open(fileobj=stored, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("log"))
        member = tarfile.TarInfo("large")
        member.size = 20 << 20
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "from drmemctl.cli import run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "show", "-"],
        input=stored.getvalue(), capture_output=True, check=False, cwd=ROOT, env=environment({"TMPDIR": "/tmp/."}),
    )  # fmt: skip
    assert done.returncode == 3
    assert re.fullmatch(
        rb"drmemctl: <stdin>: this has to be kept in a temporary file in /tmp/?\S*, which cannot be written: "
        rb"File too large; set TMPDIR to a directory with room, or put the input in a file\n",
        done.stderr,
    )


def test_a_replaced_file_is_not_setuid(tmp_path: Path) -> None:
    path = tmp_path / "out.dtb"
    path.write_bytes(b"")
    path.chmod(0o6755)
    assert run("convert", BOOTED, "-o", path).code == 0
    assert path.stat().st_mode & 0o7777 == 0o755
