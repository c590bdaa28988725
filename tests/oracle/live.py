# SPDX-License-Identifier: MIT
"""drmemctl run inside a guest, on the kernel that runs there: what it says of `live --kcore`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import drmemctl
from drmemctl.qualify.monitor import OracleError
from tests.cli.running import run
from tests.oracle.packages import GuestPackages

VERSION = "3.11"
"""Debian bookworm's Python."""

_PYTHON = (f"python{VERSION}-minimal", f"libpython{VERSION}-minimal", f"libpython{VERSION}-stdlib")
_LIBRARIES = ("libc6", "zlib1g", "liblzma5", "libexpat1", "libbz2-1.0", "libffi8")
_MODULES = ("click", "rich", "construct", "fdt")
"""What drmemctl depends on: all of it pure Python."""

COMMANDS = (
    "check live --kcore --isolated",
    "lmb live::kcore --from array",
    "lmb live::kcore",
    "history live::kcore",
    "diff live live::kcore --all",
    "check live --isolated",
)
"""What is asked in the guest: of its kernel's memory, and of /proc and /sys."""

_PROMPT = "# drmemctl "


def files(packages: GuestPackages) -> dict[str, bytes]:
    """Return Python, drmemctl and the commands, by their path in the guest."""
    content = {**_python(packages), **packages.libraries(*_LIBRARIES)}
    for module, folder in {"drmemctl": _folder("drmemctl"), **{name: _folder(name) for name in _MODULES}}.items():
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix not in (".pyc", ".so"):
                content[f"lib/python{VERSION}/{module}/{path.relative_to(folder)}"] = path.read_bytes()
    return {**content, "asked": "".join(f"{command}\n" for command in COMMANDS).encode()}


def _folder(module: str) -> Path:
    if module == "drmemctl":
        return Path(drmemctl.__file__).parent
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise OracleError(f"the Python module {module} is not installed here")
    return Path(spec.origin).parent


def _python(packages: GuestPackages) -> dict[str, bytes]:
    files = {}
    for package in _PYTHON:
        place = packages.unpacked(package)
        for path in sorted(place.rglob("*")):
            name = str(path.relative_to(place)).removeprefix("usr/")
            if path.is_file() and name.startswith((f"bin/python{VERSION}", f"lib/python{VERSION}/")):
                files[name] = path.read_bytes()
    return files


def judge(transcript: str, capture: Path, dump: Path) -> list[str]:
    """Return what the guest says of itself otherwise than its capture and its dump, are read here."""
    wrong = []
    answers = dict(_answers(transcript))
    places = {"live": str(capture), "live::kcore": str(dump)}
    for command in COMMANDS:
        words = command.replace("live --kcore", "live::kcore").split()
        expected = run(*(places.get(word, word) for word in words)).out
        for name, place in places.items():  # the first line of check names the input
            expected = expected.replace(place, name)
        lines = answers.get(command, [])
        if lines != expected.splitlines():
            wrong.append(f"drmemctl {command} in the guest: {' '.join(lines)[:300] or 'nothing'}")
    return wrong


def _answers(transcript: str) -> Iterator[tuple[str, list[str]]]:
    for part in transcript.split(_PROMPT)[1:]:
        command, _, answer = part.partition("\n")
        yield command, answer.splitlines()
