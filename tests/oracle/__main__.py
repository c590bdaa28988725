# SPDX-License-Identifier: MIT
"""`make oracle`: boot a guest, capture, plug memory, capture again, and hold check and diff to what happened."""

from __future__ import annotations

import json
import re
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from drmemctl.tree.capture import script
from tests.cli.running import run
from tests.oracle.guest import booted, root_of
from tests.oracle.packages import fetched, install

CACHE = Path.home() / ".cache/drmemctl-oracle"
MACHINE = [
    *("-M", "pseries", "-cpu", "POWER9", "-smp", "2", "-m", "1G,slots=8,maxmem=8G"),
    *("-object", "memory-backend-ram,id=m0,size=512M", "-object", "memory-backend-ram,id=m1,size=512M"),
    *("-numa", "node,nodeid=0,memdev=m0", "-numa", "node,nodeid=1,memdev=m1"),
    *("-object", "memory-backend-ram,id=c0,size=512M", "-device", "pc-dimm,id=cold0,memdev=c0,node=1"),
    *("-object", "memory-backend-ram,id=c1,size=256M", "-device", "pc-dimm,id=cold1,memdev=c1,node=0"),
]
PLUG = ["object_add memory-backend-ram,id=hot0,size=512M", "device_add pc-dimm,id=dimm0,memdev=hot0,node=1"]
OPTIONS = ("movable_node", "mem=1300M movable_node", "mem=1000001K", "numa=off")
"""Command lines whose effect on boot memory is compared with what the kernel prints."""

PRINTED = re.compile(r"memory\[\w+\]\s+\[(0x\w+)-(0x\w+)\], \w+ bytes(?: on node (\d+))? flags: (0x\w+)")


def asked(*arguments: str | Path) -> Any:
    """Return the JSON of a command."""
    return json.loads(run(*arguments, "--format", "json").out)


def judge(before: Path, after: Path) -> list[str]:
    """Return what is not as it should be after 512 MiB were plugged on node 1."""
    wrong = []
    for place in (before, after):
        errors = [one for one in asked("check", place, "--isolated")["findings"] if one["severity"] == "error"]
        wrong += [f"{place.name}: {one['rule']} {one['message']}" for one in errors]
    changes = asked("diff", before, after)["lmbs"]
    if not changes:
        wrong.append("diff shows no LMB that changed")
    nodes = [{one["node"]: one["lmbs"] for one in asked("numa", place)["nodes"]} for place in (before, after)]
    if nodes[1].get(1, 0) - nodes[0].get(1, 0) != 2:
        wrong.append(f"two LMBs on node 1 were to come: {nodes[0]} became {nodes[1]}")
    return wrong


def memblock_of(place: Path) -> list[tuple[int, int, int | None, int]]:
    """Return the map that the kernel printed last: (first address, last, node, flags)."""
    with tarfile.open(place) as tar:
        stream = tar.extractfile("capture/dmesg")
        text = "" if stream is None else stream.read().decode("utf-8", "replace")
    last = text.rpartition("MEMBLOCK configuration")[2]
    found = PRINTED.findall(last)
    return [(int(one[0], 16), int(one[1], 16), int(one[2]) if one[2] else None, int(one[3], 16)) for one in found]


def judge_memblock(place: Path) -> list[str]:
    """Return how `drmemctl memblock` differs from what the kernel printed."""
    printed = memblock_of(place)
    bits = {"hotplug": 1}
    regions = asked("memblock", place, "--kernel", "6.1")["regions"]
    made = [
        (one["base"], one["base"] + one["size"] - 1, one["node"], sum(bits[flag] for flag in one["flags"]))
        for one in regions
    ]
    return [] if printed and made == printed else [f"{place}: memblock is {made}, the kernel has {printed}"]


def guest(place: Path, options: str, commands: list[str]) -> list[Path]:
    """Boot a guest; return its captures, before and after."""
    place.mkdir(parents=True, exist_ok=True)
    kernel, busybox = fetched(CACHE)
    files = booted(kernel, root_of(busybox, script(), commands), MACHINE, place, options)
    for name, content in files.items():
        (place / f"{name}.tar.gz").write_bytes(content)
    return [place / f"{name}.tar.gz" for name in ("before", "after")]


def main() -> int:
    """Run the oracle; 1 if anything is not as it should be."""
    install()
    top = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="drmemctl-oracle-"))
    before, after = guest(top / "plug", "", PLUG)
    wrong = judge(before, after) + judge_memblock(before)
    for number, options in enumerate(OPTIONS):
        print(f"memblock with {options}", flush=True)
        wrong += judge_memblock(guest(top / str(number), options, [])[0])
    print("\n".join(wrong) or f"as it should be; the captures are in {top}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
