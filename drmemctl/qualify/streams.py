# SPDX-License-Identifier: MIT
"""What firmware may tell a kernel after a migration, as answers of ibm,update-nodes and ibm,update-properties.

Only what kernels survive: a stream that no kernel gets through ends the guest, and with it the trial.
"""

from __future__ import annotations

import json
import random
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V2, encode_entries
from drmemctl.formats.lookup_arrays import decode_lookup_arrays, encode_lookup_arrays
from drmemctl.formats.rows import pack_words
from drmemctl.formats.update_nodes import NAME as UPDATE_NODES
from drmemctl.formats.update_nodes import UPDATE, encode_update_nodes
from drmemctl.formats.update_properties import NAME as UPDATE_PROPERTIES
from drmemctl.formats.update_properties import NAME_ONLY, Descriptor, UpdateProperties
from drmemctl.kernel.firmware import HARDWARE_ERROR
from drmemctl.model.phandles import phandle_of
from drmemctl.simulate.simulation import Simulation

Answer = dict[str, Any]
Value = tuple[str, bytes]

_UNKNOWN = 0xDEAD0001
"""A phandle that no node has."""


def moved(simulation: Simulation, pick: random.Random) -> list[Value]:
    """Return the lookup arrays and the LMBs of a destination: the same rows in another order, other aa_indexes.

    Empty where there is nothing to tell of.
    """
    v2, lookup = (simulation.tree.get(NODE, name) for name in (V2, LOOKUP_ARRAYS))
    if v2 is None or lookup is None or len(lookup) < 8:
        return []
    arrays = decode_lookup_arrays(lookup)
    lists = arrays.rows()
    pick.shuffle(lists)
    if lists and pick.random() < 0.3:
        lists.append(lists[0])
    runs = [
        run._replace(
            aa_index=pick.choice([at for at in range(len(lists)) if at != run.aa_index] or [run.aa_index])
        )
        if run.assigned
        else run
        for run in simulation.state.table.runs
    ]
    return [(LOOKUP_ARRAYS, encode_lookup_arrays(lists, arrays.array_sz)), (V2, encode_entries(V2, runs))]


def _nodes(phandles: Sequence[int], status: int = 0, state: int = 0) -> Answer:
    (area,) = encode_update_nodes([(UPDATE, phandles)])
    return _answer(UPDATE_NODES, pack_words([state]) + area[4:], status)


def _properties(phandle: int, descriptors: Sequence[Descriptor], status: int = 0, state: int = 0) -> Answer:
    area = UpdateProperties(phandle, state, len(descriptors), tuple(descriptors)).encode()
    return _answer(UPDATE_PROPERTIES, area, status)


def _answer(call: str, area: bytes, status: int) -> Answer:
    return {"call": call, "answer": area.rstrip(b"\0").hex(), "status": status}


def _path(path: str = NODE) -> Descriptor:
    value = path.encode() + b"\0"
    return Descriptor("", len(value), value)


def _whole(name: str, value: bytes) -> Descriptor:
    return Descriptor(name, len(value), value)


def _whole_update(phandle: int, values: Sequence[Value], pick: random.Random) -> list[Answer]:
    del pick
    return [_nodes([phandle]), _properties(phandle, [_path(), *(_whole(*value) for value in values)])]


def _other_order(phandle: int, values: Sequence[Value], pick: random.Random) -> list[Answer]:
    return _whole_update(phandle, list(reversed(values)), pick)


def _in_two_calls(phandle: int, values: Sequence[Value], pick: random.Random) -> list[Answer]:
    """Return an update whose last value goes on in a second work area."""
    *before, (name, value) = values
    cut = pick.randrange(1, len(value) // 4) * 4
    part = Descriptor(name, (1 << 32) - cut, value[:cut])
    first = [_path(), *(_whole(*entry) for entry in before), part]
    return [
        _nodes([phandle]),
        _properties(phandle, first, status=1, state=1),
        _properties(phandle, [_whole(name, value[cut:])], state=2),
    ]


def _a_call_for_each(phandle: int, values: Sequence[Value], pick: random.Random) -> list[Answer]:
    """Return an update with one value in each work area, and nodes in two lists."""
    del pick
    last = len(values) - 1
    areas = [
        _properties(phandle, [*([] if at else [_path()]), _whole(*value)], status=int(at < last), state=at + 1)
        for at, value in enumerate(values)
    ]
    return [_nodes([_UNKNOWN], status=1, state=1), _nodes([phandle], state=2), *areas]


def _only_a_name(phandle: int, values: Sequence[Value], pick: random.Random) -> list[Answer]:
    del pick
    names = [Descriptor(name, NAME_ONLY) for name, _ in values]
    return [_nodes([phandle]), _properties(phandle, [_path(), *names])]


def _no_nodes(phandle: int, values: Sequence[Value], pick: random.Random) -> list[Answer]:
    del phandle, values, pick
    return [_answer(UPDATE_NODES, b"", HARDWARE_ERROR)]


def _no_properties(phandle: int, values: Sequence[Value], pick: random.Random) -> list[Answer]:
    del values, pick
    return [_nodes([phandle]), _answer(UPDATE_PROPERTIES, pack_words([phandle]), HARDWARE_ERROR)]


Stream = Callable[[int, Sequence[Value], random.Random], list[Answer]]

STREAMS: tuple[Stream, ...] = (
    _whole_update,
    _other_order,
    _in_two_calls,
    _a_call_for_each,
    _only_a_name,
    _no_nodes,
    _no_properties,
)


def migration_step(path: Path, simulation: Simulation, pick: random.Random, stream: Stream) -> str:
    """Return the step of a migration by a stream, whose answers go into a file; empty where it tells nothing."""
    node, values = simulation.tree.find(NODE), moved(simulation, pick)
    if node is None or not values:
        return ""
    answers = stream(phandle_of(node), values, pick)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")
    return f"migrate {shlex.quote(str(path))}"
