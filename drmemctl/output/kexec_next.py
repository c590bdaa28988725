# SPDX-License-Identifier: MIT
"""The LMBs of the next kernel beside those of boot, of now and of the hypervisor, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drmemctl.formats.dynamic_memory import AA_UNSET
from drmemctl.kernel.firmware import SENSE_PRESENT
from drmemctl.model.run import is_assigned, state_of
from drmemctl.output.drc_hex import hex_text
from drmemctl.output.findings import finding_lines
from drmemctl.output.json import record, streamed
from drmemctl.output.rearm import rearm_lines, rearm_record
from drmemctl.output.screen import Screen
from drmemctl.output.table import Cell, Column, show_table
from drmemctl.simulate.kexec import NextKernel
from drmemctl.simulate.next_kernel import HandedLmbs, LmbEntry

COLUMNS = (
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
            "rearm": rearm_record(view.rearm),
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
    show_table(screen, COLUMNS, map(_row, view.lmbs))
    if view.findings:
        screen.write("\n")
        screen.write_text(finding_lines(screen, view.findings))
    screen.write_text(rearm_lines(view.rearm, view.kernel.table))


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
        _words(entry.booted),
        _words(entry.live),
        sense,
        (_words(entry.next), "bold red" if entry.is_wrong else None),
    )


def _words(side: LmbEntry | None) -> str:
    if side is None:
        return "-"
    state = state_of(side.flags)
    return state if side.aa_index == AA_UNSET else f"{state}, aa {side.aa_index}"
