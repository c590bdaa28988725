# SPDX-License-Identifier: MIT
"""How files begin that are told by their first bytes in more than one place."""

from __future__ import annotations

ELF = b"\x7fELF"
GZIP = b"\x1f\x8b\x08"
XZ = b"\xfd7zXZ\0"
ZSTD = b"\x28\xb5\x2f\xfd"
BZIP2 = b"BZh"
TAR = b"ustar"
TAR_AT = 257
"""Where that stands: what is before it in a header may be anything."""
