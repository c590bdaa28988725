# SPDX-License-Identifier: MIT
"""What the guest is made of: a Debian ppc64el kernel and a static busybox, and the archive that it boots from."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

KERNEL = "linux-image-powerpc64le"
BUSYBOX = "busybox-static"
QEMU = "qemu-system-ppc64"


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a program; its output, or an exception."""
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout


def install() -> None:
    """Install QEMU and let apt know ppc64el, where that is still to be done."""
    if shutil.which(QEMU) is None:
        run("apt-get", "install", "-y", "--no-install-recommends", "qemu-system-ppc")
    if "ppc64el" not in run("dpkg", "--print-foreign-architectures"):
        run("dpkg", "--add-architecture", "ppc64el")
        subprocess.run(["apt-get", "update"], check=False, capture_output=True)


def image_package() -> str:
    """Return the package that the newest kernel image is in; the one called KERNEL only depends on it."""
    depends = run("apt-cache", "depends", f"{KERNEL}:ppc64el")
    names = (line.split()[-1].partition(":")[0] for line in depends.splitlines() if "Depends:" in line)
    return next(name for name in names if name.startswith("linux-image-"))


def fetched(cache: Path) -> tuple[Path, Path]:
    """Return kernel and busybox, downloaded once."""
    cache.mkdir(parents=True, exist_ok=True)
    for package in (image_package(), BUSYBOX):
        if not list(cache.glob(f"{package}_*.deb")):
            run("apt-get", "download", f"{package}:ppc64el", cwd=cache)
            (archive,) = cache.glob(f"{package}_*.deb")
            run("dpkg", "-x", archive.name, "root", cwd=cache)
    kernels = sorted((cache / "root/boot").glob("vmlinu*"))
    return kernels[-1], next(path for path in (cache / "root").glob("**/bin/busybox") if path.is_file())


def initramfs(files: dict[str, tuple[int, bytes]]) -> bytes:
    """Return a gzipped cpio archive (newc) of path → (mode, content); directories have no content."""
    data = b"".join(_member(path, mode, content) for path, (mode, content) in files.items())
    return gzip.compress(data + _member("TRAILER!!!", 0, b""), 1)


def _member(path: str, mode: int, content: bytes) -> bytes:
    name = path.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
