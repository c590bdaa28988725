# SPDX-License-Identifier: MIT
"""The properties that a step changed, before and after: LMBs set by set, lookup arrays list by list, others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2, decode_entries, flag_names
from drmemctl.formats.lookup_arrays import decode_lookup_arrays
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.output.diff_unified import compared, styled, value_lines
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe
from drmemctl.simulate.partition import StepResult
from drmemctl.tree.dts_text import shown_name
from drmemctl.tree.node import Property, Tree


def diff_lines(screen: Screen, result: StepResult) -> Iterator[str]:
    """Yield the lines of all properties that a step changed, each under its name."""
    old, new = result.before.kernel.tree, result.after.kernel.tree
    for key in result.changed:
        path, _, name = key.rpartition(":")
        if old.find(path) is None and new.find(path) is None:
            # The name has a colon itself: whichever cut names a node that is there.
            path, _, name = key.partition(":")
        lines = list(compared(_lines(old, path, name), _lines(new, path, name)))
        if lines:
            yield styled(screen, f"@@ {safe(key)} @@").rstrip("\n")
            yield from (styled(screen, line).rstrip("\n") for line in lines)


def _lines(tree: Tree, path: str, name: str) -> Sequence[str]:
    value = tree.get(path, name)
    if value is None:
        return []
    if path == NODE and name in (V1, V2):
        return _sets(tree, name, value)
    if path == NODE and name == LOOKUP_ARRAYS:
        return _lists(value)
    return value_lines(shown_name(name), Property(name, value))


def _sets(tree: Tree, name: str, value: bytes) -> Sequence[str]:
    """Return the sets as they are written, but the entries of a v1 property by the run."""
    drmem = Drmem.from_tree(tree)
    entries = decode_entries(name, value, drmem.cells.address)
    runs = entries if name == V2 else LmbTable.of_property(entries, drmem.table.lmb_size).runs
    return [f"{entries.declared} entries", *(_set(*run) for run in runs)]


def _set(base: int, count: int, drc: int, aa: int, flags: int) -> str:
    names = ",".join(flag_names(flags)) or "-"
    return f"{count:6} LMBs  {base:#014x}  DRC {drc:#010x}  aa {aa:#x}  {flags:#x} {names}"


def _lists(value: bytes) -> Sequence[str]:
    arrays = decode_lookup_arrays(value)
    head = f"{arrays.n_arrays} arrays of {arrays.array_sz}, {arrays.size} bytes"
    rows = (f"[{index}] {' '.join(map(str, row))}" for index, row in enumerate(arrays.rows()))
    return [head, *rows]
