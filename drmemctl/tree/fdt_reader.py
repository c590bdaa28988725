# SPDX-License-Identifier: MIT
"""Reader of flattened device trees: strict, bounded, iterative; values are never interpreted.

What libfdt's `fdt_check_full` refuses is refused, with the same error name and the offset, but for NOPs.
Beyond that, a blob with overlapping or misaligned blocks or without a root is refused too, since two readers could
then see two different trees. What is only odd (duplicates, trailing bytes) is read on, and kept as a defect of the
tree.

Source: Devicetree Specification v0.4 chapter 5; libfdt `fdt_check_header`, `fdt_check_full`, `fdt_next_tag`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from drmemctl.defect import Defect
from drmemctl.errors import BlobError, LimitError
from drmemctl.formats.fdt_header import (
    BEGIN_NODE,
    END,
    END_NODE,
    LAST_COMPATIBLE,
    MAGIC,
    NOP,
    PROP,
    SIZE_V1,
    Header,
    decode_header,
)
from drmemctl.tree.limits import LIMITS, MAX_DEFECTS, MIB, NOT_REAL, Limits
from drmemctl.tree.node import Node, Property, Tree, decode_name
from drmemctl.wording import count_of

_MAX_INT = 0x7FFFFFFF
"""libfdt keeps offsets in a signed int."""

_NOPS = tuple(NOP.to_bytes(4, "big") * count for count in (256, 16, 1))
"""NOPs are the one token that no limit bounds: 64 MiB of them must not cost a step each."""

_PROPERTY_HEADER = 12
"""Bytes of an FDT_PROP token, its length and its name offset."""

_ADVICE = {BlobError: "the blob is damaged: take it again, or look at it with fdtdump", LimitError: NOT_REAL}
"""What to do, where the place of the fault gives nothing better."""


class Token(NamedTuple):
    """One token of the structure block.

    `offset` is its byte offset in the blob, `name` the node's or property's, `value` a view of its bytes.
    """

    tag: int
    offset: int
    name: str
    value: memoryview


_NO_VALUE = memoryview(b"")


def read_header(blob: bytes) -> Header:
    """Return the header after the checks of libfdt's `fdt_check_header`; `BlobError` otherwise."""
    if len(blob) < SIZE_V1:
        raise BlobError("FDT_ERR_TRUNCATED", f"{len(blob)} bytes are too few for a header", offset=len(blob))
    header = decode_header(blob)
    if len(blob) < header.size:
        raise BlobError("FDT_ERR_TRUNCATED", f"{len(blob)} bytes are too few for a header", offset=len(blob))
    if not blob.startswith(MAGIC):
        raise BlobError("FDT_ERR_BADMAGIC", f"magic is {blob[:4].hex()}, not d00dfeed", offset=0)
    compatible = header.last_comp_version
    if header.version < 1 or compatible > LAST_COMPATIBLE or header.version < compatible:
        message = f"version {header.version}, compatible with {compatible}: not one of 1 to {LAST_COMPATIBLE}"
        raise BlobError("FDT_ERR_BADVERSION", message, offset=20)
    if not header.size <= header.totalsize <= _MAX_INT:
        message = f"totalsize {header.totalsize} cannot be, a blob has {header.size} to {_MAX_INT} bytes"
        raise BlobError("FDT_ERR_TRUNCATED", message, offset=4)
    if header.totalsize > len(blob):
        message = f"the header promises {header.totalsize} bytes, there are {len(blob)}: the blob is cut off"
        raise BlobError("FDT_ERR_TRUNCATED", message, offset=len(blob))
    _check_block(header, "structure block", header.off_dt_struct, header.size_dt_struct, field=8, align=4)
    _check_block(header, "strings block", header.off_dt_strings, header.size_dt_strings, field=12, align=1)
    _check_block(header, "reservation block", header.off_mem_rsvmap, None, field=16, align=8)
    return header


def _check_block(  # noqa: PLR0913 - the facts of a block
    header: Header, block: str, offset: int, size: int | None, *, field: int, align: int
) -> None:
    """Refuse a block that is not inside the blob or not aligned; `field` is where its offset stands."""
    end = offset + (size or 0)
    if not header.size <= offset <= end <= header.totalsize:
        message = (
            f"the {block} {offset:#x}..{end:#x} is not between the header and totalsize {header.totalsize:#x}"
        )
        raise BlobError("FDT_ERR_TRUNCATED", message, offset=field)
    if offset % align:
        raise BlobError(
            "FDT_ERR_ALIGNMENT", f"the {block} at {offset:#x} is not {align}-byte aligned", offset=field
        )


def read_reservations(blob: bytes, header: Header, limits: Limits = LIMITS) -> tuple[tuple[int, int], ...]:
    """Return the (address, size) pairs before the terminator, which is the first pair of size 0."""
    pairs: list[tuple[int, int]] = []
    for offset in range(header.off_mem_rsvmap, header.totalsize - 15, 16):
        address = int.from_bytes(blob[offset : offset + 8], "big")
        size = int.from_bytes(blob[offset + 8 : offset + 16], "big")
        if size == 0:
            return tuple(pairs)
        if len(pairs) == limits.max_reservations:
            raise LimitError(f"more than {limits.max_reservations} memory reservations", offset=offset)
        pairs.append((address, size))
    message = "the memory reservation block has no terminator"
    raise BlobError("FDT_ERR_TRUNCATED", message, offset=header.off_mem_rsvmap)


class _Names:
    """The strings block: property names by offset, each read once."""

    def __init__(self, blob: bytes, header: Header, limits: Limits) -> None:
        self._blob = blob
        self._start = header.off_dt_strings
        # As libfdt: before version 17 only totalsize bounds a name.
        self._end = header.totalsize
        if header.version >= 17 and header.size_dt_strings is not None:
            self._end = self._start + header.size_dt_strings
        self._limits = limits
        self._room = limits.max_bytes
        self._known: dict[int, str] = {}

    def at(self, name_offset: int, token_offset: int) -> str:
        name = self._known.get(name_offset)
        if name is not None:
            return name
        start = self._start + name_offset
        if start >= self._end:
            message = f"a property's name lies at {name_offset:#x} of the strings block, past its end"
            raise BlobError("FDT_ERR_BADOFFSET", message, offset=token_offset)
        name = _read_name(self._blob, start, self._end, self._limits, code="FDT_ERR_TRUNCATED")
        self._known[name_offset] = name
        # Names may lie in one another: there can be far more of them than bytes.
        self._room -= len(name)
        if self._room < 0:
            message = f"the names of properties come to more than {self._limits.max_bytes // MIB} MiB"
            raise LimitError(message, offset=token_offset)
        return name


def _read_name(blob: bytes, start: int, end: int, limits: Limits, *, code: str) -> str:
    """Return the NUL-terminated name at `start`, which must end before `end`."""
    terminator = blob.find(0, start, min(end, start + limits.max_name + 1))
    if terminator >= 0:
        return decode_name(blob[start:terminator])
    if end - start > limits.max_name:
        raise LimitError(f"a name of more than {limits.max_name} bytes", offset=start)
    raise BlobError(code, "a name without a terminating NUL", offset=start)


def walk_tokens(blob: bytes, header: Header, limits: Limits = LIMITS) -> Iterator[Token]:
    """Yield the tokens of the structure block up to FDT_END, each checked to lie inside it."""
    names = _Names(blob, header, limits)
    view = memoryview(blob)
    base = header.off_dt_struct
    end = header.totalsize if header.size_dt_struct is None else base + header.size_dt_struct
    offset = base
    while True:
        if offset + 4 > end:
            raise BlobError(
                "FDT_ERR_TRUNCATED", "the structure block ends without FDT_END", offset=min(offset, end)
            )
        tag = int.from_bytes(view[offset : offset + 4], "big")
        start = offset
        offset += 4
        name, value = "", _NO_VALUE
        if tag == BEGIN_NODE:
            name = _read_name(blob, offset, end, limits, code="FDT_ERR_BADSTRUCTURE")
            offset += len(name) + 1
            if header.version < 16:
                name = _leaf(name, start)
        elif tag == PROP:
            value, offset = _property_value(view, header, start, end)
            name = names.at(int.from_bytes(view[start + 8 : start + 12], "big"), start)
        elif tag == NOP:
            offset = _behind_nops(blob, offset, end)
        elif tag not in (END_NODE, END):
            raise BlobError("FDT_ERR_BADSTRUCTURE", f"unknown token {tag:#x}", offset=start)
        yield Token(tag, start, name, value)
        if tag == END:
            return
        offset = base + (offset - base + 3 & ~3)


def _behind_nops(blob: bytes, offset: int, end: int) -> int:
    for nops in _NOPS:
        while blob.startswith(nops, offset, end):
            offset += len(nops)
    return offset


def _leaf(full_path: str, offset: int) -> str:
    """Return the node's own name: before version 16 a blob holds each node's full path."""
    if "/" not in full_path:
        message = "a node name without a path in a blob before version 16"
        raise BlobError("FDT_ERR_BADSTRUCTURE", message, offset=offset)
    return full_path.rpartition("/")[2]


def _property_value(view: memoryview, header: Header, start: int, end: int) -> tuple[memoryview, int]:
    """Return the value of the property token at `start` and the offset just after it."""
    if start + _PROPERTY_HEADER > end:
        raise BlobError("FDT_ERR_BADSTRUCTURE", "a property is cut off by the end of the block", offset=start)
    length = int.from_bytes(view[start + 4 : start + 8], "big")
    data = start + _PROPERTY_HEADER
    # Before version 16 values of 8 bytes and more are aligned to 8 (libfdt fdt_getprop_by_offset).
    if header.version < 16 and length >= 8 and (data - header.off_dt_struct) % 8:
        data += 4
    if data + length > end:
        message = f"a property of {length} bytes reaches past the end of the block by {data + length - end}"
        raise BlobError("FDT_ERR_BADSTRUCTURE", message, offset=start)
    return view[data : data + length], data + length


class _OpenNode:
    """A node whose end has not been read yet."""

    __slots__ = ("child_names", "children", "name", "properties", "property_names")

    def __init__(self, name: str) -> None:
        self.name = name
        self.properties: list[Property] = []
        self.children: list[Node] = []
        self.property_names: set[str] = set()
        self.child_names: set[str] = set()


class _Builder:
    """Makes the tree out of tokens, checking that they balance around one root."""

    def __init__(self, limits: Limits) -> None:
        self.root: Node | None = None
        self.defects: list[Defect] = []
        self._limits = limits
        self._open: list[_OpenNode] = []
        self._nodes = 0
        self._properties = 0

    @property
    def path(self) -> str:
        return "/" + "/".join(node.name for node in self._open[1:])

    def take(self, token: Token) -> None:
        # NOPs may stand anywhere (Devicetree Specification 5.4.1), behind the root node as well: fdt_check_full up
        # to 1.7.2 refuses them there, while all of libfdt that reads a tree takes them.
        if self.root is not None and token.tag not in (NOP, END):
            raise BlobError("FDT_ERR_BADSTRUCTURE", "something follows the root node", offset=token.offset)
        if token.tag == BEGIN_NODE:
            self._begin(token)
        elif token.tag == PROP:
            self._property(token)
        elif token.tag == END_NODE:
            self._end(token)
        elif token.tag == END:
            self._finish(token)

    def _begin(self, token: Token) -> None:
        if not self._open:
            if token.name:
                raise BlobError("FDT_ERR_BADSTRUCTURE", "the root node has a name", offset=token.offset)
        else:
            parent = self._open[-1]
            if token.name in parent.child_names:
                self._defect("duplicate-node", f"a second node {token.name}", "", token)
            parent.child_names.add(token.name)
        self._nodes += 1
        if self._nodes > self._limits.max_nodes:
            raise LimitError(f"more than {self._limits.max_nodes} nodes", offset=token.offset)
        if len(self._open) >= self._limits.max_depth:
            message = f"nodes nested deeper than {self._limits.max_depth}"
            raise LimitError(message, offset=token.offset, hint="Linux itself reads no deeper")
        self._open.append(_OpenNode(token.name))

    def _property(self, token: Token) -> None:
        if not self._open:
            raise BlobError("FDT_ERR_BADSTRUCTURE", "a property outside the root node", offset=token.offset)
        node = self._open[-1]
        if token.name in node.property_names:
            self._defect("duplicate-property", f"a second property {token.name}", token.name, token)
        elif node.children:
            self._defect("property-after-node", f"property {token.name} follows a subnode", token.name, token)
        node.property_names.add(token.name)
        self._properties += 1
        if self._properties > self._limits.max_properties:
            raise LimitError(f"more than {self._limits.max_properties} properties", offset=token.offset)
        node.properties.append(Property(token.name, bytes(token.value)))

    def _end(self, token: Token) -> None:
        if not self._open:
            raise BlobError("FDT_ERR_BADSTRUCTURE", "a node ends that never began", offset=token.offset)
        closed = self._open.pop()
        node = Node(closed.name, tuple(closed.properties), tuple(closed.children))
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node

    def _finish(self, token: Token) -> None:
        if self._open:
            message = f"FDT_END comes with {count_of(len(self._open), 'node')} still open"
            raise BlobError("FDT_ERR_BADSTRUCTURE", message, offset=token.offset)
        if self.root is None:
            raise BlobError("FDT_ERR_BADSTRUCTURE", "there is no root node", offset=token.offset)

    def _defect(self, code: str, message: str, property: str, token: Token) -> None:
        if len(self.defects) < MAX_DEFECTS:
            self.defects.append(Defect(code, message, self.path, property, token.offset))


def _check_overlap(header: Header, reservations: int, struct_end: int) -> None:
    """Refuse blocks that share bytes: two readers could see two trees."""
    if header.size_dt_struct is not None:
        struct_end = header.off_dt_struct + header.size_dt_struct
    blocks = sorted(
        [
            (header.off_mem_rsvmap, header.off_mem_rsvmap + 16 * (reservations + 1), "reservation block"),
            (header.off_dt_struct, struct_end, "structure block"),
            (header.off_dt_strings, header.off_dt_strings + (header.size_dt_strings or 0), "strings block"),
        ]
    )
    for (_, end, first), (start, second_end, second) in pairwise(blocks):
        if start < end and start < second_end:
            raise BlobError("FDT_ERR_BADLAYOUT", f"the {second} at {start:#x} lies in the {first}", offset=start)


def read_fdt(blob: bytes, source: str = "", limits: Limits = LIMITS) -> Tree:
    """Return the tree of a flattened blob, version 1 to 17.

    Raises `BlobError` (libfdt's error name, the offset) if it is not well-formed, `LimitError` if it is
    beyond `limits`. Duplicates and trailing bytes are defects of the tree.
    """
    builder = _Builder(limits)
    try:
        header = read_header(blob)
        reservations = read_reservations(blob, header, limits)
        offset = 0
        for token in walk_tokens(blob, header, limits):
            builder.take(token)
            offset = token.offset
        _check_overlap(header, len(reservations), offset + 4)
    except (BlobError, LimitError) as error:
        if error.path is None and builder.path != "/":
            error.path = builder.path
        error.hint = error.hint or _ADVICE.get(type(error))
        raise error.with_source(source) from None
    assert builder.root is not None  # noqa: S101 - _Builder._finish refused the blob otherwise
    defects = builder.defects
    if len(blob) > header.totalsize:
        message = f"{count_of(len(blob) - header.totalsize, 'byte')} behind the end of the blob"
        defects.append(Defect("blob-trailing", message, offset=header.totalsize))
    return Tree(builder.root, source, "fdt", reservations, header.boot_cpuid_phys, tuple(defects))
