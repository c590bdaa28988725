# SPDX-License-Identifier: MIT
"""`drmemctl kernels`: its lists against the profiles, and the kernels that other commands take."""

from __future__ import annotations

import json
from typing import Any

import pytest

from drmemctl.kernel.capabilities import BY_NAME, CAPABILITIES
from drmemctl.kernel.profiles import profile, profile_names
from tests.cli.running import on_terminal, run
from tests.conftest import FIXTURES

TREE = FIXTURES / "captures/5.10-lpm.dtb.gz"


def record(*kernels: str) -> Any:
    outcome = run("kernels", *kernels, "--format", "json")
    assert (outcome.code, outcome.err) == (0, "")
    return json.loads(outcome.out)


def names(found: Any) -> set[str]:
    return {one["name"] for one in found["capabilities"]}


def test_without_a_kernel_all_capabilities_are_listed_and_the_names() -> None:
    found = record()
    assert found["schema"] == "drmemctl.kernels/1"
    assert [one["name"] for one in found["capabilities"]] == [one.name for one in CAPABILITIES]
    assert [one["name"] for one in found["names"]] == list(profile_names())


@pytest.mark.parametrize("name", ["4.15", "5.10", "6.1.0-50-powerpc64le", "arrayless", "debian-12"])
def test_a_kernel_has_what_its_profile_has(name: str) -> None:
    assert names(record(name)) == profile(name).capabilities


@pytest.mark.parametrize("pair", [("5.10", "6.1"), ("latest", "arrayless"), ("4.15", "7.2"), ("6.1", "debian-12")])
def test_two_kernels_differ_in_what_only_one_of_them_has(pair: tuple[str, str]) -> None:
    one, other = (profile(name).capabilities for name in pair)
    found = record(*pair)
    assert names(found) == one ^ other
    assert [len(each["kernels"]) for each in found["capabilities"]] == [1] * len(one ^ other)


def test_each_capability_has_commit_source_and_releases() -> None:
    aa_sync = next(one for one in record()["capabilities"] if one["name"] == "aa-sync")
    assert aa_sync == {
        "name": "aa-sync",
        "changes": BY_NAME["aa-sync"].changes,
        "first": "5.15",
        "last": None,
        "stable": [],
        "stable_without": [],
        "commit": "d144f4d5a8a8",
        "source": "arch/powerpc/mm/drmem.c",
        "measured": {
            "with": [
                {"kernel": "6.1", "record": "captures/6.1-form1-1"},
                {"kernel": "7.2", "record": "captures/7.2-form1-1"},
            ],
            "without": [
                {"kernel": "4.19", "record": "captures/4.19-form1-9101"},
                {"kernel": "5.0", "record": "captures/5.0-form1-9101"},
                {"kernel": "5.4", "record": "captures/5.4-form1-9101"},
                {"kernel": "5.10", "record": "captures/5.10-form1-1"},
            ],
        },
        "kernels": [],
    }


def test_text_says_which_of_two_kernels_has_it() -> None:
    out = run("kernels", "5.10", "6.1").out
    assert out.startswith("5.10 and 6.1 differ in ")
    assert "\n6.1: aa-sync  5.15 and later\n" in out


def test_markdown_is_a_table_of_equal_width() -> None:
    lines = run("kernels", "4.15", "6.1", "--format", "markdown").out.splitlines()
    assert {line.count("|") for line in lines} == {8}


def test_a_terminal_gets_colour_and_a_pipe_none() -> None:
    assert b"\x1b[36maa-sync" in on_terminal("kernels")
    assert "\x1b" not in run("kernels").out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("3.1",), "nothing is known of Linux 3.1; 4.14 is the oldest"),
        (("debian-21",), "no kernel 'debian-21'; did you mean debian-1"),
        (("5.10", "6.1", "6.2"), "at most two kernels can be compared."),
    ],
)
def test_what_is_no_kernel_is_a_usage_error(arguments: tuple[str, ...], expected: str) -> None:
    outcome = run("kernels", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert expected in outcome.err


@pytest.mark.parametrize(("name", "release"), [("debian-11", "5.10"), ("debian-12", "6.1"), ("latest", "7.2")])
def test_check_takes_the_names_of_kernels_for_their_release(name: str, release: str) -> None:
    both = [run("check", TREE, "--kernel", kernel, "--format", "json") for kernel in (name, release)]
    assert both[0].code in (0, 1)
    assert both[0] == both[1]


def test_check_still_refuses_what_is_neither() -> None:
    assert run("check", TREE, "--kernel", "debian-99").code == 2
