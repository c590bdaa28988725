# SPDX-License-Identifier: MIT
"""Memory by region of memblock as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from drmemctl.kernel.boot_regions import BootRegion, Consequences, DriverMemory
from drmemctl.kernel.memblock import DRIVER_MANAGED, FLAG_NAMES
from drmemctl.kernel.registered_memory import RegisteredMemory
from drmemctl.output.csv import csv_lines
from drmemctl.output.json import record, streamed
from drmemctl.output.lmb_words import address_range, width_of
from drmemctl.output.screen import Screen
from drmemctl.output.table import AS_IT_IS, Cell, Column, NodeCell, TableChoice, ValueCell, show_table
from drmemctl.output.text import safe

_ADDED = Column(
    "added", right=True, help="how much of it came after boot; shown once any did, or if asked for", in_bytes=True
)

COLUMNS = (
    Column("address", help="the first and the last address"),
    Column("size", right=True, help="memory of the region", in_bytes=True),
    Column("node", help="the Linux node; none where a region has none"),
    Column("flags", help="hotplug, mirror, nomap, driver-managed; - where none is set"),
    Column("zone", gives_way=1, help="Normal or Movable"),
    Column("kexec images", gives_way=4, help="whether kexec -s may place images there"),
    Column("second kernel", gives_way=3, help="whether it is told of the memory, or finds it by itself"),
    Column("vmcore", gives_way=2, help="whether a dump has it"),
    Column("unplug", prose=True, help="whether it can be given back"),
    _ADDED,
)


def show_memblock(screen: Screen, view: RegisteredMemory, format: str, choice: TableChoice = AS_IT_IS) -> None:
    """Print the regions as `text`, `json` or `csv`."""
    if format == "csv":
        records = chain(map(_record, view.regions), map(_driver_record, view.by_driver))
        screen.write_all(csv_lines(_CSV, ({**facts, **facts["kexec"]} for facts in records)))
        return
    if format == "json":
        head = record(view, "kernel=kernel.profile.name dead=kernel.dead? cmdline notes")
        lists = {"regions": map(_record, view.regions), "driver_managed": map(_driver_record, view.by_driver)}
        screen.write_all(streamed("memblock", head, lists))
        return
    if view.kernel.dead and all(entry.region.node is not None for entry in view.regions):
        return  # memory without a node is what a kernel dies of, and worth a table; nothing else is
    if not view.regions and not view.by_driver:
        screen.write("the kernel registers no memory\n")
        return
    wanted = choice.columns is not None and _ADDED.name in choice.columns
    if wanted or choice.sort == _ADDED.name or any(entry.added_bytes for entry in view.regions):
        show_table(screen, COLUMNS, _rows(view), choice=choice)
    else:
        show_table(screen, COLUMNS[:-1], (row[:-1] for row in _rows(view)), choice=choice)


def _consequences(consequences: Consequences) -> dict[str, Any]:
    return {
        **record(consequences, "zone movable_from"),
        "kexec": record(consequences, "images told=listed"),
        **record(consequences, "vmcore=in_dump unplug"),
    }


def _record(entry: BootRegion) -> dict[str, Any]:
    region = record(entry.region, "base size node flags=flag_names")
    return {**region, **_consequences(entry.consequences), **record(entry, "lmb_bytes added_bytes")}


_CSV = (
    *("base", "size", "node", "flags", "zone", "movable_from", "images", "told", "vmcore", "unplug", "lmb_bytes"),
    *("path", "drc_index", "added_bytes"),
)


def _driver_record(region: DriverMemory) -> dict[str, Any]:
    flags = [FLAG_NAMES[DRIVER_MANAGED]] if region.marked else []
    place = {**record(region, "path drc_index"), "base": None, **record(region, "size node")}
    return {**place, "flags": flags, **_consequences(region.consequences)}


def _rows(view: RegisteredMemory) -> Iterator[Sequence[Cell]]:
    width = width_of(max((entry.region.end for entry in view.regions), default=1) - 1)
    for entry in view.regions:
        region = entry.region
        place = address_range(region.base, region.size, width)
        flags = " ".join(region.flag_names) or "-"
        at = ValueCell(place, None, region.base)
        added = ValueCell.of_size(entry.added_bytes) if entry.added_bytes else ValueCell("-", None, 0)
        size = ValueCell.of_size(region.size)
        yield (at, size, NodeCell.of_node(region.node), flags, *_words(entry.consequences, width), added)
    for pmem in view.by_driver:
        size = ValueCell.of_size(pmem.size, "-")
        flags = FLAG_NAMES[DRIVER_MANAGED] if pmem.marked else "-"
        name, none = safe(pmem.path.rpartition("/")[2], 40), ValueCell("-", None, 0)
        yield (name, size, NodeCell.of_node(pmem.node), flags, *_words(pmem.consequences, width), none)


def _words(consequences: Consequences, width: int) -> tuple[Cell, ...]:
    name = consequences.zone
    if consequences.zone != "Movable" and consequences.movable_from is not None:
        name += f", Movable from {consequences.movable_from:#0{width}x}"
    zone: Cell = (name, "green" if consequences.zone == "Movable" else None)
    verb = "is told" if consequences.listed else "finds it"
    return (
        zone,
        "yes" if consequences.images else "no",
        verb,
        "yes" if consequences.in_dump else "no",
        consequences.unplug,
    )
