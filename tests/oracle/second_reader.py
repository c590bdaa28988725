# SPDX-License-Identifier: MIT
"""drgn with debug information as a second reader of a dump: tree, LMB array and memory blocks against ours.

`python -m tests.oracle.second_reader DUMP` takes an uncompressed core; `make oracle DRGN=1` the one that it makes.
drgn is given the memory segment by segment, since it opens no dump of a pseries guest by QEMU. What it shares with
drmemctl is nothing: segments are read here, VMCOREINFO is looked for in the file, structures are those of DWARF.
"""

from __future__ import annotations

import importlib
import os
import resource
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drmemctl import load
from drmemctl.model.dumped import array_in
from drmemctl.qualify.monitor import OracleError
from drmemctl.qualify.packages import Packages, run
from drmemctl.tree.node import Node
from tests.oracle import CACHE

LINEAR = 0xC << 60
_LINEAR_SIZE = 1 << 51
"""Beyond are vmalloc and vmemmap of /proc/kcore."""

_LOAD = 1
_PIECE, _LONGEST = 1 << 20, 8192
_ONLINE = 1
"""MEM_ONLINE of include/linux/memory.h."""

DRMEM = "/ibm,dynamic-reconfiguration-memory"
Values = dict[str, list[tuple[str, bytes]]]


@dataclass(frozen=True)
class Reading:
    """What a reader says of a dump; None for what is not in it, where the dump is cut to some pages.

    Attributes:
        tree: the properties of each node by its path.
        replaced: those of the LMBs that were replaced since boot, the newest first.
        lmb_size: bytes of an LMB.
        lmbs: base address, DRC index, aa_index and flags of each.
        blocks: memory blocks by number: whether they are online, and their node.

    """

    tree: Values
    replaced: list[tuple[str, bytes]]
    lmb_size: int
    lmbs: list[tuple[int, int, int, int]]
    blocks: dict[int, tuple[bool, int]] | None


def program(dump: Path, packages: Packages) -> Any:
    """Return drgn's program of a dump, with the debug information of its kernel."""
    try:
        drgn = importlib.import_module("drgn")
    except ImportError:
        raise OracleError("drgn is not installed: pip install drgn") from None
    core = Core(dump)
    text = core.vmcoreinfo()
    release = text.partition(b"\n")[0].partition(b"=")[2].decode("ascii")
    vmlinux = debug_information(release, packages)
    flags = drgn.PlatformFlags.IS_64_BIT | drgn.PlatformFlags.IS_LITTLE_ENDIAN
    kernel = drgn.Program(drgn.Platform(drgn.Architecture.PPC64, flags))
    kernel.set_linux_kernel_custom(text, is_live=False)
    for segment in core.segments():
        kernel.add_memory_segment(segment.address, segment.size, segment.read, physical=True)
        kernel.add_memory_segment(LINEAR + segment.address, segment.size, segment.read, physical=False)
    kernel.load_debug_info([str(vmlinux)])
    return kernel


@dataclass(frozen=True)
class Segment:
    """A segment: bytes of a file that are the first of some memory, what follows is zeros."""

    descriptor: int
    address: int
    offset: int
    in_file: int
    size: int

    def read(self, _address: int, count: int, within: int, _physical: object) -> bytes:
        """Return memory as drgn asks for it."""
        data = os.pread(self.descriptor, max(0, min(count, self.in_file - within)), self.offset + within)
        return data.ljust(count, b"\0")


class Core:
    """An ELF core that stays open."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)

    def vmcoreinfo(self) -> bytes:
        """Return VMCOREINFO; the kernel's code has places that begin alike."""
        at = 0
        while piece := os.pread(self._descriptor, _PIECE + _LONGEST, at):
            begin = piece.find(b"OSRELEASE=")
            while 0 <= begin < _PIECE:
                text = piece[begin : begin + _LONGEST].partition(b"\0")[0]
                if b"SYMBOL(node_data)=" in text:
                    return text
                begin = piece.find(b"OSRELEASE=", begin + 1)
            at += _PIECE
        raise OracleError("there is no VMCOREINFO in this dump")

    def segments(self) -> Iterator[Segment]:
        """Yield the segments in the linear map."""
        head = os.pread(self._descriptor, 64, 0)
        order = "<" if head[5] == 1 else ">"
        (table,), (count,) = struct.unpack_from(f"{order}Q", head, 32), struct.unpack_from(f"{order}H", head, 56)
        for entry in struct.iter_unpack(f"{order}IIQQQQQQ", os.pread(self._descriptor, 56 * count, table)):
            kind, _, offset, virtual, physical, in_file, size, _ = entry
            if kind == _LOAD and size and virtual < LINEAR + _LINEAR_SIZE:
                address = virtual - LINEAR if virtual >= LINEAR else physical
                yield Segment(self._descriptor, address, offset, in_file, size)


def debug_information(release: str, packages: Packages) -> Path:
    """Return the vmlinux with debug information of a kernel: 700 MB to download, of which 270 are kept."""
    place = packages.folder / "debug" / f"vmlinux-{release}"
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as name:
            work = Path(name)
            archive = packages.downloaded(f"linux-image-{release}-dbg", work)
            # Not `dpkg -x`: the modules' have gigabytes.
            member = f"./usr/lib/debug/boot/{place.name}"
            run("sh", "-c", 'dpkg --fsys-tarfile "$1" | tar -x "$2"', "sh", archive, member, cwd=work)
            (work / member).rename(place)
    return place


def drgn_reading(kernel: Any) -> Reading:
    """Return what drgn reads by debug information."""
    array = kernel["drmem_info"]
    lmbs = [
        (int(lmb.base_addr), int(lmb.drc_index), int(lmb.aa_index), int(lmb.flags))
        for lmb in (array.lmbs[index] for index in range(array.n_lmbs))
    ]
    tree: Values = {}
    _walk(kernel, kernel["of_root"], "", tree)
    node = kernel["of_root"].child
    while node.full_name.string_() != DRMEM[1:].encode():
        node = node.sibling
    replaced = list(_properties(kernel, node.deadprops))
    return Reading(tree, replaced, int(array.lmb_size), lmbs, _blocks(kernel))


def _walk(kernel: Any, node: Any, path: str, tree: Values) -> None:
    tree[path or "/"] = list(_properties(kernel, node.properties))
    child = node.child
    while child:
        _walk(kernel, child, f"{path}/{child.full_name.string_().decode()}", tree)
        child = child.sibling


def _properties(kernel: Any, first: Any) -> Iterator[tuple[str, bytes]]:
    while first:
        length = int(first.length)
        yield first.name.string_().decode(), kernel.read(int(first.value), length) if length else b""
        first = first.next


def _blocks(kernel: Any) -> dict[int, tuple[bool, int]] | None:
    drgn = importlib.import_module("drgn")
    xarray = importlib.import_module("drgn.helpers.linux.xarray")
    try:
        entries = [entry for _, entry in xarray.xa_for_each(kernel["memory_blocks"].address_of_())]
        blocks = [drgn.Object(kernel, "struct memory_block *", entry) for entry in entries]
        per_block = int(kernel["sections_per_block"])
        rows = [(int(block.start_section_nr) // per_block, int(block.state), int(block.nid)) for block in blocks]
        return {number: (state == _ONLINE, node) for number, state, node in rows}
    except drgn.FaultError:
        return None


def our_reading(dump: Path) -> Reading:
    """Return what drmemctl reads without any."""
    tree = load(dump)
    table, kernel = array_in(tree), tree.dump
    if table is None or table.lmb_size is None or kernel is None or tree.beside is None:
        raise OracleError("drmemctl finds no LMB array in this dump")
    rows = map(str.split, tree.beside.files().files.get("memory/blocks", b"").decode().splitlines())
    return Reading(
        {path: _of_node(node) for path, node in tree.walk()},
        [(prop.name, prop.value) for prop in kernel.replaced.get(DRMEM, ())],
        table.lmb_size,
        [(lmb.base or 0, lmb.drc_index, lmb.aa_index, lmb.flags) for lmb in table.lmbs(1 << 20)],
        {int(row[0]): (row[2] == "online", int(row[3])) for row in rows},
    )


def _of_node(node: Node) -> list[tuple[str, bytes]]:
    return [(prop.name, prop.value) for prop in node.properties]


def differences(ours: Reading, theirs: Reading) -> list[str]:
    """Return what the two do not read alike."""
    wrong = [f"{path}: the properties differ" for path in ours.tree if ours.tree[path] != theirs.tree.get(path)]
    wrong += [f"{path}: drmemctl does not see it" for path in theirs.tree.keys() - ours.tree.keys()]
    for name in ("replaced", "lmb_size", "lmbs", "blocks"):
        values = getattr(ours, name), getattr(theirs, name)
        if values[0] != values[1] and values[1] is not None:
            wrong.append(f"{name}: {values[0]}, drgn has {values[1]}")
    return wrong


def judge(dump: Path, packages: Packages) -> list[str]:
    """Read a dump twice, print what it took, and return what differs."""
    begin = time.process_time()
    ours = our_reading(dump)
    between, peak = time.process_time(), _peak()
    theirs = drgn_reading(program(dump, packages))
    end = time.process_time()
    shown = "memory blocks not in the dump" if theirs.blocks is None else f"{len(theirs.blocks)} memory blocks"
    print(
        f"{len(theirs.tree)} nodes, {sum(map(len, theirs.tree.values()))} properties, {len(theirs.lmbs)} LMBs, "
        f"{len(theirs.replaced)} replaced values, {shown}"
    )
    print(f"  drmemctl {between - begin:.1f} s, {peak} MiB; then drgn {end - between:.1f} s, {_peak()} MiB")
    return differences(ours, theirs)


def _peak() -> int:
    """Return the most memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main(arguments: list[str]) -> int:
    """Read the dumps that are named."""
    wrong = []
    for name in arguments:
        print(f"{name}: ", end="", flush=True)
        try:
            wrong += [found := judge(Path(name), Packages(CACHE))]
        except OracleError as error:
            print(error)
            return 2
        print("\n    ".join(["not alike", *found]) if found else "alike")
    return 1 if any(wrong) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
