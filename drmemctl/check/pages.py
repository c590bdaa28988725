# SPDX-License-Identifier: MIT
"""The pages of the rules: what `explain` prints, what SARIF carries, and the files of `docs/rules`.

`python -m drmemctl.check.pages docs/rules` writes those files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from drmemctl.check.engine import all_rules
from drmemctl.check.families import FAMILIES
from drmemctl.check.finding import Severity
from drmemctl.check.powervm import POWERVM
from drmemctl.check.rule import Rule

HEADINGS = {
    "Why": "Why it matters",
    "Example": "Bytes that break it",
    "Kernel": "What a kernel does with them",
    "Fix": "How to fix it",
}
"""The sections of a page, as they are headed."""

_INDEX = "README.md"


@dataclass(frozen=True, slots=True)
class Page:
    """All that there is to say of a rule.

    Attributes:
        rule: its id.
        severity: the worst consequence.
        family: one of `FAMILIES`.
        title: what is wrong, in a few words.
        kernels: the releases that it is about, in words.
        summary: what it looks for, in a sentence.
        sections: (key of `HEADINGS`, text), in their order.
        references: kernel commits, chapters of LoPAR, and the like.
        powervm: what is known of it on PowerVM.

    """

    rule: str
    severity: Severity
    family: str
    title: str
    kernels: str
    summary: str
    sections: tuple[tuple[str, str], ...]
    references: tuple[str, ...]
    powervm: str = ""

    @classmethod
    def of(cls, rule: Rule) -> Page:
        """Return the page of a rule, from its docstring."""
        page = rule.page
        sections = tuple((key, page[key]) for key in HEADINGS if page.get(key))
        facts = (rule.id, rule.severity, rule.family, rule.title, str(rule.kernels))
        return cls(*facts, page["Summary"], sections, rule.references, POWERVM.get(rule.id, ""))

    def markdown(self) -> str:
        """Return the page as Markdown, without its heading."""
        facts = f"**{self.severity}** · {self.family}: {FAMILIES[self.family]} · kernels: {self.kernels}"
        parts = [facts, self.summary]
        for key, text in self.sections:
            parts += [f"## {HEADINGS[key]}", text]
        if self.powervm:
            parts.append(f"**PowerVM:** {self.powervm}")
        if self.references:
            parts += ["## References", "\n".join(f"- {reference}" for reference in self.references)]
        return "\n\n".join(parts) + "\n"

    def text(self) -> str:
        """Return the page as plain text, without its heading."""
        facts = f"{self.severity}, {self.family} ({FAMILIES[self.family]}), kernels: {self.kernels}"
        parts = [facts, self.summary]
        parts += [f"{HEADINGS[key]}:\n{_indented(text)}" for key, text in self.sections]
        if self.powervm:
            parts.append(f"PowerVM: {self.powervm}")
        if self.references:
            parts.append("References:\n" + _indented("\n".join(self.references)))
        return "\n\n".join(parts) + "\n"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def pages(rules: Iterable[Rule]) -> tuple[Page, ...]:
    """Return the pages of rules."""
    return tuple(Page.of(rule) for rule in rules)


def documents() -> dict[str, str]:
    """Return the files of `docs/rules` by name."""
    all_pages = pages(all_rules().values())
    files = {f"{page.rule}.md": f"# {page.rule}: {page.title}\n\n{page.markdown()}" for page in all_pages}
    return {_INDEX: _index(all_pages), **files}


def _index(all_pages: Iterable[Page]) -> str:
    made_by = "python -m drmemctl.check.pages docs/rules"
    parts = [f"# Rules\n\nMade from the rules themselves (`{made_by}`); `drmemctl explain RULE` prints a page.\n"]
    by_family: dict[str, list[Page]] = {family: [] for family in FAMILIES}
    for page in all_pages:
        by_family[page.family].append(page)
    for family, members in by_family.items():
        if members:
            rows = [f"| [{page.rule}]({page.rule}.md) | {page.severity} | {page.title} |" for page in members]
            table = ["| rule | severity | finds |", "|---|---|---|", *rows]
            parts.append(f"## {family}: {FAMILIES[family]}\n\n" + "\n".join(table) + "\n")
    return "\n".join(parts)


def write(folder: Path) -> None:
    """Write the files of `docs/rules`, and remove those of rules that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    files = documents()
    for stale in sorted(set(folder.glob("*.md")) - {folder / name for name in files}):
        stale.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
