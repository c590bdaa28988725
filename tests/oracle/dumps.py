# SPDX-License-Identifier: MIT
"""A guest that gets memory and firmware's update: its dumps and its /proc/kcore against what it says itself."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drmemctl import load
from drmemctl.errors import DrmemctlError
from drmemctl.model.dumped import array_in
from drmemctl.qualify.archive import initramfs
from drmemctl.qualify.guest import Guest, booted
from drmemctl.qualify.monitor import Monitor, OracleError
from drmemctl.qualify.packages import Packages
from drmemctl.tree.capture import script
from drmemctl.tree.node import Tree
from tests.oracle import live
from tests.oracle.packages import GuestPackages
from tests.oracle.plugged import asked

MACHINE = [
    *("-M", "pseries", "-cpu", "POWER9", "-smp", "1", "-m", "512M,slots=8,maxmem=2560M"),
    *("-object", "memory-backend-ram,id=m0,size=256M", "-object", "memory-backend-ram,id=m1,size=256M"),
    *("-numa", "node,nodeid=0,memdev=m0", "-numa", "node,nodeid=1,memdev=m1"),
]
PLUG = ("object_add memory-backend-ram,id=hot0,size=256M", "device_add pc-dimm,id=dimm0,memdev=hot0,node=1")
FORMS = {"core": "", "zlib": "-z "}
"""How QEMU writes a dump: an ELF core, or pages compressed by zlib."""

_SECONDS = 1800.0
"""Most of it goes by at the hypervisor's console, sixteen bytes at a time."""

_INIT = Path(__file__).with_name("guest-dump.sh")


@dataclass(frozen=True)
class Dumped:
    """What came out of a guest.

    Attributes:
        guest: its own capture.
        memories: the files that hold its memory, by what they are.
        transcript: what drmemctl said in it.

    """

    guest: Path
    memories: dict[str, Path]
    transcript: str = ""


def dumped(kernel: Path, packages: GuestPackages, place: Path) -> Dumped:
    """Boot a guest, plug memory, update its LMBs, dump it."""
    files = {**root_files(packages), **live.files(packages)}
    memories = {name: place / f"guest.{name}" for name in FORMS}

    def host(monitor: Monitor, command: str) -> str:
        if command != "dump":
            return monitor.do(command)
        said = [monitor.do(f"dump-guest-memory {FORMS[name]}{path}") for name, path in memories.items()]
        return "ok" if all(answer == "ok" for answer in said) else " ".join(said)

    guest = Guest(kernel, initramfs(files), MACHINE, "console=hvc0 quiet log_buf_len=4M", _SECONDS)
    sent = booted(guest, place, host).files
    if set(sent) != {"guest", "kcore", "transcript"} or not all(path.exists() for path in memories.values()):
        raise OracleError(f"the guest sent no capture or was not dumped: see {place / 'console.log'}")
    (place / "guest.tar.gz").write_bytes(sent["guest"])
    (place / "guest.kcore").write_bytes(gzip.decompress(sent["kcore"]))
    (place / "transcript").write_bytes(sent["transcript"])
    memories["kcore"] = place / "guest.kcore"
    return Dumped(place / "guest.tar.gz", memories, sent["transcript"].decode())


def root_files(packages: Packages) -> dict[str, bytes]:
    """Return what a guest boots from that plugs memory and updates its LMBs, by path."""
    return {
        "init": _INIT.read_bytes(),
        "bin/busybox": packages.busybox().read_bytes(),
        "capture.sh": script().encode(),
        "commands": "".join(f"{line}\n" for line in PLUG).encode(),
    }


def judge(run: Dumped) -> list[str]:
    """Return what is not as it should be."""
    guest, boot = load(run.guest), load(_boot_blob(run.guest))
    wrong = []
    for name, path in run.memories.items():
        try:
            wrong += [f"{name}: {difference}" for difference in _differences(guest, load(path))]
            wrong += (
                [] if load(f"{path}::boot").root == boot.root else [f"{name}: the tree of boot is not the guest's"]
            )
            rules = {finding["rule"] for finding in asked("check", path, "--isolated")["findings"]}
            wrong += [] if "DRM080" in rules else [f"{name}: check does not say that tree and array differ"]
        except DrmemctlError as error:
            wrong.append(f"{name}: {error}")
    if run.transcript:
        wrong += live.judge(run.transcript, run.guest, run.memories["core"])
    return wrong


def _boot_blob(capture: Path) -> bytes:
    """Return /sys/firmware/fdt of a capture."""
    with tarfile.open(capture) as archive:
        file = archive.extractfile("capture/sys/firmware/fdt")
        return b"" if file is None else file.read()


def _differences(guest: Tree, dump: Tree) -> Iterator[str]:
    if _values(guest) != _values(dump):
        yield "the tree is not the guest's"
    table = array_in(dump)
    if table is None:
        yield "there is no LMB array"
    blocks = [tree.beside.files().files["memory/blocks"] if tree.beside else b"" for tree in (guest, dump)]
    if _nodes(blocks[0]) != _nodes(blocks[1]):
        yield f"the memory blocks are not the guest's: {blocks[1]!r}, not {blocks[0]!r}"


def _values(tree: Tree) -> dict[str, dict[str, bytes]]:
    """Return all values by path and name; sysfs shows those of security-* properties without their bytes."""
    return {
        path: {p.name: b"" if p.name.startswith("security-") else p.value for p in node.properties}
        for path, node in tree.walk()
    }


def _nodes(lines: bytes) -> dict[str, tuple[str, str]]:
    """Return state and nodes of each memory block."""
    rows = (line.split() for line in lines.decode().splitlines())
    return {row[0]: (row[2], row[3]) for row in rows}
