# SPDX-License-Identifier: MIT
"""A guest that crashes: what kdump writes of its memory against what it said of itself before."""

from __future__ import annotations

from pathlib import Path

from drmemctl.qualify.archive import initramfs
from drmemctl.qualify.guest import Guest, booted
from drmemctl.qualify.monitor import OracleError
from tests.oracle.dumps import Dumped, root_files
from tests.oracle.packages import GuestPackages

MACHINE = [
    *("-M", "pseries", "-cpu", "POWER9", "-smp", "1", "-m", "1536M,slots=8,maxmem=3584M"),
    *("-object", "memory-backend-ram,id=m0,size=768M", "-object", "memory-backend-ram,id=m1,size=768M"),
    *("-numa", "node,nodeid=0,memdev=m0", "-numa", "node,nodeid=1,memdev=m1"),
]
_SECONDS = 1800.0
_CRASH_INIT = Path(__file__).with_name("guest-vmcore.sh")


def dumped(kernel: Path, packages: GuestPackages, place: Path) -> Dumped:
    """Boot a guest, plug memory, update its LMBs, let it crash."""
    crash_files = {
        "init": _CRASH_INIT.read_bytes(),
        "bin/busybox": packages.busybox().read_bytes(),
        **packages.makedumpfile_files(),
    }
    files = {**root_files(packages), **packages.kexec_files()}
    files |= {"vmlinux": kernel.read_bytes(), "vmcore.gz": initramfs(crash_files)}
    cmdline = "console=hvc0 quiet log_buf_len=4M crashkernel=384M"
    sent = booted(Guest(kernel, initramfs(files), MACHINE, cmdline, _SECONDS), place).files
    if set(sent) != {"guest", "vmcore"}:
        raise OracleError(f"the guest sent no capture, or its crash kernel no vmcore: see {place / 'console.log'}")
    (place / "guest.tar.gz").write_bytes(sent["guest"])
    (place / "vmcore").write_bytes(sent["vmcore"])
    return Dumped(place / "guest.tar.gz", {"vmcore": place / "vmcore"})
