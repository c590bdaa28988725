# SPDX-License-Identifier: MIT
"""VMCOREINFO: what a kernel tells dump tools of itself, lines of `KEY=VALUE` and `KIND(NAME)=VALUE`.

Source: Linux kernel/crash_core.c and arch/powerpc/kexec/core.c (arch_crash_save_vmcoreinfo); also
Documentation/admin-guide/kdump/vmcoreinfo.rst.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAGIC = b"OSRELEASE="
"""The first bytes of the text."""

LARGEST = 1 << 16
"""Bytes of the text, VMCOREINFO_BYTES: one page of the kernel, which has 64 KiB at most."""

_LATEST = 1 << 37
"""Seconds since 1970: the end of what is a time, beyond the year 4000."""

_DECIMAL = re.compile(r"-?[0-9]{1,20}\Z", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{1,16}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Vmcoreinfo:
    """The lines by their key; values are untrusted text."""

    values: Mapping[str, str]

    @property
    def release(self) -> str:
        """The kernel's release, as `uname -r` prints it; empty where there is none."""
        return self.values.get("OSRELEASE", "")

    @property
    def page_size(self) -> int | None:
        """Bytes of a page of the kernel."""
        return self._decimal("PAGESIZE")

    @property
    def crash_time(self) -> int | None:
        """Seconds since 1970 at the crash (kernel/crash_core.c crash_save_vmcoreinfo); None without one."""
        seconds = self._decimal("CRASHTIME")
        return seconds if seconds is not None and 0 < seconds < _LATEST else None

    def symbol(self, name: str) -> int | None:
        """Return the virtual address of a symbol."""
        text = self.values.get(f"SYMBOL({name})", "")
        return int(text, 16) if _HEX.match(text) else None

    def offset(self, member: str) -> int | None:
        """Return the offset of `struct.member`, in bytes."""
        return self._decimal(f"OFFSET({member})")

    def size(self, struct: str) -> int | None:
        """Return the bytes of a structure."""
        return self._decimal(f"SIZE({struct})")

    def length(self, array: str) -> int | None:
        """Return the number of elements of an array."""
        return self._decimal(f"LENGTH({array})")

    def number(self, name: str) -> int | None:
        """Return the value of a constant."""
        return self._decimal(f"NUMBER({name})")

    def _decimal(self, key: str) -> int | None:
        text = self.values.get(key, "")
        return int(text) if _DECIMAL.match(text) else None


def decode_vmcoreinfo(data: bytes) -> Vmcoreinfo:
    """Return what the text says, up to its first NUL; of a key that comes twice the last one counts."""
    text = data[:LARGEST].partition(b"\0")[0].decode("latin-1")
    return Vmcoreinfo(dict(line.split("=", 1) for line in text.split("\n") if "=" in line))
