# SPDX-License-Identifier: MIT
"""Small inputs that hold no tree: what is read of them, and what is refused."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from drmemctl.errors import InputError, LimitError
from drmemctl.tree.plain_input import read_input


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "answers"
    path.write_bytes(b"12345")
    assert read_input(str(path), 5) == b"12345"
    with pytest.raises(LimitError) as refused:
        read_input(str(path), 4, "split it")
    assert (refused.value.source, refused.value.hint) == (str(path), "split it")


@pytest.mark.parametrize(
    ("name", "message"),
    [("no/such", "no such file"), ("a\0b", "cannot be read: embedded null byte"), (".", "Is a")],
)
def test_what_cannot_be_read_is_named(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        read_input(f"{tmp_path}/{name}", 5)
    assert refused.value.source == f"{tmp_path}/{name}"
    assert message in refused.value.message


def test_only_what_may_be_typed_is_taken_from_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = SimpleNamespace(buffer=io.BytesIO(b"count 1\n"), closed=False, isatty=lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    with pytest.raises(InputError, match="nothing on standard input") as refused:
        read_input("-", 100)
    assert refused.value.source == "<stdin>"
    assert read_input("-", 100, typed=True) == b"count 1\n"
