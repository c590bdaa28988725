# SPDX-License-Identifier: MIT
"""What a guest is made of: kernels, busybox and kexec of Debian's ppc64el, by an apt with folders of its own.

The machine's own package lists and architectures stay as they are.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from drmemctl.qualify.guest import QEMU
from drmemctl.qualify.monitor import OracleError

SUITES = ("bookworm", "trixie", "sid")
"""Between them they have several kernel series; the first has busybox and kexec."""

CACHE = Path.home() / ".cache/drmemctl-oracle"
"""Where packages are kept, for `make oracle` and for `drmemctl qualify`."""

_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_DAY = 86400


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a program; its output, or an exception that says what it complained of."""
    process = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", cwd=cwd)
    if process.returncode:
        words = " ".join(str(word) for word in command if not str(word).startswith(("-o", "Dir::", "APT::")))
        raise OracleError(f"{words}: {process.stderr.strip()[-300:] or f'exit code {process.returncode}'}")
    return process.stdout


def install() -> None:
    """Install QEMU where it is missing."""
    if shutil.which(QEMU) is None:
        run("apt-get", "install", "-y", "--no-install-recommends", "qemu-system-ppc")


def mirror() -> str:
    """Return the Debian mirror that this machine uses."""
    targets = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages")
    for line in targets.splitlines():
        place, _, release = line.partition(" ")
        if place.rstrip("/").endswith("/debian") and "security" not in release:
            return place
    raise OracleError("apt knows no Debian mirror here")


@dataclass(frozen=True)
class Packages:
    """Debian's packages for an architecture, kept in a folder."""

    folder: Path
    architecture: str = "ppc64el"
    suites: tuple[str, ...] = SUITES

    @cached_property
    def _options(self) -> list[str]:
        for name in ("lists/partial", "archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        sources = self.folder / "sources.list"
        if not sources.exists():
            place = mirror()
            lines = (f"deb [signed-by={_KEYS}] {place} {suite} main\n" for suite in self.suites)
            sources.write_text("".join(lines), encoding="utf-8")
        (self.folder / "status").touch()
        settings = {
            "Dir::Etc::SourceList": sources,
            "Dir::Etc::SourceParts": "-",
            "Dir::State::Lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder,
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Sandbox::User": "root",
            "APT::Default-Release": self.suites[0],
        }
        options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        stamp = self.folder / "updated"
        if not stamp.exists() or time.time() - stamp.stat().st_mtime > _DAY:
            run("apt-get", *options, "-q", "update")
            stamp.touch()
        return options

    def unpacked(self, package: str) -> Path:
        """Return the folder that a package is unpacked in, downloaded once."""
        place = self.folder / "unpacked" / package
        if not place.exists():
            debs = self.folder / "debs" / package
            shutil.rmtree(debs, ignore_errors=True)
            debs.mkdir(parents=True)
            archive = self.downloaded(package, debs)
            run("dpkg", "-x", archive, debs / "root")
            place.parent.mkdir(exist_ok=True)
            (debs / "root").rename(place)
            archive.unlink()
        return place

    def downloaded(self, package: str, folder: Path) -> Path:
        """Return the archive of a package, downloaded to an empty folder."""
        run("apt-get", *self._options, "download", package, cwd=folder)
        (archive,) = folder.glob("*.deb")
        return archive

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

    def busybox(self) -> Path:
        """Return a busybox that needs no library."""
        return next(path for path in self.unpacked("busybox-static").glob("**/bin/busybox") if path.is_file())

    def drmgr_files(self) -> dict[str, bytes]:
        """Return drmgr with its libraries, by path."""
        drmgr = _file(self.unpacked("powerpc-ibm-utils"), "drmgr")
        return {"bin/drmgr": drmgr, **self.libraries("libc6", "zlib1g", "libnuma1", "librtas2", "libgcc-s1")}

    def kexec_files(self) -> dict[str, bytes]:
        """Return kexec with its libraries, by path."""
        kexec = _file(self.unpacked("kexec-tools"), "sbin/kexec")
        return {"sbin/kexec": kexec, **self.libraries("libc6", "zlib1g", "liblzma5")}

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
