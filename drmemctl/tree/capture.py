# SPDX-License-Identifier: MIT
"""Taking a capture: the files below a root directory that tell what a kernel made of its tree. Read-only.

A capture is a tar archive that is a TREE itself: `capture/proc/device-tree` is the tree, and beside it lie the
tables of memory blocks and nodes, /proc/iomem, the kernel's version, command line and messages.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

from drmemctl.errors import InputError, LimitError
from drmemctl.formats import capture_text
from drmemctl.formats.capture_text import Provenance
from drmemctl.tree.below_root import Folder, Root
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.node import Node, Tree
from drmemctl.tree.plain_input import BOOTED, TREES
from drmemctl.tree.pseudonym import is_pseudonym, pseudonym
from drmemctl.tree.system_files import MEMORY, NODES

TOP = "capture"
_ROOT = f"{TREES[0]}/"

TAKEN = (
    (capture_text.NAME, "when it was taken, and of which host: redacted, a name that stands for it"),
    (_ROOT, "the device tree, each property a file"),
    (BOOTED, "the tree that the kernel booted with"),
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

SECRET_PREFIX = "security-"  # noqa: S105 - the names of such properties begin so
"""So does it with Open Firmware's `security-password` and its like, whatever comes behind."""

_SECRET_TEXT = re.compile(rb"(?![0-9]{1,5}\Z)[!-~][ -~]{3,}\Z")
"""Text of such a property that is looked for elsewhere: a short number would be found in every address."""

_MAC_BYTES = 6

MESSAGES = re.compile(
    rb"pseries|dlpar|drmem|memory|memblock|numa|node |mobility|migrat|prrn|kexec|crash|rtas|zone|Linux version",
    re.IGNORECASE,
)
"""Lines of the kernel's log that are taken; the script greps for the same."""

_LOCATION = re.compile(rb"U[0-9A-Z]{4}\.[0-9A-Z]{3}\.[0-9A-Z]{7}")
_LOGS = ("var/log/drmgr", "var/log/drmgr.0", "var/log/platform")
_LOG_BYTES = 1 << 20
_LARGEST = LIMITS.max_bytes + (16 << 20)
"""Bytes of all files together: the tree, and what lies beside it."""

_LARGEST_ARCHIVE = 128 << 20
"""Bytes of an archive, in which each file has a header of 512 or more."""

_MOST_FILES = 1 << 21
"""Files and directories: 64 TiB in memory blocks of 256 MiB have five for each."""

_LINE = 1 << 16
"""Bytes of a file of sysfs about a memory block or a node."""

Files = Iterator[tuple[str, bytes]]


def captured(place: str, when: int, *, redact: bool = False) -> Files:
    """Yield path and content of all that a capture of the directory `place`, which stands for `/`, holds.

    `when` is the time, in seconds since 1970.
    Only regular files are read, and links are followed below that directory alone. `InputError` where there is no
    device tree, `LimitError` where there is more than anybody could want to send.
    """
    with ExitStack() as open_root:
        try:
            root = open_root.enter_context(Root(place))
        except OSError as error:
            raise _no_tree(place) from error
        source = _Source(root, place)
        if redact:
            properties = list(_tree(source))
            secrets = secret_texts(properties)
            at_root = {path.removeprefix(_ROOT): data for path, data in properties}
            machine_id = source.read("etc/machine-id", most=_LINE) or b""
            yield capture_text.NAME, Provenance(when, pseudonym(at_root, machine_id)).encode()
            yield from ((path, redacted(os.path.basename(path), data, secrets)) for path, data in properties)  # noqa: PTH119
            yield from ((path, redacted("", data, secrets)) for path, data in _beside(source))
            return
        yield capture_text.NAME, Provenance(when, host_of(place)).encode()
        yield from _tree(source)
        # Its properties cannot be told apart here, so that a redacted capture has only the tree as it is now.
        yield from _files(source, (BOOTED,))
        yield from _beside(source)


def _no_tree(place: str) -> InputError:
    hint = "only systems that booted with a device tree have one"
    return InputError("there is no device tree to capture", source=f"{place}/{TREES[0]}", hint=hint)


class _Source:
    """The files below a root, as many as there is room for in a capture."""

    def __init__(self, root: Root, place: str) -> None:
        self.root = root
        self.place = place
        self._bytes = _LARGEST
        self._files = _MOST_FILES

    def read(
        self, path: str, *, folder: Folder | None = None, most: int = _LARGEST, last: bool = False
    ) -> bytes | None:
        """Return a file's content, None where it cannot be read: a capture holds what there is."""
        data = (folder or self.root).read(path, min(most, self._bytes + 1), last=last)
        self.count(len(data or b""))
        return data

    def count(self, size: int = 0) -> None:
        """Count a file or directory; `LimitError` where there is no room for it."""
        self._bytes -= size
        self._files -= 1
        if self._bytes < 0 or self._files < 0:
            amount = f"{_LARGEST >> 20} MiB" if self._bytes < 0 else f"{_MOST_FILES:,} files and directories"
            raise too_much(amount, self.place or "/")


def too_much(amount: str, source: str) -> LimitError:
    """Return the error that there is more than a capture may hold."""
    return LimitError(f"more than {amount} to capture", source=source, hint="no real machine has as much")


def _beside(source: _Source) -> Files:
    size = source.read(f"{MEMORY}/block_size_bytes", most=_LINE)
    if size is not None:
        yield "memory/block_size_bytes", size
    yield "memory/blocks", "".join(_blocks(source)).encode()
    yield "memory/nodes", "".join(_nodes(source)).encode()
    yield from _files(source, ("proc/iomem", "proc/cmdline", "proc/version"))
    yield "dmesg", b"".join(line + b"\n" for line in _messages(source) if MESSAGES.search(line))
    for path in _LOGS:
        data = source.read(path, most=_LOG_BYTES, last=True)
        if data is not None:
            yield f"log/{os.path.basename(path)}", data  # noqa: PTH119


def _files(source: _Source, paths: tuple[str, ...]) -> Files:
    for path in paths:
        data = source.read(path)
        if data is not None:
            yield path, data


def _tree(source: _Source) -> Files:
    with source.root.folder(TREES[0]) as folder:
        if folder is None:
            raise _no_tree(source.place)
        yield from _properties(source, folder, TREES[0], depth=LIMITS.max_depth)


def _properties(source: _Source, folder: Folder, path: str, *, depth: int) -> Files:
    """Yield the files of a directory, then those of the directories in it; none is behind a link."""
    below = []
    for name in folder.names():
        if folder.is_folder(name):
            below.append(name)
        elif not folder.is_link(name):
            data = source.read(name, folder=folder)
            if data is not None:
                yield f"{path}/{name}", data
    for name in below if depth > 0 else ():
        source.count()
        with folder.folder(name) as node:
            if node is not None:
                yield from _properties(source, node, f"{path}/{name}", depth=depth - 1)


def is_secret(name: str) -> bool:
    """Whether a property tells one machine from another, or is a password."""
    return name in SECRET_NAMES or name.startswith(SECRET_PREFIX)


def secret_texts(properties: Iterable[tuple[str, bytes]]) -> list[bytes]:
    """Return the texts in secret properties, which are to be found nowhere else either."""
    texts: set[bytes] = set()
    for path, data in properties:
        if is_secret(os.path.basename(path)):  # noqa: PTH119
            texts.update(re.split(rb"[\0\n]", data + b"\n" + data.replace(b",", b"\n")))
            if path.endswith("mac-address") and len(data) == _MAC_BYTES:
                texts.add(data.hex(":").encode())
    return sorted(filter(_SECRET_TEXT.match, texts))


def redacted(name: str, data: bytes, secrets: Sequence[bytes] = ()) -> bytes:
    """Return a value of the same length without serial numbers, location codes and `secrets`."""
    if is_secret(name):
        return bytes(byte and 0x78 for byte in data)
    for text in secrets:
        data = data.replace(text, b"x" * len(text))
    return _LOCATION.sub(b"Uxxxx.xxx.xxxxxxx", data)


def default_name(host: str, when: str, number: int = 1) -> str:
    """Return what a capture of a machine at a time is called, and how the ones after it in the same second are.

    Every Python can write and read gzip, and so can the script's machine.
    """
    parts = ["drmemctl-capture", re.sub(r"[^0-9A-Za-z._-]", "_", host).strip(".")[:64], when]
    return "-".join([*filter(None, parts), *([str(number)] if number > 1 else [])]) + ".tar.gz"


def host_of(place: str) -> str:
    """Return the name of the machine that a root directory is of; empty where it does not say."""
    if place in ("", "/"):
        return os.uname().nodename
    with Root(place) as root:
        words = next(
            filter(None, (root.read(path, _LINE) for path in ("proc/sys/kernel/hostname", "etc/hostname"))), b""
        )
    return next(iter(words.decode("utf-8", "replace").split()), "")


def redacted_tree(tree: Tree) -> Tree:
    """Return a tree with all its values redacted: it is the same partition, and has the same files beside it."""
    at_root = {prop.name: prop.value for prop in tree.root.properties}
    host = tree.provenance.host
    provenance = tree.provenance._replace(host=host if is_pseudonym(host) else pseudonym(at_root))
    # `uname -a` prints the name of the host, and /proc/version who built the kernel.
    kernel = re.sub(r"\ALinux (?!version )\S+", "Linux x", tree.kernel)
    secrets = secret_texts((prop.name, prop.value) for _, node in tree.walk() for prop in node.properties)
    root = _redacted_node(tree.root, secrets)
    return replace(
        tree, root=root, places=None, provenance=provenance, kernel=re.sub(r"[^\s(]+@[^\s)]+", "x@x", kernel)
    )


def _redacted_node(node: Node, secrets: Sequence[bytes]) -> Node:
    values = tuple(replace(prop, value=redacted(prop.name, prop.value, secrets)) for prop in node.properties)
    return replace(
        node, properties=values, children=tuple(_redacted_node(child, secrets) for child in node.children)
    )


def _text(source: _Source, folder: Folder, name: str) -> str:
    data = source.read(name, folder=folder, most=_LINE)
    words = [] if data is None else data.decode("utf-8", "replace").split()
    return ",".join(words) or "-"


def _numbered(folder: Folder, kind: str) -> list[int]:
    matches = (re.fullmatch(rf"{kind}(\d{{1,9}})", name, re.ASCII) for name in folder.names())
    return sorted(int(match[1]) for match in matches if match)


def _entries(source: _Source, path: str, kind: str) -> Iterator[tuple[int, Folder]]:
    """Yield the directories of memory blocks or nodes, each with its number."""
    with source.root.folder(path) as folder:
        if folder is None:
            return
        for number in _numbered(folder, kind):
            with folder.folder(f"{kind}{number}") as entry:
                if entry is not None:
                    yield number, entry


def _blocks(source: _Source) -> Iterator[str]:
    for number, entry in _entries(source, MEMORY, "memory"):
        nodes = ",".join(map(str, _numbered(entry, "node"))) or "-"
        index, state, zones, removable = (
            _text(source, entry, name) for name in ("phys_index", "state", "valid_zones", "removable")
        )
        yield f"{number} {index} {state} {nodes} {zones} {removable}\n"


def _nodes(source: _Source) -> Iterator[str]:
    for number, entry in _entries(source, NODES, "node"):
        total = re.search(rb"MemTotal:\s+(\d+)", source.read("meminfo", folder=entry, most=_LINE) or b"")
        memory = total[1].decode() if total else "-"
        yield f"{number} {_text(source, entry, 'distance')} {memory} {_text(source, entry, 'cpulist')}\n"


def _messages(source: _Source) -> list[bytes]:
    """Return the lines of the kernel's log: of this machine what /dev/kmsg has, elsewhere what is in a file."""
    if source.place not in ("", "/"):
        logs = (source.read(path) for path in ("dmesg", "var/log/dmesg"))
        return next((data.splitlines() for data in logs if data is not None), [])
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
            if buffer.tell() > _LARGEST_ARCHIVE:
                raise too_much(f"{_LARGEST_ARCHIVE >> 20} MiB", path)
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
    if name.endswith(".zst"):
        from drmemctl.zstd import zstd_module

        return bytes(zstd_module("name a .tar.gz or .tar.xz").compress(data, level=9))
    return data


def script() -> str:
    """Return the shell script that takes the same capture."""
    from importlib.resources import files

    text = (files("drmemctl.tree") / "capture.sh").read_text(encoding="utf-8")
    captured = "\n".join(f"{path:24}  {meaning}" for path, meaning in TAKEN)
    secret = "|".join([*sorted(SECRET_NAMES), f"{SECRET_PREFIX}*"])
    words = {"@TAKEN@": captured, "@SECRET@": secret, "@MESSAGES@": MESSAGES.pattern.decode()}
    for mark, value in words.items():
        text = text.replace(mark, value)
    return text
