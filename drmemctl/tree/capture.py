# SPDX-License-Identifier: MIT
"""Taking a capture: the files below a root directory that tell what a kernel made of its tree. Read-only.

A capture is a tar archive that is a TREE itself: `capture/proc/device-tree` is the tree, and beside it lie the
tables of memory blocks and nodes, /proc/iomem, the kernel's version, command line and messages.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import suppress

from drmemctl.errors import InputError
from drmemctl.tree.limits import LIMITS

TOP = "capture"

TAKEN = (
    ("proc/device-tree/", "the device tree, each property a file"),
    ("sys/firmware/fdt", "the tree that the kernel booted with"),
    ("memory/block_size_bytes", "the size of a memory block"),
    ("memory/blocks", "memory blocks: number, physical index, state, nodes, zones, removable"),
    ("memory/nodes", "nodes: number, distances, MemTotal in kB, CPUs"),
    ("proc/iomem", "the map of physical memory"),
    ("proc/cmdline", "the kernel's command line"),
    ("proc/version", "the kernel's version"),
    ("dmesg", "the kernel's messages about memory, NUMA and partition mobility"),
    ("log/", "the logs of DLPAR requests (var/log/drmgr, drmgr.0, platform)"),
)
"""What a capture holds, path and meaning."""

SECRET_NAMES = frozenset(
    {
        *("system-id", "serial-number", "ibm,loc-code", "ibm,partition-uuid", "ibm,partition-name", "host-serial"),
        *("vm,uuid", "local-mac-address", "mac-address", "ibm,fw-adapter-name", "ibm,vpd"),
        *("kaslr-seed", "rng-seed", "ibm,rpa-client-config-serial", "ibm,serial"),
    }
)
"""Properties that `--redact` fills with `x`: what tells one machine from another."""

MESSAGES = re.compile(
    rb"pseries|dlpar|drmem|memory|memblock|numa|node |mobility|migrat|prrn|kexec|crash|rtas|zone|Linux version",
    re.IGNORECASE,
)
"""Lines of the kernel's log that are taken; the script greps for the same."""

_LOCATION = re.compile(rb"U[0-9A-Z]{4}\.[0-9A-Z]{3}\.[0-9A-Z]{7}")
_LOGS = ("var/log/drmgr", "var/log/drmgr.0", "var/log/platform")
_LOG_BYTES = 1 << 20
_LARGEST = 64 << 20
_MEMORY, _NODE = "sys/devices/system/memory", "sys/devices/system/node"

Files = Iterator[tuple[str, bytes]]


def captured(root: str, *, redact: bool = False) -> Files:
    """Yield path and content of all that a capture holds; `InputError` where there is no device tree."""
    tree = f"{root}/proc/device-tree"
    if not os.path.isdir(tree):  # noqa: PTH112
        hint = "only systems that booted with a device tree have one"
        raise InputError("there is no device tree to capture", source=tree, hint=hint)
    yield from _tree(tree, redact=redact)
    if not redact:
        # Its properties cannot be told apart here; the tree has them all, as they are now.
        yield from _files(root, ("sys/firmware/fdt",))
    size = _read(f"{root}/{_MEMORY}/block_size_bytes")
    if size is not None:
        yield "memory/block_size_bytes", size
    yield "memory/blocks", "".join(_blocks(root)).encode()
    yield "memory/nodes", "".join(_nodes(root)).encode()
    yield from _files(root, ("proc/iomem", "proc/cmdline", "proc/version"))
    yield "dmesg", b"".join(line + b"\n" for line in _messages(root) if MESSAGES.search(line))
    for path in _LOGS:
        data = _read(f"{root}/{path}")
        if data is not None:
            yield f"log/{os.path.basename(path)}", data[-_LOG_BYTES:]  # noqa: PTH119


def _files(root: str, paths: tuple[str, ...]) -> Files:
    for path in paths:
        data = _read(f"{root}/{path}")
        if data is not None:
            yield path, data


def _read(path: str) -> bytes | None:
    """Return a file's content, None where it cannot be read: a capture holds what there is."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            return stream.read(_LARGEST)
    except OSError:
        return None


def _tree(place: str, *, redact: bool) -> Files:
    room = LIMITS.max_properties
    for folder, folders, names in os.walk(place + "/."):
        folders.sort()
        for name in sorted(names):
            data = _read(f"{folder}/{name}")
            room -= 1
            if data is not None and room > 0:
                path = os.path.relpath(f"{folder}/{name}", place)
                yield f"proc/device-tree/{path}", redacted(name, data) if redact else data


def redacted(name: str, data: bytes) -> bytes:
    """Return a value of the same length without serial numbers and location codes."""
    if name in SECRET_NAMES:
        return bytes(byte and 0x78 for byte in data)
    return _LOCATION.sub(b"Uxxxx.xxx.xxxxxxx", data)


def _text(path: str) -> str:
    data = _read(path)
    words = [] if data is None else data.decode("utf-8", "replace").split()
    return ",".join(words) or "-"


def _numbered(folder: str, kind: str) -> list[int]:
    with suppress(OSError):
        found = (re.fullmatch(rf"{kind}(\d{{1,9}})", name, re.ASCII) for name in os.listdir(folder))  # noqa: PTH208
        return sorted(int(match[1]) for match in found if match)
    return []


def _blocks(root: str) -> Iterator[str]:
    for number in _numbered(f"{root}/{_MEMORY}", "memory"):
        place = f"{root}/{_MEMORY}/memory{number}"
        nodes = ",".join(map(str, _numbered(place, "node"))) or "-"
        index, state, zones, removable = (
            _text(f"{place}/{name}") for name in ("phys_index", "state", "valid_zones", "removable")
        )
        yield f"{number} {index} {state} {nodes} {zones} {removable}\n"


def _nodes(root: str) -> Iterator[str]:
    for number in _numbered(f"{root}/{_NODE}", "node"):
        place = f"{root}/{_NODE}/node{number}"
        total = re.search(rb"MemTotal:\s+(\d+)", _read(f"{place}/meminfo") or b"")
        memory = total[1].decode() if total else "-"
        yield f"{number} {_text(f'{place}/distance')} {memory} {_text(f'{place}/cpulist')}\n"


def _messages(root: str) -> list[bytes]:
    """Return the lines of the kernel's log: of this machine what /dev/kmsg has, elsewhere what is in a file."""
    if root not in ("", "/"):
        found = (_read(f"{root}/{path}") for path in ("dmesg", "var/log/dmesg"))
        return next((data.splitlines() for data in found if data is not None), [])
    lines = []
    with suppress(OSError):
        descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            while record := os.read(descriptor, 8192):
                lines.append(record.partition(b";")[2].partition(b"\n")[0])
        finally:
            os.close(descriptor)
    return lines


def archive(files: Files, when: int) -> bytes:
    """Return a capture as an uncompressed tar archive; all files get the same time and no owner."""
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, data in files:
            member = tarfile.TarInfo(f"{TOP}/{path}")
            member.size, member.mtime, member.mode = len(data), when, 0o644
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


SUFFIXES = (".tar.zst", ".tar.gz", ".tar.xz", ".tar")
"""What the name of a capture may end in."""


def compressed(data: bytes, name: str) -> bytes:
    """Return an archive compressed as its name says; one that says nothing stays as it is."""
    if name.endswith((".gz", ".tgz")):
        import gzip

        return gzip.compress(data, mtime=0)
    if name.endswith(".xz"):
        import lzma

        return lzma.compress(data)
    return _zstd(data) if name.endswith(".zst") else data


def _zstd(data: bytes) -> bytes:
    import sys

    if sys.version_info >= (3, 14):
        from importlib import import_module

        made: bytes = import_module("compression.zstd").compress(data)
        return made
    from drmemctl.tree.compression import zstandard_package

    packed: bytes = zstandard_package("name a .tar.gz or .tar.xz").ZstdCompressor(level=9).compress(data)
    return packed


def script() -> str:
    """Return the shell script that takes the same capture."""
    from importlib.resources import files

    text = (files("drmemctl.tree") / "capture.sh").read_text(encoding="utf-8")
    taken = "\n".join(f"{path:24}  {meaning}" for path, meaning in TAKEN)
    words = {"@TAKEN@": taken, "@SECRET@": "|".join(sorted(SECRET_NAMES)), "@MESSAGES@": MESSAGES.pattern.decode()}
    for mark, value in words.items():
        text = text.replace(mark, value)
    return text
