# SPDX-License-Identifier: MIT
"""Boot memory by region as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from drmemctl.kernel.boot_regions import BootRegion, Consequences, DriverMemory
from drmemctl.kernel.memblock import DRIVER_MANAGED, FLAG_NAMES
from drmemctl.kernel.state import KernelState
from drmemctl.output.json import record, schema, streamed
from drmemctl.output.screen import Screen, node_style
from drmemctl.output.table import Cell, Column, show_table
from drmemctl.output.text import safe
from drmemctl.wording import size_text


@dataclass(frozen=True, slots=True)
class MemblockView:
    """What to show.

    Attributes:
        kernel: the kernel after boot.
        cmdline: its command line; untrusted text.
        regions: the regions of boot memory.
        by_driver: memory that drivers may add.
        notes: what to know beside it.

    """

    kernel: KernelState
    cmdline: str
    regions: Sequence[BootRegion]
    by_driver: Sequence[DriverMemory]
    notes: Sequence[str] = ()


def show_memblock(screen: Screen, view: MemblockView, format: str) -> None:
    """Print the regions as `table` or `json`."""
    if format == "json":
        head = {
            "schema": schema("memblock"),
            "kernel": view.kernel.profile.name,
            "dead": view.kernel.dead or None,
            "cmdline": safe(view.cmdline, None),
            "notes": [*view.notes],
        }
        lists = {"regions": map(_record, view.regions), "driver_managed": map(_driver_record, view.by_driver)}
        screen.write_all(streamed(head, lists))
        return
    if view.kernel.dead and all(entry.region.node is not None for entry in view.regions):
        return  # memory without a node is what a kernel dies of, and worth a table; nothing else is
    titles = ("node", "flags", "zone", "kexec images", "second kernel", "vmcore", "unplug")
    columns = [Column("address"), Column("size", right=True), *(Column(title) for title in titles)]
    if not view.regions and not view.by_driver:
        screen.write("the kernel registers no memory\n")
        return
    show_table(screen, columns, _rows(view))


def _consequences(consequences: Consequences) -> dict[str, Any]:
    return {
        **record(consequences, "zone movable_from"),
        "kexec": record(consequences, "images told=listed"),
        **record(consequences, "vmcore=in_dump unplug"),
    }


def _record(entry: BootRegion) -> dict[str, Any]:
    region = record(entry.region, "base size node flags=flag_names")
    return {**region, **_consequences(entry.consequences), "lmb_bytes": entry.lmb_bytes}


def _driver_record(region: DriverMemory) -> dict[str, Any]:
    flags = [FLAG_NAMES[DRIVER_MANAGED]]
    place = {**record(region, "path drc_index"), "base": None, **record(region, "size node")}
    return {**place, "flags": flags, **_consequences(region.consequences)}


def _rows(view: MemblockView) -> Iterator[Sequence[Cell]]:
    for entry in view.regions:
        region = entry.region
        last = region.end - 1
        place = f"{region.base:#011x}-{last:#011x}"
        flags = " ".join(region.flag_names) or "-"
        yield (place, size_text(region.size), _node(region.node), flags, *_words(entry.consequences))
    for pmem in view.by_driver:
        size = "-" if pmem.size is None else size_text(pmem.size)
        flags = FLAG_NAMES[DRIVER_MANAGED]
        yield (safe(pmem.path, 60), size, _node(pmem.node), flags, *_words(pmem.consequences))


def _node(node: int | None) -> Cell:
    return ("none", "bold red") if node is None else (str(node), node_style(node))


def _words(consequences: Consequences) -> tuple[Cell, ...]:
    name = consequences.zone
    if consequences.zone != "Movable" and consequences.movable_from is not None:
        name += f", Movable from {consequences.movable_from:#x}"
    zone: Cell = (name, "green" if consequences.zone == "Movable" else None)
    verb = "is told" if consequences.listed else "finds it"
    return (
        zone,
        "yes" if consequences.images else "no",
        verb,
        "yes" if consequences.in_dump else "no",
        consequences.unplug,
    )
