# SPDX-License-Identifier: MIT
"""Make the portable archive beside the wheel: `portable.py WHEEL PYZ`.

What any machine of a site needs, and what the Debian and RPM packages are made of: the single file for Python 3.11
and later, `capture.sh` for machines with anything older or without Python, and from the wheel the manual pages,
completion and JSON schemas. Two runs give the same bytes.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

README = """\
drmemctl {version}: reads, checks, compares and simulates the dynamic memory of IBM pseries partitions.

drmemctl.pyz      the program, for any machine with Python 3.11 or later: python3 drmemctl.pyz --help
capture.sh        takes a capture on a machine with an older Python or none: sh capture.sh -o HOST.tar.gz
                  The program reads that on another machine: python3 drmemctl.pyz check HOST.tar.gz
share/            manual pages (man -l share/man/man1/drmemctl.1), completion for bash, zsh and fish, JSON schemas
CHANGELOG.md      what is new in each version
licenses/         of drmemctl, and of the packages that drmemctl.pyz contains
requirements.txt  the versions of those packages
"""

SHARED = re.compile(r"[^/]+\.data/data/(share/.+)")
LICENSE = re.compile(r"([^/]+)-[^/-]+\.dist-info/(?:licenses/)?(LICENSE[^/]*)")
METADATA = re.compile(r"([^/]+)-([^/-]+)\.dist-info/METADATA")


def members(wheel: ZipFile, pyz: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of what the archive holds."""
    with ZipFile(pyz) as program:
        versions = dict(match.groups() for name in program.namelist() if (match := METADATA.fullmatch(name)))
        yield "README", README.format(version=versions.pop("drmemctl")).encode()
        yield "requirements.txt", "".join(f"{name}=={version}\n" for name, version in versions.items()).encode()
        for name in program.namelist():
            if match := LICENSE.fullmatch(name):
                yield f"licenses/{match[1]}/{match[2]}", program.read(name)
    yield "CHANGELOG.md", (Path(__file__).resolve().parents[1] / "CHANGELOG.md").read_bytes()
    yield "drmemctl.pyz", pyz.read_bytes()
    command = [sys.executable, "-I", str(pyz), "capture", "--script"]
    yield "capture.sh", subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    for name in wheel.namelist():
        if match := SHARED.fullmatch(name):
            yield match[1], wheel.read(name)


def main() -> None:
    """Write all files in one order, with one time, owner and mode."""
    wheel, pyz = map(Path, sys.argv[1:])
    name = wheel.name.removesuffix("-py3-none-any.whl") + "-portable"
    when = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    with (
        ZipFile(wheel) as files,
        (wheel.parent / f"{name}.tar.gz").open("wb") as stream,
        gzip.GzipFile("", "wb", fileobj=stream, mtime=when) as packed,
        tarfile.open(mode="w", fileobj=packed) as archive,
    ):
        for path, data in sorted(members(files, pyz)):
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size, member.mtime = len(data), when
            member.mode = 0o755 if path in ("drmemctl.pyz", "capture.sh") else 0o644
            archive.addfile(member, io.BytesIO(data))


if __name__ == "__main__":
    main()
