# SPDX-License-Identifier: MIT
"""BTF written by hand after Documentation/bpf/btf.rst, and bytes that are none."""

from __future__ import annotations

import random
import struct

from drmemctl.formats.btf import decode_btf_header, decode_structs
from tests.cases import each

NAMES = frozenset((b"device_node", b"property"))


def btf(order: str = "<", *, bit_fields: bool = False, prefix: bytes = b"") -> bytes:
    """Return BTF of some types before and after a structure of two members and a bit-field."""
    strings = b"\0int\0my_device_node\0full_name\0parent\0bits\0" + prefix
    name = {text: strings.index(text) for text in (b"int", b"device_node", b"full_name", b"parent", b"bits")}
    kind = struct.Struct(order + "3I").pack
    types = kind(name[b"int"], 1 << 24, 4) + bytes(4)  # INT
    types += kind(0, 2 << 24, 1)  # PTR
    types += kind(0, 3 << 24, 0) + bytes(12)  # ARRAY
    types += kind(0, 6 << 24 | 2, 4) + bytes(16)  # ENUM
    types += kind(0, 19 << 24 | 1, 8) + bytes(12)  # ENUM64
    types += kind(0, 13 << 24 | 3, 1) + bytes(24)  # FUNC_PROTO
    types += kind(name[b"int"], 14 << 24, 1) + bytes(4)  # VAR
    members = kind(name[b"full_name"], 2, 16 * 8) + kind(name[b"parent"], 2, 104 * 8)
    members += kind(name[b"bits"], 1, (3 << 24 | 200) if bit_fields else 203)
    types += kind(name[b"device_node"], bit_fields << 31 | 4 << 24 | 3, 208) + members  # STRUCT
    types += kind(0, 17 << 24, 1) + bytes(4)  # DECL_TAG
    head = struct.pack(order + "HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return head + types + strings


@each(("order", "bit_fields"), [("<", False), (">", False), ("<", True), (">", True)])
def test_members_of_a_structure(order: str, bit_fields: bool) -> None:
    assert decode_structs(btf(order, bit_fields=bit_fields), order, NAMES) == {
        "device_node": {"full_name": 16, "parent": 104}
    }


def test_the_header_tells_where_it_ends() -> None:
    header = decode_btf_header(btf(), "<")
    assert header is not None
    assert header.whole == len(btf())
    for data in (btf()[:20], b"", b"\0" * 24, struct.pack("<HBBI", 0xEB9F, 1, 0, 24) + b"\xff" * 20, btf(">")):
        assert decode_btf_header(data, "<") is None


def test_no_bytes_do_anything_but_end() -> None:
    seed = random.Random(3)
    for _ in range(3000):
        data = bytearray(btf())
        for _ in range(seed.choice([1, 3, 10])):
            at = seed.randrange(8, len(data))
            data[at] = seed.randrange(256)
        decode_structs(bytes(data[: seed.randrange(24, len(data) + 1)]), "<", NAMES)
