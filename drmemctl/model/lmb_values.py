# SPDX-License-Identifier: MIT
"""LMBs as plain values for other programs: records as JSON has them, columns for Arrow and pandas, HTML."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from drmemctl.errors import DrmemctlError
from drmemctl.formats.dynamic_memory import AA_UNSET, flag_names
from drmemctl.model.associativity import Associativity
from drmemctl.model.run import Lmb, Run, state_of
from drmemctl.model.sizes import listed_within_bounds
from drmemctl.notebook import html_table
from drmemctl.wording import count_of, size_text

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from drmemctl.model.runs import Runs

HEADINGS = ("address", "LMBs", "DRC index", "aa", "node", "state", "flags")


class Table(Protocol):
    """What of an `LmbTable` is turned into values."""

    @property
    def runs(self) -> Runs:
        """The runs."""

    @property
    def lmb_size(self) -> int | None:
        """Bytes of an LMB."""

    @property
    def property_name(self) -> str:
        """The property that they were read from."""

    @property
    def associativity(self) -> Associativity | None:
        """What leads to nodes."""

    @property
    def address_digits(self) -> int:
        """Hex digits to which addresses are padded."""

    def node_of(self, lmbs: Run | Lmb) -> int | None:
        """Return the node."""


def run_record(run: Run, associativity: Associativity | None) -> dict[str, Any]:
    """Return a run as JSON has it; nothing is known of its node without associativity."""
    attributes = run_attributes(run.aa_index, run.flags, associativity)
    return {"base": run.base, "count": run.lmbs, "drc_index": run.drc_index, **attributes}


def run_attributes(aa_index: int, flags: int, associativity: Associativity | None) -> dict[str, Any]:
    """Return the end of that record, which goes by aa_index and flags."""
    row = None if associativity is None else associativity.row(aa_index, flags)
    return {
        "aa_index": aa_index,
        "flags": flags,
        "flag_names": flag_names(flags),
        "associativity": None if row is None else list(row),
        "node": None if associativity is None else associativity.node_of(aa_index, flags),
    }


def lmb_record(lmb: Lmb, associativity: Associativity) -> dict[str, Any]:
    """Return an LMB as JSON has it."""
    return {
        "base": lmb.base,
        "drc_index": lmb.drc_index,
        **lmb_attributes(lmb.aa_index, lmb.flags, associativity),
    }


def lmb_attributes(aa_index: int, flags: int, associativity: Associativity) -> dict[str, Any]:
    """Return the end of that record, which goes by aa_index and flags."""
    return {"aa_index": aa_index, "flags": flags, "node": associativity.node_of(aa_index, flags)}


def check_listed(runs: int, associativity: Associativity | None, source: str = "") -> None:
    """Raise `LimitError` if the lists of so many runs have more domains than are written."""
    if associativity is not None and associativity.lookup is not None:
        listed_within_bounds(runs * associativity.lookup.listed, source)


def table_record(table: Table) -> dict[str, Any]:
    """Return a table with the values of `drmemctl lmb --format json`; `LimitError` as there."""
    check_listed(len(table.runs), table.associativity)
    return {
        "property": table.property_name or None,
        "lmb_size": table.lmb_size,
        "runs": [run_record(run, table.associativity) for run in table.runs],
    }


def columns_of(table: Table) -> dict[str, list[Any]]:
    """Return the runs as columns, the same fields as their records and the bytes of each run; `LimitError`."""
    check_listed(len(table.runs), table.associativity)
    bases, lmbs, drc_indexes, aa_indexes, flags = table.runs.columns()
    ends = [run_attributes(*kind, table.associativity) for kind in zip(aa_indexes, flags, strict=True)]
    size = table.lmb_size
    return {
        "base": list(bases),
        "count": list(lmbs),
        "drc_index": list(drc_indexes),
        **{name: [end[name] for end in ends] for name in run_attributes(0, 0, None)},
        "bytes": [None if size is None else size * count for count in lmbs],
    }


def to_arrow(table: Table) -> pa.Table:
    """Return a table as one of Arrow, a row for each run; `DrmemctlError` if pyarrow is not installed."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise _missing("pyarrow", "fleet") from error
    # Addresses have 64 bits without a sign; pyarrow would take the smaller ones for signed.
    kinds = {
        "base": pa.uint64(),
        "count": pa.uint64(),
        **dict.fromkeys(("drc_index", "aa_index", "flags"), pa.uint32()),
        "flag_names": pa.list_(pa.string()),
        "associativity": pa.list_(pa.uint32()),
        "node": pa.int32(),
        "bytes": pa.decimal128(38),
    }
    columns = columns_of(table)
    if all(size is None or size < 1 << 64 for size in columns["bytes"]):
        kinds["bytes"] = pa.uint64()
    return pa.table(columns, schema=pa.schema(list(kinds.items())))


def to_pandas(table: Table) -> pd.DataFrame:
    """Return a table as a DataFrame, a row for each run; `DrmemctlError` if pandas is not installed."""
    try:
        import pandas as pd
    except ImportError as error:
        raise _missing("pandas", "pandas") from error
    frame = pd.DataFrame(columns_of(table))
    # With a row that has no node the others would become fractions.
    return frame.astype({"node": "Int32"})


def _missing(package: str, extra: str) -> DrmemctlError:
    return DrmemctlError(f"{package} is not installed", hint=f"pip install 'drmemctl[{extra}]'")


def to_html(table: Table) -> str:
    """Return a table as a notebook shows it, a row for each of the first runs."""
    width = table.address_digits + len("0x")
    rows = (_cells(run, table, width) for run in table.runs)
    return html_table(described(table), HEADINGS, rows, len(table.runs), "runs")


def _cells(run: Run, table: Table, width: int) -> tuple[object, ...]:
    end = "" if not table.lmb_size else f"-{run.base + run.lmbs * table.lmb_size - 1:#0{width}x}"
    return (
        f"{run.base:#0{width}x}{end}",
        f"{run.lmbs:,}",
        f"{run.drc_index:#010x}",
        None if run.aa_index == AA_UNSET else run.aa_index,
        table.node_of(run),
        state_of(run.flags),
        " ".join(flag_names(run.flags)) or None,
    )


def described(table: Table, quoted: Callable[[str], str] = str) -> str:
    """Return how many LMBs a table has, of which size, and where from."""
    size = "of unknown size" if table.lmb_size is None else f"of {size_text(table.lmb_size)}"
    text = f"{count_of(table.runs.n_lmbs, 'LMB')} {size} in {count_of(len(table.runs), 'run')}"
    return f"{text}, {quoted(table.property_name)}" if table.property_name else text
