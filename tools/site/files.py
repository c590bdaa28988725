# SPDX-License-Identifier: MIT
"""Files of the project that are pages of the site as well."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = {
    "fixtures.md": "fixtures/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
"""Page → the file that it is."""

_LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")


def pages() -> dict[str, str]:
    """Return the pages by path below docs."""
    return {page: copied(page) for page in COPIED}


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
