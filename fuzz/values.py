# SPDX-License-Identifier: MIT
"""Targets that decode: every property's layout, RTAS answers, hex and JSON texts of them, the step language."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress

from drmemctl.check.engine import Judge
from drmemctl.check.stream.answers import RtasStream
from drmemctl.errors import DrmemctlError
from drmemctl.formats.architecture_vec5 import decode_architecture_vec5
from drmemctl.formats.associativity import decode_associativity, encode_associativity
from drmemctl.formats.cells import decode_lmb_size
from drmemctl.formats.domains import decode_domains
from drmemctl.formats.drc import INDEXES, NAMES, decode_connectors, decode_drc_indexes, decode_drc_names
from drmemctl.formats.drc_info import decode_drc_info
from drmemctl.formats.dynamic_memory import V1, V2, decode_entries, encode_entries
from drmemctl.formats.lookup_arrays import decode_lookup_arrays, encode_lookup_arrays
from drmemctl.formats.lrdr_capacity import decode_lrdr_capacity
from drmemctl.formats.memory_reg import decode_reg, encode_reg
from drmemctl.formats.numa_tables import decode_distance_table, decode_index_table
from drmemctl.formats.plain import from_plain, plain
from drmemctl.formats.pmemory import decode_pmemory
from drmemctl.formats.reference_points import decode_reference_points
from drmemctl.formats.registry import KNOWN, describe
from drmemctl.formats.rtas_document import as_plain, encoded
from drmemctl.formats.rtas_input import Answer, read_answers
from drmemctl.formats.rtas_kinds import KIND_OF_CALL, KINDS, decode
from drmemctl.formats.strings import decode_strings
from drmemctl.formats.usable_memory import decode_usable_memory, encode_usable_memory
from drmemctl.simulate.step_words import StepError
from drmemctl.simulate.steps.language import parse_script
from drmemctl.tree.fdt_reader import read_fdt
from fuzz.seeds import recorded_answers, recorded_steps, small_trees, values
from fuzz.target import Target
from tests.conftest import ROOT
from tests.encoders import (
    encode_architecture_vec5,
    encode_distance_table,
    encode_domains,
    encode_drc_info,
    encode_drc_strings,
    encode_drc_words,
    encode_index_table,
    encode_lmb_size,
    encode_lrdr_capacity,
    encode_pmemory,
    encode_reference_points,
    encode_strings,
)
from tests.formats.rtas_vectors import HP_COUNT, HP_INDEXED_COUNT, PRRN_SCOPE_2, QEMU_EVENT, words

PROPERTIES = [
    (name, known.nodes[0].replace("*", "x").replace("type:", "/"), known.nodes[0].removeprefix("type:"))
    for known in KNOWN
    if known.nodes
    for name in known.names.split()
]
"""Name, a path, and a device_type with which the layout of each is known."""

_CELLS = ((2, 2), (1, 1), (2, 1), (0, 5), (4, 4), (1, 2))


def run_property(data: bytes) -> None:
    """Describe a value as that of each property in turn: the first byte says which."""
    if len(data) < 3:
        return
    name, path, kind = PROPERTIES[data[0] % len(PROPERTIES)]
    address, size = _CELLS[data[1] % len(_CELLS)]
    value = data[3:]
    total = None if data[2] < 192 else len(value) + data[2] - 192
    fields = describe(path, name, value, address, size, device_type=kind, total=total)
    assert fields is not None
    for field in fields:
        assert 0 <= field.offset <= max(len(value), total or 0), field


_Decoded = tuple[object, Callable[[], bytes]]


def _entries(name: str, data: bytes, cells: int) -> _Decoded:
    found = decode_entries(name, data, cells)
    for lmb_size in (None, 1 << 28):
        assert sum(sum(block.lmbs) for block in found.blocks(lmb_size)) == sum(lmbs for _, lmbs, *_ in found)
    again = encode_entries(name, found, cells if cells in (1, 2) else 2)
    assert list(decode_entries(name, again, cells)) == list(found)
    # The reserved word of a v1 entry is written as 0.
    return found.defects, lambda: again if name == V2 else data


def _vec5(data: bytes, _address: int, _size: int) -> _Decoded:
    found = decode_architecture_vec5(data)
    assert all(0 < bits.mask < 256 for bits in found.unknown)
    assert (found.max_cpus is None) == (len(data) < 13)
    return found.defects, lambda: encode_architecture_vec5(data[1:])


def _strings(data: bytes, _address: int, _size: int) -> _Decoded:
    found = decode_strings(data)
    return (), lambda: encode_strings(found.items, terminated=found.terminated)


def _connectors(data: bytes, _address: int, _size: int) -> _Decoded:
    parts = data.split(b"\xff\xfe", 3)
    found = decode_connectors(*parts)
    listed = list(found)
    assert len(listed) == len(found)
    for one in listed[:3]:
        assert found.find(one.index) is not None
    return (), lambda: data


def _pmemory(data: bytes, _address: int, _size: int) -> _Decoded:
    values = data.split(b"\xff\xfe")
    names = [name for name, path, _ in PROPERTIES if path.startswith("/ibm,persistent")]
    found = decode_pmemory(dict(zip(names, values, strict=False)))
    again = decode_pmemory(encode_pmemory(found)) if not found.defects else found
    assert again == found
    return (), lambda: data


def _lookup(data: bytes, _address: int, _size: int) -> _Decoded:
    found = decode_lookup_arrays(data)
    if not found.array_sz:
        return (), lambda: data
    return found.defects, lambda: encode_lookup_arrays(found.rows(), found.array_sz)


def _lrdr(data: bytes, address: int, size: int) -> _Decoded:
    found = decode_lrdr_capacity(data, address, size)
    limits = (found.max_address or 0, found.lmb_size or 0, found.max_cpus or 0)
    rest = data[4 * (address + size + 1) :]
    return found.defects, lambda: encode_lrdr_capacity(*limits, address, size) + rest


def _usable(data: bytes, address: int, size: int) -> _Decoded:
    found = decode_usable_memory(data, address, size)
    records = list(found)
    assert len(records) == len(found)
    return found.defects, lambda: encode_usable_memory([one.ranges for one in records], address, size)


def _drc_info(data: bytes, _address: int, _size: int) -> _Decoded:
    found = decode_drc_info(data)
    for entry in found.entries:
        for position in (0, 1, entry.n_sequential - 1):
            at = entry.position(entry.index(position)) if 0 <= position < entry.n_sequential else 0
            assert at is not None
            assert at <= max(position, 0)
    return found.defects, lambda: encode_drc_info(found.entries)


def _reg(data: bytes, address: int, size: int) -> _Decoded:
    found = decode_reg(data, address, size)
    return found.defects, lambda: encode_reg(found.ranges, address, size)


def _lmb_size(data: bytes, _address: int, size: int) -> _Decoded:
    found = decode_lmb_size(data, size)
    return found.defects, lambda: encode_lmb_size(found.value or 0, size)


def _drc_words(data: bytes, _address: int, _size: int) -> _Decoded:
    found = decode_drc_indexes(data)
    return found.defects, lambda: encode_drc_words(INDEXES, found.cells)


def _drc_strings(data: bytes, _address: int, _size: int) -> _Decoded:
    found = decode_drc_names(data)
    listed = list(found)
    assert len(listed) == len(found)
    if listed:
        assert found.get(len(listed) - 1) == listed[-1]
    return found.defects, lambda: encode_drc_strings(NAMES, listed)


def _associativity(data: bytes, _address: int, _size: int) -> _Decoded:
    found = decode_associativity(data)
    return found.defects, lambda: encode_associativity(found.domains, *found.more)


def _points(data: bytes, _address: int, _size: int) -> _Decoded:
    found = decode_reference_points(data)
    return found.defects, lambda: encode_reference_points(found.points)


def _domains(data: bytes, _address: int, _size: int) -> _Decoded:
    found = decode_domains(data)
    return found.defects, lambda: encode_domains(found.counts)


def _index_table(data: bytes, _address: int, _size: int) -> _Decoded:
    found = decode_index_table(data)
    return found.defects, lambda: encode_index_table(found.ids)


def _distances(data: bytes, _address: int, _size: int) -> _Decoded:
    found = decode_distance_table(data)
    return found.defects, lambda: encode_distance_table(list(found.distances))


FORMATS: dict[str, Callable[[bytes, int, int], _Decoded]] = {
    V1: lambda data, address, _: _entries(V1, data, address),
    V2: lambda data, address, _: _entries(V2, data, address),
    "ibm,associativity-lookup-arrays": _lookup,
    "ibm,associativity": _associativity,
    "ibm,associativity-reference-points": _points,
    "ibm,max-associativity-domains": _domains,
    "ibm,numa-lookup-index-table": _index_table,
    "ibm,numa-distance-table": _distances,
    "ibm,lrdr-capacity": _lrdr,
    "ibm,architecture-vec-5": _vec5,
    "ibm,drc-indexes": _drc_words,
    "ibm,drc-names": _drc_strings,
    "ibm,drc-info": _drc_info,
    "ibm,lmb-size": _lmb_size,
    "linux,drconf-usable-memory": _usable,
    "reg": _reg,
    "compatible": _strings,
    "connectors": _connectors,
    "pmemory": _pmemory,
}
"""Decodes a value; returns its defects, and what encodes again what it found."""


def run_format(data: bytes) -> None:
    """Decode a value, which the first byte names the layout of, and encode it again."""
    if len(data) < 2:
        return
    address, size = _CELLS[data[1] % len(_CELLS)]
    defects, encode = FORMATS[list(FORMATS)[data[0] % len(FORMATS)]](data[2:], address, size)
    assert defects or encode() == data[2:]


def format_seeds() -> Iterator[bytes]:
    """Yield the bundled values of each layout that is encoded as well."""
    for number, name in enumerate(FORMATS):
        yield bytes([number, 0])
        yield from (bytes([number, 0]) + value for prop, value in values() if prop == name)
    indexes, names = decode_drc_indexes(words(2, 7, 8)), b"\0\0\0\2a\0b\0"
    yield bytes([list(FORMATS).index("connectors"), 0]) + words(2, *indexes.cells) + b"\xff\xfe" + names


def property_seeds() -> Iterator[bytes]:
    """Yield the bundled values of each property whose layout is known."""
    for number, (name, _, _) in enumerate(PROPERTIES):
        yield bytes([number, 0, 0])
        yield from (bytes([number, 0, 0]) + value for prop, value in values() if prop == name)


_TREES = tuple(read_fdt(data) for data in small_trees()[:8])
_NO_TREE = 128
"""From this first byte on, answers are judged without a tree."""


def run_answers(data: bytes) -> None:
    """Decode an RTAS answer of the kind that the first byte names, encode it, and judge it with a tree."""
    if not data:
        return
    kind = list(KINDS)[data[0] % len(KINDS)]
    value = decode(kind, data[1:])
    assert value.encode() == data[1:]
    again = from_plain(KINDS[kind].layout, json.loads(json.dumps(plain(value))), "value")
    assert again.encode() == data[1:]
    assert all(field.offset >= 0 for field in value.fields())
    tree = None if data[0] >= _NO_TREE else _TREES[data[0] // len(KINDS) % len(_TREES)]
    Judge().findings(RtasStream([Answer.of(kind, data[1:])], tree))


def answer_seeds() -> Iterator[bytes]:
    """Yield recorded answers, and events as QEMU and LoPAR have them."""
    kinds = list(KINDS)
    for call, answer in recorded_answers():
        yield bytes([kinds.index(KIND_OF_CALL[call.removeprefix("ibm,")])]) + answer
    for event in (QEMU_EVENT, PRRN_SCOPE_2, HP_COUNT, HP_INDEXED_COUNT):
        yield bytes([kinds.index("rtas-event")]) + event
    yield bytes([kinds.index("configure-connector")]) + words(0x80000004, 0, 20, 4, 27) + b"memory\0\1\2\3\4"


def run_answer_file(data: bytes) -> None:
    """Read a file of answers (bytes, hex dumps, records), and a JSON document to be encoded."""
    for kind in KINDS:
        with suppress(DrmemctlError):
            encoded(kind, data, "file")
        with suppress(DrmemctlError):
            Judge().findings(RtasStream(read_answers(kind, data, "file"), None))


def answer_file_seeds() -> Iterator[bytes]:
    """Yield answers in every form that `decode` takes."""
    for call, answer in list(recorded_answers())[:8]:
        kind = KIND_OF_CALL[call.removeprefix("ibm,")]
        yield answer
        yield json.dumps([{"call": call, "answer": answer.hex(), "status": 0}]).encode()
        yield json.dumps({"answers": [as_plain(Answer.of(kind, answer))]}).encode()
    sample = words(0x062060A0, 2, 0x48, 1)
    lines = [sample[:8].hex(" "), "*", sample[8:].hex(" ")]
    yield sample.hex().encode()
    yield "\n".join(f"{8 * at:08x}: {line}" for at, line in enumerate(lines)).encode()
    yield "\n".join(f"{8 * at:07o} {line}" for at, line in enumerate(lines)).encode()
    yield b", ".join(b"0x%02x" % byte for byte in sample)


def run_steps(data: bytes) -> None:
    """Parse steps; the line that is none is named with its column."""
    text = data.decode("utf-8", "surrogateescape")
    refused: StepError | None = None
    try:
        for step in parse_script(text):
            assert list(parse_script(step.text)) == [step]
    except StepError as error:
        refused = error
    if refused is not None:
        assert 1 <= refused.line <= len(text.split("\n"))
        assert 1 <= refused.column <= len(refused.text) + 1


def step_seeds() -> Iterator[bytes]:
    """Yield the steps of recorded runs and of the worked examples."""
    yield from (text.encode() for text in recorded_steps())
    yield from (path.read_bytes() for path in sorted((ROOT / "docs" / "scenarios").glob("*.steps")))


TARGETS = {
    "property": Target(run_property, property_seeds),
    "format": Target(run_format, format_seeds),
    "answer": Target(run_answers, answer_seeds),
    "answer-file": Target(run_answer_file, answer_file_seeds, longest=16384),
    "steps": Target(run_steps, step_seeds, longest=2048),
}
