# SPDX-License-Identifier: MIT
"""What Tab does: in real shells, and what there is to choose from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from drmemctl.check.engine import all_rules
from drmemctl.cli import node_completion
from drmemctl.cli.app import COMMANDS, app
from tests.cli.running import process, run
from tests.conftest import FIXTURES, ROOT

TREE = FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz"
NODE = "/ibm,dynamic-reconfiguration-memory"

BASH = """
source {script}
complete -p drmemctl >/dev/null || exit 1
COMP_WORDS=(drmemctl {words}) COMP_CWORD={last}
_drmemctl_completion drmemctl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

ZSH = """
autoload -Uz compinit && compinit -D
source {script}
(( $+_comps[drmemctl] )) || exit 1
# Without a terminal there is nothing to complete on: what would be handed over is printed.
_describe() {{ print -rl -- $completions_with_descriptions }}
compadd() {{ print -rl -- $completions }}
words=(drmemctl {words}) CURRENT={current}
_drmemctl_completion
"""

FISH = """
source {script}
complete --do-complete 'drmemctl {line}'
"""


@pytest.fixture(scope="module")
def on_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with drmemctl as a shell finds it."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "drmemctl"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m drmemctl "$@"\n')
    program.chmod(0o755)
    return folder


def _shell(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    if name == "bash":
        text = subprocess.run(
            [path, "-c", "echo ${BASH_VERSINFO[0]} ${BASH_VERSINFO[1]}"], capture_output=True, check=True
        ).stdout
        if tuple(map(int, text.split())) < (4, 4):
            pytest.skip("bash is older than 4.4")
    return path


def completed(shell: str, on_path: Path, tmp_path: Path, *words: str) -> list[str]:
    """Return what a shell offers for the last of the words."""
    program = _shell(shell)
    script = tmp_path / f"script.{shell}"
    script.write_text(run("completion", shell).out)
    text = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell].format(
        script=script,
        words=" ".join(f"'{word}'" for word in words),
        last=len(words),
        current=len(words) + 1,
        line=" ".join(words),
    )
    options = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    environment = {**os.environ, "PATH": f"{on_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        [program, *options, "-c", text],
        capture_output=True,
        check=False,
        text=True,
        env=environment,
        cwd=ROOT,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]


each_shell = pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])


def _names(found: list[str]) -> set[str]:
    """Return the words without the descriptions that zsh has behind them."""
    return {one.partition(":")[0] for one in found}


@each_shell
def test_a_command_is_completed(shell: str, on_path: Path, tmp_path: Path) -> None:
    assert _names(completed(shell, on_path, tmp_path, "l")) == {"lmb"}
    assert _names(completed(shell, on_path, tmp_path, "")) == set(COMMANDS)


@each_shell
def test_a_choice_is_completed(shell: str, on_path: Path, tmp_path: Path) -> None:
    assert _names(completed(shell, on_path, tmp_path, "check", "--format", "s")) == {"sarif"}
    assert _names(completed(shell, on_path, tmp_path, "explain", "DRM01")) >= {"DRM015", "DRM016"}


@each_shell
def test_a_node_of_the_tree_is_completed_whole(shell: str, on_path: Path, tmp_path: Path) -> None:
    tree = str(TREE.relative_to(ROOT))
    assert _names(completed(shell, on_path, tmp_path, "prop", tree, "/ibm,dyn")) == {NODE}
    found = _names(completed(shell, on_path, tmp_path, "prop", tree, NODE, "ibm,lmb"))
    assert found == {"ibm,lmb-size"}


@each_shell
def test_the_script_is_all_that_is_printed(shell: str) -> None:
    done = process("completion", shell)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"_drmemctl_completion" in done.stdout


def test_bash_need_not_be_there_to_print_its_script(tmp_path: Path) -> None:
    assert process("completion", "bash", PATH=str(tmp_path)).stderr == b""


def test_a_shell_that_is_not_known() -> None:
    assert run("completion", "tcsh").code == 2


def choices(*words: str | Path) -> list[str]:
    """Return what Click offers for the last of the words."""
    *before, last = map(str, words)
    found = ShellComplete(app, {}, "drmemctl", "_X").get_completions(before, last)
    return [item.value for item in found]


def test_a_path_goes_on_a_level_at_a_time() -> None:
    assert "/cpus" in choices("tree", TREE, "/")
    assert "/cpus" in choices("tree", TREE, "")
    (first, *below) = choices("tree", TREE, "/cpu")
    assert first == "/cpus"
    assert below
    assert set(below) <= set(choices("tree", TREE, "/cpus/"))
    assert choices("tree", TREE, "/nowhere/x") == []
    assert choices("tree", TREE, "/x") == []


def test_rules_kernels_capabilities_hypervisors_families() -> None:
    assert choices("explain", "drm") == list(all_rules())
    assert choices("check", "--select", "DRM015,mig") == ["DRM015,migration"]
    assert "debian-12" in choices("simulate", "--kernel", "deb")
    assert choices("check", "--kernel", "debian-12") == ["debian-12"]
    assert choices("simulate", "--hypervisor", "") == ["qemu", "powervm"]
    assert "form2" in choices("simulate", "--with", "form")
    assert choices("rules", "--family", "mig") == ["migration"]
    assert choices("rules", "--family", "numa,mig") == ["numa,migration"]
    assert choices("rules", "--severity", "w") == ["warning"]
    assert choices("check", "--severity", "DRM030=") == [
        f"DRM030={level}" for level in ("error", "warning", "info")
    ]
    assert choices("check", "--output-file", "sa") == ["sarif="]
    assert choices("check", "--per-path-ignores", "old/*:DRM015,mig") == ["old/*:DRM015,migration"]
    assert choices("explain", "assoc") == ["associativity"]
    assert choices("diff", "--fail-on", "n") == ["numa", "never"]


@pytest.mark.parametrize("content", [b"", b"\xd0\x0d\xfe\xed" + bytes(60), b"\x1f\x8b\x08" + bytes(99)])
def test_what_is_no_tree_completes_nothing_and_says_nothing(
    content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    assert choices("tree", path, "/") == []
    assert choices("prop", path, "/", "i") == []
    assert choices("prop", tmp_path / "missing", "/") == []
    assert choices("tree", "-", "/") == []
    assert capfd.readouterr() == ("", "")


def test_what_is_large_or_slow_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as small:
        small.setattr(node_completion, "_LARGEST", 100)
        assert choices("tree", TREE, "/") == []

    def slow(_source: str) -> Any:
        while True:
            pass

    monkeypatch.setattr("drmemctl.tree.source.load", slow)
    monkeypatch.setattr(node_completion, "_SECONDS", 1)
    assert choices("tree", TREE, "/") == []


def test_names_that_a_shell_would_act_on_are_not_offered(tmp_path: Path) -> None:
    place = tmp_path / "tree"
    for name in ("fine@0", "$(touch x)", "a b", "`id`", "x;y", "\x1b[2J"):
        (place / name).mkdir(parents=True)
        (place / name / "name").write_bytes(b"x\0")
    for name in ("#address-cells", "#size-cells", "compatible", "model"):
        (place / name).write_bytes(bytes(4))
    assert choices("tree", place, "/") == ["/fine@0"]
