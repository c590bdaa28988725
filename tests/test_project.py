# SPDX-License-Identifier: MIT
"""The shape of the project itself: file sizes, start-up, what the documents name. Layers: see pyproject.toml."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cases import each
from tests.conftest import FIXTURES, ROOT
from tools.measure import measured

pytestmark = pytest.mark.one_python

PACKAGE = ROOT / "drmemctl"

SLOW_TO_LOAD = (
    *("rich", "construct", "fdt", "tarfile", "lzma", "backports", "jinja2", "markupsafe"),
    *("dask", "distributed", "duckdb", "fsspec", "pyarrow"),
)

MODULES = sorted(PACKAGE.rglob("*.py"))


def module_id(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


each_module = each("path", MODULES, ids=module_id)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def runtime_dependencies(extra: str = "") -> set[str]:
    """Return the names of what is installed with the package, or with an extra of it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return {found[0] for line in declared if (found := re.match(r"[\w-]+", line))}


def imported(path: Path) -> Iterator[str]:
    """Yield the top-level package of each absolute import of a module, also of those inside functions."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@each_module
def test_a_module_imports_only_what_is_installed_with_it(path: Path) -> None:
    known = sys.stdlib_module_names | {"drmemctl"} | runtime_dependencies()
    if path.stem in ("drmem", "lmb_values"):
        known |= {"pandas", "pyarrow"}  # in annotations, and in functions that say what to install
    if path.is_relative_to(PACKAGE / "fleet"):
        known |= {"distributed"} | runtime_dependencies("fleet")
    assert set(imported(path)) - known == set()


@each_module
def test_every_module_says_what_it_is_for(path: Path) -> None:
    said = ast.get_docstring(parsed(path)) or ""
    assert len(said.split()) >= 3, f"docstring: {said!r}"


def test_every_folder_is_a_package() -> None:
    folders = {path.parent for path in MODULES}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


@each_module
def test_no_module_is_longer_than_one_reads_at_once(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def loaded_modules(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after `code`."""
    report = f"import sys, json\n{code}\nsys.stderr.write(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, check=True, text=True, cwd=ROOT)
    return {name.partition(".")[0] for name in json.loads(done.stderr)}


VERSION = """
sys.argv = ["drmemctl", "--version"]
from drmemctl.cli import run
try:
    run()
except SystemExit as end:
    assert end.code in (0, None), end.code
"""


@pytest.mark.parametrize("code", ["import drmemctl", VERSION], ids=["import", "--version"])
def test_starting_loads_nothing_slow(code: str) -> None:
    before = loaded_modules("")  # a coverage or editor hook may load what it likes
    assert (loaded_modules(code) - before) & set(SLOW_TO_LOAD) == set()


def test_the_help_of_commands_needs_no_library_but_click() -> None:
    # The build makes the manual pages of it, and has no other; lzma is what Click imports with shutil.
    loaded = loaded_modules(VERSION.replace("--version", "--help"))
    assert (loaded - loaded_modules("")) & (runtime_dependencies() - {"click"}) == set()


SMALL_TREE = FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz"

COMMAND = """
sys.argv = ["drmemctl", *{arguments!r}]
from drmemctl.cli import run
try:
    run()
except SystemExit as end:
    assert end.code in (0, 1, None), end.code
"""

NOT_FOR_A_TREE = {
    "drmemctl.kernel.boot",
    "drmemctl.kernel.early_memory",
    "drmemctl.hypervisor.machine",
    "drmemctl.simulate.simulation",
    "drmemctl.check.stream",
    "drmemctl.check.live",
    "drmemctl.formats.registry",
    *SLOW_TO_LOAD,
}
"""What a command that only reads a small tree has no use for; each takes as long as reading the tree."""


@pytest.mark.parametrize(
    "arguments",
    [["lmb"], ["map"], ["assoc"], ["numa"], ["check", "--isolated"], ["diff", str(SMALL_TREE)]],
    ids=lambda arguments: str(arguments[0]),
)
def test_a_command_loads_what_it_needs(arguments: list[str]) -> None:
    code = COMMAND.format(arguments=[*arguments, str(SMALL_TREE)])
    report = f"import sys, json\n{code}\nsys.stderr.write('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, check=True, text=True, cwd=ROOT)
    loaded = set(json.loads(done.stderr.rpartition("\n")[2]))
    assert "drmemctl.tree.fdt_reader" in loaded
    assert loaded & NOT_FOR_A_TREE == set()


def tracked_files() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=False, cwd=ROOT)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("phrase", ["../" + "shared", "/work" + "/"])
def test_no_file_refers_to_anything_outside_the_project(phrase: str) -> None:
    assert [str(path) for path in tracked_files() if phrase.encode() in path.read_bytes()] == []


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(" ".join(re.findall(r"^([a-z -]+):", text, re.MULTILINE)).split())


def test_the_makefile_has_the_agreed_targets() -> None:
    assert make_targets() >= {"demo", "test", "lint", "bench", "clean"}


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/release.md"])
def test_every_make_command_in_the_documents_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"^\s*(?:\$ )?make ([a-z-]+)|`make ([a-z-]+)", text, re.MULTILINE))
    assert {target for pair in named for target in pair if target} <= make_targets()


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_readme_names_its_two_commands(command: str) -> None:
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_fixtures_readme_describes_every_folder() -> None:
    text = (FIXTURES / "README.md").read_text(encoding="utf-8")
    folders = [path.name for path in FIXTURES.iterdir() if path.is_dir()]
    assert [name for name in folders if f"\n## {name}\n" not in text] == []


def test_modules_import_each_other_in_no_circle() -> None:
    assert measured(ROOT / "drmemctl").circles == []
