# SPDX-License-Identifier: MIT
"""What only some of the bundled records have: zones, memblock, CPUs, distances of nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from drmemctl.qualify import records
from drmemctl.qualify.guest import Sent
from drmemctl.qualify.records import Files, Record, folders_of, messages_in, text_of

_MEMBLOCK = re.compile(r"\s*(MEMBLOCK conf|memory\[|memory\.cnt|memory size)")


def record_of(plan: Record, sent: Sent) -> tuple[Record, bytes]:
    """Return the record of a run with all that the older one has, and the guest's flattened tree."""
    record, fdt = records.record_of(plan, sent)
    folders, boot = folders_of(sent.files["kept"]), record["boot"]
    if any("zone" in block for block in plan["boot"]["blocks"]):
        for block, line in zip(boot["blocks"], text_of(folders["kept/0"], "blocks").splitlines(), strict=True):
            block["zone"] = " ".join(line.split()[3:])
    has_memblock = "memblock" in plan["boot"]
    if has_memblock:
        boot["memblock"] = text_of(folders["kept/0"], "memblock").splitlines()
    has_distances = "distances" in plan["boot"]
    if has_distances:
        boot["distances"] = _distances(folders["kept/0"])
    cpus = _Cpus(folders) if "cpus" in plan["boot"] else None
    if cpus is not None:
        boot |= cpus.state("kept/0")
    messages = messages_in(folders["kept/0"])
    if any("MEMBLOCK configuration" in line for line in messages):
        boot["memblock_log"] = [line for line in messages if _MEMBLOCK.match(line)]
    for number, step in enumerate(record["steps"], 1):
        place = f"kept/{number}"
        answers = {"answers": step.pop("answers")} if "answers" in step else {}
        if has_memblock:
            step["memblock"] = text_of(folders[place], "memblock").splitlines()
        if has_distances:
            step["distances"] = _distances(folders[place])
        step.update(answers | ({} if cpus is None else cpus.state(place)))
    return record, fdt


def _distances(files: Files) -> dict[str, list[int]]:
    """Return the nodes that are online, each with its distances to all of them."""
    rows = [[int(number) for number in line.split()] for line in text_of(files, "distances").splitlines()]
    return {str(node): distances for node, *distances in rows}


class _Cpus:
    """The CPUs that are online, with their nodes; and what changed below /cpus since it was last asked."""

    def __init__(self, folders: dict[str, Files]) -> None:
        self._folders = folders
        self._before: dict[str, dict[str, str]] = {}

    def state(self, place: str) -> dict[str, Any]:
        prefix = f"{place}/nodes/"
        nodes = {
            folder.removeprefix(prefix): {name: data.hex() for name, data in files.items() if name != "name"}
            for folder, files in self._folders.items()
            if folder.startswith(prefix)
        }
        changed = {name: node for name, node in nodes.items() if self._before.get(name) != node}
        gone = dict.fromkeys(sorted(self._before.keys() - nodes.keys()))
        self._before = nodes
        cpus = []
        for line in text_of(self._folders[place], "cpus").splitlines():
            node, *listed = line.split()
            cpus += [{"cpu": cpu, "node": int(node)} for part in listed for cpu in _range_list(part)]
        return {"cpus": sorted(cpus, key=lambda cpu: cpu["cpu"]), "cpu_nodes": changed | gone}


def _range_list(text: str) -> Iterator[int]:
    """Yield the numbers of e.g. `0-2,5`, as sysfs lists CPUs."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
