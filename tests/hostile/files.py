# SPDX-License-Identifier: MIT
"""Hostile inputs of the other kinds: texts, archives, compressed files, directories, answers of RTAS.

Each function makes one below a directory, of about `size` bytes, and returns its path.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import zstandard

from tests.hostile.trees import DRMEM, LMB, MANY, NASTY, V2, counted, noise, sets, words

Make = Callable[[Path, int], Path]

DTS = "/dts-v1/;\n/ {\n"
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
    return bomb(folder, "bomb.zst", zstandard.ZstdCompressor().compress, BLOB_HEAD, size)


def bzip2_bomb(folder: Path, size: int) -> Path:
    return bomb(folder, "bomb.bz2", bz2.compress, BLOB_HEAD, size)


def tar_bomb(folder: Path, size: int) -> Path:
    """An archive of one member that has no end."""
    head = bytearray(member("big"))
    head[124:136] = b"\x80" + (1 << 40).to_bytes(11, "big")
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bomb(folder, "bomb.tar.gz", gzip.compress, bytes(head), size)


def nested_bomb(folder: Path, size: int) -> Path:
    return written(folder, "bomb.gz.xz.zst", zstandard.compress(lzma.compress(gzip.compress(bytes(size)) * 32)))


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
    header = bytearray(member(f"{TREE}/sparse", kind=tarfile.GNUTYPE_SPARSE))
    header[483:495] = b"\x80" + (1 << 60).to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return tar(folder, "sparse.tar", [bytes(header) * 100])


def tar_size(folder: Path, size: int) -> Path:
    """A member that claims 2^60 bytes."""
    header = bytearray(member(f"{TREE}/big"))
    header[124:136] = b"\x80" + (1 << 60).to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return tar(folder, "size.tar", [bytes(header), noise(512)])


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


def dts_deep(folder: Path, size: int) -> Path:
    return written(folder, "deep.dts", (DTS + "n{" * (size // 2)).encode())


def dts_comments(folder: Path, size: int) -> Path:
    return written(folder, "comments.dts", (DTS + "/*" * (size // 4) + "*/" + "//\n" * (size // 8)).encode())


def dts_line(folder: Path, size: int) -> Path:
    return written(folder, "line.dts", (DTS + "p = <" + "0x1 " * (size // 4) + ">;};\n").encode())


def dts_bytes(folder: Path, size: int) -> Path:
    return written(folder, "bytes.dts", (DTS + "p = [" + "00" * (size // 2) + "];};\n").encode())


def dts_strings(folder: Path, size: int) -> Path:
    return written(folder, "strings.dts", (DTS + "p = " + '"",' * (size // 3) + '"";};\n').encode())


def dts_escapes(folder: Path, size: int) -> Path:
    return written(folder, "escapes.dts", (DTS + 'p = "' + "\\x1" * (size // 3) + '";};\n').encode())


def dts_unclosed(folder: Path, size: int) -> Path:
    return written(folder, "unclosed.dts", (DTS + 'p = "' + "\\" * size).encode())


def dts_labels(folder: Path, size: int) -> Path:
    labels = "".join(f"l{i}: " for i in range(size // 9))
    return written(folder, "labels.dts", (DTS + f"{labels} n {{}};\n}};\n").encode())


def dts_references(folder: Path, size: int) -> Path:
    nodes = "".join(f"l{i}: n{i} {{ p = <&l{i // 2}>; }};\n" for i in range(size // 36))
    return written(folder, "references.dts", (DTS + nodes + "};\n").encode())


def dts_reopened(folder: Path, size: int) -> Path:
    """The same node written again and again, each time with one property more."""
    parts = "".join(f"/ {{ n {{ p{i} = <1>; }}; }};\n" for i in range(size // 30))
    return written(folder, "reopened.dts", (DTS + "};\n" + parts).encode())


def dts_included(folder: Path, size: int) -> Path:
    text = DTS + 'p = /incbin/("/etc/passwd");\nq = /incbin/("/dev/zero");\n/include/ "/dev/zero"\n};\n'
    return written(folder, "included.dts", text.encode())


def dts_expression(folder: Path, size: int) -> Path:
    return written(folder, "expression.dts", (DTS + "p = <" + "(1 << " * (size // 6) + ">;};\n").encode())


def dts_deletions(folder: Path, size: int) -> Path:
    text = DTS + "".join(f"p{i};/delete-property/ p{i};/delete-node/ n;\n" for i in range(size // 45)) + "};\n"
    return written(folder, "deletions.dts", text.encode())


def lsprop_line(folder: Path, size: int) -> Path:
    return written(
        folder, "line.lsprop", ("device_type      " + '"chrp"\n' + "x    " + "00000001 " * (size // 9)).encode()
    )


def lsprop_lines(folder: Path, size: int) -> Path:
    text = 'device_type      "chrp"\nx                00000001 00000002\n' + "\t\t 00000001 00000002\n" * (
        size // 21
    )
    return written(folder, "lines.lsprop", text.encode())


def lsprop_properties(folder: Path, size: int) -> Path:
    text = "".join(f"p{i:<15} 00000001\n" for i in range(size // 26))
    return written(folder, "properties.lsprop", ('device_type      "chrp"\n' + text).encode())


def lsprop_nodes(folder: Path, size: int) -> Path:
    text = "".join(f"/proc/device-tree/n{i}:\np                00000001\n\n" for i in range(size // 56))
    return written(folder, "nodes.lsprop", text.encode())


def lsprop_deep(folder: Path, size: int) -> Path:
    return written(
        folder, "deep.lsprop", f"/proc/device-tree{'/d' * (size // 2)}:\np                00000001\n".encode()
    )


def lsprop_foreign(folder: Path, size: int) -> Path:
    text = 'device_type      "chrp"\n' + "what is this\n" * (size // 26) + '"' * (size // 2)
    return written(folder, "foreign.lsprop", text.encode())


def noise_file(folder: Path, size: int) -> Path:
    return written(folder, "noise", noise(size))


def zeros_file(folder: Path, size: int) -> Path:
    """A file without content that claims a TiB."""
    path = written(folder, "zeros", b"")
    os.truncate(path, 1 << 40)
    return path


def text_file(folder: Path, size: int) -> Path:
    return written(folder, "text", b"a line of text\n" * (size // 15))


def directory(folder: Path) -> Path:
    path = folder / "device-tree"
    (path / DRMEM.decode()).mkdir(parents=True)
    for name, data in {"#address-cells": words(2), "#size-cells": words(2), "compatible": b"x\0"}.items():
        (path / name).write_bytes(data)
    (path / DRMEM.decode() / "ibm,lmb-size").write_bytes(words(0, LMB))
    (path / DRMEM.decode() / V2.decode()).write_bytes(counted(sets(8), 8))
    return path


def directory_kinds(folder: Path, size: int) -> Path:
    """Links that go around or away, pipes, devices, and names that a terminal should not see."""
    path = directory(folder)
    (path / "up").symlink_to("..")
    (path / "loop").symlink_to("loop")
    (path / "root").symlink_to("/")
    (path / "zero").symlink_to("/dev/zero")
    (path / "memory").symlink_to("/proc/self/mem")
    os.mkfifo(path / "pipe")
    for text in NASTY:
        (path / os.fsdecode(text.replace(b"/", b"|"))).write_bytes(text)
    with (path / "sparse").open("wb") as stream:
        os.truncate(stream.fileno(), 1 << 40)
    return path


def directory_files(folder: Path, size: int) -> Path:
    path = directory(folder)
    for i in range(size // 640):
        if i % 1000 == 0:
            (path / f"n{i // 1000}").mkdir()
        os.close(os.open(path / f"n{i // 1000}" / f"p{i}", os.O_CREAT | os.O_WRONLY))
    return path


def directory_deep(folder: Path, size: int) -> Path:
    path = directory(folder)
    here = os.open(path, os.O_RDONLY)
    for _ in range(min(size // 640, 3000)):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    return path


FILES: dict[str, Make] = {
    make.__name__: make
    for make in (
        *(gzip_bomb, xz_bomb, zstd_bomb, bzip2_bomb, tar_bomb, nested_bomb, deep_bomb, tiny_members),
        *(zstd_window, xz_dictionary),
        *(tar_places, tar_sparse, tar_size, tar_members, tar_roots, tar_properties, tar_value),
        *(pax_huge, pax_records, gnu_name, tar_blocks, tar_sysfs),
        *(dts_deep, dts_comments, dts_line, dts_bytes, dts_strings, dts_escapes, dts_unclosed, dts_labels),
        *(dts_references, dts_reopened, dts_included, dts_expression, dts_deletions),
        *(lsprop_line, lsprop_lines, lsprop_properties, lsprop_nodes, lsprop_deep, lsprop_foreign),
        *(noise_file, zeros_file, text_file, directory_kinds, directory_files, directory_deep),
    )
}
"""Name → what makes a TREE that is no flattened tree."""


def areas(head: bytes, record: bytes, folder: Path, size: int) -> Path:
    """Write work areas of 4096 bytes, each filled with as many records as it holds."""
    area = (head + record * (4096 // len(record)))[:4096].ljust(4096, b"\0")
    return written(folder, "areas.bin", [area] * max(size // 4096, 1))


def answer_noise(folder: Path, size: int) -> Path:
    return written(folder, "noise.bin", noise(size))


def answer_nodes(folder: Path, size: int) -> Path:
    return areas(bytes(16), words(0x02000001, 7), folder, size)


def answer_claims(folder: Path, size: int) -> Path:
    return areas(words(MANY, MANY, MANY, MANY, MANY, MANY), words(MANY), folder, size)


def answer_properties(folder: Path, size: int) -> Path:
    return areas(words(1, 0, 0, 0, 0, 400) + b"\0" + words(0), b"p\0" + words(0), folder, size)


def answer_names(folder: Path, size: int) -> Path:
    record = b"".join(text.replace(b"\0", b"") + b"\0" + words(len(text)) + text for text in NASTY)
    return areas(words(1, 0, 0, 0, 0, 20), record, folder, size)


def answer_hex(folder: Path, size: int) -> Path:
    return written(folder, "answer.txt", b"0x00000001, " * (size // 12))


def answer_json(folder: Path, size: int) -> Path:
    record = {"call": "ibm,update-nodes", "answer": "00" * 16 + "0200000100000007", "status": 0}
    return written(folder, "answer.json", json.dumps([record] * max(size // 110, 1)).encode())


def answer_nesting(folder: Path, size: int) -> Path:
    return written(folder, "nesting.json", b"[" * size)


def answer_event(folder: Path, size: int) -> Path:
    """An event of very many sections, each as short as may be."""
    head = bytes.fromhex("06206000") + struct.pack(">I", size) + bytes(48)
    return written(folder, "event.bin", head + (b"HP\0\x08\x01\0\0\0" * (size // 8)))


ANSWERS: dict[str, Make] = {
    make.__name__: make
    for make in (
        *(answer_noise, answer_nodes, answer_claims, answer_properties, answer_names),
        *(answer_hex, answer_json, answer_nesting, answer_event),
    )
}
"""Name → what makes a FILE for `decode`."""
