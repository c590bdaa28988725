# SPDX-License-Identifier: MIT
"""Work areas of ibm,configure-connector: words, and what their offsets lead to."""

from __future__ import annotations

import pytest

from drmemctl.errors import FormatError
from drmemctl.formats.configure_connector import ConnectorArea, status_text
from drmemctl.formats.rtas_kinds import meaning_of
from tests.formats.rtas_vectors import words

NODE = (words(0x80000004, 0, 20, 0, 0) + b"memory@40000000\0").ljust(4096, b"\0")
PROPERTY = (words(0x80000004, 0, 20, 4, 27) + b"reg-ab\0" + words(7)).ljust(4096, b"\0")


def test_a_node() -> None:
    found = ConnectorArea.decode(NODE)
    assert (found.drc_index, found.name, found.value, found.defects) == (0x80000004, "memory@40000000", None, ())


def test_a_property_with_an_unaligned_value() -> None:
    found = ConnectorArea.decode(PROPERTY)
    assert (found.name, found.value, found.defects) == ("reg-ab", words(7), ())
    assert [field.name for field in found.fields()][-2:] == ["name", "value"]
    assert ConnectorArea.decode(words(1, 0, 0, 0, 20) + b"x").value is None


@pytest.mark.parametrize(
    ("area", "code"),
    [
        (b"\1", "connector-header-cut"),
        (words(1, 0, 4096, 0, 0).ljust(4096, b"\0"), "connector-name-outside"),
        (words(1, 0, 20, 0, 0) + b"x" * 4076, "connector-name-outside"),
        (words(1, 0, 4, 0, 0).ljust(4096, b"\0"), "connector-name-outside"),
        (words(1, 0, 0, 9, 4090).ljust(4096, b"\0"), "connector-value-outside"),
        (words(1, 0, 0, 0xFFFFFFFF, 20).ljust(4096, b"\0"), "connector-value-outside"),
    ],
)
def test_what_is_not_in_the_area(area: bytes, code: str) -> None:
    assert [each.code for each in ConnectorArea.decode(area).defects] == [code]


def test_name_and_value_are_put_where_the_offsets_say() -> None:
    made = ConnectorArea(0x80000004, 20, 4, 27, name="reg-ab", value=words(7), length=4096)
    assert made.encode() == PROPERTY
    for wrong in (
        ConnectorArea(1, 4090, name="too long", length=4096),
        ConnectorArea(1, 1 << 31, name="x"),
        ConnectorArea(1, length=1 << 40),
        ConnectorArea(1 << 32),
    ):
        with pytest.raises(FormatError):
            wrong.encode()


@pytest.mark.parametrize(
    ("status", "text"),
    [(9899, "not known"), (9900, "in 1 ms"), (9903, "in 1000 ms"), (9905, "in 100000 ms"), (9906, "not known")],
)
def test_a_busy_status_says_how_long_to_wait(status: int, text: str) -> None:
    """LoPAR calls it the extended delay: 990x asks for ten to the power of x milliseconds."""
    assert status_text(status).endswith(text)


@pytest.mark.parametrize(("status", "busy"), [(9899, False), (9900, True), (9905, True), (9906, False)])
def test_the_update_calls_can_be_busy_as_well(status: int, busy: bool) -> None:
    assert meaning_of("update-nodes", status) == ("busy" if busy else "error")
