# SPDX-License-Identifier: MIT
"""The table of what is measured, against the records: each claim, and a part of what nobody claims.

`DRMEMCTL_MEASURED=all` looks for every record that exercises a side which the table has as read, for minutes.
"""

from __future__ import annotations

import os
import re

import pytest

from drmemctl.kernel.capabilities import BY_NAME, CAPABILITIES
from drmemctl.kernel.measured import MEASURED
from drmemctl.kernel.profiles import profile
from tests.cases import each
from tests.conftest import ROOT
from tests.simulate.measured import TABLE, exercises, series_of, text, witnesses

pytestmark = pytest.mark.one_python

KERNELS = {(name, series_of(kernel)): kernel for name, kernel in witnesses()}
CLAIMS = [
    (capability, series, name, has)
    for capability, measured in MEASURED.items()
    for has, records in ((True, measured.having), (False, measured.lacking))
    for series, name in records.items()
]
SHARE = 1 if os.environ.get("DRMEMCTL_MEASURED") == "all" else 40
"""One of so many pairs of a record and a capability is tried."""


@each(("capability", "series", "name", "has"), CLAIMS, ids=[f"{claim[0]}-{claim[1]}" for claim in CLAIMS])
def test_a_record_said_to_measure_a_side_is_another_on_the_other_side(
    capability: str, series: str, name: str, has: bool
) -> None:
    kernel = KERNELS[name, series]
    assert profile(kernel).has(BY_NAME[capability]) == has
    assert exercises((name, kernel), BY_NAME[capability])


def test_what_is_said_to_be_read_no_record_exercises() -> None:
    claimed = {(capability, series) for capability, series, *_ in CLAIMS}
    pairs = [(capability, witness) for capability in CAPABILITIES for witness in witnesses()]
    missing = [
        (capability.name, *witness)
        for number, (capability, witness) in enumerate(pairs)
        if number % SHARE == 0
        and (capability.name, series_of(witness[1])) not in claimed
        and exercises(witness, capability)
    ]
    assert missing == [], "python -m tests.simulate.measured"


def test_the_table_has_every_capability_as_it_is_written() -> None:
    assert list(MEASURED) == [capability.name for capability in CAPABILITIES]
    table = [(name, dict(measured.having), dict(measured.lacking)) for name, measured in MEASURED.items()]
    assert text(table) == TABLE.read_text(encoding="utf-8")


def test_the_documents_have_its_figures() -> None:
    whole = sum(measured.is_whole for measured in MEASURED.values())
    half = sum(bool(measured.having) != bool(measured.lacking) for measured in MEASURED.values())
    page = (ROOT / "docs" / "how-it-is-tested.md").read_text(encoding="utf-8")
    figures = re.search(r"Of (\d+) capabilities (\d+) are measured on both sides, (\d+) on one", page)
    assert figures is not None
    assert tuple(map(int, figures.groups())) == (len(MEASURED), whole, half)
