# SPDX-License-Identifier: MIT
"""The shape of the project itself: layers, file sizes, start-up, what the documents name."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import FIXTURES, ROOT

PACKAGE = ROOT / "drmemctl"

LAYERS = (
    "formats",
    "tree",
    "model",
    "kernel",
    "hypervisor",
    "check",
    "compare",
    "scenario",
    "explore",
    "output",
    "cli",
)
"""Each may import itself and those before it."""

BELOW_ALL = ("_commit", "_version", "defect", "errors", "numbers", "wording")
"""Modules beside the folders that any layer may import, and that import only one another."""

ABOVE_ALL = ("__init__", "__main__")

SLOW_TO_LOAD = ("rich", "construct", "fdt", "tarfile", "lzma", "zstandard", "jinja2", "markupsafe")

HOME_OF_LIBRARY = {
    "click": {"cli"},
    "rich": {"output"},
    "jinja2": {"output"},
    "markupsafe": {"output"},
    "construct": {"formats"},
    "fdt": {"tree"},
    "zstandard": {"tree"},
}
"""One seam for each third-party library; nothing else is installed with the package."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def module_id(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


each_module = pytest.mark.parametrize("path", MODULES, ids=module_id)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def rank(first: str) -> int:
    """Return how high the part of the package stands that a dotted name begins with."""
    if first in BELOW_ALL:
        return 0
    if first in LAYERS:
        return 1 + LAYERS.index(first)
    return 1 + len(LAYERS)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and full dotted name of everything that a module imports, also inside functions."""
    package = ["drmemctl", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            base = base + node.module.split(".") if node.module else base
            yield from ((node.lineno, ".".join([*base, alias.name])) for alias in node.names)


def imported_parts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and part (`tree`, `errors`; "" for the package itself) of each import from drmemctl."""
    for line, name in imports(path):
        top, _, rest = name.partition(".")
        if top == "drmemctl":
            yield line, rest.partition(".")[0]


@each_module
def test_a_layer_imports_only_lower_ones(path: Path) -> None:
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if own in ABOVE_ALL:
        return
    upward = [f"line {line}: {part}" for line, part in imported_parts(path) if rank(part) > rank(own)]
    assert upward == []


@each_module
def test_a_library_is_used_in_its_own_layer_only(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0]
    known = sys.stdlib_module_names | {"drmemctl"}
    foreign = {top for _, name in imports(path) if (top := name.partition(".")[0]) not in known}
    assert [top for top in foreign if own not in HOME_OF_LIBRARY.get(top, ())] == []


def test_every_part_of_the_package_has_its_place_in_the_layers() -> None:
    parts = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in MODULES}
    assert parts - {*LAYERS, *BELOW_ALL, *ABOVE_ALL} == set()


def test_the_layer_test_sees_relative_and_plain_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "formats" / "x.py"
    module.parent.mkdir()
    module.write_text(
        "import drmemctl.cli.main\nimport drmemctl\nfrom drmemctl import tree\nfrom ..model import lmbs\n"
        "from . import rows\nfrom .. import errors\nimport os\n"
    )
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    assert [part for _, part in imported_parts(module)] == ["cli", "", "tree", "model", "formats", "errors"]


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
    assert (loaded - loaded_modules("")) & (set(HOME_OF_LIBRARY) - {"click"}) == set()


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
    return set(re.findall(r"^([a-z]+):", text, re.MULTILINE))


def test_the_makefile_has_the_agreed_targets() -> None:
    assert make_targets() >= {"demo", "test", "lint", "bench", "clean"}


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_make_command_in_the_documents_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"^\s*(?:\$ )?make ([a-z]+)|`make ([a-z]+)", text, re.MULTILINE))
    assert {target for pair in named for target in pair if target} <= make_targets()


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_readme_names_its_two_commands(command: str) -> None:
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_fixtures_readme_describes_every_folder() -> None:
    text = (FIXTURES / "README.md").read_text(encoding="utf-8")
    folders = [path.name for path in FIXTURES.iterdir() if path.is_dir()]
    assert [name for name in folders if f"\n## {name}\n" not in text] == []
