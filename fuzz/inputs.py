# SPDX-License-Identifier: MIT
"""Targets that read a tree: flattened, compressed, in an archive, as text, as a directory."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random

from drmemctl import check as judge
from drmemctl.errors import DrmemctlError
from drmemctl.model.dumped import array_in
from drmemctl.tree.dump import read_dump
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Node, Tree, encode_name
from drmemctl.tree.source import load
from drmemctl.tree.writer import to_dts, write_fdt
from drmemctl.zstd import zstd_module
from fuzz.mutate import changed_tree
from fuzz.seeds import LONGEST_TREE, small_trees
from fuzz.target import Mutate, Target, memory_folder
from tests.hostile.dumps import small_core
from tests.oracles import Libfdt
from tests.tree.differential import check
from tests.tree.lsprop_text import CUT, listing
from tests.tree.samples import tar_of

_FEW = 6
"""Trees of each kind of input: what differs between them does not matter to these readers."""


@cache
def _libfdt() -> Libfdt | None:
    try:
        return Libfdt(importlib.import_module("libfdt"))
    except ImportError:  # it needs a C compiler to install
        return None


def _content(tree: Tree) -> tuple[Node, tuple[tuple[int, int], ...], int]:
    return tree.root, tree.reservations, tree.boot_cpu


def run_fdt(data: bytes) -> None:
    """Read a blob, and compare with libfdt and with what comes back of writing it."""
    oracle = _libfdt()
    if oracle is not None:
        check(data, oracle)
    with suppress(DrmemctlError):
        tree = read_fdt(data)
        assert _content(read_fdt(write_fdt(tree))) == _content(tree)


def run_load(data: bytes) -> None:
    """Read any kind of input; what can be written as a blob or as source comes back the same."""
    with suppress(DrmemctlError):
        tree = load(data)
        to_dts(tree)
        assert _content(read_fdt(write_fdt(tree))) == _content(tree)
        text = to_dts(tree, exact=True)
        assert load(text.encode()).root == tree.root


_ZSTD = zstd_module("use another compression")
_COMPRESS = (gzip.compress, bz2.compress, lzma.compress, _ZSTD.compress)
_DECOMPRESS = (gzip.decompress, bz2.decompress, lzma.decompress, _ZSTD.decompress)


def change_compressed(data: bytes, chosen: Random, mutate: Mutate) -> bytes | None:
    """Change what is compressed, and compress it again, perhaps otherwise; sometimes the compressed bytes."""
    if chosen.random() < 0.3:
        return None
    plain = data
    for decompress in _DECOMPRESS:
        with suppress(OSError, EOFError, ValueError, lzma.LZMAError, zlib.error, MemoryError, _ZSTD.ZstdError):
            plain = decompress(data)
            break
    changed = changed_tree(plain, chosen, mutate) if chosen.random() < 0.5 else None
    return chosen.choice(_COMPRESS)(changed or mutate(plain, len(plain) + 64))


def _some_trees() -> Iterator[Tree]:
    return (read_fdt(data) for data in sorted(small_trees(), key=len)[:_FEW])


def archives() -> Iterator[bytes]:
    """Yield archives of trees."""
    yield from map(tar_of, _some_trees())


def compressed() -> Iterator[bytes]:
    """Yield blobs and archives in each compression."""
    for number, tree in enumerate(_some_trees()):
        compress = _COMPRESS[number % len(_COMPRESS)]
        yield compress(write_fdt(tree))
        yield compress(tar_of(tree))


def sources() -> Iterator[bytes]:
    """Yield source as dtc prints it, and what fdtdump prints before it."""
    head = "/dts-v1/;\n// magic:\t\t0xd00dfeed\n// version:\t\t17\n// boot_cpuid_phys:\t0x0\n\n"
    for tree in _some_trees():
        text = to_dts(tree)
        yield text.encode()
        yield (head + text.replace("/dts-v1/;\n", "")).encode()


def lsprop_texts() -> Iterator[bytes]:
    """Yield what lsprop prints, with long values cut and whole."""
    for number, tree in enumerate(_some_trees()):
        yield listing(tree.root, "/proc/device-tree", CUT if number % 2 else 1 << 30).encode("latin-1")


def run_directory(data: bytes) -> None:
    """Lay a tree out as a directory, its names and oddities taken from the input, and read that."""
    try:
        tree = read_fdt(data)
    except DrmemctlError:
        return
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        top = Path(folder) / "base"
        plain = _lay_out(tree.root, top, oddity=tree.boot_cpu)
        try:
            again = load(str(top))
        except DrmemctlError:
            return
        if plain and tree.root.find("compatible"):
            assert {path for path, _ in again.walk()} == {path for path, _ in tree.walk()}


def _lay_out(node: Node, place: Path, oddity: int) -> bool:
    """Write a node; return whether a file system could hold all of it under its own names."""
    place.mkdir()
    plain = True
    names: set[str] = set()
    for number, prop in enumerate(node.properties):
        name = os.fsdecode(encode_name(prop.name))
        if _is_file_name(name) and name not in names:
            names.add(name)
            _lay_out_property(place / name, prop.value, oddity >> number % 16 & 7)
        else:
            plain = False
    for child in node.children:
        name = os.fsdecode(encode_name(child.name))
        if _is_file_name(name) and name not in names:
            names.add(name)
            plain &= _lay_out(child, place / name, oddity >> 3)
        else:
            plain = False
    return plain


def _is_file_name(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name


def _lay_out_property(path: Path, value: bytes, oddity: int) -> None:
    if oddity == 5:
        path.symlink_to("/etc/passwd")
    elif oddity == 6:
        os.mkfifo(path)
    else:
        path.write_bytes(value)


_POINTERS = (0, 8, 1 << 32, (1 << 64) - 1, 0xC000_0000_0200_0000, 0xC008_0000_0000_0000)


def dumps() -> Iterator[bytes]:
    """Yield a small kernel as an ELF core, and in the flattened form."""
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        core = small_core(Path(folder))
    yield core
    records = [(at, core[at : at + 50_000]) for at in range(0, len(core), 50_000)]
    head = b"makedumpfile".ljust(4096, b"\0")
    body = b"".join(struct.pack(">qq", at, len(piece)) + piece for at, piece in records)
    yield head + body + struct.pack(">qq", -1, -1)


def change_dump(data: bytes, chosen: Random, _mutate: Mutate) -> bytes | None:
    """Change words: most to pointers, also to others that are in the dump, few anywhere else."""
    changed = bytearray(data)
    there = [at for at in range(0, len(data) - 8, 8) if any(data[at : at + 8])]
    if not there:
        return None
    for _ in range(chosen.choice((1, 1, 2, 8))):
        at, other = chosen.choice(there), chosen.choice(there)
        value = data[other : other + 8]
        if chosen.random() < 0.4:
            value = (chosen.choice(_POINTERS) + 8 * chosen.randrange(512) & (1 << 64) - 1).to_bytes(8, "little")
        changed[at : at + 8] = value
    return bytes(changed)


def run_dump(data: bytes) -> None:
    """Read a dump, both trees of it, and judge what is there."""
    for member in (None, "boot"):
        with suppress(DrmemctlError):
            tree = read_dump(io.BytesIO(data), "dump", member)
            array_in(tree)
            judge(tree)


TARGETS = {
    "fdt": Target(run_fdt, small_trees, changed_tree, LONGEST_TREE),
    "raw-fdt": Target(run_fdt, lambda: list(small_trees())[:_FEW], longest=LONGEST_TREE),
    "compressed": Target(run_load, compressed, change_compressed, LONGEST_TREE),
    "archive": Target(run_load, archives, longest=131_072),
    "source": Target(run_load, sources, longest=LONGEST_TREE),
    "lsprop": Target(run_load, lsprop_texts, longest=LONGEST_TREE),
    "dump": Target(run_dump, dumps, change_dump, 1 << 19),
    "directory": Target(run_directory, lambda: list(small_trees())[:_FEW], changed_tree, LONGEST_TREE),
}
