# SPDX-License-Identifier: MIT
"""Members of a tar archive from a stream: headers only, in constant memory, names made harmless.

The standard library's `tarfile` keeps every member, recurses over extended headers and reads them whole,
however large they claim to be; here nothing of that is needed. A hard link says whose content it has; of other
links, of devices and of sparse files it is only told that they are there.

Source: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar
Format" (types L, K, S and base-256 numbers).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from drmemctl.errors import InputError, LimitError
from drmemctl.formats.file_magics import TAR, TAR_AT
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.members import LINK, NO_FILE, Member
from drmemctl.tree.node import decode_name
from drmemctl.tree.stream import Stream

BLOCK = 512
_MAX_EXTENSION = 1 << 20
"""Bytes of one extended header: PATH_MAX is 4096, so these are never near it."""

_PATH_MAX = 4095
"""Bytes of a member's name: what Linux's PATH_MAX leaves beside the final NUL."""

_MAX_RECORDS = 8 * LIMITS.max_members
"""Records of all pax headers together: tar writes up to six for a member (times, size, path, SELinux label)."""


_HARD_LINK = b"1"
_ODDITIES = {b"2": LINK, b"S": "a sparse file"}


def is_tar_header(block: bytes) -> bool:
    """Whether these 512 bytes are a member's header: the checksum says so, also for tars without magic."""
    if len(block) < BLOCK or not block[0]:
        return False
    claimed = _number(block[148:156])
    unsigned = sum(block) - sum(block[148:156]) + 8 * 0x20
    if claimed == unsigned:
        return True
    # Some tars of the past summed signed characters.
    return claimed == unsigned - 256 * sum(c > 127 for c in block[:148] + block[156:BLOCK])


def _number(field: bytes) -> int | None:
    """Return a header's number: octal digits, or base 256 after a first byte of 0x80."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip()
    if not digits:
        return 0
    return int(digits, 8) if digits.isdigit() and not digits.strip(b"01234567") else None


def clean_path(raw: bytes) -> str:
    """Return a member's name as a relative path that stays inside the archive, whatever it says."""
    # From the root, since nothing is above it; and by the C library, since an archive can have a GiB of names.
    return decode_name(posixpath.normpath(b"/" + raw.partition(b"\0")[0]).lstrip(b"/"))


def members(stream: Stream, source: str) -> Iterator[Member]:
    """Yield each member; its content, or any beginning of it, may be read from `stream` before the next one.

    Raises `InputError` where the archive is damaged or ends early, `LimitError` for more than
    `LIMITS.max_members` members.
    """
    extended: dict[str, bytes] = {}
    records = 0
    for _ in range(LIMITS.max_members + 1):
        offset = stream.offset
        block = stream.read(BLOCK)
        # The end is two blocks of zeros; archives cut off exactly after a member, or with one, are common.
        if not block or (len(block) == BLOCK and not any(block)):
            return
        if not is_tar_header(block):
            raise _damaged("is damaged: no header of a member", source, offset, block)
        size = _size(block, extended, source, offset)
        kind = block[156:157]
        end = stream.offset + size
        if kind in b"xLKg":
            records += _extend(extended, kind, stream, size, source)
            if records > _MAX_RECORDS:
                message = f"the archive has more than {_MAX_RECORDS:,} records in extended headers"
                raise LimitError(message, source=source, offset=offset)
        else:
            _pass_sparse_map(stream, block, kind)
            end = stream.offset + size
            member = _member(_name(block, extended, source, offset), kind, extended, size, offset)
            yield _as_link(member, block, extended) if kind == _HARD_LINK else member
            extended = {}
        missing = end + -size % BLOCK - stream.offset
        if stream.skip(missing) < missing:
            raise _damaged("ends early", source, stream.offset, b"")
    raise LimitError(f"the archive has more than {LIMITS.max_members:,} members", source=source)


def _size(block: bytes, extended: dict[str, bytes], source: str, offset: int) -> int:
    text = extended.get("size", b"")
    size = int(text) if text.isdigit() and len(text) < 20 else _number(block[124:136])
    if size is None:
        raise _damaged("is damaged: a member without a size", source, offset, block)
    # Links, devices and directories have no content, whatever is in the field (POSIX: ignored for 1 to 6).
    return 0 if block[156:157] in b"123456" else size


def _name(block: bytes, extended: dict[str, bytes], source: str, offset: int) -> bytes:
    # What is in `path` of a sparse file of the pax formats is made up (GNU tar manual, "PAX Format, Version 1.0").
    name = extended.get("GNU.sparse.name") or extended.get("path")
    if not name:
        name = block[:100].partition(b"\0")[0]
        prefix = block[345:500].partition(b"\0")[0] if block.startswith(TAR + b"\0", TAR_AT) else b""
        name = prefix + b"/" + name if prefix else name
    if len(name) > _PATH_MAX:
        message = (
            f"the archive has a member with a name of {len(name):,} bytes, more than {_PATH_MAX:,} (PATH_MAX)"
        )
        raise LimitError(message, source=source, offset=offset, hint="no file can have such a name")
    return name


def _member(name: bytes, kind: bytes, extended: dict[str, bytes], size: int, offset: int) -> Member:
    sparse = any(key.startswith("GNU.sparse.") for key in extended)
    # As for GNU tar: tars from before ustar tell a directory by the slash at its end alone.
    is_directory = kind == b"5" or (kind in (b"0", b"\0") and name.endswith(b"/"))
    is_file = kind in (b"0", b"\0", b"7") and not is_directory and not sparse
    oddity = "" if is_file or is_directory else _ODDITIES.get(b"S" if sparse else kind, NO_FILE)
    return Member(clean_path(name), is_file, is_directory, size, offset, oddity=oddity)


def _as_link(member: Member, block: bytes, extended: dict[str, bytes]) -> Member:
    name = extended.get("linkpath") or block[157:257].partition(b"\0")[0]
    # A target that no file can have as its name is none in the archive.
    target = clean_path(name) if len(name) <= _PATH_MAX else ""
    return member._replace(target=target, oddity="a hard link")


def _extend(extended: dict[str, bytes], kind: bytes, stream: Stream, size: int, source: str) -> int:
    """Take a long name (L), that of a link's target (K), or the records of a pax header (x); g is for all.

    Return how many records there were.
    """
    if size > _MAX_EXTENSION:
        message = f"the archive has an extended header of {size:,} bytes, more than {_MAX_EXTENSION:,}"
        raise LimitError(message, source=source, offset=stream.offset)
    data = stream.read(size)
    records = 0
    if kind in b"LK":
        extended["path" if kind == b"L" else "linkpath"] = data.partition(b"\0")[0]
    elif kind == b"x":
        for key, value in _pax_records(data):
            extended[key] = value
            records += 1
    return records


def _pax_records(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the records (length, space, key, `=`, value, newline) up to the first that is none."""
    at = 0
    while at < len(data):
        digits = data[at : at + 8].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        record = data[at + len(digits) + 1 : at + length]
        key, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n"):
            return
        yield decode_name(key), value[:-1]
        at += length


def _pass_sparse_map(stream: Stream, block: bytes, kind: bytes) -> None:
    """Pass the further map blocks of an old GNU sparse file: each says at its byte 504 if one follows."""
    more = kind == b"S" and block[482] != 0
    while more:
        extra = stream.read(BLOCK)
        more = len(extra) == BLOCK and extra[504] != 0


def _damaged(fault: str, source: str, offset: int, block: bytes) -> InputError:
    if 0 < len(block) < BLOCK:
        fault = "ends early"
    return InputError(f"the archive {fault}", source=source, offset=offset, hint="copy or create it again")
