# SPDX-License-Identifier: MIT
"""Names of files with blanks in them, quoted as for a shell in steps."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from drmemctl.simulate.step_words import StepError, parts_of, unquoted
from drmemctl.simulate.steps.firmware_update import FirmwareUpdate
from drmemctl.simulate.steps.language import parse_step
from tests.cases import each
from tests.cli.running import run
from tests.conftest import FIXTURES

BEFORE, AFTER = FIXTURES / "races" / "before.dts", FIXTURES / "races" / "after.dts"
NAMES = ("after the move.dts", "it's after.dts", 'the "new".dts', "after #2 it.dts", "$HOME `x`.dts", "a\\ b.dts")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("in_file", [False, True])
def test_a_quoted_name_is_read(name: str, in_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(AFTER.read_bytes())
    Path("plain.dts").write_bytes(AFTER.read_bytes())
    steps = {}
    for file in (name, "plain.dts"):
        step = f"lpm {shlex.quote(file)}"
        Path("steps").write_text(f"{step}  # a comment\n")
        done = run("simulate", BEFORE, *(("-f", "steps") if in_file else (step,)), "--json")
        steps[file] = json.loads(done.out)["steps"]
        assert steps[file][0].pop("step") == step
    assert steps[name] == steps["plain.dts"]


def test_a_property_from_a_quoted_file() -> None:
    step = parse_step('firmware /chosen bootargs @"my file" # comment')
    assert isinstance(step, FirmwareUpdate)
    assert step.file == "my file"


@pytest.mark.parametrize("word", ["it's.dtb", '"', "'", "a'b'c", "''"])
def test_what_is_no_quoted_word_stays_as_it_is(word: str) -> None:
    assert unquoted(word) == word


def test_a_quote_that_does_not_end_is_an_error_with_its_place() -> None:
    with pytest.raises(StepError) as error:
        parse_step("lpm 'after the move.dts")
    assert (error.value.column, error.value.expected) == (12, "the end of the step")


@each(
    ("text", "parts"),
    [
        ("lpm a.dtb; dlpar memory add count 1", ["lpm a.dtb", "dlpar memory add count 1"]),
        ("lpm 'a; b.dtb';dlpar memory add count 1", ["lpm 'a; b.dtb'", "dlpar memory add count 1"]),
        ('lpm "a;\\"b.dtb" ; prrn', ['lpm "a;\\"b.dtb"', "prrn"]),
        ("lpm it's; prrn; lpm that's", ["lpm it's", "prrn", "lpm that's"]),
        ("lpm 'open; prrn", ["lpm 'open", "prrn"]),
    ],
)
def test_a_semicolon_in_a_quoted_name_ends_no_step(text: str, parts: list[str]) -> None:
    assert parts_of(text) == parts
