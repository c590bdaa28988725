# SPDX-License-Identifier: MIT
"""Descriptors of ibm,update-properties: names, lengths, parts, and counts that do not fit."""

from __future__ import annotations

import pytest

from drmemctl.formats.update_properties import Change, Descriptor, UpdateProperties, encode_update_properties
from tests.formats.rtas_vectors import areas, described, properties_area, words

PATH = described(b"", 3, b"/x\0")


def codes(data: bytes) -> list[tuple[str, int | None]]:
    return [(each.code, each.offset) for each in UpdateProperties.decode(data).defects]


def test_golden() -> None:
    area = properties_area(
        5,
        PATH,
        described(b"a", 2, b"\1\2"),
        described(b"b", 0x80000000),
        described(b"c", 0),
        described(b"d", (1 << 32) - 3, b"xyz"),
    )
    found = UpdateProperties.decode(area)
    assert (found.phandle, found.nprops, found.path, found.defects) == (0x1234, 5, "/x", ())
    assert [(each.name, each.size, each.is_part, each.meaning) for each in found.changes] == [
        ("a", 2, False, "2 bytes"),
        ("b", 0, False, "remove the property"),
        ("c", 0, False, "name only"),
        ("d", 3, True, "3 bytes, to be continued"),
    ]
    assert found.descriptors[1] == Descriptor("a", 2, b"\1\2", 28)


def test_recorded_areas_decode() -> None:
    found = [UpdateProperties.decode(area) for area in areas("update-properties")]
    assert sum(len(each.descriptors) for each in found) > 30
    assert all(not each.defects for each in found)


def test_what_the_encoder_makes_decodes() -> None:
    changes = [Change(b"long", bytes(range(256)) * 40), Change(b"gone", None), Change(b"short", b"x")]
    made = [UpdateProperties.decode(area) for area in encode_update_properties(7, b"/n", changes)]
    assert len(made) == 3
    assert all(not each.defects for each in made)
    assert made[0].path == "/n"
    assert made[0].descriptors[-1].is_part


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        (b"\0\0\0\1", [("properties-header-cut", 4)]),
        (words(1, 0, 0, 0, 1) + b"abc", [("properties-name-unterminated", 20)]),
        (words(1, 0, 0, 0, 1) + b"abc\0\0\0", [("properties-cut", 20)]),
        (words(1, 0, 0, 0, 1) + described(b"a", 9, b"1234"), [("properties-value-cut", 26)]),
        (properties_area(3, PATH, described(b"a", 1, b"x")), [("properties-too-many", 16)]),
        (properties_area(0xFFFFFFFF, PATH), [("properties-too-many", 16)]),
        # One that is empty altogether can be a path; several, or one without any bytes, are not there.
        (words(1, 0, 0, 0, 1, 0, 0), []),
        (words(1, 0, 0, 0, 2, 0, 0), [("properties-too-many", 16)]),
        (words(1, 0, 0, 0, 1), [("properties-too-many", 16)]),
        (properties_area(1, PATH, described(b"a", 1, b"x")), [("properties-left-over", 28)]),
        (properties_area(2, PATH, described(b"a", 0x7FFFFFFF, b"x")), [("properties-value-cut", 34)]),
    ],
)
def test_what_does_not_fit(area: bytes, expected: list[tuple[str, int]]) -> None:
    assert codes(area) == expected


def test_a_known_value_is_shown_with_its_parts() -> None:
    (area,) = [area for area in areas("update-properties") if b"ibm,dynamic-memory-v2" in area][:1]
    texts = [field.text for field in UpdateProperties.decode(area).fields()]
    assert any(text.startswith("2 LMBs from 0x40000000, DRC 0x80000004, aa_index 0") for text in texts)


def test_the_rest_of_a_value_is_not_taken_for_one() -> None:
    area = properties_area(1, described(b"ibm,dynamic-memory-v2", 4, words(3)))
    assert not [field for field in UpdateProperties.decode(area).fields() if field.name.endswith(".sets")]
