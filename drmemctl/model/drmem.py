# SPDX-License-Identifier: MIT
"""`/ibm,dynamic-reconfiguration-memory` as a whole: which property counts, the LMB size, the LMB table.

Source: Linux arch/powerpc/mm/drmem.c `drmem_init`, `walk_drmem_lmbs`, `init_drmem_lmb_size`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from operator import add, mul
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from drmemctl.arguments import checked, whole, wrong_type
from drmemctl.defect import Defect
from drmemctl.errors import LimitError, NotInTreeError
from drmemctl.formats.cells import ADDRESS_CELLS, LMB_SIZE, SIZE_CELLS, decode_lmb_size
from drmemctl.formats.dynamic_memory import NODE, V1, V2, Entries, decode_entries
from drmemctl.model.platform import why_no_drmem
from drmemctl.model.run import DRC_INDEXES, Lmb, Run
from drmemctl.model.runs import Runs
from drmemctl.notebook import short_repr
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.node import Node, Tree

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from drmemctl.model.associativity import AffinityRules, Associativity

PAPR_CELLS = 2
"""#address-cells and #size-cells of every PAPR root; what a dump without them is read with."""


_DRC_INDEX = _LIMIT = whole(0)

_MANY_RUNS = 10_000
_USUAL_DIGITS = 12
"""Of an address below 256 TiB; no partition has more."""

READ_FROM = (*((NODE, name) for name in (V1, V2, LMB_SIZE)), ("/", ADDRESS_CELLS), ("/", SIZE_CELLS))
"""All that `Drmem.from_tree` reads: nodes and properties."""


class RootCells(NamedTuple):
    """The root's `#address-cells` and `#size-cells`, by which every address in the tree is read."""

    address: int
    size: int

    @classmethod
    @checked()
    def from_tree(cls, tree: Tree) -> RootCells:
        """Return the root's cells; a dump that does not show them is read with PAPR's 2 and 2."""
        return cls(_cells(tree.root, ADDRESS_CELLS), _cells(tree.root, SIZE_CELLS))


def _cells(root: Node, name: str) -> int:
    data = root.get(name)
    return int.from_bytes(data[:4], "big") if data is not None and len(data) >= 4 else PAPR_CELLS


@dataclass(frozen=True, slots=True)
class LmbTable:
    """The LMBs in array order.

    Two tables are equal if Linux would hold the same array; where they were read from does not count. `len` is
    the number of LMBs, and iteration yields each; algorithms go by `runs`.

    Attributes:
        runs: maximal runs in property order.
        lmb_size: bytes of an LMB, None if the tree does not say.
        property_name: the property they were read from.
        associativity: what leads from an LMB to its node, None where that is not asked for.

    """

    runs: Runs
    lmb_size: int | None
    property_name: str = field(default="", compare=False)
    associativity: Associativity | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, runs: Iterable[Run], lmb_size: int | None, property_name: str = "") -> LmbTable:
        """Return the table of runs, which need not be maximal."""
        return cls(Runs(runs, lmb_size), lmb_size, property_name)

    @classmethod
    def of_property(cls, entries: Entries, lmb_size: int | None, most: int | None = None) -> LmbTable:
        """Return the table of a property; `LimitError` if it has more than `most` runs."""
        return cls(Runs.of_blocks(entries.blocks(lmb_size), lmb_size, most), lmb_size, entries.property)

    @classmethod
    @checked()
    def from_tree(cls, tree: Tree, rules: AffinityRules | None = None) -> LmbTable:
        """Return the LMBs of a tree, with their nodes; `NotInTreeError` without a drmem node.

        Nodes are those of a kernel with these rules, without them of the newest. `Drmem.from_tree` tells more.
        """
        from drmemctl.model.associativity import NEWEST, Associativity

        return Drmem.from_tree(tree).table.with_nodes(Associativity.from_tree(tree, rules or NEWEST))

    def with_nodes(self, associativity: Associativity) -> LmbTable:
        """Return the table of LMBs whose nodes are found by this."""
        return LmbTable(self.runs, self.lmb_size, self.property_name, associativity)

    @property
    def n_lmbs(self) -> int:
        """Number of LMBs: Linux's `drmem_info->n_lmbs`, if that were not an int."""
        return self.runs.n_lmbs

    @property
    def address_digits(self) -> int:
        """Hex digits of the highest address, to which all are padded; with many runs, of a usual one."""
        runs = self.runs
        if len(runs) > _MANY_RUNS:
            return _USUAL_DIGITS
        highest = max(map(add, runs.bases, map(mul, runs.lmbs, repeat(self.lmb_size or 1))), default=0) - 1
        return len(f"{max(highest, 0):x}")

    def __len__(self) -> int:
        return self.runs.n_lmbs

    def __iter__(self) -> Iterator[Lmb]:
        for run in self.runs:
            node = self.node_of(run)
            for position in range(run.lmbs):
                yield run.lmb(position, self.lmb_size, node)

    @overload
    def __getitem__(self, index: int) -> Lmb: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Lmb, ...]: ...

    def __getitem__(self, index: int | slice) -> Lmb | tuple[Lmb, ...]:
        """Return an LMB, or those of a slice."""
        if isinstance(index, slice):
            return tuple(map(self.lmb, range(*index.indices(len(self)))))
        if not isinstance(index, int):
            raise wrong_type("an index of LMBs", "an int or a slice", index)
        if index < -len(self):
            raise IndexError(f"LMB {index} of {len(self):,}")
        return self.lmb(index % len(self) if index < 0 else index)

    def __repr__(self) -> str:
        from drmemctl.model.lmb_values import described

        return f"<LmbTable: {described(self, repr)}>"

    def _repr_html_(self) -> str:
        from drmemctl.model.lmb_values import to_html

        return to_html(self)

    def node_of(self, lmbs: Run | Lmb) -> int | None:
        """Return the Linux node of a run or an LMB; None for none, and where the table knows no associativity."""
        try:
            key = lmbs.aa_index, lmbs.flags
        except AttributeError:
            raise wrong_type("lmbs", "a Run or an Lmb", lmbs) from None
        return None if self.associativity is None else self.associativity.node_of(*key)

    def lmb(self, index: int) -> Lmb:
        """Return the LMB at an array index; `IndexError` past the end."""
        if not isinstance(index, int):
            raise wrong_type("index", "an int", index)
        if not 0 <= index < len(self):
            raise IndexError(f"LMB {index} of {len(self):,}")
        begin, position = self.runs.position_of(index)
        run = self.runs[position]
        return run.lmb(index - begin, self.lmb_size, self.node_of(run))

    def lmbs(self, limit: int) -> Iterator[Lmb]:
        """Yield every LMB; `LimitError` at once if there are more than `limit`."""
        _LIMIT("limit", limit)
        check_limit(self.n_lmbs, limit)
        return iter(self)

    def to_dict(self) -> dict[str, Any]:
        """Return `property`, `lmb_size` and `runs` as `drmemctl lmb --format json`, but for `drc_index_hex`."""
        from drmemctl.model.lmb_values import table_record

        return table_record(self)

    def to_arrow(self) -> pa.Table:
        """Return a table of Arrow with a row for each run; it takes the extra `fleet`."""
        from drmemctl.model.lmb_values import to_arrow

        return to_arrow(self)

    def to_pandas(self) -> pd.DataFrame:
        """Return a pandas DataFrame with a row for each run; it takes the extra `pandas`."""
        from drmemctl.model.lmb_values import to_pandas

        return to_pandas(self)

    def index_of_drc(self, drc_index: int) -> int | None:
        """Return the array index of the first LMB with this DRC index, as Linux would find it, or None."""
        _DRC_INDEX("drc_index", drc_index)
        first = 0
        for lmbs, drc in zip(self.runs.lmbs, self.runs.drc_indexes, strict=True):
            position = (drc_index - drc) % DRC_INDEXES
            if position < lmbs:
                return first + position
            first += lmbs
        return None

    def part(self, first: int, count: int) -> list[Run]:
        """Return the runs of `count` LMBs from array index `first` on, cut at both ends."""
        _check_span(first, count)
        parts = []
        end = first + count
        begin, position = self.runs.position_of(first)
        for run in self.runs.beginning_at(position):
            if begin >= end:
                break
            low, high = max(first, begin), min(end, begin + run.lmbs)
            if low < high:
                parts.append(run.part(low - begin, high - low, self.lmb_size))
            begin += run.lmbs
        return parts

    def rest_of_run(self, index: int) -> Run:
        """Return the run from the LMB at an array index on; `IndexError` past the end."""
        _check_span(index, 0)
        begin, position = self.runs.position_of(index)
        run = self.runs[position]
        return run.part(index - begin, run.lmbs - (index - begin), self.lmb_size)

    def with_changed(
        self, first: int, count: int, *, aa_index: int | None = None, flags: int | None = None
    ) -> LmbTable:
        """Return the table with `count` LMBs from array index `first` on given a new aa_index or flags."""
        _check_span(first, count)
        count = min(count, self.n_lmbs - first)
        if count <= 0:
            return self
        changes = {"aa_index": aa_index, "flags": flags}
        replaced = {name: value for name, value in changes.items() if value is not None}
        begin, low = self.runs.position_of(first)
        _, high = self.runs.position_of(first + count - 1)
        between = []
        for run in self.runs[low : high + 1]:
            head, tail = max(first - begin, 0), min(first + count - begin, run.lmbs)
            changed = run.part(head, tail - head, self.lmb_size)._replace(**replaced)
            between += [run.part(0, head, self.lmb_size), changed, run.part(tail, run.lmbs - tail, self.lmb_size)]
            begin += run.lmbs
        runs = self.runs.replaced(low, high + 1, between, self.lmb_size)
        return LmbTable(runs, self.lmb_size, self.property_name, self.associativity)


def _check_span(first: int, count: int) -> None:
    if not isinstance(first, int) or not isinstance(count, int):
        raise TypeError(f"array index and count must be ints, not {first!r:.40} and {count!r:.40}")
    if first < 0:
        raise ValueError(f"the array index must be 0 or more, not {first}")


def check_limit(n_lmbs: int, limit: int) -> None:
    """Raise `LimitError` if so many LMBs are more than may be expanded."""
    if n_lmbs > limit:
        message = f"expanding gives {n_lmbs:,} LMBs, more than the limit of {limit:,}"
        raise LimitError(message, hint="read the runs, or raise --limit")


@dataclass(frozen=True, slots=True)
class Drmem:
    """What the node says about LMBs.

    Attributes:
        table: the LMBs; empty where the node has neither property.
        entries: the property as it is encoded, entry by entry; None where the node has neither.
        cells: the root's cells.
        defects: faults of the properties read, with path and offset.

    """

    table: LmbTable
    entries: Entries | None
    cells: RootCells
    defects: tuple[Defect, ...]

    __repr__ = short_repr

    @classmethod
    @checked()
    def from_tree(cls, tree: Tree, most: int | None = LIMITS.max_runs) -> Drmem:
        """Read the node as Linux does: v1 wins over v2. `NotInTreeError` if there is no such node.

        `LimitError` if there are more than `most` runs; None is for those who only go through them once.
        """
        node = drmem_node(tree)
        cells = RootCells.from_tree(tree)
        prop = node.find(LMB_SIZE)
        if prop is None:
            message = f"no {LMB_SIZE}: Linux takes none of its LMBs"
            lmb_size, defects = None, [Defect("lmb-size-absent", message, NODE, LMB_SIZE)]
        else:
            size = decode_lmb_size(prop.value, cells.size, prop.total)
            lmb_size, defects = size.value, [defect.at(NODE, LMB_SIZE) for defect in size.defects]
        prop = node.find(V1) or node.find(V2)
        if prop is None:
            defects.append(Defect("drmem-no-property", f"neither {V1} nor {V2} is there", NODE))
            return cls(LmbTable.of((), lmb_size), None, cells, tuple(defects))
        entries = decode_entries(prop.name, prop.value, cells.address, prop.total)
        defects += [defect.at(NODE, prop.name) for defect in entries.defects]
        if prop.name == V1 and node.find(V2) is not None:
            defects.append(Defect("drmem-both", f"{V2} is there as well; Linux reads {V1} only", NODE, V2))
        try:
            table = LmbTable.of_property(entries, lmb_size, most)
        except LimitError as error:
            error.source, error.path, error.property = tree.source or None, NODE, prop.name
            raise
        return cls(table, entries, cells, tuple(defects))


def drmem_node(tree: Tree) -> Node:
    """Return the node, or raise `NotInTreeError` with the likely reason for its absence."""
    node = tree.find(NODE)
    if node is not None:
        return node
    reason, hint = why_no_drmem(tree)  # only where something is wrong
    message = f"no node {NODE}: {reason}"
    raise NotInTreeError(message, source=tree.source, hint=hint)
