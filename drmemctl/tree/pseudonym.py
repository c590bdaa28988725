# SPDX-License-Identifier: MIT
"""A name that stands for a partition in redacted captures: the same in all of them; nothing leads back.

A hash of what is random hides it: the partition's UUID, or /etc/machine-id.
Serial numbers are few enough to try all of them: where a machine has nothing else, each guess is to cost the hash
of 65 MiB. The shell script of captures computes the same with sha256sum.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

_UUIDS = ("ibm,partition-uuid", "vm,uuid")
_LINES = 1 << 20
"""Lines of 65 bytes that are hashed where the name is made from a serial number."""

_AT_ONCE = 1 << 10
_FORM = re.compile(r"partition-[0-9a-f]{16}\Z")
_PRINTABLE = bytes(range(0x20, 0x7F))
_NOTHING = b"0x-"
"""Characters of a UUID that says nothing: QEMU's of a guest without one, and a redacted one."""


def pseudonym(at_root: Mapping[str, bytes], machine_id: bytes = b"") -> str:
    """Return the name that stands for a partition, by properties of its root node; empty without any to go by."""
    values = (("uuid", at_root.get(name, b"")) for name in _UUIDS)
    for kind, value in (*values, ("machine-id", machine_id)):
        text = _printable(value)
        if text.strip(_NOTHING):
            return _named(sha256(b"drmemctl %s %s\n" % (kind.encode(), text)).hexdigest())
    serial = _printable(at_root.get("system-id", b""))
    if not serial.strip(b"x"):
        return ""
    number = at_root.get("ibm,partition-no", b"")[:4].hex().encode()
    name = _printable(at_root.get("ibm,partition-name", b""))
    first = sha256(b"drmemctl partition %s %s %s\n" % (serial, number, name)).hexdigest()
    lines, slow = f"{first}\n".encode() * _AT_ONCE, sha256()
    for _ in range(_LINES // _AT_ONCE):
        slow.update(lines)
    return _named(slow.hexdigest())


def is_pseudonym(host: str) -> bool:
    """Whether the name of a host is such a name."""
    return _FORM.match(host) is not None


def _named(digest: str) -> str:
    return f"partition-{digest[:16]}"


def _printable(value: bytes) -> bytes:
    """Return the printable ASCII characters of a value: what a shell can hold as well."""
    return bytes(byte for byte in value if byte in _PRINTABLE)
