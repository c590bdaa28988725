# SPDX-License-Identifier: MIT
"""The archive that a guest boots from: cpio as the kernel unpacks it."""

from __future__ import annotations

import gzip
from pathlib import PurePosixPath

_DIRECTORY, _PROGRAM, _FILE = 0o040755, 0o100755, 0o100644
_ALWAYS = ("proc", "sys", "dev", "tmp")


def initramfs(files: dict[str, bytes]) -> bytes:
    """Return the archive of these files and of the folders that they and a guest need."""
    folders = {str(folder) for path in files for folder in PurePosixPath(path).parents} - {"."} | {*_ALWAYS}
    data = [_member(path, _DIRECTORY, b"") for path in sorted(folders)]
    for path, content in files.items():
        is_program = path == "init" or path.startswith(("bin/", "sbin/", "lib"))
        data.append(_member(path, _PROGRAM if is_program else _FILE, content))
    return gzip.compress(b"".join(data) + _member("TRAILER!!!", 0, b""), 1)


def _member(path: str, mode: int, content: bytes) -> bytes:
    name = path.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
