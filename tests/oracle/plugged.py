# SPDX-License-Identifier: MIT
"""A guest that takes a capture, gets memory and takes another: what check, diff and numa make of the two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from drmemctl.qualify.archive import initramfs
from drmemctl.qualify.guest import Guest, booted
from drmemctl.qualify.monitor import OracleError
from drmemctl.qualify.packages import Packages
from drmemctl.tree.capture import script
from tests.cli.running import run

MACHINE = [
    *("-M", "pseries", "-cpu", "POWER9", "-smp", "2", "-m", "1G,slots=8,maxmem=8G"),
    *("-object", "memory-backend-ram,id=m0,size=512M", "-object", "memory-backend-ram,id=m1,size=512M"),
    *("-numa", "node,nodeid=0,memdev=m0", "-numa", "node,nodeid=1,memdev=m1"),
    *("-object", "memory-backend-ram,id=c0,size=512M", "-device", "pc-dimm,id=cold0,memdev=c0,node=1"),
    *("-object", "memory-backend-ram,id=c1,size=256M", "-device", "pc-dimm,id=cold1,memdev=c1,node=0"),
]
PLUG = ("object_add memory-backend-ram,id=hot0,size=512M", "device_add pc-dimm,id=dimm0,memdev=hot0,node=1")
_INIT = Path(__file__).with_name("guest-capture.sh")


def captures(kernel: Path, packages: Packages, place: Path) -> tuple[Path, Path]:
    """Boot a guest that plugs 512 MiB on node 1; return its captures, before and after."""
    files = {
        "init": _INIT.read_bytes(),
        "bin/busybox": packages.busybox().read_bytes(),
        "capture.sh": script().encode(),
        "commands": "".join(f"{line}\n" for line in PLUG).encode(),
    }
    sent = booted(Guest(kernel, initramfs(files), MACHINE, "console=hvc0 quiet log_buf_len=4M"), place).files
    if set(sent) != {"before", "after"}:
        raise OracleError(f"the guest sent no captures: see {place / 'console.log'}")
    for name, content in sent.items():
        (place / f"{name}.tar.gz").write_bytes(content)
    return place / "before.tar.gz", place / "after.tar.gz"


def asked(*arguments: str | Path) -> Any:
    """Return the JSON of a command."""
    return json.loads(run(*arguments, "--format", "json").out)


def judge(before: Path, after: Path) -> list[str]:
    """Return what is not as it should be."""
    wrong = []
    for place in (before, after):
        errors = [one for one in asked("check", place, "--isolated")["findings"] if one["severity"] == "error"]
        wrong += [f"{place.name}: {one['rule']} {one['message']}" for one in errors]
    if not asked("diff", before, after)["lmbs"]:
        wrong.append("diff shows no LMB that changed")
    nodes = [{one["node"]: one["lmbs"] for one in asked("numa", place)["nodes"]} for place in (before, after)]
    if nodes[1].get(1, 0) - nodes[0].get(1, 0) != 2:
        wrong.append(f"two LMBs on node 1 were to come: {nodes[0]} became {nodes[1]}")
    return wrong
