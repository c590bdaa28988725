# SPDX-License-Identifier: MIT
"""Hostile inputs that are no flattened tree: texts, directories, and those of archives.py.

Each function makes one below a directory, of about `size` bytes, and returns its path.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.hostile.archives import ARCHIVES, Make, written
from tests.hostile.dumps import DUMPS
from tests.hostile.trees import DRMEM, LMB, NASTY, V2, counted, noise, sets, words

DTS = "/dts-v1/;\n/ {\n"


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
        *ARCHIVES,
        *DUMPS.values(),
        *(dts_deep, dts_comments, dts_line, dts_bytes, dts_strings, dts_escapes, dts_unclosed, dts_labels),
        *(dts_references, dts_reopened, dts_included, dts_expression, dts_deletions),
        *(lsprop_line, lsprop_lines, lsprop_properties, lsprop_nodes, lsprop_deep, lsprop_foreign),
        *(noise_file, zeros_file, text_file, directory_kinds, directory_files, directory_deep),
    )
}
"""Name → what makes a TREE that is no flattened tree."""
