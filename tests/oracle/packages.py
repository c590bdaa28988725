# SPDX-License-Identifier: MIT
"""What else the guests of the oracle have of Debian: kernels, drmgr, kexec, makedumpfile, and their libraries."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from drmemctl.qualify.guest import QEMU
from drmemctl.qualify.monitor import OracleError
from drmemctl.qualify.packages import Packages, run


def install() -> None:
    """Install QEMU where it is missing."""
    if shutil.which(QEMU) is None:
        run("apt-get", "install", "-y", "--no-install-recommends", "qemu-system-ppc")


class GuestPackages(Packages):
    """Packages of which guests are made."""

    def newest(self, pattern: str) -> str:
        """Return the newest package whose name matches a pattern."""
        lines = run("apt-cache", *self._options, "search", "--names-only", pattern).splitlines()
        if not lines:
            raise OracleError(f"no suite has a package {pattern}")
        return max((line.split(" ")[0] for line in lines), key=_by_version)

    def kernel(self, series: str) -> Path | None:
        """Return the newest kernel of a series such as `6.1`; None where no suite has one."""
        # From 7.0 on the image is in a package of its own, on which linux-image-… only depends.
        pattern = rf"^linux-(binary|image)-{re.escape(series)}\..*-powerpc64le$"
        names = [line.split(" ")[0] for line in run("apt-cache", *self._options, "search", pattern).splitlines()]
        for package in sorted(names, key=_by_version, reverse=True):
            images = sorted(self.unpacked(package).rglob("vmlinu[xz]*"))
            if images:
                return images[-1]
        return None

    def drmgr_files(self) -> dict[str, bytes]:
        """Return drmgr with its libraries, by path."""
        drmgr = _file(self.unpacked("powerpc-ibm-utils"), "drmgr")
        return {"bin/drmgr": drmgr, **self.libraries("libc6", "zlib1g", "libnuma1", "librtas2", "libgcc-s1")}

    def kexec_files(self) -> dict[str, bytes]:
        """Return kexec with its libraries, by path."""
        kexec = _file(self.unpacked("kexec-tools"), "sbin/kexec")
        return {"sbin/kexec": kexec, **self.libraries("libc6", "zlib1g", "liblzma5")}

    def makedumpfile_files(self) -> dict[str, bytes]:
        """Return makedumpfile with its libraries, by path."""
        makedumpfile = _file(self.unpacked("makedumpfile"), "bin/makedumpfile")
        packages = ("libc6", "libdw1", "libelf1", "liblzo2-2", "zlib1g", "liblzma5", "libbz2-1.0")
        return {"bin/makedumpfile": makedumpfile, **self.libraries(*packages)}

    def libraries(self, *packages: str) -> dict[str, bytes]:
        """Return the shared libraries of packages and the loader of programs, by path."""
        files = {"lib64/ld64.so.2": _file(self.unpacked("libc6"), "ld64.so.2")}
        for package in packages:
            for path in sorted(self.unpacked(package).rglob("lib*.so.[0-9]*")):
                if "gconv" not in path.parts:
                    files[f"lib/{path.name}"] = path.read_bytes()
        return files


def _by_version(package: str) -> tuple[bool, list[int]]:
    return package.startswith("linux-binary"), [int(number) for number in re.findall(r"\d+", package)]


def _file(folder: Path, name: str) -> bytes:
    return next(path for path in sorted(folder.rglob(name)) if path.is_file()).read_bytes()
