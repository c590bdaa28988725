# SPDX-License-Identifier: MIT
"""Where the references of rules lead: commits of Linux that the table of capabilities has, and LoPAR."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

COMMITS = "https://git.kernel.org/linus/"
"""A commit of the mainline kernel, by its id."""

LOPAR = "https://git.openpower.foundation/systemsoftware/Linux-Architecture-Reference"
"""The source of LoPAR, which the OpenPOWER Foundation publishes in sections of that name."""

_COMMIT = re.compile(r"\b[0-9a-f]{12}\b")


@cache
def known_commits() -> frozenset[str]:
    """Return the ids of commits that the capabilities name."""
    from drmemctl.kernel.capabilities import CAPABILITIES

    return frozenset(commit for capability in CAPABILITIES for commit in _COMMIT.findall(capability.commit))


def links_of(reference: str) -> tuple[tuple[str, str], ...]:
    """Return the words of a reference that lead somewhere, and where."""
    links = []
    if reference.startswith("LoPAR"):
        links.append(("LoPAR", LOPAR))
    links += [(commit, f"{COMMITS}{commit}") for commit in _COMMIT.findall(reference) if commit in known_commits()]
    return tuple(links)


def help_uri(docs_url: str, rule: str, references: Iterable[str]) -> str:
    """Return where more is to be read of a rule: its page, where there is a site, else what it refers to first."""
    if docs_url:
        return f"{docs_url.rstrip('/')}/rules/{rule}.html"
    return next((uri for reference in references for _, uri in links_of(reference)), "")
