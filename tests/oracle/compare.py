# SPDX-License-Identifier: MIT
"""How a new record differs from the bundled one, and how the simulation differs from a record."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.kernel.boot_notes import boot_notes
from drmemctl.kernel.profiles import profile
from drmemctl.qualify.records import Record
from drmemctl.qualify.replay import recorded_state, simulated, step_differences
from drmemctl.tree.node import Tree
from tests.kernel import printed

_OF_A_STEP = ("rc", "errno", "unmovable", "log", "properties", "blocks")


def differences(old: Record, new: Record) -> list[str]:
    """Return what is not the same in two records of the same steps, in order; not what the kernels are called."""
    found = [f"boot: {name}" for name in ("properties", "blocks") if old["boot"][name] != new["boot"][name]]
    if printed.printed(old) != printed.printed(new):
        found.append("boot: memblock")
    for number, (before, after) in enumerate(zip(old["steps"], new["steps"], strict=True), 1):
        what = [name for name in _OF_A_STEP if before.get(name) != after.get(name)]
        if what:
            found.append(f"step {number}, {before['step'][:60]}: {', '.join(what)}")
    return found + (["events"] if old["events"] != new["events"] else [])


def reason(old: Record, new: Record) -> str:
    """Return why two records may differ though nothing is wrong; the empty string if they have no excuse."""
    reasons = []
    if old["kernel"] != new["kernel"]:
        reasons.append(f"the kernel is {new['kernel']}, was {old['kernel']}")
    stuck = [[step.get("unmovable") for step in record["steps"]] for record in (old, new)]
    if stuck[0] != stuck[1]:
        reasons.append("which memory cannot be taken offline differs from boot to boot")
    return "; ".join(reasons)


def mistakes(record: Record, tree: Tree) -> list[str]:
    """Return where the simulation does not do what was recorded."""
    run = simulated(record, tree)
    found = [] if run.boot == recorded_state(record["boot"]) else ["boot"]
    found += _boot_mistakes(record, tree)
    for number, step in enumerate(run.steps, 1):
        what = list(step_differences(step))
        if what:
            found.append(f"step {number}, {step.recorded['step'][:60]}: {', '.join(what)}")
    events = [event for step in run.steps for event in step.result.events]
    return found if events == [one["event"] for one in record["events"]] else [*found, "events"]


def _boot_mistakes(record: Record, tree: Tree) -> Iterator[str]:
    if any("worked out" in note for note in boot_notes(tree, profile(record["kernel"]))):
        return  # the command itself says that it does not know
    regions = printed.printed(record)
    if regions and printed.simulated(tree, record["kernel"]) != regions:
        yield "boot: memblock"
    zones = [block["zone"] for block in record["boot"]["blocks"] if "zone" in block]
    if zones and printed.zones(tree, record) != zones:
        yield "boot: zones"
