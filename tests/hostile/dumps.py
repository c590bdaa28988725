# SPDX-License-Identifier: MIT
"""Hostile dumps of a kernel's memory: structures without end, containers that lie, and real ones that are cut.

A kernel is written by hand: `node_data` at 32 MiB, around which readers look for pointers, and what those have.
"""

from __future__ import annotations

import lzma
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from tests.conftest import FIXTURES
from tests.hostile.archives import Make, written
from tests.hostile.trees import noise, words

LINEAR = 0xC000_0000_0000_0000
NODE_DATA = 32 << 20
IMAGE = 25 << 20
"""Where variables begin: what lies from 24 to 40 MiB is looked through."""

HEAP = 64 << 20
PAGE = 4096
LMB = 256 << 20
LONGEST_IMAGE = 6 << 20

LZO, ZLIB = 2, 1


class Kernel:
    """The memory of a kernel as segments, by physical address, each with how much of it is zeros behind."""

    def __init__(self, **lines: int | str) -> None:
        """Make one; `lines` are those of VMCOREINFO: SYMBOL_x, OFFSET_a__b, SIZE_x, LENGTH_x, NUMBER_x."""
        text = {"OSRELEASE": "6.1.0", "SYMBOL(node_data)": f"{LINEAR + NODE_DATA:x}", "PAGESIZE": "65536"}
        for key, value in lines.items():
            kind, _, name = key.partition("_")
            shown = f"{LINEAR + int(value):x}" if kind == "SYMBOL" else str(value)
            text[f"{kind}({name.replace('__', '.')})"] = shown
        self.note = "".join(f"{key}={value}\n" for key, value in text.items()).encode()
        self.pages: dict[int, bytearray] = {}
        self.parts: list[tuple[int, bytes, int]] = []
        self.words(NODE_DATA, LINEAR + HEAP)

    def put(self, address: int, data: bytes) -> int:
        """Write to memory, which is there in whole pages; return the pointer to it."""
        for at in range(address & -PAGE, address + len(data), PAGE):
            page = self.pages.setdefault(at, bytearray(PAGE))
            begin = max(at, address)
            piece = data[begin - address : at + PAGE - address]
            page[begin - at : begin - at + len(piece)] = piece
        return LINEAR + address

    def zeros(self, address: int, size: int) -> int:
        """Add memory that takes no room in the file; return the pointer to it."""
        self.parts.append((address, b"", size))
        return LINEAR + address

    def words(self, address: int, *values: int) -> int:
        """Add numbers of 64 bits."""
        return self.put(address, struct.pack(f"<{len(values)}Q", *values))

    def tree(self, address: int = HEAP) -> int:
        """Add a root with drmem, whose LMBs have 256 MiB; return the pointer to the root."""
        texts = {name: self.put(address + 0x800 + 0x40 * n, name + b"\0") for n, name in enumerate(_NAMES)}
        size = self.put(address + 0xC00, struct.pack(">Q", LMB))
        root, drmem = LINEAR + address, LINEAR + address + 0x400
        self.words(address, 0, 0, texts[b"/"], *(0,) * 8, root + 0x200, 0, 0, drmem, 0)
        self.words(address + 0x200, texts[b"compatible"], 0, 0, root + 0x220)
        self.words(address + 0x220, texts[b"#size-cells"], 0, 0, 0)
        self.words(address + 0x400, 0, 0, texts[b"/" + DRMEM], *(0,) * 8, root + 0x600, 0, root, 0, 0)
        self.words(address + 0x600, texts[b"ibm,lmb-size"], 8, size, 0)
        self.words(IMAGE - PAGE, root)
        return root

    def core(self, folder: Path, name: str) -> Path:
        """Write it as an ELF core."""
        first = 0
        runs: dict[int, list[bytes]] = {}
        for at in sorted(self.pages):
            first = first if at - PAGE in self.pages else at
            runs.setdefault(first, []).append(bytes(self.pages[at]))
        parts = [*((at, b"".join(pages), 0) for at, pages in runs.items()), *self.parts]
        note = struct.pack("<III", 11, len(self.note), 0) + b"VMCOREINFO\0\0" + self.note
        at = HEADERS + 56 * (1 + len(parts))
        table = [struct.pack("<IIQQQQQQ", 4, 0, at, 0, 0, len(note), len(note), 4)]
        at += len(note)
        for address, data, zeros in parts:
            values = (at, LINEAR + address, address, len(data), len(data) + zeros, PAGE)
            table.append(struct.pack("<IIQQQQQQ", 1, 7, *values))
            at += len(data)
        return written(folder, name, b"".join([header(len(table)), *table, note, *(data for _, data, _ in parts)]))


DRMEM = b"ibm,dynamic-reconfiguration-memory"
_NAMES = (b"/", b"compatible", b"#size-cells", b"/" + DRMEM, b"ibm,lmb-size")


HEADERS = 128
"""Where the program headers of a core begin."""


def header(segments: int) -> bytes:
    """Return the file header of a core, and its section header, which has the number of segments too."""
    head = b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack("<HHIQQQ", 4, 21, 1, 0, HEADERS, 64)
    head += struct.pack("<IHHHHHH", 0, 64, 56, min(segments, 0xFFFF), 64, 1, 0)
    return head + struct.pack("<44xI16x", segments)


def dump_pointers(folder: Path, size: int) -> Path:
    """Every word of the image points to another place that looks like a root, up to its properties."""
    kernel = Kernel()
    count = min(size, LONGEST_IMAGE) // 16
    name = kernel.put(HEAP - PAGE, b"/\0".ljust(PAGE, b"\0"))
    kernel.put(HEAP, struct.pack("<5Q", name, name, 0, name, 0) * (count * 8 // 40 + 40))
    kernel.words(IMAGE, *(LINEAR + HEAP + 8 * n for n in range(count)))
    return kernel.core(folder, "pointers.core")


def dump_roots(folder: Path, size: int) -> Path:
    """Many roots, each with a child of its own and all with the same long list of properties."""
    kernel = Kernel()
    text = kernel.put(HEAP - PAGE, b"/\0name\0")
    kernel.put(
        HEAP, b"".join(struct.pack("<4Q", text + 2, 0, 0, LINEAR + HEAP + 32 * (n + 1)) for n in range(4000))
    )
    nodes = HEAP + (4 << 20)
    root = (0, 0, text, *(0,) * 8, LINEAR + HEAP, 0, 0)
    count = min(size, LONGEST_IMAGE) // 256
    pages = b"".join(
        struct.pack("<16Q", *root, LINEAR + nodes + 256 * n + 128, 0)
        + struct.pack("<16Q", *(0,) * 13, LINEAR + nodes + 256 * n, 0, 0)
        for n in range(count)
    )
    kernel.put(nodes, pages)
    kernel.words(IMAGE, *(LINEAR + nodes + 256 * n for n in range(count)))
    return kernel.core(folder, "roots.core")


def dump_nodes(folder: Path, size: int) -> Path:
    """A tree of as many nodes as fit, each the sibling of the one before."""
    kernel = Kernel()
    root = kernel.tree()
    name = kernel.put(HEAP + PAGE, b"/n\0")
    nodes = HEAP + (1 << 20)
    count = size // 128
    kernel.put(
        nodes,
        b"".join(
            struct.pack(
                "<16Q",
                0,
                0,
                name,
                *(0,) * 8,
                0,
                0,
                root,
                0,
                LINEAR + nodes + 128 * (n + 1) if n + 1 < count else 0,
            )
            for n in range(count)
        ),
    )
    kernel.words(HEAP + 0x400 + 8 * 15, LINEAR + nodes)
    return kernel.core(folder, "nodes.core")


def dump_circle(folder: Path, size: int) -> Path:
    """A child that is its own sibling."""
    kernel = Kernel()
    kernel.tree()
    kernel.words(HEAP + 0x400 + 8 * 15, LINEAR + HEAP + 0x400)
    return kernel.core(folder, "circle.core")


def dump_deep(folder: Path, size: int) -> Path:
    """Each node is the child of the one before."""
    kernel = Kernel()
    root = kernel.tree()
    name = kernel.put(HEAP + PAGE, b"/n\0")
    nodes = HEAP + (1 << 20)
    kernel.put(
        nodes,
        b"".join(
            struct.pack("<16Q", 0, 0, name, *(0,) * 8, 0, 0, root, LINEAR + nodes + 128 * (n + 1), 0)
            for n in range(size // 128)
        ),
    )
    kernel.words(HEAP + 0x400 + 8 * 15, LINEAR + nodes)
    return kernel.core(folder, "deep.core")


def dump_pieces(folder: Path, size: int) -> Path:
    """A value of MiBs that lies in segments of one byte each, which many properties have."""
    kernel = Kernel()
    kernel.tree()
    count = size // 57
    value = HEAP + (1 << 20)
    kernel.parts += [(value + n, b"x", 0) for n in range(count)]
    name = LINEAR + HEAP + 0x800 + 0x40
    entries = 1 << 30
    kernel.put(
        entries,
        b"".join(
            struct.pack("<4Q", name, count, LINEAR + value, LINEAR + entries + 32 * (n + 1)) for n in range(4000)
        ),
    )
    kernel.words(HEAP + 8 * 12, LINEAR + entries)
    return kernel.core(folder, "pieces.core")


def dump_values(folder: Path, size: int) -> Path:
    """Values of zeros that take no room in the file, as long as may be: 54 MiB at full size."""
    kernel = Kernel()
    count = min(200, size // 20_000)
    kernel.tree()
    value = kernel.zeros(1 << 32, 1 << 40)
    name = LINEAR + HEAP + 0x800 + 0x40
    entries = HEAP + (1 << 20)
    for n in range(count):
        following = LINEAR + entries + 32 * (n + 1) if n < count - 1 else 0
        kernel.words(entries + 32 * n, name, 1 << 18 if n else min(size, 1 << 22), value, following)
    kernel.words(HEAP + 8 * 12, LINEAR + entries)
    return kernel.core(folder, "values.core")


def dump_arrays(folder: Path, size: int) -> Path:
    """Every third word may be the size of an LMB in an array that breaks only at its end."""
    kernel = Kernel()
    kernel.tree()
    lmbs, count = 1 << 30, max(2, size // 48)
    rows = [struct.pack("<QIII4x", n * LMB, n, 0, 8) for n in range(count - 1)]
    kernel.put(lmbs, b"".join([*rows, struct.pack("<QIII4x", 7, 0, 0, 0)]))
    info = struct.pack("<QI4xQ", LINEAR + lmbs, count, LMB)
    kernel.put(IMAGE, info * (min(size, LONGEST_IMAGE) // 24))
    return kernel.core(folder, "arrays.core")


_RING = {
    "SYMBOL_prb": HEAP + (1 << 20),
    "OFFSET_printk_ringbuffer__desc_ring": 0,
    "OFFSET_printk_ringbuffer__text_data_ring": 64,
    "OFFSET_atomic_long_t__counter": 0,
    "OFFSET_prb_desc_ring__count_bits": 0,
    "OFFSET_prb_desc_ring__descs": 8,
    "OFFSET_prb_desc_ring__infos": 16,
    "OFFSET_prb_desc_ring__head_id": 24,
    "OFFSET_prb_desc_ring__tail_id": 32,
    "OFFSET_prb_data_ring__size_bits": 0,
    "OFFSET_prb_data_ring__data": 8,
    "OFFSET_prb_desc__text_blk_lpos": 8,
    "OFFSET_prb_data_blk_lpos__begin": 0,
    "OFFSET_prb_data_blk_lpos__next": 8,
    "OFFSET_prb_desc__state_var": 0,
    "OFFSET_printk_info__text_len": 8,
    "OFFSET_printk_info__ts_nsec": 0,
    "SIZE_prb_desc": 24,
    "SIZE_printk_info": 16,
}


def dump_log(folder: Path, size: int) -> Path:
    """A log of 2^30 messages, none of which is complete."""
    kernel = Kernel(**_RING)
    kernel.tree()
    ring = HEAP + (1 << 20)
    kernel.words(ring, LINEAR + ring + 64)
    zeros = kernel.zeros(1 << 40, 1 << 40)
    kernel.words(ring + 64, 30, zeros, zeros, 1 << 61, 0, 0, 0, 0, 20, zeros)
    return kernel.core(folder, "log.core")


_SECTIONS = {
    "NUMBER_SECTION_SIZE_BITS": 24,
    "SIZE_mem_section": 16,
    "OFFSET_mem_section__section_mem_map": 0,
    "SIZE_page": 64,
    "OFFSET_page__flags": 0,
    "LENGTH_mem_section": 512,
    "LENGTH_node_data": 256,
    "SYMBOL_mem_section": HEAP + (2 << 20),
    "SYMBOL_swapper_pg_dir": 1 << 40,
}


def dump_sections(folder: Path, size: int) -> Path:
    """As many memory sections as can be, all of them online, in memory blocks of a section each."""
    kernel = Kernel(**_SECTIONS)
    kernel.tree()
    root = kernel.put(HEAP + (3 << 20), struct.pack("<QQ", 0xC00C_0000_0000_0005, 0) * 4096)
    kernel.words(HEAP + (2 << 20), *(root,) * min(512, size // 8000))
    # Tables of radix each of whose entries leads to the same next one, the last of which maps zeros.
    kernel.put(1 << 40, struct.pack(">Q", 1 << 63 | 1 << 40) * 8192)
    return kernel.core(folder, "sections.core")


def dump_notes(folder: Path, size: int) -> Path:
    """Segments of notes, all of the same bytes, in none of which there is VMCOREINFO."""
    count = size // 57
    table = struct.pack("<IIQQQQQQ", 4, 0, HEADERS + 56 * count, 0, 0, count, count, 4) * count
    return written(folder, "notes.core", header(count) + table + bytes(count))


def dump_segments(folder: Path, size: int) -> Path:
    """A header that promises more segments than a core may have."""
    return written(folder, "segments.core", header(0xFFFF_FFFF))


def dump_no_kernel(folder: Path, size: int) -> Path:
    """Memory in which every page begins as VMCOREINFO does, and is none."""
    page = b"OSRELEASE=".ljust(64, b"x")
    table = struct.pack("<IIQQQQQQ", 1, 7, HEADERS + 56, LINEAR, 0, size, 1 << 40, PAGE)
    return written(folder, "no_kernel.core", header(1) + table + page.ljust(PAGE, b"x") * (size // PAGE))


def dump_sparse(folder: Path, size: int) -> Path:
    """A real dump behind a hole of 100 GB, as that of a partition of some TiB."""
    path = folder / "sparse.core"
    real, hole = bytearray(lzma.decompress((FIXTURES / "vmcores/6.1-16384-lmbs.core.xz").read_bytes())), 100 << 30
    (table,) = struct.unpack_from("<Q", real, 32)
    (count,) = struct.unpack_from("<H", real, 56)
    segments = [table + 56 * n for n in range(count) if struct.unpack_from("<I", real, table + 56 * n) == (1,)]
    first = min(struct.unpack_from("<Q", real, at + 8)[0] for at in segments)
    for at in segments:
        struct.pack_into("<Q", real, at + 8, struct.unpack_from("<Q", real, at + 8)[0] + hole)
    with path.open("wb") as file:
        file.write(real[:first])
        file.seek(first + hole)
        file.write(real[first:])
    return path


def dump_cut(folder: Path, size: int) -> Path:
    """A real vmcore, cut in its pages."""
    real = lzma.decompress((FIXTURES / "vmcores/6.1-kdump.zlib.xz").read_bytes())
    return written(folder, "cut.kdump", real[: len(real) // 2])


def small_core(folder: Path) -> bytes:
    """Return a dump with a little of everything: tree, LMBs, array, sections, log, an older value."""
    kernel = Kernel(**_RING, **_SECTIONS)
    kernel.tree()
    old = kernel.put(HEAP + 0x700, struct.pack(">6I", 1, 2, 0, 0, 0x80000000, 0))
    name = kernel.put(HEAP + 0x740, b"ibm,dynamic-memory-v2\0")
    kernel.words(HEAP + 0x640, name, 28, kernel.put(HEAP + 0x780, words(1, 2, 0, 0, 0x80000000, 0, 8)), 0)
    kernel.words(HEAP + 0x660, name, 24, old, 0)
    kernel.words(HEAP + 0x600 + 24, LINEAR + HEAP + 0x640)
    kernel.words(HEAP + 0x400 + 8 * 12, LINEAR + HEAP + 0x660)
    lmbs = kernel.put(HEAP + PAGE, b"".join(struct.pack("<QIII4x", n * LMB, 0x80000000 + n, 0, 8) for n in (0, 1)))
    kernel.words(IMAGE, lmbs, 2, LMB)
    ring = HEAP + (1 << 20)
    kernel.words(ring, LINEAR + ring + 64)
    kernel.words(ring + 64, 1, LINEAR + ring + 256, LINEAR + ring + 512, 1, 0, 0, 0, 0, 8, LINEAR + ring + 1024)
    kernel.words(ring + 256, 1 << 62, 0, 32, 1 << 62, 32, 64)
    kernel.words(ring + 512, 7, 5, 9, 5)
    kernel.put(ring + 1024, b"12345678hello".ljust(40, b".") + b"world")
    section = struct.pack("<QQ", 0xC00C_0000_0000_0005, 0)
    kernel.words(HEAP + (2 << 20), kernel.put(HEAP + (3 << 20), section + bytes(16 * 4095)))
    # The table of the page tables is the page map as well.
    for at in (1 << 40, 1 << 40 | 0xC000):
        kernel.put(at, struct.pack(">Q", 3 << 62 | 1 << 40) * 512)
    return kernel.core(folder, "small.core").read_bytes()


def kdump_header(*, blocks: int, pages: int, level: int = 31) -> bytes:
    """Return header and sub header of a compressed dump of 64 KiB pages."""
    head = b"KDUMP   " + struct.pack("<I", 6) + b"Linux".ljust(4 * 65, b"\0") + b"ppc64le".ljust(2 * 65, b"\0")
    head = head.ljust(424, b"\0") + struct.pack("<IiiII", 0, 1 << 16, 1, blocks, pages & 0xFFFF_FFFF)
    sub = struct.pack("<QiiQQQ", 0, level, 0, 0, 0, 0).ljust(96, b"\0") + struct.pack("<QQ", pages, pages)
    return head.ljust(1 << 16, b"\0") + sub.ljust(1 << 16, b"\0")


def kdump_bitmap(folder: Path, size: int) -> Path:
    """A bitmap of 256 MiB at full size in a sparse file."""
    blocks = min(1 << 13, size >> 8)
    path = written(folder, "bitmap.kdump", kdump_header(blocks=blocks, pages=(blocks << 18) - 8))
    os.truncate(path, 1 << 40)
    return path


def _kdump(folder: Path, name: str, page: bytes, flags: int, size: int) -> Path:
    """Write a dump of 128 MiB at full size whose pages are all the same bytes."""
    count = min(2048, max(64, size // 2000))
    bitmap = (b"\xff" * (count // 8)).ljust(1 << 16, b"\0")
    begin = (4 << 16) + 24 * count
    descriptors = struct.pack("<QIIQ", begin, len(page), flags, 0) * count
    return written(folder, name, kdump_header(blocks=2, pages=count) + bitmap * 2 + descriptors + page)


def kdump_slow_lzo(folder: Path, size: int) -> Path:
    """Pages of LZO whose instructions stand for two bytes each."""
    return _kdump(
        folder,
        "lzo.kdump",
        bytes([20]) + b"abc" + b"\x02\0aa" + b"\x01\0a" * 21_800 + b"\x20\x60\0\0" + b"\x11\0\0",
        LZO,
        size,
    )


def kdump_noise(folder: Path, size: int) -> Path:
    """Pages that are no zlib, LZO or zstd."""
    return _kdump(folder, "noise.kdump", noise(60_000), ZLIB, size)


def flat_records(folder: Path, size: int) -> Path:
    """The flattened form in records of a byte, the last first."""
    kernel = Kernel()
    kernel.tree()
    core = kernel.core(folder, "records.core").read_bytes()[: size // 17]
    records = (struct.pack(">qqB", at, 1, core[at]) for at in range(len(core) - 1, -1, -1))
    head = b"makedumpfile".ljust(4096, b"\0")
    return written(folder, "records.flat", [head, *records, struct.pack(">qq", -1, -1)])


def xz_dump_bomb(folder: Path, size: int) -> Path:
    """A core of zeros that is small as long as it is compressed."""
    compressor = lzma.LZMACompressor(preset=0)
    # A small one is twice as large as what is read of it, since 1 GiB takes seconds to make.
    pieces: Iterable[bytes] = (bytes(1 << 20) for _ in range(min(max(size >> 12, 1 << 7), 1 << 10)))
    core = Kernel().core(folder, "bomb").read_bytes()
    data = b"".join([compressor.compress(core), *map(compressor.compress, pieces), compressor.flush()])
    return written(folder, "bomb.core.xz", data)


DUMPS: dict[str, Make] = {
    make.__name__: make
    for make in (
        *(dump_pointers, dump_roots, dump_nodes, dump_circle, dump_deep, dump_pieces, dump_values, dump_arrays),
        *(dump_log, dump_sections, dump_notes, dump_segments, dump_no_kernel, dump_sparse, dump_cut),
        *(kdump_bitmap, kdump_slow_lzo, kdump_noise, flat_records, xz_dump_bomb),
    )
}
"""Name → what makes a dump."""
