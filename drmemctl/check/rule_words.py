# SPDX-License-Identifier: MIT
"""Words for rules as people write them in options and settings, refused with what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable

from drmemctl.check.engine import all_rules
from drmemctl.check.families import FAMILIES
from drmemctl.check.finding import Severity
from drmemctl.check.selection import ALL, PathIgnore, SeverityOverride, exactness
from drmemctl.wording import did_you_mean, nearest

_MOST_WORDS = 1000
"""Words for rules; there are fewer rules and families by far."""

_ADDRESS = re.compile(r"https?://[!#-;=?-\[\]_a-z~]{1,1000}")
"""An address on the web, of characters that need no escape in HTML, XML or JSON."""

_LONGEST_PATTERN = 4096
"""Characters of a pattern for paths: as many as a path has at most (PATH_MAX)."""


def words(text: str) -> tuple[str, ...]:
    """Return the words of a comma-separated list; `ValueError` if one names no rule and no family."""
    selectors = tuple(dict.fromkeys(word for part in text.split(",") if (word := part.strip())))
    if len(selectors) > _MOST_WORDS:
        raise ValueError(f"more than {_MOST_WORDS:,} words")
    rules = all_rules()
    for word in selectors:
        if all(exactness(word, rule) < 0 for rule in rules.values()):
            near = suggestion(word, [*rules, *FAMILIES, ALL]) or "; see `drmemctl rules`"
            raise ValueError(f"{word!r} is no rule, no beginning of a rule's id and no family{near}")
    return selectors


def suggestion(word: str, names: Iterable[str]) -> str:
    """Return `; did you mean …?` with the known words that are nearest, or nothing."""
    near = nearest(word, names)
    return f"; {did_you_mean(near)}" if near else ""


def severity_overrides(texts: Iterable[str]) -> tuple[SeverityOverride, ...]:
    """Return what `RULES=SEVERITY` gives to rules; `ValueError` for what is none."""
    overrides: list[SeverityOverride] = []
    for text in texts:
        names, equals, severity = text.partition("=")
        if not equals or severity not in list(Severity) or not words(names):
            shown = ", ".join(Severity)
            raise ValueError(f"{text!r} is not RULES=SEVERITY, e.g. DRM121=warning; severities are {shown}")
        overrides += [SeverityOverride(word, Severity(severity)) for word in words(names)]
    return tuple(overrides)


def path_ignores(texts: Iterable[str], folder: str = "") -> tuple[PathIgnore, ...]:
    """Return what `PATTERN:RULES` leaves out; `ValueError` for what is none. Patterns begin at `folder`."""
    ignores = []
    for text in texts:
        pattern, _, names = text.rpartition(":")
        if not pattern.removeprefix("!") or not words(names):
            raise ValueError(f"{text!r} is not PATTERN:RULES, e.g. 'old/*.dtb:DRM030,numa'")
        if len(pattern) > _LONGEST_PATTERN or "\0" in pattern:
            raise ValueError("a pattern that no path can match")
        ignores.append(PathIgnore(pattern, words(names), folder))
    if len(ignores) > _MOST_WORDS:
        raise ValueError(f"more than {_MOST_WORDS:,} patterns")
    return tuple(ignores)


def web_address(text: str) -> str:
    """Return the address of a site; `ValueError` for what is none."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"{text[:100]!r} is no address of a site, e.g. https://docs.example.com/drmemctl")
    return text
