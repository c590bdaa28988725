# SPDX-License-Identifier: MIT
"""Which rules are meant by words, and where: as in ruff, the more exact word counts.

`ALL` is every rule, a family is more exact, and so is the beginning of an id the longer it is: with
`--select DRM121 --ignore migration`, DRM121 is the one rule of its family that is run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from drmemctl.check.finding import Severity
from drmemctl.check.rule import Rule
from drmemctl.tree.source import file_of

ALL = "ALL"

_NOT_MEANT = -1
_FAMILY = 2 * len("DRM") + 1
"""A family is more exact than `DRM`, with which every id begins, and less than one that has a digit, too."""


def exactness(word: str, rule: Rule) -> int:
    """Return how exactly a word names a rule, or -1 where it names others."""
    if word == rule.family:
        return _FAMILY
    if word.upper() == ALL:
        return 0
    return 2 * len(word) if rule.id.startswith(word.upper()) else _NOT_MEANT


def _most_exact(words: Iterable[str], rule: Rule) -> int:
    return max((exactness(word, rule) for word in words), default=_NOT_MEANT)


class RuleSelection(NamedTuple):
    """Words for rules to run and for rules not to run; of two as exact, the latter counts."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def has(self, rule: Rule, otherwise: bool) -> bool:
        """Whether a rule is to run; `otherwise` holds for those that no word names."""
        wanted, unwanted = _most_exact(self.select, rule), _most_exact(self.ignore, rule)
        return otherwise if wanted == unwanted == _NOT_MEANT else wanted > unwanted


class SeverityOverride(NamedTuple):
    """The severity that a project gives to the findings of some rules."""

    word: str
    severity: Severity


def overridden(overrides: Iterable[SeverityOverride], rule: Rule, severity: Severity) -> Severity:
    """Return the severity that a finding of a rule has: by the most exact word, of equals by the last."""
    best = _NOT_MEANT
    for override in overrides:
        exact = exactness(override.word, rule)
        if exact >= max(best, 0):
            best, severity = exact, override.severity
    return severity


class PathIgnore(NamedTuple):
    """Rules that inputs of some names need not keep.

    Attributes:
        pattern: what a name, or the last part of one, has to match, as a shell has it; `*` matches `/` as well,
            `DIRECTORY/` all that is below it, and `!` before it means all others.
        rules: the words for the rules.
        folder: the directory from which on the pattern names something, empty for the current one.

    """

    pattern: str
    rules: tuple[str, ...]
    folder: str = ""

    def covers(self, source: str) -> bool:
        """Whether an input is meant."""
        pattern = self.pattern.removeprefix("!")
        if pattern.endswith("/"):
            pattern += "*"
        absolute = os.path.normpath(os.path.join(_absolute(self.folder), pattern))  # noqa: PTH118
        names = [source]
        if (file := file_of(source)) is not None:
            # Of an archive's member both the archive and the member can be named.
            names += [os.path.basename(file), os.path.basename(source)]  # noqa: PTH119
            names += map(_absolute, (file, source))
        is_meant = any(fnmatchcase(name, wanted) for name in names for wanted in (pattern, absolute))
        return is_meant != self.pattern.startswith("!")


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)  # noqa: PTH100
    except FileNotFoundError:  # a current directory that was removed
        return path
