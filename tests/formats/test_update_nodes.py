# SPDX-License-Identifier: MIT
"""Lists of ibm,update-nodes: operations, their ends, and what is made of those that have none."""

from __future__ import annotations

import pytest

from drmemctl.formats.update_nodes import ADD, DELETE, UPDATE, Operation, UpdateNodes, encode_update_nodes
from tests.formats.rtas_vectors import MOBILITY, answers, areas, nodes_area, words


def test_golden() -> None:
    found = UpdateNodes.decode(nodes_area(0x01000001, 1, 0x02000002, 2, 3, 0x03000001, 4, 5))
    assert found.operations == (
        Operation(1, (1,), 1, 16),
        Operation(2, (2, 3), 2, 24),
        Operation(3, (4, 5), 1, 36),
    )
    assert (found.state, found.terminator, found.end, found.tail, found.defects) == (0, 0, 52, b"", ())
    assert [each.name for each in found.operations] == ["delete", "update", "add"]
    assert list(found.operations[2].items()) == [(40, 4, 5)]


@pytest.mark.parametrize("path", MOBILITY, ids=lambda path: path.stem)
def test_recorded_lists_decode(path: object) -> None:
    for one in answers(path, "update-nodes"):  # type: ignore[arg-type]
        found = UpdateNodes.decode(bytes.fromhex(one["answer"]).ljust(4096, b"\0"))
        assert found.operations
        assert found.defects == ()


def test_what_the_encoder_makes_decodes() -> None:
    operations = [(DELETE, list(range(1, 600))), (UPDATE, list(range(1, 900))), (ADD, [7, 8] * 600)]
    made = [UpdateNodes.decode(area) for area in encode_update_nodes(operations)]
    assert len(made) > 1
    assert all(not area.defects for area in made)
    found = {opcode: [] for opcode, _ in operations}  # type: dict[int, list[int]]
    for area in made:
        for each in area.operations:
            found[each.action] += each.operands
    assert found == dict(operations)


def test_a_list_without_an_end() -> None:
    full = bytes(16) + words(0x010003FB, *range(1, 1020))
    assert len(full) == 4096
    found = UpdateNodes.decode(full)
    assert found.terminator is None
    assert [(each.code, each.offset) for each in found.defects] == [("nodes-unterminated", 4096)]


def test_a_count_beyond_the_area() -> None:
    found = UpdateNodes.decode(bytes(16) + words(0x02FFFFFF, 7))
    assert found.operations == (Operation(2, (7,), 0xFFFFFF, 16),)
    (defect,) = found.defects
    assert (defect.code, defect.offset) == ("nodes-truncated", 16)
    assert defect.message == "update of 16,777,215: 16,777,215 words expected, there are 1"


def test_half_a_pair_is_shown() -> None:
    found = UpdateNodes.decode(bytes(16) + words(0x03000001, 7))
    assert [field.text for field in found.fields()][-1] == "half a pair"


def test_any_lower_bytes_end_the_list_as_in_linux() -> None:
    found = UpdateNodes.decode(nodes_area(0x00123456, 9))
    assert (found.operations, found.terminator) == ((), 0x123456)
    assert found.tail == words(9)


def test_the_count_follows_from_the_operands() -> None:
    assert Operation(3, (1, 2, 3, 4)).encode() == words(0x03000002, 1, 2, 3, 4)
    assert UpdateNodes(0, (Operation(2, (1,)),), length=4096).encode() == nodes_area(0x02000001, 1)


def test_the_fields_cover_the_list() -> None:
    for area in areas("update-nodes"):
        found = UpdateNodes.decode(area)
        covered = sum(field.size for field in found.fields() if field.offset < found.end)
        assert covered == found.end


@pytest.mark.parametrize(
    ("operations", "areas_made"),
    [
        # 4 words of header, one for each operation, its operands and a last one of zeros: 1024 in 4 KiB.
        ([(UPDATE, 1018)], 1),
        ([(UPDATE, 1019)], 2),
        ([(DELETE, 1016), (UPDATE, 1)], 1),
        ([(DELETE, 1016), (UPDATE, 2)], 2),
        ([(DELETE, 1017), (UPDATE, 1)], 2),
    ],
)
def test_a_work_area_is_filled_to_its_last_word(operations: list[tuple[int, int]], areas_made: int) -> None:
    made = encode_update_nodes([(opcode, range(1, count + 1)) for opcode, count in operations])
    assert [len(area) for area in made] == [4096] * areas_made
    assert all(area[-4:] == bytes(4) for area in made)
