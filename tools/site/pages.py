# SPDX-License-Identifier: MIT
"""All pages that are made, and where they and the others stand in the navigation."""

from __future__ import annotations

from functools import partial
from typing import Any

from tools.site import capabilities, commands, files, notebooks, rules
from tools.site.files import ROOT

OPTIONAL = ("schemas/README.md", "performance.md", "compatibility.md")
"""Pages that are in the navigation where they exist."""

FOLDERS = ("scenarios", "kernel-bugs")
"""Folders whose pages are in the navigation, the README first."""


def pages() -> dict[str, str]:
    """Return the pages that are made, by path below docs."""
    return {**commands.pages(), **capabilities.pages(), **rules.pages(), **files.pages(), **notebooks.pages()}


def expanded(navigation: list[Any]) -> list[Any]:
    """Return the navigation with each `…/*` replaced by its pages, and without pages that do not exist."""
    known = {"commands/*": _commands, "rules/*": rules.navigation}
    known |= {f"{name}/*": partial(_folder, name) for name in FOLDERS}
    made: list[Any] = []
    for entry in navigation:
        ((title, target),) = entry.items() if isinstance(entry, dict) else (("", entry),)
        if isinstance(target, list):
            made.append({title: expanded(target)})
        elif target in known:
            made.append({title: known[target]()})
        elif target not in OPTIONAL or (ROOT / "docs" / target).exists():
            made.append(entry)
    return made


def _commands() -> list[Any]:
    folder = commands.FOLDER
    return [f"{folder}/index.md", *({name: f"{folder}/{commands.place(name)}"} for name in commands.commands())]


def _folder(name: str) -> list[Any]:
    names = sorted(path.name for path in (ROOT / "docs" / name).glob("*.md"))
    return [f"{name}/README.md", *(f"{name}/{page}" for page in names if page != "README.md")]
