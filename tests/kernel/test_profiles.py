# SPDX-License-Identifier: MIT
"""Kernels by name, and what is said about a name that is none."""

from __future__ import annotations

import pytest

from drmemctl.kernel.capabilities import (
    AA_SYNC,
    BLOCK_SIZE_U32,
    BY_NAME,
    DRMEM_ARRAY,
    FLUSH_PER_LMB,
    FORM2,
    ITERATOR_INCLUSIVE,
    LMB_SIZE_U32,
    MIGRATABLE_MAX_DOMAINS,
    NODE_LOOKUP_FIRST,
    OLD_PROPERTY_CHECK,
    PLATFORM_FACILITIES_KEPT,
    QUIET_INDEX_MESSAGES,
    RESERVED_RANGE_NAMED,
    UNGUARDED_MEMORY_NODE,
    WRONG_NODE_ADD,
)
from drmemctl.kernel.capability import Capability, Release
from drmemctl.kernel.cpu_capabilities import CPU_DEATH_LOGGED
from drmemctl.kernel.distributions import DISTRIBUTIONS
from drmemctl.kernel.kernel_names import parse_kernel_name
from drmemctl.kernel.profiles import ProfileError, profile, profile_names
from drmemctl.kernel.topology_capabilities import CPU_READD


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("4.14", (4, 14)),
        ("4.15", (4, 15)),
        ("v6.1", (6, 1)),
        ("6.12.3", (6, 12)),
        ("6.1.0-50-powerpc64le", (6, 1)),
        ("7.2.13+deb14-powerpc64le", (7, 2)),
        ("latest", (7, 3)),
        ("7.3-rc7", (7, 3)),
        ("7.4", (7, 3)),
        ("9.9", (7, 3)),
        ("debian-12", (6, 1)),
        ("arrayless", (7, 3)),
    ],
)
def test_release_of_a_name(name: str, release: tuple[int, int]) -> None:
    found = profile(name)
    assert (found.name, found.release) == (name, release)


@pytest.mark.parametrize(
    ("capability", "having", "lacking"),
    [
        (DRMEM_ARRAY, ["4.16", "4.19.304", "latest"], ["4.15", "4.15.18", "arrayless"]),
        # 4.19.85 got 063b8b1251fd as a stable fix; 4.19 without a number is 4.19.78, which was measured.
        (FLUSH_PER_LMB, ["4.14", "4.19", "4.19.84", "arrayless"], ["4.19.85", "4.19.0-27-powerpc64le", "4.20"]),
        (WRONG_NODE_ADD, ["4.19.85", "4.20", "5.9"], ["4.15", "4.19", "4.19.84", "5.10"]),
        (OLD_PROPERTY_CHECK, ["4.19", "4.19.61", "5.2.3", "5.3"], ["4.15", "4.19.60", "5.0", "5.2.2"]),
        (ITERATOR_INCLUSIVE, ["4.16", "5.4.32", "5.6.4"], ["5.4", "5.4.33", "4.19.116", "5.6.5", "5.7"]),
        (CPU_READD, ["4.19", "4.19.78", "5.1"], ["4.19.0", "5.0", "5.0.1"]),
        (
            AA_SYNC,
            ["5.15", "5.15.0", "6.1", "latest", "rhel-8", "rhel-9"],
            ["5.14", "5.10", "4.16", "5.14.0-8.el9"],
        ),
        (RESERVED_RANGE_NAMED, ["5.14"], ["5.13", "5.10.262"]),
        # What stable series got, by their changelogs; 5.10 without a number is 5.10.262, which was measured.
        (NODE_LOOKUP_FIRST, ["5.11", "5.10", "5.10.145", "debian-11"], ["5.10.0", "5.10.144", "5.9"]),
        (PLATFORM_FACILITIES_KEPT, ["5.10.145", "5.15.16", "5.16", "debian-11"], ["5.10.144", "5.15.15", "5.14"]),
        (QUIET_INDEX_MESSAGES, ["5.10", "5.10.209", "5.11"], ["5.10.0", "5.10.208", "5.4"]),
        (FORM2, ["5.10.178", "5.15.0", "debian-11"], ["5.10.177", "5.14", "5.14.21", "5.4"]),
        (UNGUARDED_MEMORY_NODE, ["5.10.178", "5.15.0", "debian-11"], ["5.10.177", "5.14.21"]),
        (
            MIGRATABLE_MAX_DOMAINS,
            ["5.10.67", "5.14.6", "5.15.0", "sles-15-sp4", "rhel-9"],
            ["5.10.66", "5.14.5", "5.14.0-8.el9"],
        ),
        (
            LMB_SIZE_U32,
            ["5.4", "5.4.74", "4.19.154", "5.9.4"],
            ["5.4.75", "5.9.5", "4.19.155", "5.4.0-190-generic", "5.10.0"],
        ),
        (
            BLOCK_SIZE_U32,
            ["5.4", "4.19.140", "4.14.193", "5.7.16", "5.8.2"],
            ["5.4.60", "4.19.141", "5.7.17", "5.8.3", "5.9"],
        ),
        (CPU_DEATH_LOGGED, ["5.10.37", "5.12"], ["5.10.38", "5.10", "5.13"]),
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
        ("debian-1", "no kernel 'debian-1'; did you mean debian-11 or debian-12 or debian-13?"),
        ("six", "no kernel 'six'; write e.g. 6.1 or latest"),
        ("4.13", "nothing is known of Linux 4.13; 4.14 is the oldest"),
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


@pytest.mark.parametrize(
    ("text", "name", "release", "patch"),
    [
        # What people write.
        ("5.10", "5.10", (5, 10), None),
        ("v5.10", "v5.10", (5, 10), None),
        ("5.10.0", "5.10.0", (5, 10), 0),
        ("5.10-rc3", "5.10-rc3", (5, 10), 0),
        ("v6.13.0-rc1", "v6.13.0-rc1", (6, 13), 0),
        ("6.12.3", "6.12.3", (6, 12), 3),
        # What uname -r prints on Debian 11 to 14, RHEL 8 and 9, SLES 15 SP5, Ubuntu 20.04, Fedora 41.
        ("5.10.0-28-powerpc64le", "5.10.0-28-powerpc64le", (5, 10), None),
        ("7.2.13+deb14-powerpc64le", "7.2.13+deb14-powerpc64le", (7, 2), 13),
        ("4.18.0-553.el8_10.ppc64le", "4.18.0-553.el8_10.ppc64le", (4, 18), None),
        ("5.14.0-427.13.1.el9_4.ppc64le", "5.14.0-427.13.1.el9_4.ppc64le", (5, 14), None),
        ("5.14.21-150500.55-default", "5.14.21-150500.55-default", (5, 14), 21),
        ("5.4.0-190-generic", "5.4.0-190-generic", (5, 4), None),
        ("6.12.4-200.fc41.ppc64le", "6.12.4-200.fc41.ppc64le", (6, 12), 4),
        # A tree that was built by hand: setlocalversion.
        ("6.1.0-rc7-00012-g4a7b5c6d8e9f-dirty", "6.1.0-rc7-00012-g4a7b5c6d8e9f-dirty", (6, 1), 0),
        # /proc/version (init/version-timestamp.c) and uname -a.
        ("Linux version 5.10.262\n", "5.10.262", (5, 10), 262),
        (
            "Linux version 5.10.0-28-powerpc64le (x@y) (gcc-10 (Debian 10.2.1-6)) #1 SMP Debian 5.10.209-2",
            "5.10.0-28-powerpc64le",
            (5, 10),
            209,
        ),
        (
            "Linux lpar7 4.18.0-553.el8_10.ppc64le #1 SMP Fri May 10 15:00:00 UTC 2024 ppc64le ppc64le GNU/Linux",
            "4.18.0-553.el8_10.ppc64le",
            (4, 18),
            None,
        ),
    ],
)
def test_names_as_people_and_systems_write_them(text: str, name: str, release: Release, patch: int | None) -> None:
    found = parse_kernel_name(text)
    assert found is not None
    assert (found.text, found.release, found.patch) == (name, release, patch)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "six",
        "6",
        "6.",
        "v",
        "6.1.0.0.0",
        "6.1 lts",
        "6.1\n5.10",
        "\u0666.\u0661",
        "6.1-\x1b[31m",
        "Linux version",
        "Darwin x 23.1.0",
    ],
)
def test_what_names_no_kernel(text: str) -> None:
    assert parse_kernel_name(text) is None


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("7.4", "7.4 is newer than 7.3, the newest release that is known: taken as that"),
        ("9.9", "9.9 is newer than 7.3, the newest release that is known: taken as that"),
        (
            "7.4.0-1-powerpc64le",
            "7.4.0-1-powerpc64le is newer than 7.3, the newest release that is known: taken as that",
        ),
        ("5.4.0-190-generic", "5.4.0-190-generic is taken as 5.4; distribution kernel: backports not known"),
        (
            "5.14.0-8.el9.ppc64le",
            "5.14.0-8.el9.ppc64le is taken as rhel-9, built from 5.14; distribution kernel: backports not known",
        ),
        (
            "5.14.0-300.el9.ppc64le",
            (
                "5.14.0-300.el9.ppc64le is taken as rhel-9, built from 5.14; distribution kernel: backports not "
                "known, but for 10 (see `drmemctl kernels 5.14.0-300.el9.ppc64le`)"
            ),
        ),
        (
            "rhel-9",
            "rhel-9 is taken as 5.14.0-570.32.1, the newest of its kernels whose source was read",
        ),
    ],
)
def test_what_has_to_be_said_of_a_kernel(name: str, note: str) -> None:
    assert profile(name).notes == (note,)


def test_7_3_is_as_7_2() -> None:
    # By 7.3-rc7, drmem.c, hotplug-memory.c, dlpar.c, mobility.c, numa.c and papr_scm.c have not changed.
    known = profile("7.2").capabilities
    for name in ("7.3", "7.3-rc7", "7.4", "latest"):
        assert profile(name).capabilities == known, name


def test_nothing_has_to_be_said_of_what_is_known() -> None:
    for name in (
        "5.10",
        "5.10.0",
        "latest",
        "arrayless",
        "debian-12",
        "6.1.0-50-powerpc64le",
        "7.2.13+deb14-powerpc64le",
        "7.3-rc7",
        "7.3",
        # Builds whose source was read.
        "4.18.0-80.el8.ppc64le",
        "4.18.0-553.el8_10.ppc64le",
        "5.14.0-427.13.1.el9_4.ppc64le",
        "6.12.0-55.9.1.el10_0.ppc64le",
    ):
        assert profile(name).notes == (), name


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("4.18.0-553.el8_10.ppc64le", "rhel-8"),
        ("5.14.0-570.12.1.el9_6.ppc64le", "rhel-9"),
        ("6.12.0-55.9.1.el10_0.ppc64le", "rhel-10"),
        ("5.3.18-24.107-default", "sles-15-sp2"),
        ("5.3.18-150300.59.164-default", "sles-15-sp3"),
        ("5.14.21-150400.24.119-default", "sles-15-sp4"),
        ("5.14.21-150500.55-default", "sles-15-sp5"),
        ("6.4.0-150600.23.25-default", "sles-15-sp6"),
        ("6.4.0-150700.53.3-default", "sles-15-sp7"),
    ],
)
def test_a_release_leads_to_its_distribution(release: str, name: str) -> None:
    found = profile(release)
    assert (found.name, found.release) == (release, profile(name).release)
    assert found.capabilities == profile(name).capabilities
    assert found.distribution == name


@pytest.mark.parametrize("release", ["6.1.0-1.el9.ppc64le", "5.14.0-427.ppc64le", "5.14.21-150600.1-default"])
def test_a_release_of_another_base_is_no_distribution_s(release: str) -> None:
    assert "distribution kernel: backports not known" in profile(release).notes[0]
    assert "built from" not in profile(release).notes[0]


@pytest.mark.parametrize(
    ("older", "newer", "added", "removed"),
    [
        # What the source packages of two updates differ in, at the places that the table of capabilities names.
        ("4.18.0", "4.18.0-80.el8", "topology-stopped-in-migration", "vphn-failure-ignored queued-requests"),
        (
            *("4.18.0-80.11.2.el8_0", "4.18.0-147.el8"),
            *("old-property-check prrn-off-by-default topology-switch-kept cpu-readd", ""),
        ),
        (
            *("4.18.0-147.0.3.el8_1", "4.18.0-147.8.1.el8_1"),
            *("wrong-node-add", "flush-per-lmb assigned-first tree-errors-logged"),
        ),
        ("4.18.0-240.15.1.el8_3", "4.18.0-240.22.1.el8_3", "", "blocks-listed-twice"),
        (
            *("4.18.0-348.23.1.el8_5", "4.18.0-372.9.1.el8"),
            (
                "aa-sync form2 unguarded-memory-node connector-distances migratable-max-domains "
                "platform-facilities-kept cpu-ids-by-node"
            ),
            "wrong-node-add section-removable-check",
        ),
        (
            *("5.14.0", "5.14.0-70.13.1.el9_0"),
            *("aa-sync migratable-max-domains cpu-ids-by-node platform-facilities-kept", ""),
        ),
        (
            *("5.14.0-70.30.1.el9_0", "5.14.0-162.6.1.el9_1"),
            *("form2 unguarded-memory-node connector-distances", "chosen-limits"),
        ),
        ("5.14.0-162.12.1.el9_1", "5.14.0-284.30.1.el9_2", "wait-for-transfer driver-managed-memblock", ""),
        ("5.14.0-284.30.1.el9_2", "5.14.0-427.42.1.el9_4", "kexec-pluggable-counted", "kexec-room-divided"),
        (
            *("5.14.0-427.42.1.el9_4", "5.14.0-570.32.1.el9_6"),
            *("memory-limit-16m bridge-nodes long-log-records block-size-probe", ""),
        ),
        ("6.12.0", "6.12.0-55.24.1.el10_0", "", ""),
    ],
)
def test_what_updates_of_rhel_differ_in(older: str, newer: str, added: str, removed: str) -> None:
    before, after = profile(older).capabilities, profile(f"{newer}.ppc64le").capabilities
    assert (set(after - before), set(before - after)) == (set(added.split()), set(removed.split()))


def test_sles_15_sp3_has_what_its_series_lists_and_its_first_builds_are_not_settled() -> None:
    """openSUSE/kernel-source, series.conf at 7ead8e183532: d144f4d5a8a8, 72cdd117c449, 9327dc0aeef3 and others."""
    later, first = profile("5.3.18-150300.59.164-default"), profile("5.3.18-57-default")
    assert first.distribution == later.distribution == "sles-15-sp3"
    assert first.capabilities == profile("5.3.18").capabilities
    assert later.capabilities - first.capabilities >= {"aa-sync", "suspend-in-stop-machine", "current-domains"}
    assert first.capabilities - later.capabilities >= {"wrong-node-add", "prrn-update", "assigned-diff-notifier"}
    assert not later.has(FORM2)
    assert "backports not known, but for 21 (see " in later.notes[0]


def test_sles_15_sp4_and_sp5_have_what_their_patches_bring() -> None:
    """openSUSE/kernel-source: bd1dd4c5f528, 319fa1a52e43; 1c6b5a7e7405, 8ddc6448ec5a."""
    base = profile("5.14.21").capabilities
    fourth, fifth = profile("5.14.21-150400.24.119-default"), profile("5.14.21-150500.55-default")
    assert set(fourth.capabilities ^ base) == {"cpu-ids-by-node", "platform-facilities-kept"}
    assert set(fifth.capabilities ^ base) == {"form2", "connector-distances", "unguarded-memory-node"}


def test_every_backport_changes_something_and_names_its_source() -> None:
    for distribution in DISTRIBUTIONS:
        capabilities = set(profile("{}.{}.{}".format(*distribution.release, distribution.patch or 0)).capabilities)
        assert list(distribution.backports) == sorted(distribution.backports, key=lambda backport: backport.since)
        for backport in distribution.backports:
            assert backport.capability in BY_NAME
            assert len(backport.source) > 20
            assert (backport.capability in capabilities) is not backport.has, "as it was before"
            capabilities ^= {backport.capability}
