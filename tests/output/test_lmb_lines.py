# SPDX-License-Identifier: MIT
"""Many LMBs at a time come out as one by one."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drmemctl.formats.lookup_arrays import decode_lookup_arrays, encode_lookup_arrays
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import Run
from drmemctl.output import lmb
from drmemctl.output.lmb import LmbView, show_lmbs
from drmemctl.output.screen import Screen
from tests.wide import examples

SIZE = 1 << 28
PIPE = Screen(color=False, terminal=False, width=80)
LOOKUP = decode_lookup_arrays(encode_lookup_arrays([(0, 0, 0, node) for node in range(4)], 4))
AFFINITY = Associativity(1, (4,), 4, LOOKUP)

kinds = st.tuples(st.sampled_from([0, 1, 3, 7, 0xFFFFFFFF]), st.sampled_from([0, 8, 0x80, 0x108, 0x40000000]))
runs = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 1 << 22), st.integers(0, 0xFFFFFFFF), kinds),
    min_size=1,
    max_size=8,
)


def shown(view: LmbView, capsys: pytest.CaptureFixture[str], many: int) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lmb, "_MANY", many)
        show_lmbs(PIPE, view, "text")
    return capsys.readouterr().out.splitlines()


@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs, st.booleans(), st.booleans())
def test_each_line_is_what_it_is_alone(
    capsys: pytest.CaptureFixture[str],
    parts: list[tuple[int, int, int, tuple[int, int]]],
    single: bool,
    expand: bool,
) -> None:
    entries = [Run(base * SIZE, 1 if single else count, drc, *kind) for count, base, drc, kind in parts]
    view = LmbView(LmbTable.of(entries, SIZE), AFFINITY, 100 if expand else None)
    alone, together = shown(view, capsys, 1 << 30), shown(view, capsys, 0)
    assert together == alone


def test_addresses_beyond_the_column_are_shown_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    wraps = [Run((1 << 64) - SIZE, 1, 1, 0, 8), Run(0, 1, 3, 0, 8), Run(SIZE, 2, 0xFFFFFFFF, 0, 8)]
    view = LmbView(LmbTable.of(wraps, SIZE), AFFINITY, 100)
    assert shown(view, capsys, 0) == shown(view, capsys, 1 << 30)


def test_ten_thousand_unlike_lmbs(capsys: pytest.CaptureFixture[str]) -> None:
    entries = [Run(index * SIZE, 1, 0x80000000 + index, index % 4, 8) for index in range(10_000)]
    lines = shown(LmbView(LmbTable.of(entries, SIZE), AFFINITY), capsys, 4096)
    assert lines[2 + 9_999].split() == [
        "0x270f0000000-0x270ffffffff", "256", "MiB", "1", "0x8000270f", "3", "0", "0", "0", "3", "3", "assigned",
    ]  # fmt: skip
    assert len(lines) == 10_002


def test_lmbs_of_no_bytes_have_no_last_address(capsys: pytest.CaptureFixture[str]) -> None:
    view = LmbView(LmbTable.of([Run(0, 4, 0, 0, 0x80), Run(SIZE, 2, 4, 0, 8)], 0), AFFINITY, None)
    assert [line.split()[0] for line in shown(view, capsys, 1 << 30)[2:]] == ["0x00000000", "0x10000000"]
