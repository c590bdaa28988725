# SPDX-License-Identifier: MIT
"""The work area of ibm,update-nodes: which nodes firmware wants deleted, updated or added.

Source: LoPAR 2.9, "ibm,update-nodes RTAS call"; Linux arch/powerpc/platforms/pseries/mobility.c
`pseries_devicetree_update`. A header of 16 bytes, then operations: a word with the opcode in its upper byte and
a count, then that many operands (phandles; pairs of a parent's phandle and a DRC index to add), then a word 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from construct import Int32ub, Padding, Struct

from drmemctl.formats.rows import pack_words

WORK_AREA = 4096
"""Bytes of the work area; it begins at a multiple of as many."""

HEADER = Struct("state" / Int32ub, Padding(12))
HEADER_SIZE = HEADER.sizeof()

DELETE, UPDATE, ADD = 0x01000000, 0x02000000, 0x03000000
ACTION_MASK, COUNT_MASK = 0xFF000000, 0x00FFFFFF

_ORDER = (DELETE, UPDATE, ADD)
_MAX_WORDS = (WORK_AREA - HEADER_SIZE) // 4 - 1


def encode_update_nodes(operations: Iterable[tuple[int, Sequence[int]]]) -> list[bytes]:
    """Return the work areas for operations (opcode, operands) in the order in which they are to be given.

    Each but the last is to be returned with status 1. Of an ADD the operands are pairs, and its count is theirs.
    """
    areas: list[list[int]] = [[]]
    for opcode, operands in operations:
        size = 2 if opcode == ADD else 1
        rest = list(operands)
        while rest:
            room = (_MAX_WORDS - len(areas[-1]) - 1) // size
            if room < 1:
                areas.append([])
                continue
            taken, rest = rest[: room * size], rest[room * size :]
            areas[-1] += [opcode | len(taken) // size, *taken]
    return [_area(number, cells) for number, cells in enumerate(areas)]


def _area(number: int, cells: list[int]) -> bytes:
    return (pack_words([number, 0, 0, 0]) + pack_words(cells)).ljust(WORK_AREA, b"\0")


def in_order(opcodes: Iterable[int]) -> bool:
    """Whether opcodes come as LoPAR wants them: deletions, updates, additions."""
    ranks = [_ORDER.index(opcode) for opcode in opcodes if opcode in _ORDER]
    return ranks == sorted(ranks)
