# SPDX-License-Identifier: MIT
"""The work area of ibm,update-nodes: which nodes firmware wants deleted, updated or added.

Source: LoPAR 2.9, "ibm,update-nodes RTAS call"; Linux arch/powerpc/platforms/pseries/mobility.c
`pseries_devicetree_update`. A header of 16 bytes, then operations: a word with the opcode in its upper byte and
a count, then that many operands (phandles; pairs of a parent's phandle and a DRC index to add), then a word 0.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from drmemctl.defect import Defect
from drmemctl.formats.fields import Field
from drmemctl.formats.rows import pack_words, words
from drmemctl.formats.rtas_labels import NO_LABELS, Labels, padded, tail_field, with_label
from drmemctl.formats.seam import build, building
from drmemctl.wording import count_of

NAME = "update-nodes"

WORK_AREA = 4096
"""Bytes of the work area; it begins at a multiple of as many."""

HEADER_SIZE = 16

DELETE, UPDATE, ADD = 0x01000000, 0x02000000, 0x03000000
ACTION_MASK, COUNT_MASK = 0xFF000000, 0x00FFFFFF

_ORDER = (DELETE, UPDATE, ADD)
_MAX_WORDS = (WORK_AREA - HEADER_SIZE) // 4 - 1

OPCODES = {DELETE: "delete", UPDATE: "update", ADD: "add"}


def header() -> Any:
    """Return the declaration of the header."""
    from construct import Bytes, Int32ub, Struct

    return Struct("state" / Int32ub, "reserved" / Bytes(HEADER_SIZE - 4))


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        opcode: the upper byte of its word, e.g. 3 for an addition.
        operands: phandles; of an addition, pairs of the parent's phandle and a DRC index.
        count: the rest of its word; None, when it is made, for as many as there are.
        offset: where it begins in the work area.

    """

    opcode: int
    operands: tuple[int, ...]
    count: int | None = None
    offset: int = 0

    @property
    def action(self) -> int:
        """The opcode where it is in the word: `DELETE`, `UPDATE`, `ADD`, or another."""
        return self.opcode << 24

    @property
    def name(self) -> str:
        """What it does, in a word."""
        return OPCODES.get(self.action, f"opcode {self.opcode:#04x}")

    @property
    def end(self) -> int:
        """The offset behind its operands."""
        return self.offset + 4 + 4 * len(self.operands)

    @property
    def declared(self) -> int:
        """The count in its word."""
        return len(self.operands) // (2 if self.action == ADD else 1) if self.count is None else self.count

    def items(self) -> Iterator[tuple[int, int, int | None]]:
        """Yield (offset, phandle, DRC index) of each operand; only additions have DRC indexes."""
        size = 2 if self.action == ADD else 1
        for at in range(0, len(self.operands) - size + 1, size):
            drc_index = self.operands[at + 1] if size == 2 else None
            yield self.offset + 4 + 4 * at, self.operands[at], drc_index

    def encode(self) -> bytes:
        """Return its words as bytes."""
        if not 0 <= self.declared <= COUNT_MASK or not 0 <= self.opcode < 256:
            raise ValueError(f"opcode {self.opcode} with count {self.declared}")
        return pack_words([self.action | self.declared, *self.operands])

    def fields(self, name: str, labels: Labels) -> Iterator[Field]:
        """Yield the fields for a reader; `name` is what the operation is called there."""
        summary = f"{self.name}, {count_of(self.declared, 'node')}"
        yield Field(self.offset, 4, name, self.action | self.declared, summary)
        for position, (offset, phandle, drc_index) in enumerate(self.items()):
            role = "phandle" if drc_index is None else "parent"
            text = with_label(f"{phandle:#x}", labels.path(phandle))
            yield Field(offset, 4, f"{name}.{role}[{position}]", phandle, text)
            if drc_index is not None:
                text = with_label(f"{drc_index:#010x}", labels.drc(drc_index))
                yield Field(offset + 4, 4, f"{name}.drc_index[{position}]", drc_index, text)
        if self.action == ADD and len(self.operands) % 2:
            yield Field(self.end - 4, 4, f"{name}.cut", self.operands[-1], "half a pair")


@dataclass(frozen=True, slots=True)
class UpdateNodes:
    """A work area as it was returned.

    Attributes:
        state: firmware's own, to be handed back in the next call; None where even the header is cut.
        reserved: the other bytes of the header.
        operations: the list.
        terminator: the word that ends it, None where nothing does.
        tail: bytes after that, without the zeros at their end.
        length: bytes in all; None, when it is made, for no zeros at the end.
        defects: `nodes-header-cut`, `nodes-truncated`, `nodes-unterminated`.

    """

    kind: ClassVar[str] = NAME

    state: int | None
    operations: tuple[Operation, ...]
    reserved: bytes = bytes(12)
    terminator: int | None = 0
    tail: bytes = b""
    length: int | None = None
    defects: tuple[Defect, ...] = ()

    @classmethod
    def decode(cls, data: bytes, words_of_add: int = 2) -> UpdateNodes:
        """Return what any bytes hold. `words_of_add` is 1 to take the count of an addition for its operands."""
        if len(data) < HEADER_SIZE:
            fault = Defect(
                "nodes-header-cut", f"{len(data)} of the header's {HEADER_SIZE} bytes", offset=len(data)
            )
            return cls(None, (), b"", None, data.rstrip(b"\0"), len(data), (fault,))
        state, reserved = int.from_bytes(data[:4]), data[4:HEADER_SIZE]
        operations, terminator, defects = _operations(words(memoryview(data)[HEADER_SIZE:]), words_of_add)
        end = operations[-1].end if operations else HEADER_SIZE
        end += 0 if terminator is None else 4
        tail = data[end:].rstrip(b"\0")
        return cls(state, operations, reserved, terminator, tail, len(data), defects)

    @property
    def end(self) -> int:
        """The offset behind the list, its end included."""
        if self.state is None:
            return 0
        end = self.operations[-1].end if self.operations else HEADER_SIZE
        return end if self.terminator is None else end + 4

    def encode(self) -> bytes:
        """Return the bytes; `FormatError` for values that no bytes hold."""
        head = b""
        if self.state is not None:
            head = build(header(), {"state": self.state, "reserved": self.reserved}, NAME)
        with building(NAME):
            end = b"" if self.terminator is None else pack_words([self.terminator])
            listed = b"".join(operation.encode() for operation in self.operations)
        return padded(head + listed + end, self.tail, self.length)

    def fields(self, labels: Labels = NO_LABELS) -> Iterator[Field]:
        """Yield the fields for a reader."""
        if self.state is not None:
            yield Field(0, 4, "state", self.state, f"{self.state:#x}")
            yield Field(4, 12, "reserved", None, self.reserved.hex())
        for number, operation in enumerate(self.operations):
            yield from operation.fields(f"operation[{number}]", labels)
        if self.terminator is not None:
            yield Field(self.end - 4, 4, "end", self.terminator, f"{self.terminator:#x}")
        yield from tail_field(self.end, self.tail)


def _operations(
    cells: array[int], words_of_add: int
) -> tuple[tuple[Operation, ...], int | None, tuple[Defect, ...]]:
    """Return the operations in the words after the header, what ends them, and what is wrong.

    The words bound it: a count of 2**24 takes what is there.
    """
    operations: list[Operation] = []
    at = 0
    while at < len(cells):
        word, offset = cells[at], HEADER_SIZE + 4 * at
        if not word & ACTION_MASK:
            return tuple(operations), word, ()
        action, count = word & ACTION_MASK, word & COUNT_MASK
        wanted = count * words_of_add if action == ADD else count
        operands = tuple(cells[at + 1 : at + 1 + wanted])
        operations.append(Operation(action >> 24, operands, count, offset))
        at += 1 + len(operands)
        if len(operands) < wanted:
            message = f"{operations[-1].name} of {count:,}: {wanted:,} words expected, there are {len(operands):,}"
            return tuple(operations), None, (Defect("nodes-truncated", message, offset=offset),)
    end = HEADER_SIZE + 4 * at
    return tuple(operations), None, (Defect("nodes-unterminated", "no word 0 ends the list", offset=end),)


def encode_update_nodes(operations: Iterable[tuple[int, Sequence[int]]]) -> list[bytes]:
    """Return the work areas for operations (opcode, operands) in the order in which they are to be given.

    Each but the last is to be returned with status 1. Of an ADD the operands are pairs, and its count is theirs.
    """
    areas: list[list[int]] = [[]]
    for opcode, operands in operations:
        size = 2 if opcode == ADD else 1
        remaining = list(operands)
        while remaining:
            room = (_MAX_WORDS - len(areas[-1]) - 1) // size
            if room < 1:
                areas.append([])
                continue
            part, remaining = remaining[: room * size], remaining[room * size :]
            areas[-1] += [opcode | len(part) // size, *part]
    return [pack_words([number, 0, 0, 0, *cells]).ljust(WORK_AREA, b"\0") for number, cells in enumerate(areas)]


def in_order(opcodes: Iterable[int]) -> bool:
    """Whether opcodes come as LoPAR wants them: deletions, updates, additions."""
    ranks = [_ORDER.index(opcode) for opcode in opcodes if opcode in _ORDER]
    return ranks == sorted(ranks)
