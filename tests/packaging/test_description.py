# SPDX-License-Identifier: MIT
"""The README as PyPI shows it: every link leads somewhere from there."""

from __future__ import annotations

import re

from tests.conftest import ROOT
from tools.description import described

README = (ROOT / "README.md").read_text(encoding="utf-8")
TARGET = re.compile(r"\]\(([^)]*)\)")


def test_links_lead_to_the_files_of_the_version() -> None:
    source = "https://example.org/o/drmemctl/"
    targets = TARGET.findall(described(README, source, "1.2.3"))
    assert len(targets) == len(TARGET.findall(README)) > 20
    ours = [target for target in targets if target.startswith(source)]
    paths = {re.sub(r"^.*/(?:blob|raw)/v1\.2\.3/|#.*", "", target) for target in ours}
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [target for target in targets if not target.startswith("https://")] == []
    assert (
        f"![A report: the map of a partition, an LMB under the pointer]({source}raw/v1.2.3/docs/images/"
        in described(README, source, "1.2.3")
    )


def test_without_a_repository_they_are_words() -> None:
    text = described(README, "", "1.2.3")
    assert [target for target in TARGET.findall(text) if not target.startswith("https://")] == []
    assert "[tutorial](docs/tutorial.md)" in README
    assert "The tutorial goes on from there" in text
    assert "docs/images" not in text
