# SPDX-License-Identifier: MIT
"""Hostile inputs that are compressed files and tar archives.

Each function makes one below a directory, of about `size` bytes, and returns its path.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from drmemctl.zstd import zstd_module
from tests.hostile.trees import DRMEM, LMB, NASTY, V2, counted, noise, sets, words

ZSTD = zstd_module("use another compression")

Make = Callable[[Path, int], Path]

TREE = "capture/proc/device-tree"


def written(folder: Path, name: str, parts: bytes | Iterable[bytes]) -> Path:
    path = folder / name
    with path.open("wb") as stream:
        for part in [parts] if isinstance(parts, bytes) else parts:
            stream.write(part)
    return path


def bomb(folder: Path, name: str, compress: Callable[[bytes], bytes], head: bytes, size: int) -> Path:
    """Write members that come to 32 times `size`, the first beginning with `head`."""
    first, other = compress(head + bytes(size)), compress(bytes(size))
    return written(folder, name, [first, *[other] * 31])


BLOB_HEAD = words(0xD00DFEED, 0x7FFFFFFF, 56, 72, 40, 17, 16, 0, 8, 16)
"""A blob that claims 2 GiB."""


def gzip_bomb(folder: Path, size: int) -> Path:
    return bomb(folder, "bomb.dtb.gz", gzip.compress, BLOB_HEAD, size)


def xz_bomb(folder: Path, size: int) -> Path:
    return bomb(folder, "bomb.xz", lambda data: lzma.compress(data, preset=0), BLOB_HEAD, size)


def zstd_bomb(folder: Path, size: int) -> Path:
    return bomb(folder, "bomb.zst", ZSTD.compress, BLOB_HEAD, size)


def bzip2_bomb(folder: Path, size: int) -> Path:
    return bomb(folder, "bomb.bz2", bz2.compress, BLOB_HEAD, size)


def tar_bomb(folder: Path, size: int) -> Path:
    """An archive of one member that has no end."""
    return bomb(folder, "bomb.tar.gz", gzip.compress, claiming(member("big"), SIZE, 1 << 40), size)


def nested_bomb(folder: Path, size: int) -> Path:
    return written(folder, "bomb.gz.xz.zst", ZSTD.compress(lzma.compress(gzip.compress(bytes(size)) * 32)))


def deep_bomb(folder: Path, size: int) -> Path:
    """gzip in gzip, forty times."""
    data = noise(100)
    for _ in range(40):
        data = gzip.compress(data)
    return written(folder, "deep.gz", data)


def tiny_members(folder: Path, size: int) -> Path:
    """As many gzip members as fit, all empty."""
    return written(folder, "tiny.gz", gzip.compress(b"") * (size // 20))


def zstd_window(folder: Path, size: int) -> Path:
    """A frame whose window is 2 GiB."""
    return written(folder, "window.zst", bytes.fromhex("28b52ffd00a8") + noise(size // 64))


def xz_dictionary(folder: Path, size: int) -> Path:
    """A stream that asks for a dictionary of 1.5 GiB."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    data = bytearray(lzma.compress(bytes(1000), filters=filters))
    end = 12 + 4 * data[12]
    data[data.index(b"\x21\x01") + 2] = 39
    data[end : end + 4] = zlib.crc32(data[12:end]).to_bytes(4, "little")
    return written(folder, "dictionary.xz", bytes(data))


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **others: object) -> bytes:
    """Return header and content of a member of a tar archive."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    for key, value in others.items():
        setattr(info, key, value)
    header = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    return header + data + bytes(-len(data) % 512)


SIZE = 124
"""Where a header keeps the size of its member: 12 bytes."""
SPARSE_SIZE = 483
"""Where the header of a sparse file keeps the size of the file as it is read."""
CHECKSUM = slice(148, 156)


def claiming(header: bytes, at: int, size: int) -> bytes:
    """Return `header` with `size` at offset `at`, in GNU's binary form, and a checksum that agrees."""
    changed = bytearray(header)
    changed[at : at + 12] = b"\x80" + size.to_bytes(11, "big")
    changed[CHECKSUM] = b" " * 8
    changed[CHECKSUM] = b"%06o\0 " % sum(changed)
    return bytes(changed)


def sound_members() -> Iterator[bytes]:
    """Yield the members of a small capture with a sound tree."""
    for name, data in {
        "#address-cells": words(2),
        "#size-cells": words(2),
        "compatible": b"qemu,pseries\0",
        "chosen/ibm,architecture-vec-5": bytes.fromhex("19002000008004"),
        f"{DRMEM.decode()}/ibm,lmb-size": words(0, LMB),
        f"{DRMEM.decode()}/{V2.decode()}": counted(sets(8), 8),
    }.items():
        yield member(f"{TREE}/{name}", data)


def tar(folder: Path, name: str, parts: Iterable[bytes]) -> Path:
    return written(folder, name, [*sound_members(), *parts, bytes(1024)])


def tar_places(folder: Path, size: int) -> Path:
    """Members that point out of the archive, and kinds that no tree holds."""
    parts = [
        member("../../etc/passwd", b"x"),
        member(f"{TREE}/../../../../x", b"x"),
        member("/etc/passwd", b"x"),
        member(f"/{TREE}/absolute", b"x"),
        member(f"{TREE}/link", kind=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member(f"{TREE}/loop", kind=tarfile.SYMTYPE, linkname="loop"),
        member(f"{TREE}/hard", kind=tarfile.LNKTYPE, linkname="../../../../etc/passwd"),
        member(f"{TREE}/zero", kind=tarfile.CHRTYPE, devmajor=1, devminor=5),
        member(f"{TREE}/disk", kind=tarfile.BLKTYPE, devmajor=8),
        member(f"{TREE}/pipe", kind=tarfile.FIFOTYPE),
        *(member(f"{TREE}/{text.decode('utf-8', 'surrogateescape')}", text) for text in NASTY),
    ]
    return tar(folder, "places.tar", parts)


def tar_sparse(folder: Path, size: int) -> Path:
    """Files of 2^60 bytes that have none."""
    header = claiming(member(f"{TREE}/sparse", kind=tarfile.GNUTYPE_SPARSE), SPARSE_SIZE, 1 << 60)
    return tar(folder, "sparse.tar", [header * 100])


def tar_size(folder: Path, size: int) -> Path:
    """A member that claims 2^60 bytes."""
    return tar(folder, "size.tar", [claiming(member(f"{TREE}/big"), SIZE, 1 << 60), noise(512)])


def tar_members(folder: Path, size: int) -> Path:
    """Empty files, none of them of a tree: a million and more at full size."""
    return tar(folder, "members.tar", [member("var/log/x") * (size // 512)])


def tar_roots(folder: Path, size: int) -> Path:
    """Very many trees."""
    parts = (member(f"r{i}/proc/device-tree/compatible", b"x") for i in range(size // 1024))
    return tar(folder, "roots.tar", parts)


def tar_properties(folder: Path, size: int) -> Path:
    parts = (member(f"{TREE}/n{i % 997}/d{i % 8191}/p{i}") for i in range(size // 512))
    return tar(folder, "properties.tar", parts)


def tar_value(folder: Path, size: int) -> Path:
    return tar(folder, "value.tar", [member(f"{TREE}/noise", noise(size))])


def tar_deep(folder: Path, size: int) -> Path:
    """Empty files of depth 100, in directories that all differ."""
    path = "/".join("cpus" if depth % 9 == 0 else "d" for depth in range(46))
    return tar(folder, "deep.tar", (member(f"{index:x}/{path[: 90 - 6]}") for index in range(size // 512)))


def long_named(name: bytes) -> bytes:
    """Return an empty file whose name stands in a header of GNU's."""
    return member("././@LongLink", name + b"\0", tarfile.GNUTYPE_LONGNAME) + member("short")


def tar_names(folder: Path, size: int) -> Path:
    """Names as long as Linux has them, full of what is taken away from them and of what only a root has."""
    parts = (b"./", b"cpus/", b"x/../", b"d/")
    names = (parts[index % 4] * (4000 // len(parts[index % 4])) + b"%d" % index for index in range(size // 5632))
    return tar(folder, "names.tar", map(long_named, names))


def tar_name(folder: Path, size: int) -> Path:
    """One name that is far too long, in a file of 2 KiB."""
    return written(folder, "name.tar.gz", gzip.compress(long_named(b"a/" * (min(size, 1 << 20) // 2 - 1))))


def layers(folder: Path, size: int) -> Path:
    """xz in zstd in xz, each with the largest dictionary that is taken where it is alone."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 128 << 20}]
    parameters = ZSTD.CompressionParameter
    window = ZSTD.ZstdCompressor(options={parameters.window_log: 27, parameters.compression_level: 1})
    inner = lzma.compress(noise(min(size, 1 << 20)), filters=filters)
    return written(folder, "layers.xz", lzma.compress(window.compress(inner) + window.flush(), filters=filters))


def pax(records: bytes, kind: bytes) -> bytes:
    return member("PaxHeader", records, kind) + member(f"{TREE}/after", b"x")


def pax_huge(folder: Path, size: int) -> Path:
    """A header of one very long name."""
    body = b" path=" + b"x" * size + b"\n"
    record = str(len(body) + len(str(size)) + (1 if len(str(size + 20)) > len(str(size)) else 0)).encode() + body
    return tar(folder, "pax.tar", [pax(record, tarfile.XHDTYPE)])


def pax_records(folder: Path, size: int) -> Path:
    """A header of very many records, for all members that follow."""
    record = b"".join(b"19 comment%05d=xx\n" % (i % 99999) for i in range(size // 19))
    return tar(folder, "records.tar", [pax(record, tarfile.XGLTYPE)])


def gnu_name(folder: Path, size: int) -> Path:
    data = b"d/" * (size // 2) + b"\0"
    return tar(folder, "name.tar", [member("././@LongLink", data, tarfile.GNUTYPE_LONGNAME), member("x")])


def tar_blocks(folder: Path, size: int) -> Path:
    """A capture with a very long table of memory blocks."""
    rows = (f"{i} {i:08x} online {i % 4} Normal 1\n".encode() for i in range(size // 30))
    parts = [member("capture/memory/block_size_bytes", b"10000000\n")]
    parts += [member("capture/memory/blocks", b"".join(rows)), member("capture/memory/nodes", b"0 10 1 0\n")]
    return tar(folder, "blocks.tar", parts)


def tar_sysfs(folder: Path, size: int) -> Path:
    """A sosreport with very many memory blocks, each of several files."""
    place = "sos/sys/devices/system/memory"
    parts = (
        member(f"{place}/memory{i}/{name}", data)
        for i in range(size // 2048)
        for name, data in (("phys_index", b"%08x\n" % i), ("state", b"online\n"))
    )
    return tar(folder, "sysfs.tar", [member(f"{place}/block_size_bytes", b"10000000\n"), *parts])


ARCHIVES: tuple[Make, ...] = (
    *(gzip_bomb, xz_bomb, zstd_bomb, bzip2_bomb, tar_bomb, nested_bomb, deep_bomb, tiny_members),
    *(zstd_window, xz_dictionary),
    *(tar_places, tar_sparse, tar_size, tar_members, tar_roots, tar_properties, tar_value),
    *(pax_huge, pax_records, gnu_name, tar_deep, tar_names, tar_name, layers, tar_blocks, tar_sysfs),
)
