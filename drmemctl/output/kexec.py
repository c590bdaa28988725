# SPDX-License-Identifier: MIT
"""The memory of a crash kernel as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.memory_reg import USABLE_MEMORY
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY
from drmemctl.kernel.kdump import CrashRegion
from drmemctl.output.findings import finding_lines
from drmemctl.output.json import record, streamed
from drmemctl.output.lmb_words import address_range, width_of
from drmemctl.output.rearm import cma_lines, cma_record, rearm_lines, rearm_record
from drmemctl.output.screen import Screen
from drmemctl.output.table import Cell, Column, show_table
from drmemctl.output.text import safe
from drmemctl.simulate.kexec import CrashKernel
from drmemctl.wording import size_text

_REGION = "base=region.base size=region.size node=region.node was_on=nodes"
"""The keys of a region in JSON."""


COLUMNS = (
    Column("address", help="a region of the crash kernel's memory: the first and the last address"),
    Column("size", right=True, help="its memory"),
    Column("node", help="the node that the crash kernel has it on; none: it finds none"),
    Column("was on", help="the node, or nodes, that it was on in the kernel that runs"),
)


def show_kexec(screen: Screen, view: CrashKernel, format: str) -> None:
    """Print the crash kernel's memory as `text` or `json`."""
    if format == "json":
        usable = {
            safe(f"/{child.name}", None): (child.get(USABLE_MEMORY) or b"").hex()
            for child in view.tree.root.children
            if child.find(USABLE_MEMORY) is not None
        }
        lmbs = view.tree.get(NODE, DRCONF_USABLE_MEMORY)
        head = {
            **record(view, "kernel=kernel.profile.name dead=kernel.dead?"),
            USABLE_MEMORY: usable,
            DRCONF_USABLE_MEMORY: None if lmbs is None else lmbs.hex(),
            "crashkernel_cma": cma_record(view.cma),
            "rearm": rearm_record(view.rearm),
        }
        lists = {
            "regions": (record(entry, _REGION) for entry in view.regions),
            "findings": (record(finding, "rule severity message offset") for finding in view.findings),
        }
        screen.write_all(streamed("kexec", head, lists))
        return
    in_vain = view.kernel.dead and all(entry.region.node is not None for entry in view.regions)
    if not in_vain:
        show_table(screen, COLUMNS, _rows(view.regions))
    if view.findings:
        screen.write("" if in_vain else "\n")
        screen.write_text(finding_lines(screen, view.findings))
    screen.write_text((*cma_lines(view.cma), *rearm_lines(view.rearm, view.kernel.table)))


def _rows(regions: Sequence[CrashRegion]) -> Iterator[Sequence[Cell]]:
    width = width_of(max((entry.region.end for entry in regions), default=1) - 1)
    for entry in regions:
        region = entry.region
        before = ",".join("none" if node is None else str(node) for node in entry.nodes) or "-"
        node = "none" if region.node is None else str(region.node)
        place = address_range(region.base, region.size, width)
        yield (place, size_text(region.size), (node, "red" if entry.is_moved else None), before)
