# SPDX-License-Identifier: MIT
"""Every rule: its id, its page, its references."""

from __future__ import annotations

import re
from collections import Counter

from drmemctl.check.engine import all_rules
from drmemctl.check.families import FAMILIES
from drmemctl.check.finding import Severity
from drmemctl.check.rule import SECTIONS, Rule
from drmemctl.kernel.kernel_names import parse_kernel_name
from drmemctl.kernel.profiles import profile
from tests.cases import each

RANGES = {
    "blob": range(1, 10),
    "drmem": range(10, 30),
    "associativity": range(30, 40),
    "numa": [*range(40, 50), *range(130, 140)],
    "connectors": range(50, 60),
    "boot": [*range(60, 70), *range(160, 170)],
    "migration": range(70, 80),
    "state": [*range(80, 90), *range(150, 160)],
    "kernel": range(90, 100),
    "blocks": range(100, 110),
    "stream": range(110, 120),
    "live": range(120, 130),
    "dump": range(140, 150),
}
"""The numbers of each family's rules."""

FROZEN = {
    "error": (
        "10 11 13 14 15 17 18 19 20 21 22 30 31 33 34 40 42 43 44 58 60 62 63 64 70 71 72 73 78 80 82 83 84 85 86"
        " 88 89 90 91 92 93 94 95 100 110 112 114 115 116 118 119 120 121 122 140 160 161"
    ),
    "warning": (
        "1 2 5 6 7 8 12 16 23 24 25 28 35 36 39 41 45 46 47 48 50 51 52 53 55 56 57 61 65 67 74 75 76 77 79 81 87"
        " 96 97 101 111 113 117 123 124 125 141 142 143 150"
    ),
    "info": "3 4 9 26 27 29 32 37 38 49 54 59 66 68 69 102 103 104 126 130",
}
"""Ids and severities that users have in settings and baselines: there may be more, but none may change."""

OF_STRUCTURE = {"DRM001", "DRM002", "DRM004", "DRM065", "DRM074"}
"""Rules about nodes, names and words: their examples have no bytes to show."""

RULES = list(all_rules().values())
each_rule = each("rule", RULES, ids=lambda rule: rule.id)


def test_ids_and_severities_are_stable() -> None:
    found: dict[str, list[str]] = {severity: [] for severity in Severity}
    for rule in RULES:
        found[rule.severity].append(str(int(rule.id[3:])))
    assert {severity: " ".join(ids) for severity, ids in found.items()} == FROZEN


def test_every_family_has_rules() -> None:
    assert {rule.family for rule in RULES} == set(FAMILIES) == set(RANGES)


def test_titles_are_unique() -> None:
    assert [title for title, count in Counter(rule.title for rule in RULES).items() if count > 1] == []


def test_summaries_are_unique() -> None:
    assert [text for text, count in Counter(rule.page["Summary"] for rule in RULES).items() if count > 1] == []


@each_rule
def test_the_id_is_in_the_range_of_the_family(rule: Rule) -> None:
    assert re.fullmatch(r"DRM[0-9]{3}", rule.id)
    assert int(rule.id[3:]) in RANGES[rule.family]


@each_rule
def test_the_rule_is_defined_in_its_family(rule: Rule) -> None:
    assert rule.judge.__module__.startswith(f"drmemctl.check.{rule.family}")


@each_rule
def test_the_page_has_every_section_in_order(rule: Rule) -> None:
    assert list(rule.page) == ["Summary", *SECTIONS]
    assert all(rule.page.values())


@each_rule
def test_the_page_is_written_in_sentences(rule: Rule) -> None:
    assert re.fullmatch("Look .+", rule.page["Summary"])
    for section in ("Summary", "Why", "Kernel", "Fix"):
        assert rule.page[section].endswith("."), section


@each_rule
def test_the_example_shows_bytes(rule: Rule) -> None:
    found = re.search(r"\b(0x)?[0-9a-f]{2}([0-9a-f]{2})*\b", rule.page["Example"])
    assert found or rule.id in OF_STRUCTURE


@each_rule
def test_the_references_say_where_it_is_known_from(rule: Rule) -> None:
    assert rule.references
    sources = r"Linux|LoPAR|QEMU|powerpc-utils|kexec-tools|Devicetree"
    assert any(re.match(sources, reference) for reference in rule.references)


@each_rule
def test_the_title_is_a_phrase(rule: Rule) -> None:
    assert 8 <= len(rule.title) <= 72
    assert not rule.title.endswith(".")


@each_rule
def test_the_kernels_are_releases(rule: Rule) -> None:
    for release in (rule.kernels.since, rule.kernels.before):
        assert release is None or _release(release)
    if rule.kernels.since and rule.kernels.before:
        assert _release(rule.kernels.since) < _release(rule.kernels.before)


def _release(text: str) -> tuple[int, int]:
    name = parse_kernel_name(text)
    assert name is not None
    return name.release


@each_rule
def test_a_capability_says_the_same_of_releases_as_the_words(rule: Rule) -> None:
    """Mainline's own releases: what stable series and distributions took over, only the capability knows."""
    by_words = rule.kernels._replace(needs=(), lacks=None)
    old = [f"4.{minor}.0" for minor in range(16, 21)]
    for release in (*old, *(f"5.{minor}.0" for minor in range(20)), "6.1", "7.2"):
        assert rule.kernels.include(profile(release)) == by_words.include(profile(release)), release
