# SPDX-License-Identifier: MIT
"""What a guest is made of: busybox and other packages of Debian's ppc64el, by an apt with folders of its own.

The machine's own package lists and architectures stay as they are.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

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

    def busybox(self) -> Path:
        """Return a busybox that needs no library."""
        return next(path for path in self.unpacked("busybox-static").glob("**/bin/busybox") if path.is_file())
