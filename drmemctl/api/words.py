# SPDX-License-Identifier: MIT
"""Words that an argument may be: a command has a parser that holds them to these, a function has not."""

from __future__ import annotations

from collections.abc import Collection

from drmemctl.errors import DrmemctlError


def check_word(argument: str, word: str, words: Collection[str]) -> None:
    """Raise `DrmemctlError` for a word that the argument cannot be: another would be taken for it silently."""
    if word not in words:
        raise DrmemctlError(f"{argument} cannot be {word!r}", hint=f"one of {', '.join(words)}")
