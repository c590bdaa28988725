# SPDX-License-Identifier: MIT
"""A hundred device trees of Debian's ARM kernels: what they are made of was written by hundreds of other people.

They are fetched when this runs, by an apt with folders of its own, and stay in the cache of this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from drmemctl.qualify.monitor import OracleError
from tests.hostile.bounded import Runner
from tests.oracle.packages import GuestPackages

ARCHITECTURES = {"arm64": "arm64", "armhf": "armmp"}
"""Debian's architectures whose kernels come with trees, and the flavour of the kernel."""

HOW_MANY = 100
SECONDS = 10
COMMANDS = {"show {in}": 3, "check {in}": 3, "tree {in}": 0}
"""What is measured, with its exit code: of a board the first two say that it has no dynamic memory."""


def missing() -> str:
    """Return why this cannot be done here, empty if it can."""
    absent = [name for name in ("apt-get", "dpkg", "dtc") if shutil.which(name) is None]
    return f"{', '.join(absent)} not installed" if absent else ""


def trees(folder: Path) -> list[Path]:
    """Return a hundred trees, evenly out of all that the packages have; `OracleError` if none can be had."""
    paths: list[Path] = []
    for architecture, flavour in ARCHITECTURES.items():
        packages = GuestPackages(folder / architecture, architecture, ("bookworm",))
        package = packages.newest(rf"^linux-image-[0-9.]+-[0-9]+-{flavour}$")
        paths += sorted(packages.unpacked(package).rglob("*.dtb"))
    return [paths[at * len(paths) // HOW_MANY] for at in range(HOW_MANY)]


def faults(path: Path, runner: Runner, scratch: Path) -> Iterator[str]:
    """Yield what is wrong with what the commands make of a tree."""
    for command, expected in COMMANDS.items():
        run = runner.run(command, {"in": path}, 2 * SECONDS)
        for fault in run.wrong(SECONDS) or ([] if run.code == expected else [f"exit code {run.code}"]):
            yield f"{command.format_map({'in': path.name})}: {fault}"
    expected_text = _text(path)
    for suffix in (".dtb", ".dts"):
        out = scratch / f"converted{suffix}"
        command_line = [sys.executable, "-m", "drmemctl", "convert", str(path), "--force", "-o", str(out)]
        ended = subprocess.run(command_line, check=False, capture_output=True, text=True)
        if ended.returncode:
            yield f"convert {path.name} to {suffix}: {ended.stderr.strip()}"
        elif _text(out) != expected_text:
            yield f"convert {path.name} to {suffix}: dtc reads another tree"


def _text(path: Path) -> str:
    """Return a tree as dtc prints it, by way of a blob: text has other words for the same bytes."""
    kind = path.suffix[1:]
    blob = _dtc("-I", kind, "-O", "dtb", str(path))
    return _dtc("-I", "dtb", "-O", "dts", "-", stdin=blob).decode()


def _dtc(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["dtc", "-q", "-q", *arguments], check=True, capture_output=True, input=stdin).stdout


def lines(scratch: Path) -> Iterator[str]:
    """Yield what is wrong, a line each; `OracleError` if no trees can be had."""
    if reason := missing():
        raise OracleError(reason)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "drmemctl-debian"
    with Runner(scratch) as runner:
        for path in trees(cache):
            yield from faults(path, runner, scratch)
