# SPDX-License-Identifier: MIT
"""Kernels by name, and what is said about a name that is none."""

from __future__ import annotations

import pytest

from drmemctl.kernel.capabilities import (
    AA_SYNC,
    DRMEM_ARRAY,
    FLUSH_PER_LMB,
    NODE_LOOKUP_FIRST,
    QUIET_INDEX_MESSAGES,
    RESERVED_RANGE_NAMED,
    Capability,
)
from drmemctl.kernel.profiles import ProfileError, profile, profile_names


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("4.15", (4, 15)),
        ("v6.1", (6, 1)),
        ("6.12.3", (6, 12)),
        ("6.1.0-50-powerpc64le", (6, 1)),
        ("7.2.13+deb14-powerpc64le", (7, 2)),
        ("latest", (7, 2)),
        ("9.9", (9, 9)),
        ("debian-12", (6, 1)),
        ("arrayless", (7, 2)),
    ],
)
def test_release_of_a_name(name: str, release: tuple[int, int]) -> None:
    found = profile(name)
    assert (found.name, found.release) == (name, release)


@pytest.mark.parametrize(
    ("capability", "having", "lacking"),
    [
        (DRMEM_ARRAY, ["4.16", "4.19.304", "latest"], ["4.15", "4.15.18", "arrayless"]),
        (FLUSH_PER_LMB, ["4.15", "arrayless"], ["4.16", "latest"]),
        (AA_SYNC, ["5.15", "5.15.0", "6.1", "latest"], ["5.14", "5.10", "4.16"]),
        (RESERVED_RANGE_NAMED, ["5.14"], ["5.13", "5.10.262"]),
        # 5.10.262 got them as stable fixes, 5.10 without a number is the newest of its series.
        (NODE_LOOKUP_FIRST, ["5.11", "5.10", "5.10.262", "debian-11"], ["5.10.0", "5.10.198", "5.9"]),
        (QUIET_INDEX_MESSAGES, ["5.10", "5.11"], ["5.10.0", "5.4"]),
    ],
    ids=lambda value: value.name if isinstance(value, Capability) else "",
)
def test_who_has_a_capability(capability: Capability, having: list[str], lacking: list[str]) -> None:
    assert [profile(name).has(capability) for name in having] == [True] * len(having)
    assert [profile(name).has(capability) for name in lacking] == [False] * len(lacking)


def test_backports_are_added_and_removed_by_name() -> None:
    backported = profile("5.10", ["aa-sync"], ["node-lookup-first"])
    assert backported.has(AA_SYNC)
    assert not backported.has(NODE_LOOKUP_FIRST)
    assert backported.name == "5.10"


def test_changing_nothing_gives_the_same_profile() -> None:
    found = profile("6.1")
    assert found.changed(["aa-sync"]) is found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("latst", "no kernel 'latst'; did you mean latest?"),
        ("debian-1", "no kernel 'debian-1'; did you mean debian-13 or debian-12 or debian-11?"),
        ("six", "no kernel 'six'; write e.g. 6.1 or latest"),
        ("4.14", "nothing is known of Linux 4.14; 4.15 is the oldest"),
        ("6.1.0.0.0", "no kernel '6.1.0.0.0'; write e.g. 6.1 or latest"),
    ],
)
def test_unknown_kernel(name: str, message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        profile(name)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "hint"), [("aa-sink", "did you mean aa-sync?"), ("zzzz", "see `drmemctl kernels`")]
)
@pytest.mark.parametrize("direction", ["added", "removed"])
def test_unknown_capability(direction: str, name: str, hint: str) -> None:
    with pytest.raises(ProfileError) as caught:
        profile("6.1", **{direction: [name]})
    assert str(caught.value) == f"no capability {name!r}; {hint}"


def test_every_named_profile_exists() -> None:
    assert [profile(name).name for name in profile_names()] == list(profile_names())
