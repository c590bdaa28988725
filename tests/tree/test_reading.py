# SPDX-License-Identifier: MIT
"""Whoever shows how far the reading of an input is hears of it in order, and of its end whatever happens."""

from __future__ import annotations

import gzip
import random
import tempfile
from pathlib import Path

import pytest

from drmemctl.errors import InputError
from drmemctl.tree.reading import observed, tell
from drmemctl.tree.source import load
from tests.tree.samples import files, tar, tree


@pytest.mark.parametrize("damaged", [False, True])
def test_an_observer_hears_how_much_is_read_and_that_it_has_ended(tmp_path: Path, damaged: bool) -> None:
    path = tmp_path / "x.tar.gz"
    data = gzip.compress(tar(("log", random.Random(1).randbytes(3 << 20)), *files(tree())), 1)
    path.write_bytes(data[:-100] if damaged else data)
    reports: list[tuple[str, int, int]] = []
    with observed(lambda *news: reports.append(news)):
        if damaged:
            with pytest.raises(InputError):
                load(path)
        else:
            load(path)
    *progress, end = reports
    assert end == (str(path), 0, 0)
    positions = [
        position for source, position, size in progress if (source, size) == (str(path), path.stat().st_size)
    ]
    assert len(positions) == len(progress) > 8
    # The first bytes are read twice: they say what the input is.
    assert positions[2:] == sorted(positions[2:])
    assert positions[-1] > 0.9 * len(data)


def test_a_spooled_pipe_stays_in_memory() -> None:
    spooled = tempfile.SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115 - closed at once
    with spooled:
        spooled.write(b"x")
        reports: list[tuple[str, int, int]] = []
        with observed(lambda *news: reports.append(news)):
            tell("<stdin>", spooled)
        assert reports == []
        assert vars(spooled)["_rolled"] is False
