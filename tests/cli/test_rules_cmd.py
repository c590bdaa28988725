# SPDX-License-Identifier: MIT
"""`drmemctl rules` and `drmemctl explain`, and the pages of the site with the same text."""

from __future__ import annotations

import json

import pytest

from drmemctl.check.engine import all_rules
from drmemctl.check.pages import Page
from drmemctl.kernel.profiles import profile
from drmemctl.output.rules import HEADINGS, page_markdown, page_text
from tests.cases import each
from tests.cli.running import run
from tools.site import rules as site

each_rule = each("rule", list(all_rules()))


def test_rules_lists_all() -> None:
    outcome = run("rules")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines] == ["rule", *all_rules()]
    assert "error" in next(line for line in lines if line.startswith("DRM030"))


def test_rules_has_json() -> None:
    document = json.loads(run("rules", "--format", "json").out)
    assert document["schema"] == "drmemctl.rules/1"
    assert [each["rule"] for each in document["rules"]] == list(all_rules())
    assert set(document["rules"][0]) == {"rule", "severity", "family", "title", "kernels"}


def test_rules_has_markdown() -> None:
    lines = run("rules", "--format", "markdown").out.splitlines()
    assert len(lines) == 2 + len(all_rules())
    assert all(line.count("|") == 6 for line in lines)


def test_rules_can_be_narrowed() -> None:
    listed = json.loads(run("rules", "--format", "json", "--family", "associativity", "--kernel", "5.10").out)[
        "rules"
    ]
    assert {each["family"] for each in listed} == {"associativity"}
    version = profile("4.15")
    narrowed = json.loads(run("rules", "--format", "json", "--kernel", "4.15").out)["rules"]
    assert [each["rule"] for each in narrowed] == [
        r.id for r in all_rules().values() if r.kernels.include(version)
    ]
    assert run("rules", "--family", "x").code == 2
    assert run("rules", "--kernel", "x").code == 2
    assert run("rules", "--kernel", "4.4").err.endswith("nothing is known of Linux 4.4; 4.14 is the oldest\n")


@each_rule
def test_every_rule_is_explained(rule: str) -> None:
    outcome = run("explain", rule.lower())
    assert outcome.code == 0
    assert outcome.out.startswith(f"{rule}: {all_rules()[rule].title}\n")
    for heading in HEADINGS.values():
        assert f"\n{heading}:\n" in outcome.out
    assert "\nReferences:\n" in outcome.out


@each_rule
def test_every_rule_has_all_sections(rule: str) -> None:
    document = json.loads(run("explain", rule, "--format", "json").out)
    assert document["schema"] == "drmemctl.explain/1"
    assert document["rule"] == rule
    assert all(document[section] for section in ("summary", "why", "example", "kernel", "fix", "references"))


def test_a_page_is_markdown() -> None:
    outcome = run("explain", "DRM030", "--format", "markdown")
    assert outcome.out.startswith(
        "# DRM030: assigned LMB whose node cannot be found\n\n**error** · associativity: "
    )
    assert "\n## What a kernel does with them\n\n" in outcome.out


@pytest.mark.parametrize("word", ["DRM03", "DRM999", "x", ""])
def test_an_unknown_rule_is_a_usage_error(word: str) -> None:
    outcome = run("explain", word)
    assert outcome.code == 2
    assert f"{word!r} is no rule" in outcome.err
    assert "did you mean" in outcome.err or "see `drmemctl rules`" in outcome.err


def test_sections_that_are_missing_are_left_out() -> None:
    page = Page("DRM999", all_rules()["DRM030"].severity, "drmem", "x", "all", "Look.", (("Fix", "Mend."),), ())
    facts = "error, drmem (ibm,dynamic-memory and what belongs to it), kernels: all"
    assert page_text(page) == f"{facts}\n\nLook.\n\nHow to fix it:\n  Mend.\n"
    assert "References" not in page_markdown(page)


def test_the_site_has_a_page_for_each_rule_and_an_index_of_all() -> None:
    pages = site.pages()
    assert pages.keys() == {site.INDEX, *(f"rules/{rule}.md" for rule in all_rules())}
    for rule in all_rules():
        assert pages[f"rules/{rule}.md"] == run("explain", rule, "--format", "markdown").out
        assert f"[{rule}]({rule}.md)" in pages[site.INDEX]
