# SPDX-License-Identifier: MIT
"""`drmemctl rules` and `drmemctl explain`, and the pages of the site with the same text."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from drmemctl.check.engine import all_rules
from drmemctl.check.pages import Page
from drmemctl.check.references import COMMITS, LOPAR, links_of
from drmemctl.kernel.profiles import profile
from drmemctl.output.rules import HEADINGS, page_markdown, page_text
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES, ROOT
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


def test_a_misspelt_family_is_a_family_that_was_meant() -> None:
    assert "did you mean numa?" in run("explain", "numaa").err


def test_a_terminal_gets_paragraphs_filled_to_its_width() -> None:
    page = Page(
        "DRM999", all_rules()["DRM030"].severity, "drmem", "x", "all", "Look.", (("Why", "a b c\nd " * 9),), ()
    )
    section = page_text(page, 24).split("Why it matters:\n")[1]
    assert section == "  a b c d a b c d a b c\n  d a b c d a b c d a b\n  c d a b c d a b c d a\n  b c d\n"


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


def listed(*arguments: str) -> list[str]:
    return [entry["rule"] for entry in json.loads(run("rules", "--format", "json", *arguments).out)["rules"]]


def test_rules_are_filtered_by_lists_severity_and_text() -> None:
    rules = all_rules().values()
    assert listed("--family", "numa,drmem", "--family", "live") == [
        rule.id for rule in rules if rule.family in ("numa", "drmem", "live")
    ]
    assert listed("--severity", "info,warning") == [rule.id for rule in rules if rule.severity != "error"]
    assert "DRM076" in listed("--search", "D144F4D5A8A8")
    assert listed("--search", "remove the LMBs and add  them again") == ["DRM121"], "over the end of a line"
    assert listed("--search", "drmgr", "--search", "lparnumascore") == [
        rule for rule in listed("--search", "drmgr") if rule in listed("--search", "lparnumascore")
    ]
    nothing = run("rules", "--search", "no such words")
    assert (nothing.code, nothing.err.startswith("drmemctl: no rule is of that kind")) == (0, True)
    assert run("rules", "--severity", "bad").code == 2


def test_a_family_is_explained() -> None:
    document = json.loads(run("explain", "state", "--format", "json").out)
    assert [entry["rule"] for entry in document["rules"]] == listed("--family", "state")
    text = run("explain", "kernel").out
    assert [line[:6] for line in text.splitlines() if line.startswith("DRM09")] == [f"DRM09{n}" for n in range(8)]
    assert len(json.loads(run("explain", "ALL", "--format", "json").out)["rules"]) == len(all_rules())


def test_what_a_tree_breaks_is_explained() -> None:
    tree = FIXTURES / "boot" / "aa-out-of-range.dtb.gz"
    outcome = run("explain", tree)
    assert outcome.code == 0
    assert outcome.out.startswith(
        "DRM030: assigned LMB whose node cannot be found\n  1 LMB is assigned, but with aa"
    )
    document = json.loads(run("explain", tree, "--format", "json").out)
    assert [(entry["rule"], len(entry["findings"])) for entry in document["rules"]] == [("DRM030", 2)]
    assert "\n- 1 LMB is assigned" in run("explain", tree, "--format", "markdown").out
    good = run("explain", FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz")
    assert (good.code, good.out) == (0, "")
    assert good.err.endswith(": no findings, nothing to explain\n")
    assert run("explain", ROOT / "pyproject.toml").code == 3
    assert run("explain", "").code == 2


def test_references_lead_to_commits_that_the_capabilities_have() -> None:
    from drmemctl.kernel.capabilities import CAPABILITIES

    commits = " ".join(capability.commit for capability in CAPABILITIES)
    links = {
        uri for rule in all_rules().values() for reference in rule.references for _, uri in links_of(reference)
    }
    assert f"{COMMITS}d144f4d5a8a8" in links
    sections = {uri for uri in links if uri.startswith(LOPAR)}
    assert all(re.fullmatch(r"/[a-z_A-Z]+\.xml#L\d+", uri.removeprefix(LOPAR)) for uri in sections)
    assert all(uri.removeprefix(COMMITS) in commits for uri in links - sections)
    assert "[d144f4d5a8a8](https://git.kernel.org/linus/d144f4d5a8a8)" in page_markdown(
        Page.of(all_rules()["DRM076"])
    )
    assert links_of("Linux 0123456789ab (5.15)") == ()
    assert links_of("LoPAR 2.9, of something else") == (("LoPAR", LOPAR),)
    names = [name for name, _ in links_of("LoPAR 2.9, ibm,associativity; ibm,associativity-lookup-arrays: x")]
    assert names == ["ibm,associativity", "ibm,associativity-lookup-arrays"]


def test_sarif_and_gitlab_link_to_the_pages() -> None:
    tree = FIXTURES / "boot" / "aa-out-of-range.dtb.gz"

    def driver(*arguments: str) -> dict[str, Any]:
        text = run("check", "--isolated", tree, "--format", "sarif", *arguments).out
        made: dict[str, Any] = json.loads(text)["runs"][0]["tool"]["driver"]
        return made

    site_url = "https://docs.example.com/drmemctl/"
    linked = driver("--select", "DRM076,DRM001", "--docs-url", site_url)
    assert linked["informationUri"] == site_url
    assert [rule["helpUri"] for rule in linked["rules"]] == [
        f"{site_url}rules/{rule}.html" for rule in ("DRM001", "DRM076")
    ]
    (rule,) = driver("--select", "DRM076")["rules"]
    assert rule["helpUri"] == "https://git.kernel.org/linus/d144f4d5a8a8"
    gitlab = json.loads(run("check", "--isolated", tree, "--format", "gitlab", "--docs-url", site_url).out)
    assert gitlab[0]["description"].endswith("\nhttps://docs.example.com/drmemctl/rules/DRM030.html")
    for url in ("javascript:x", "https://", "https://a b", "https://a\n", 'https://a"b'):
        assert run("check", "--isolated", tree, "--docs-url", url).code == 2
