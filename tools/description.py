# SPDX-License-Identifier: MIT
"""The README as the description of the package, where files of the project are not beside it."""

from __future__ import annotations

import re

_LINK = re.compile(r"(!?)\[([^]]*)\]\((?!https?:|#)([^)\s]+)\)")


def described(readme: str, source: str, version: str) -> str:
    """Return the text with links to the files of a version below `source`; without an address there, with none."""

    def absolute(match: re.Match[str]) -> str:
        image, words, path = match.groups()
        if not source:
            return "" if image else words
        return f"{image}[{words}]({source.rstrip('/')}/{'raw' if image else 'blob'}/v{version}/{path})"

    return _LINK.sub(absolute, readme)
