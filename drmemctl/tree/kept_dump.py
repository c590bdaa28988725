# SPDX-License-Identifier: MIT
"""What a capture keeps of a dump: the kernel's LMB array (drmemctl.array/1) and the values that were replaced.

With these beside its tree, a capture is as good as the dump that it was taken from.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from drmemctl.defect import Defect
from drmemctl.errors import InputError, LimitError
from drmemctl.json_input import parse_json
from drmemctl.memory.lmb_array import MOST_LMBS, LmbArray
from drmemctl.tree.kernel_banner import release_in
from drmemctl.tree.node import KernelDump, Property, Tree
from drmemctl.tree.system_files import ARRAY, REPLACED

ARRAY_SCHEMA = "drmemctl.array/1"
REPLACED_SCHEMA = "drmemctl.replaced/1"

_RUN = {"base": 64, "count": 32, "drc_index": 32, "aa_index": 32, "flags": 32}
"""The fields of a run that count, and their bits; the others of the schema follow from the tree."""

_HEX = re.compile(r"(?:[0-9a-f]{2})*\Z")
_T = TypeVar("_T")
_D = TypeVar("_D")


def with_kept_dump(tree: Tree) -> Tree:
    """Return a tree with what lies beside it of a dump; what cannot be read of that is a defect."""
    try:
        files = {} if tree.beside is None else tree.beside.files().files
    except LimitError:
        return tree  # it matters to who asks for the files
    if ARRAY not in files and REPLACED not in files:
        return tree
    defects = list(tree.defects)

    def read(name: str, reader: Callable[[bytes, str], _T], nothing: _D) -> _T | _D:
        try:
            return reader(files[name], name) if name in files else nothing
        except (InputError, LimitError) as error:
            defects.append(Defect("kept-dump", f"{name}: {error.message}"))
            return nothing

    array: LmbArray | None = read(ARRAY, read_array, None)
    nothing: Mapping[str, tuple[Property, ...]] = {}
    replaced = read(REPLACED, read_replaced, nothing)
    dump = KernelDump("a capture of a dump", release_in(tree.kernel), array, replaced)
    return replace(tree, dump=dump, defects=tuple(defects))


def read_array(data: bytes, source: str) -> LmbArray:
    """Return the array in a document of drmemctl.array/1; `InputError` where it is none, `LimitError`."""
    document = _document(data, source, ARRAY_SCHEMA)
    size, runs = document.get("lmb_size"), document.get("runs")
    if not isinstance(runs, list) or not (_is_number(size, 64) and size):
        raise InputError("it needs runs and an lmb_size", source=source, hint=_HINT)
    pieces: list[bytes] = []
    pack = struct.Struct(">QIII").pack
    count = 0
    for number, run in enumerate(runs):
        if not isinstance(run, dict) or not all(_is_number(run.get(name), bits) for name, bits in _RUN.items()):
            message = f"run {number} is none: it needs {', '.join(_RUN)}"
            raise InputError(message, source=source, hint=_HINT)
        count += run["count"]
        if count > MOST_LMBS:
            raise LimitError(f"the array has more than {MOST_LMBS:,} LMBs", source=source)
        base, lmbs, drc_index, aa_index, flags = (run[name] for name in _RUN)
        # Addresses and DRC indexes wrap as in struct drmem_lmb.
        pieces.append(
            b"".join(
                pack((base + position * size) % (1 << 64), (drc_index + position) % (1 << 32), aa_index, flags)
                for position in range(lmbs)
            )
        )
    return LmbArray(0, size, count, b"".join(pieces))


def read_replaced(data: bytes, source: str) -> Mapping[str, tuple[Property, ...]]:
    """Return the values that were replaced by their node's path, the newest first."""
    document = _document(data, source, REPLACED_SCHEMA)
    nodes = document.get("nodes")
    if not isinstance(nodes, list):
        raise InputError("it needs nodes", source=source)
    replaced: dict[str, tuple[Property, ...]] = {}
    for node in nodes:
        if not isinstance(node, dict) or not isinstance(node.get("path"), str):
            raise InputError("a node of it has no path", source=source)
        values = node.get("values")
        properties: list[Property] = []
        for value in values if isinstance(values, list) else [None]:
            name, text = (value.get("name"), value.get("hex")) if isinstance(value, dict) else (None, None)
            if not isinstance(name, str) or not isinstance(text, str) or not _HEX.match(text):
                raise InputError("a value of it has no name or no bytes in hex", source=source)
            properties.append(Property(name, bytes.fromhex(text)))
        replaced[node["path"]] = tuple(properties)
    return replaced


def replaced_document(replaced: Mapping[str, tuple[Property, ...]]) -> bytes:
    """Return the document that `read_replaced` reads."""
    nodes = [
        {"path": path, "values": [{"name": prop.name, "hex": prop.value.hex()} for prop in values]}
        for path, values in replaced.items()
    ]
    return json.dumps({"schema": REPLACED_SCHEMA, "nodes": nodes}, indent=1).encode("ascii") + b"\n"


_HINT = "drmemctl simulate --save-array writes such a file, and drmemctl capture --dump DUMP"


def _document(data: bytes, source: str, schema: str) -> dict[str, Any]:
    try:
        document = parse_json(data)
    except ValueError as error:
        raise InputError(f"this is no JSON: {error}", source=source, hint=_HINT) from error
    if not isinstance(document, dict) or document.get("schema") != schema:
        raise InputError(f"this is no document of {schema}", source=source, hint=_HINT)
    return document


def _is_number(value: object, bits: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << bits
