# SPDX-License-Identifier: MIT
"""The properties that a step changed, before and after: LMBs set by set, lookup arrays list by list, others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from drmemctl.formats.dynamic_memory import aa_text, flag_names
from drmemctl.formats.lookup_arrays import LookupArrays
from drmemctl.output.diff_unified import compared, styled, value_lines
from drmemctl.output.screen import Screen
from drmemctl.output.text import safe
from drmemctl.simulate.property_changes import LmbSets, ValueChange
from drmemctl.tree.dts_text import shown_name
from drmemctl.tree.node import Property

_NO_LMBS = LmbSets(0, ())


def diff_lines(screen: Screen, changes: Iterable[ValueChange]) -> Iterator[str]:
    """Yield the lines of all properties that a step changed, each under its name."""
    for key, old, new in changes:
        # One width for both, or LMBs that did not change would seem to.
        digits = max(value.address_digits for value in (old, new, _NO_LMBS) if isinstance(value, LmbSets))
        lines = list(compared(_lines(old, digits), _lines(new, digits)))
        if lines:
            yield styled(screen, f"@@ {safe(key)} @@").rstrip("\n")
            yield from (styled(screen, line).rstrip("\n") for line in lines)


def _lines(value: LmbSets | LookupArrays | Property | None, digits: int) -> Sequence[str]:
    match value:
        case None:
            return []
        case LmbSets():
            return [f"{value.declared} entries", *(_set(lmbs, digits + len("0x")) for lmbs in value.sets)]
        case LookupArrays():
            head = f"{value.n_arrays} arrays of {value.array_sz}, {value.size} bytes"
            return [head, *(f"[{index}] {' '.join(map(str, row))}" for index, row in enumerate(value.rows()))]
        case Property():
            return value_lines(shown_name(value.name), value)


def _set(lmbs: Sequence[int], width: int) -> str:
    base, count, drc, aa, flags = lmbs
    names = ",".join(flag_names(flags)) or "-"
    unit = "LMB " if count == 1 else "LMBs"
    return f"{count:6} {unit}  {base:#0{width}x}  DRC {drc:#010x}  aa {aa_text(aa)}  {flags:#x} {names}"
