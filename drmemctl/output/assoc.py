# SPDX-License-Identifier: MIT
"""The lookup arrays and their users as text, JSON and CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from drmemctl.model.lookup_usage import INVALID, OUT_OF_RANGE, UNSET, ArrayUse, LookupUsage, Outsiders, Users
from drmemctl.output.csv import csv_lines
from drmemctl.output.json import kernel_field, record, streamed
from drmemctl.output.lmb_words import address_range, domains_text, width_of
from drmemctl.output.screen import Screen
from drmemctl.output.table import AS_IT_IS, Cell, Column, NodeCell, TableChoice, ValueCell, show_table
from drmemctl.wording import count_of

_WHY = {UNSET: "no array", OUT_OF_RANGE: "no such array", INVALID: "ai-invalid flag"}


def show_usage(
    screen: Screen,
    usage: LookupUsage,
    format: str,
    kernel: str | None = None,
    choice: TableChoice = AS_IT_IS,
) -> None:
    """Print the arrays as `text`, `json` or `csv`."""
    arrays = (array_record(use, usage.lmb_size) for use in usage.arrays)
    without_array = (outsiders_record(outsiders, usage.lmb_size) for outsiders in usage.outsiders)
    if format == "json":
        head = {**kernel_field(kernel), **record(usage, "n_arrays array_sz usable lmb_size")}
        screen.write_all(streamed("assoc", head, {"arrays": arrays, "without_array": without_array}))
    elif format == "csv":
        screen.write_all(csv_lines(_CSV, chain(arrays, without_array)))
    else:
        show_table(screen, COLUMNS, rows(usage), title=title(usage), choice=choice)


def array_record(use: ArrayUse, lmb_size: int | None) -> dict[str, Any]:
    """Return an array as JSON has it."""
    facts = record(use, "aa_index=index associativity=domains node same_as")
    return {**facts, **users_record(use.users, lmb_size)}


def outsiders_record(outsiders: Outsiders, lmb_size: int | None) -> dict[str, Any]:
    """Return LMBs without an array as JSON has them."""
    return {**record(outsiders, "reason aa_index"), **users_record(outsiders.users, lmb_size)}


def users_record(users: Users, lmb_size: int | None) -> dict[str, Any]:
    """Return LMBs as JSON has them: `ranges` are the first ones, `n_ranges` says how many there are."""
    return {
        **record(users, "lmbs assigned free reserved"),
        "bytes": None if lmb_size is None else users.lmbs * lmb_size,
        "ranges": [{"base": base, "count": lmbs} for base, lmbs in users.ranges],
        "n_ranges": users.n_ranges,
    }


_CSV = (
    "aa_index", "associativity", "node", "same_as", "reason", "lmbs", "assigned", "free", "reserved", "bytes",
)  # fmt: skip


COLUMNS = (
    Column("aa", right=True, help="index of the lookup array, aa_index of LMBs"),
    Column("domains", gives_way=1, help="its associativity"),
    Column("node", right=True, help="the Linux node that it leads to"),
    Column("LMBs", right=True, help="LMBs that have it"),
    Column("memory", right=True, gives_way=3, help="their memory", in_bytes=True),
    Column("addresses", gives_way=2, help="the first of their ranges, and how many more there are"),
    Column("note", prose=True, help="same as, unused, and the states of the LMBs where not all are assigned"),
)


def title(usage: LookupUsage) -> str:
    """Return how many lookup arrays there are, of how many domains, and what is odd about them."""
    if not usage.n_arrays and not usage.array_sz:
        return "no lookup arrays"
    counted = f"{count_of(usage.n_arrays, 'lookup array')} of {count_of(usage.array_sz, 'domain')}"
    parts = [f"{usage.unused:,} unused"] * bool(usage.unused)
    parts += [f"{count_of(usage.duplicates, 'duplicate')}"] * bool(usage.duplicates)
    if not usage.usable:
        parts.append("too short: Linux takes none")
    elif not usage.array_sz:
        parts.append("Linux finds no node in them")
    return f"{counted}: {', '.join(parts)}" if parts else counted


def rows(usage: LookupUsage) -> Iterator[Sequence[Cell]]:
    """Yield the cells of each array, then of the LMBs that have none; one for each of `COLUMNS`."""
    everybody = [*(use.users for use in usage.arrays), *(outsiders.users for outsiders in usage.outsiders)]
    ends = (base + lmbs * (usage.lmb_size or 1) for users in everybody for base, lmbs in users.ranges)
    width = width_of(max(ends, default=1) - 1)
    for use in usage.arrays:
        node = NodeCell.of_node(use.node, "?" if usage.unknown else "none")
        notes = [f"same as {use.same_as}"] * (use.same_as is not None)
        notes += ["unused"] * (not use.users.lmbs)
        states = (use.users.free, "free"), (use.users.reserved, "reserved")
        notes += [f"{number:,} {state}" for number, state in states if number]
        note = (", ".join(notes), "yellow" if use.same_as is not None or not use.users.lmbs else "dim")
        memory = _users_cells(use.users, usage.lmb_size, width)
        yield (str(use.index), domains_text(use.domains), node, *memory, note)
    for outsiders in usage.outsiders:
        users = outsiders.users
        node = NodeCell.of_node(None, "none" if users.assigned else "-")
        index = "-" if outsiders.aa_index is None or outsiders.reason == UNSET else str(outsiders.aa_index)
        # An unassigned LMB has no array, as LoPAR wants; an assigned one kills a booting kernel.
        note = (_why(outsiders), "bold red" if users.assigned else "dim")
        yield (index, "-", node, *_users_cells(users, usage.lmb_size, width), note)


def _why(outsiders: Outsiders) -> str:
    if not 0 < outsiders.users.assigned < outsiders.users.lmbs:
        return _WHY[outsiders.reason]
    assigned = f"{outsiders.users.assigned:,} assigned"
    return assigned if outsiders.reason == UNSET else f"{_WHY[outsiders.reason]}, {assigned}"


def _users_cells(users: Users, lmb_size: int | None, width: int) -> tuple[Cell, Cell, Cell]:
    if not users.lmbs:
        return "-", "-", "-"
    memory = ValueCell.of_size(None if lmb_size is None else users.lmbs * lmb_size)
    base, lmbs = users.ranges[0]
    first = f"{base:#0{width}x}" if lmb_size is None else address_range(base, lmbs * lmb_size, width)
    # The first range, and how many more there are: more than that would not fit 80 columns.
    addresses = first if users.n_ranges == 1 else f"{first} +{users.n_ranges - 1:,}"
    return f"{users.lmbs:,}", memory, addresses
