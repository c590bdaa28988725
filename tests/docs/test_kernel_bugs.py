# SPDX-License-Identifier: MIT
"""Pages of kernel defects, against the capabilities that they name: since when, and until when."""

from __future__ import annotations

import re
from pathlib import Path

from drmemctl.kernel.capabilities import BY_NAME, NEWEST, OLDEST
from drmemctl.kernel.capability import Release
from drmemctl.kernel.profiles import all_kernels, profile
from drmemctl.output.kernels import release_text
from tests.cases import each
from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "kernel-bugs"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
_ROW = re.compile(r"\| ([a-z]+) \| (.+) \|")
_CAPABILITY = re.compile(r"(without )?`([a-z0-9-]+)`")
LINUX = [path for path in PAGES if "| where | Linux, arch/powerpc" in path.read_text(encoding="utf-8")]
NO_TABLE = {"usable-memory-counters"}
"""Kernel and kexec-tools count differently: it is no kernel's alone."""


def rows(page: Path) -> dict[str, str]:
    """Return the rows of a page's table, by their first word."""
    matches = (_ROW.fullmatch(line) for line in page.read_text(encoding="utf-8").splitlines())
    return {match[1]: match[2] for match in matches if match is not None}


def affected(text: str) -> list[Release]:
    """Return the releases of mainline that have all that a row names, and nothing that it is without."""
    named = _CAPABILITY.findall(text)
    assert named
    kernels = [profile(f"{name}.0") for name in all_kernels() if name[0].isdigit()]
    return [
        kernel.release
        for kernel in kernels
        if all(kernel.has(BY_NAME[name]) != bool(lacks) for lacks, name in named)
    ]


@each("page", [path for path in LINUX if path.stem not in NO_TABLE])
def test_since_and_until_are_those_of_its_capabilities(page: Path) -> None:
    table = rows(page)
    releases = affected(table["capabilities"]) if "capabilities" in table else [OLDEST, NEWEST]
    first, last = releases[0], releases[-1]
    since = f"{release_text(first)} at least" if first == OLDEST else release_text(first)
    assert re.match(rf"{re.escape(since)}\b", table["since"]), (table["since"], since)
    fixed = table["until"].endswith("not fixed")
    assert fixed == (last == NEWEST), (table["until"], last)
    if last != NEWEST:
        assert re.match(rf"{re.escape(release_text(last))}\b", table["until"]), (table["until"], last)


@each("page", [path for path in LINUX if "capabilities" in rows(path)])
def test_stable_releases_and_commits_are_named_as_the_table_has_them(page: Path) -> None:
    """Where a stable series got the defect, or its mending, the page says so."""
    table = rows(page)
    said = f"{table['since']} {table['until']}"
    for _, name in _CAPABILITY.findall(table["capabilities"]):
        for series, patch in BY_NAME[name].stable:
            assert f"{release_text(series)}.{patch}" in said, (name, series, patch)


@each("page", PAGES)
def test_the_list_of_defects_says_what_the_page_says(page: Path) -> None:
    table = rows(page)
    title = page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    line = f"| [{title}]({page.name}) | {table['since']} | {table['until']} |"
    assert line in (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
