# SPDX-License-Identifier: MIT
"""Make the single-file program: `pyz.py WHEEL OUT [PYTHON]...`, run by a Python that has pip.

It holds the wheel and what that depends on, as far as it is pure Python, so that one file runs on every machine
and every supported Python: backports.zstd stays out, and of markupsafe the part that is compiled. For each PYTHON
it holds the compiled modules as well, or every start would compile them anew. Two runs give the same bytes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

COMPILED = ("backports",)
"""Packages that are nothing without their compiled part."""

NOT_LOADED = ("pygments", "markdown_it", "mdurl")
"""Packages that rich loads only to print source and Markdown, which drmemctl does not; the larger part of all."""

LEFT_OUT = ("*.so", "*.pyi", "py.typed", "__pycache__", "RECORD", "INSTALLER", "REQUESTED", "direct_url.json")

MAIN = """\
import sys

# In words that Pythons from 2.7 on understand: machines whose Python is too old are why there is a shell script.
if sys.version_info < (3, 11):
    sys.stderr.write(
        "drmemctl: needs Python 3.11; use `capture --script`, whose output takes a capture here by sh alone"
        " (this is Python %d.%d)\\n" % sys.version_info[:2]
    )
    sys.exit(2)

# The modules as this Python compiled them, if they are here, before their sources.
archive = __file__[: -len("/__main__.py")]
sys.path.insert(0, archive + "/" + sys.implementation.cache_tag)

from drmemctl.cli import run

run()
"""


def main() -> None:
    """Make the program."""
    wheel, out, *pythons = sys.argv[1:]
    with TemporaryDirectory() as folder:
        place = Path(folder) / "app"
        _install(wheel, place)
        _prune(place)
        packages = [path for path in sorted(place.iterdir()) if not path.name.endswith(".dist-info")]
        for python in pythons:
            _compile(python, place, packages)
        (place / "__main__.py").write_text(MAIN)
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        _pack(place, Path(out))


def _install(wheel: str, place: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*command, "--target", str(place), wheel], check=True)


def _prune(place: Path) -> None:
    for name in ("bin", "share", *COMPILED, *NOT_LOADED):
        shutil.rmtree(place / name, ignore_errors=True)
        for info in place.glob(f"{name}*.dist-info"):
            shutil.rmtree(info)
    for path in [path for pattern in LEFT_OUT for path in place.rglob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _compile(python: str, place: Path, packages: list[Path]) -> None:
    """Add a copy of the packages with each module compiled, and without its source."""
    ask = [python, "-c", "import sys; print(sys.implementation.cache_tag)"]
    copy = place / subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip()
    for package in packages:
        shutil.copytree(package, copy / package.name) if package.is_dir() else shutil.copy(package, copy)
    command = [
        python,
        "-Wignore",
        "-m",
        "compileall",
        "-qq",
        "-b",
        "--invalidation-mode",
        "unchecked-hash",
        "-s",
        str(copy),
    ]
    # What is in no place of its own is the same wherever it is made.
    subprocess.run([*command, str(copy)], check=False, env={**os.environ, "PYTHONHASHSEED": "0"})
    for source in copy.rglob("*.py"):
        if source.with_suffix(".pyc").exists():
            source.unlink()


def _pack(place: Path, out: Path) -> None:
    """Write all files in one order, with one time and mode."""
    when = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", "315532800")))[:6]  # 1980, where zip begins
    with out.open("wb") as stream:
        stream.write(b"#!/usr/bin/env python3\n")
        with ZipFile(stream, "w") as archive:
            for path in sorted(filter(Path.is_file, place.rglob("*"))):
                member = ZipInfo(path.relative_to(place).as_posix(), when)
                member.external_attr = 0o644 << 16
                archive.writestr(member, path.read_bytes(), ZIP_DEFLATED)
    out.chmod(0o755)


if __name__ == "__main__":
    main()
