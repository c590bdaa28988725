# SPDX-License-Identifier: MIT
"""What kernels differ in, release by release, made from the table that `simulate` goes by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from drmemctl.kernel.capabilities import CAPABILITIES, NEWEST, OLDEST
from drmemctl.kernel.capability import Capability, Release
from drmemctl.kernel.profiles import PROFILES
from drmemctl.output.kernels import measured_text, release_text, releases
from tools.site.markdown import code, table, text

PATH = "reference/capabilities.md"
_COMMIT = "https://git.kernel.org/linus/"
_LAST_MINOR = {4: 20, 5: 19, 6: 19}
"""The last mainline release of a major number."""

_INTRODUCTION = """\
# Capabilities

What `drmemctl simulate` and `drmemctl explore` make differ between kernels. `--kernel` picks a release with all
that it has, `--with` and `--without` add one capability or take it away, as a backport does. `drmemctl kernels`
prints this table with the whole path of each source file, `drmemctl kernels 5.10 6.1` what two kernels differ in.
A side is *measured* on a release of which a bundled record comes out otherwise on the other side; all else was
read in the source. How each came to be known is told in [How it is tested](../how-it-is-tested.md).
"""


def after(release: Release) -> Release:
    """Return the mainline release behind another."""
    major, minor = release
    return (major + 1, 0) if minor == _LAST_MINOR.get(major) else (major, minor + 1)


def spans() -> list[tuple[Release, Release]]:
    """Return the releases, those joined that have the same capabilities."""
    found: list[tuple[Release, Release]] = []
    release = OLDEST
    while release <= NEWEST:
        if found and _held(found[-1][0]) == _held(release):
            found[-1] = (found[-1][0], release)
        else:
            found.append((release, release))
        release = after(release)
    return found


def _held(release: Release) -> list[str]:
    # Patch 0: what a stable series has besides is said in words.
    return [one.name for one in CAPABILITIES if one.in_release(release, 0)]


def pages() -> dict[str, str]:
    """Return the page by its path below docs."""
    rows = (
        (
            code(one.name),
            text(one.changes),
            releases(one),
            _commits(one),
            code(PurePath(one.source).name),
            measured_text(one),
        )
        for one in CAPABILITIES
    )
    parts = [
        _INTRODUCTION,
        table(["capability", "what it changes", "releases", "commit", "source", "measured"], rows),
        "## Release by release\n\nMainline's own; stable series have what the table above says besides.\n",
        table(["capability", *map(_span, spans())], _grid()),
        "## Kernels with names\n",
        table(["name", "what it is"], ((code(name), text(about)) for name, about in PROFILES.items())),
    ]
    return {PATH: "\n\n".join(parts) + "\n"}


def _commits(one: Capability) -> str:
    names = (name.strip() for name in one.commit.split(","))
    return " ".join(f"[`{name}`]({_COMMIT}{name})" for name in names if name) or "-"


def _span(span: tuple[Release, Release]) -> str:
    first, last = map(release_text, span)
    return first if first == last else f"{first} to {last}"


def _grid() -> Iterator[tuple[str, ...]]:
    for one in CAPABILITIES:
        yield code(one.name), *("●" if one.in_release(first, 0) else "" for first, _ in spans())
