# SPDX-License-Identifier: MIT
"""Files of the project that are pages of the site as well, and the list of JSON schemas."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tools.site.markdown import code, table, text

ROOT = Path(__file__).resolve().parents[2]
COPIED = {
    "fixtures.md": "fixtures/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
"""Page → the file that it is."""

SCHEMAS = "reference/schemas.md"
_LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")


def pages() -> dict[str, str]:
    """Return the pages by path below docs."""
    return {**{page: copied(page) for page in COPIED}, SCHEMAS: schemas(ROOT / "docs" / "schemas")}


def copied(page: str) -> str:
    """Return a file as a page: links lead to pages where there is one, and are only words where there is none."""
    source = ROOT / COPIED[page]
    page_of = {ROOT / name: other for other, name in COPIED.items()}

    def turned(match: re.Match[str]) -> str:
        target = (source.parent / match[1]).resolve()
        if target in page_of:
            return f"]({page_of[target]}{match[2] or ''})"
        below = target.is_relative_to(ROOT / "docs") and target.exists()
        return f"]({target.relative_to(ROOT / 'docs').as_posix()}{match[2] or ''})" if below else "]"

    return _LINK.sub(turned, source.read_text(encoding="utf-8"))


def schemas(folder: Path) -> str:
    """Return the page that lists the JSON schemas of a folder."""
    introduction = (
        "# JSON schemas\n\n"
        'Every JSON document names its schema first, as `"schema": "drmemctl.lmb/1"`: the command, and a number\n'
        "that is raised when something that was there is taken away or means something else. Fields may be added\n"
        "without that."
    )
    found = sorted(folder.glob("*.json"))
    if not found:
        return introduction + "\n"
    rows = ((f"[{code(path.name)}](../schemas/{path.name})", _about(path)) for path in found)
    return f"{introduction}\n\n{table(['schema', 'what it is'], rows)}\n"


def _about(path: Path) -> str:
    schema = json.loads(path.read_text(encoding="utf-8"))
    return text(" ".join(str(schema.get("description") or schema.get("title") or path.stem).split()))
