# SPDX-License-Identifier: MIT
"""Notebooks as pages: Markdown as it is, code and what it gave fenced, tables as they are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.site.files import ROOT


def notebooks() -> list[Path]:
    """Return the notebooks of the documents."""
    return sorted((ROOT / "docs").rglob("*.ipynb"))


def pages() -> dict[str, str]:
    """Return the pages by path below docs."""
    return {
        path.relative_to(ROOT / "docs").with_suffix(".md").as_posix(): page(
            path.name, json.loads(path.read_text())
        )
        for path in notebooks()
    }


def page(name: str, notebook: dict[str, Any]) -> str:
    """Return a notebook as a page, with a link to the file."""
    parts = list(_parts(notebook))
    parts.insert(1, f"The tests run this notebook and compare what it gives: [{name}]({name}).")
    return "\n\n".join(parts) + "\n"


def _parts(notebook: dict[str, Any]) -> Iterator[str]:
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield source
            continue
        yield f"```py\n{source}\n```"
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "text/html" in data:
                yield "".join(data["text/html"])
            else:
                text = "".join(output.get("text", data.get("text/plain", [])))
                yield f"```text\n{text.rstrip()}\n```"
