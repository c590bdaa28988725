# SPDX-License-Identifier: MIT
"""What the next kernel gets: the memory of a crash kernel, the LMBs of another, whether to arm a dump again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from drmemctl.formats.dynamic_memory import AA_UNSET, NODE
from drmemctl.formats.memory_reg import USABLE_MEMORY
from drmemctl.formats.plain import record as plain_record
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY
from drmemctl.kernel.crash_cma import CONSEQUENCES
from drmemctl.kernel.firmware import SENSE_PRESENT
from drmemctl.kernel.kdump import CrashRegion
from drmemctl.model.drmem import LmbTable
from drmemctl.model.run import is_assigned, state_of
from drmemctl.output.drc_hex import hex_text
from drmemctl.output.findings import finding_lines
from drmemctl.output.json import record, streamed
from drmemctl.output.lmb_words import address_range, width_of
from drmemctl.output.screen import Screen
from drmemctl.output.table import Cell, Column, show_table
from drmemctl.output.text import safe
from drmemctl.simulate.kexec import CrashKernel, NextKernel
from drmemctl.simulate.memory_events import LmbSpan
from drmemctl.simulate.next_kernel import HandedLmbs, LmbEntry
from drmemctl.simulate.rearm import Rearm
from drmemctl.wording import count_of, size_text

_REGION = "base=region.base size=region.size node=region.node was_on=nodes"
"""The keys of a region in JSON."""

_LISTS = ("came", "went", "lacks", "stale")
_STILL_DUMPED = ", still dumped: the dump may fail there"

CRASH_COLUMNS = (
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
            "crashkernel_cma": None if view.cma is None else plain_record(view.cma, "size state why"),
            "rearm": _rearm_record(view.rearm),
        }
        lists = {
            "regions": (record(entry, _REGION) for entry in view.regions),
            "findings": (record(finding, "rule severity message offset") for finding in view.findings),
        }
        screen.write_all(streamed("kexec", head, lists))
        return
    in_vain = view.kernel.dead and all(entry.region.node is not None for entry in view.regions)
    if not in_vain:
        show_table(screen, CRASH_COLUMNS, _rows(view.regions))
    if view.findings:
        screen.write("" if in_vain else "\n")
        screen.write_text(finding_lines(screen, view.findings))
    if view.cma is not None:
        cma = f"\ncrashkernel={size_text(view.cma.size)},cma: {view.cma.state}\n"
        reasons = (view.cma.why, *CONSEQUENCES[view.cma.state])
        screen.write_text((cma, *(f"  {line}\n" for line in reasons)))
    screen.write_text(_rearm_lines(view.rearm, view.kernel.table))


def _rows(regions: Sequence[CrashRegion]) -> Iterator[Sequence[Cell]]:
    width = width_of(max((entry.region.end for entry in regions), default=1) - 1)
    for entry in regions:
        region = entry.region
        before = ",".join("none" if node is None else str(node) for node in entry.nodes) or "-"
        node = "none" if region.node is None else str(region.node)
        place = address_range(region.base, region.size, width)
        yield (place, size_text(region.size), (node, "red" if entry.is_moved else None), before)


NEXT_COLUMNS = (
    Column("DRC index", help="of the first of some LMBs that are alike in what follows"),
    Column("LMBs", right=True, help="how many"),
    Column("boot FDT", help="what the blob of boot has for them: state and aa_index; - where it has none"),
    Column("live tree", help="likewise the tree that the kernel holds"),
    Column("hypervisor", help="given to the partition, not given, or - where it has no such connector"),
    Column("next kernel", help="what the kernel that is loaded reads"),
)


def show_next(screen: Screen, view: NextKernel, format: str) -> None:
    """Print the LMBs as `text` or `json`."""
    if format == "json":
        head = {
            **record(view, "kernel=kernel.profile.name dead=kernel.dead? purpose route why"),
            "rearm": _rearm_record(view.rearm),
        }
        lmbs = (
            {
                **record(entry, "drc_index base lmbs sense"),
                "boot": _side(entry.booted),
                "live": _side(entry.live),
                "next": _side(entry.next),
            }
            for entry in view.lmbs
        )
        findings = (record(finding, "rule severity message") for finding in view.findings)
        screen.write_all(streamed("kexec-next", head, {"lmbs": lmbs, "findings": findings}))
        return
    screen.write_text((f"loaded by {view.why}\n" if view.route != "firmware" else f"{view.why}\n",))
    show_table(screen, NEXT_COLUMNS, map(_row, view.lmbs))
    if view.findings:
        screen.write("\n")
        screen.write_text(finding_lines(screen, view.findings))
    screen.write_text(_rearm_lines(view.rearm, view.kernel.table))


def _side(side: LmbEntry | None) -> dict[str, Any] | None:
    if side is None:
        return None
    aa_index = None if side.aa_index == AA_UNSET else side.aa_index
    return {"assigned": is_assigned(side.flags), "aa_index": aa_index, "flags": side.flags}


def _row(entry: HandedLmbs) -> Sequence[Cell]:
    sense = "-" if entry.sense is None else "given" if entry.sense == SENSE_PRESENT else "not given"
    return (
        hex_text(entry.drc_index) or "-",
        f"{entry.lmbs:,}",
        _side_words(entry.booted),
        _side_words(entry.live),
        sense,
        (_side_words(entry.next), "bold red" if entry.is_wrong else None),
    )


def _side_words(side: LmbEntry | None) -> str:
    if side is None:
        return "-"
    state = state_of(side.flags)
    return state if side.aa_index == AA_UNSET else f"{state}, aa {side.aa_index}"


def _rearm_lines(rearm: Rearm | None, table: LmbTable) -> Iterator[str]:
    """Yield the lines that say it of a partition with these LMBs; none without steps."""
    if rearm is None:
        return
    yield "\n"
    yield f"arm again: {'yes, ' + rearm.command if rearm.needed else 'no'}\n"
    yield f"  {rearm.why}\n"
    width = table.address_digits + len("0x")
    yield from _about(rearm.came, width, "came since then" + (", not in the dump" if rearm.lacks else ""))
    all_are_stale = rearm.stale == rearm.went
    yield from _about(rearm.went, width, "went since then" + (_STILL_DUMPED if all_are_stale else ""))
    if not all_are_stale:
        yield from _about(rearm.stale, width, "gone" + _STILL_DUMPED)
    has = "is not there" if rearm.flag_value is None else f"reads {rearm.flag_value}"
    yield f"  {rearm.flag} {has}\n"
    yield from (f"  {note}\n" for note in rearm.notes)


def _about(spans: Sequence[LmbSpan], width: int, words: str) -> Iterator[str]:
    if spans:
        number = count_of(sum(span.lmbs for span in spans), "LMB")
        first = f"{spans[0].base:#0{width}x} (DRC {spans[0].drc_index:#010x})"
        yield f"  {number} {words}, first {first}\n"


def _rearm_record(rearm: Rearm | None) -> dict[str, Any] | None:
    """Return it as JSON has it."""
    if rearm is None:
        return None
    lists = {name: [span._asdict() for span in getattr(rearm, name)] for name in _LISTS}
    return {
        **plain_record(rearm, "needed kept_by why events command"),
        **lists,
        **plain_record(rearm, "flag flag_value notes"),
    }
