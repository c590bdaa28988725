# SPDX-License-Identifier: MIT
"""Every notebook gives what is stored in it; `python -m tests.docs` runs them anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.notebooks import executed, read
from tools.site.notebooks import notebooks, page


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.name)
def test_a_notebook_gives_what_it_shows(path: Path) -> None:
    notebook = read(path)
    assert executed(notebook) == notebook


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.name)
def test_a_notebook_is_one_of_version_4_5(path: Path) -> None:
    notebook = read(path)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    keys = {"code": {"cell_type", "execution_count", "id", "metadata", "outputs", "source"}}
    for cell in notebook["cells"]:
        assert set(cell) == keys.get(cell["cell_type"], {"cell_type", "id", "metadata", "source"})


def test_a_cell_that_gives_something_else_is_seen() -> None:
    cell = {
        "cell_type": "code",
        "execution_count": 1,
        "id": "a",
        "metadata": {},
        "outputs": [],
        "source": ["1 + 1"],
    }
    ran = executed({"cells": [cell]})
    assert ran["cells"][0]["outputs"] == [
        {"data": {"text/plain": ["2"]}, "execution_count": 1, "metadata": {}, "output_type": "execute_result"}
    ]


def test_a_page_has_code_text_and_tables() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Title"]},
        {
            "cell_type": "code",
            "source": ["x"],
            "outputs": [
                {"text": ["printed\n"]},
                {"data": {"text/html": ["<table></table>"], "text/plain": ["t"]}},
            ],
        },
    ]
    made = page("n.ipynb", {"cells": cells})
    assert made == (
        "# Title\n\nThe tests run this notebook and compare what it gives: [n.ipynb](n.ipynb).\n\n"
        "```py\nx\n```\n\n```text\nprinted\n```\n\n<table></table>\n"
    )
