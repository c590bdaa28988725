# SPDX-License-Identifier: MIT
"""Hostile flattened trees, made when asked for: each function returns a blob of about `size` bytes.

All are well-formed where nothing else is said: what is wrong with them is how much of something they hold, or
what it means. Random ones are the same in every run.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from tests.blobs import Struct, blob, patched

Make = Callable[[int], bytes]

DRMEM = b"ibm,dynamic-reconfiguration-memory"
LOOKUP = b"ibm,associativity-lookup-arrays"
V1, V2 = b"ibm,dynamic-memory", b"ibm,dynamic-memory-v2"
LMB = 1 << 28
MANY = (1 << 32) - 1
FORM1, FORM2 = "19002000008004" + "00" * 16 + "40400040", "19002000008020" + "00" * 16 + "40400040"

NASTY = (
    b"\x1b[31mred\x1b[0m",
    b"\x1b]0;title\x07",
    b"[bold red]markup[/] [link=http://x]y[/link]",
    "\u202egnp.exe\u2066\u200f".encode(),
    b"\xff\xfe\xed\xa0\x80",
    b"\xc2\x9b31m\x9b",
    b"line\nfeed\rreturn\ttab\x7f",
    b"::error::\xe2\x80\xa8%0A|`*_<b>&amp;",
)
"""Names and strings that a terminal, a markup or a CI log could take for something else."""


def words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def noise(size: int) -> bytes:
    """Return random bytes."""
    return random.Random(size).randbytes(size)


Pairs = Sequence[tuple[bytes, bytes]]
SOUND_RTAS: Pairs = (
    (b"ibm,associativity-reference-points", words(4, 4, 2)),
    (b"ibm,lrdr-capacity", words(0x40, 0, 0, LMB, 8)),
)


def partition(
    *, open_node: bytes = b"", vector: str = FORM1, chosen: Pairs = (), rtas: Pairs = SOUND_RTAS
) -> Struct:
    """Return the beginning of a sound partition: the root is still open, and `open_node` in it."""
    content = Struct().begin().prop(b"#address-cells", words(2)).prop(b"#size-cells", words(2))
    content.prop(b"compatible", b"qemu,pseries\0").prop(b"model", b"IBM pSeries (emulated by qemu)\0")
    content.prop(b"device_type", b"chrp\0")
    for node, pairs in (
        (b"chosen", [(b"ibm,architecture-vec-5", bytes.fromhex(vector)), *chosen]),
        (b"rtas", rtas),
    ):
        content.begin(node)
        for name, value in pairs:
            content.prop(name, value)
        content.end()
    content.begin(b"cpus").prop(b"#address-cells", words(1)).prop(b"#size-cells", words(0))
    content.begin(b"PowerPC,POWER9@0").prop(b"device_type", b"cpu\0").prop(b"reg", words(0))
    content.prop(b"ibm,associativity", words(5, 0, 0, 0, 0, 0)).end().end()
    content.begin(b"memory@0").prop(b"device_type", b"memory\0").prop(b"reg", struct.pack(">QQ", 0, 4 * LMB))
    content.prop(b"ibm,associativity", words(4, 0, 0, 0, 0)).end()
    return content.begin(open_node) if open_node else content


def finished(content: Struct, *, ends: int = 1) -> bytes:
    for _ in range(ends):
        content.end()
    return blob(content.finish())


def with_lmbs(name: bytes, value: bytes, lookup: bytes | None = None, **others: bytes) -> bytes:
    """Return a partition whose drmem node has this property of LMBs."""
    content = partition(open_node=DRMEM).prop(b"ibm,lmb-size", words(0, LMB))
    content.prop(
        LOOKUP, words(4, 4, *(n // 4 if n % 4 == 3 else 0 for n in range(16))) if lookup is None else lookup
    )
    content.prop(name, value)
    for other, data in others.items():
        content.prop(b"linux," + other.encode(), data)
    return finished(content, ends=2)


def counted(rows: Iterator[bytes], n: int) -> bytes:
    return words(n) + b"".join(islice(rows, n))


def sets(n: int, *, length: int = 1) -> Iterator[bytes]:
    """Yield n v2 sets in order; no two go on from one another, and nothing else is wrong with them."""
    for i in range(n):
        yield struct.pack(
            ">IQIII", length, (4 + i * length) * LMB, 0x80000000 + i * length, i % 4, 8 * (i % 3 > 0)
        )


def v1_random(size: int) -> bytes:
    n = size // 24
    return with_lmbs(V1, words(n) + noise(24 * n))


def v1_one_by_one(size: int) -> bytes:
    """No two neighbours alike, and all of them possible."""
    rows = (row[4:16] + bytes(4) + row[16:] for row in sets(size // 24))
    return with_lmbs(V1, counted(rows, size // 24))


def v1_long(size: int) -> bytes:
    """One run, as long as there is room."""
    n = size // 24
    return with_lmbs(V1, counted((struct.pack(">QIIII", i * LMB, i, 0, 0, 8) for i in range(n)), n))


def v2_random(size: int) -> bytes:
    n = size // 24
    return with_lmbs(V2, words(n) + noise(24 * n))


def v2_one_by_one(size: int) -> bytes:
    return with_lmbs(V2, counted(sets(size // 24), size // 24))


def v1_half_limited(size: int) -> bytes:
    """No two neighbours alike, and a mem= that lets Linux have half of them."""
    n = size // 24
    rows = (row[4:16] + bytes(4) + row[16:] for row in sets(n))
    content = partition(chosen=[(b"bootargs", b"mem=%dM\0" % (n // 3 * (LMB >> 20)))], open_node=DRMEM)
    content.prop(b"ibm,lmb-size", words(0, LMB)).prop(LOOKUP, words(4, 4, *(0,) * 16)).prop(V1, counted(rows, n))
    return finished(content, ends=2)


def v2_small_sets(size: int) -> bytes:
    """Random places and states, but sets of a few LMBs: more of them mean something."""
    choose, n = random.Random(size), size // 24
    rows = (
        struct.pack(
            ">IQIII",
            choose.randrange(1, 9),
            choose.randrange(1 << 18) * LMB,
            0x80000000 + choose.randrange(1 << 18),
            choose.randrange(6),
            choose.choice((0, 8, 8, 0x80, 0x108, 0x20)),
        )
        for _ in range(n)
    )
    return with_lmbs(V2, counted(rows, n))


def v2_sets_of_all(size: int) -> bytes:
    """Every set has 2^32 - 1 LMBs, and all lie on one another."""
    n = size // 24
    return with_lmbs(V2, words(n) + struct.pack(">IQIII", MANY, 4 * LMB, 0x80000000, 1, 8) * n)


def v2_one_set_of_all(size: int) -> bytes:
    return with_lmbs(V2, words(1) + struct.pack(">IQIII", MANY, 4 * LMB, 0x80000000, 1, 8))


def v2_four_million(size: int) -> bytes:
    """4,194,304 LMBs, 1 PiB, in one set: what `--expand` and `--to v1` take by default."""
    return with_lmbs(V2, words(1) + struct.pack(">IQIII", 1 << 22, 4 * LMB, 0x80000000, 1, 8))


def v2_claims(size: int) -> bytes:
    """2^32 - 1 sets promised, one there."""
    return with_lmbs(V2, words(MANY, 1) + words(0, 4 * LMB, 0x80000000, 1, 8))


def lookup_claims(size: int) -> bytes:
    return with_lmbs(V2, counted(sets(8), 8), words(MANY, MANY) + noise(400))


def lookup_claims_empty_rows(size: int) -> bytes:
    """2^32 - 1 rows of no columns need no bytes at all."""
    return with_lmbs(V2, counted(sets(8), 8), words(MANY, 0))


def lookup_rows(size: int) -> bytes:
    n = size // 16
    return with_lmbs(V2, counted(sets(1000), 1000), words(n, 4) + noise(16 * n))


def lookup_alike(size: int) -> bytes:
    n = size // 16
    return with_lmbs(V2, counted(sets(1000), 1000), words(n, 4) + words(0, 0, 0, 1) * n)


def lookup_used(size: int) -> bytes:
    """As many rows as sets that use them."""
    n = size // 40
    rows = (struct.pack(">IQIII", 1, (4 + i) * LMB, 0x80000000 + i, i, 8) for i in range(n))
    lookup = words(n, 4) + b"".join(words(0, 0, 0, i) for i in range(n))
    return with_lmbs(V2, counted(rows, n), lookup)


def lookup_wide(size: int) -> bytes:
    """One row of very many columns, which very many sets use."""
    n = size // 28
    rows = (struct.pack(">IQIII", 1, (4 + 2 * i) * LMB, 0x80000000 + 2 * i, 0, 8) for i in range(n))
    return with_lmbs(V2, counted(rows, n), words(1, n) + noise(4 * n))


def usable_memory(size: int) -> bytes:
    n = size // 48
    value = struct.pack(">QQQ", 1, 4 * LMB, LMB) * (n // 2) + noise(12 * n)
    return with_lmbs(V2, counted(sets(n), n), **{"drconf-usable-memory": value})


def form2(size: int) -> bytes:
    """Distance tables for as many domains as fit."""
    n = int(size**0.5)
    tables = (
        (b"ibm,associativity-reference-points", words(4)),
        (b"ibm,numa-lookup-index-table", words(n, *range(n))),
        (b"ibm,numa-distance-table", words(n * n) + noise(n * n)),
    )
    return finished(partition(vector=FORM2, rtas=tables))


def rtas_lists(size: int) -> bytes:
    """Reference points, domains and FORM2 tables that go on and on."""
    n = size // 20
    tables = (
        (b"ibm,associativity-reference-points", noise(4 * n)),
        (b"ibm,max-associativity-domains", words(n) + noise(4 * n)),
        (b"ibm,current-associativity-domains", words(n) + noise(4 * n)),
        (b"ibm,numa-lookup-index-table", words(n) + noise(4 * n)),
        (b"ibm,numa-distance-table", words(n) + noise(4 * n)),
    )
    content = partition(vector=FORM2, rtas=tables, open_node=DRMEM).prop(b"ibm,lmb-size", words(0, LMB))
    return finished(content.prop(V2, counted(sets(8), 8)), ends=2)


def drc_arrays(size: int) -> bytes:
    """The four drc arrays of ten million connectors, at 16 bytes each."""
    n = size // 16
    content = partition().prop(b"ibm,drc-indexes", words(n) + noise(4 * n))
    content.prop(b"ibm,drc-names", words(n) + b"LMB\0" * n).prop(b"ibm,drc-types", words(n) + b"MEM\0" * n)
    content.prop(b"ibm,drc-power-domains", words(n) + b"\xff" * (4 * n))
    content.begin(DRMEM).prop(b"ibm,lmb-size", words(0, LMB)).prop(V2, counted(sets(8), 8)).end()
    return finished(content)


def drc_info(size: int) -> bytes:
    """Records of ibm,drc-info, each of 2^32 - 1 connectors."""
    record = b"MEM\0LMB \0" + words(0x80000000, 1, MANY, 1, MANY)
    n = size // len(record)
    content = partition().prop(b"ibm,drc-info", words(n) + record * n)
    content.begin(DRMEM).prop(b"ibm,lmb-size", words(0, LMB)).prop(V2, counted(sets(8), 8)).end()
    return finished(content)


def nested(size: int) -> bytes:
    """200,000 nodes, each in the one before."""
    return finished(
        Struct().begin().raw(words(1) + b"n\0\0\0").raw((words(1) + b"n\0\0\0") * 199_999), ends=200_001
    )


def siblings(size: int) -> bytes:
    content = partition()
    for i in range(size // 36):
        content.begin(b"n@%08x" % i).prop(b"reg", b"").end()
    return finished(content)


def memory_nodes(size: int) -> bytes:
    content = partition()
    for i in range(size // 88):
        content.begin(b"memory@%x" % (i << 28)).prop(b"device_type", b"memory\0")
        content.prop(b"reg", struct.pack(">QQ", (i * 7919 % (size // 88)) << 28, 1 << 29)).end()
    return finished(content)


def cpus(size: int) -> bytes:
    content = partition()
    for i in range(size // 96):
        content.begin(b"cpu@%x" % i).prop(b"device_type", b"cpu\0").prop(b"reg", words(i))
        content.prop(b"ibm,associativity", words(4, 0, 0, 0, i)).end()
    return finished(content)


def phandles(size: int) -> bytes:
    """Nodes that all have the same phandle."""
    content = partition()
    for i in range(size // 36):
        content.begin(b"n%x" % i).prop(b"phandle", words(1)).end()
    return finished(content)


def empty_properties(size: int) -> bytes:
    """Properties without a value, of a node without a device_type; every name is there many times."""
    content = partition().begin(b"many")
    names = [content.name(b"p%x" % i) for i in range(4096)]
    token = b"".join(words(3, 0, name) for name in names)
    content.data += token * (size // len(token))
    return finished(content.end())


def long_names(size: int) -> bytes:
    """Names that overlap: each is the rest of a string, so that 13 bytes here make a name of 127 on average."""
    n = size // 13
    content = partition()
    start = len(content.strings)
    content.strings += b"".join(b"%08d" % (i // 255) + b"x" * 246 + b"\0" for i in range(0, n, 255))
    content.data += b"".join(words(3, 0, start + i) for i in range(n))
    return finished(content)


def own_names(size: int) -> bytes:
    """Each property has a name of its own, as long as may be."""
    content = partition()
    for i in range(size // 280):
        content.prop(b"n%08x" % i + b"x" * 246, words(i))
    return finished(content)


def nops(size: int) -> bytes:
    content = partition()
    content.data += words(4) * (size // 4)
    return finished(content)


def nops_between(size: int) -> bytes:
    """NOPs in groups of 255, and properties between: neither is very many."""
    content = partition()
    token = words(4) * 255 + words(3, 0, content.name(b"p"))
    content.data += token * (size // len(token))
    return finished(content)


def nasty_names(size: int) -> bytes:
    """Every name and every string is one that a terminal should not see."""
    content = partition(chosen=[(b"bootargs", b"mem=" + b" ".join(NASTY) + b"\0")])
    for i, text in enumerate(NASTY):
        name = text.replace(b"/", b"|")
        content.begin(b"n%d" % i + name).prop(name, text + b"\0").prop(b"device_type", text + b"\0")
        content.prop(b"name", text + b"\0").prop(b"words", words(i)).end()
        content.begin(b"memory@" + name).prop(b"device_type", b"memory\0").prop(b"reg", b"\x1b[2J").end()
    text = b"\0".join(NASTY) + b"\0"
    n = len(NASTY)
    content.prop(b"serial-number", text).prop(b"system-id", text).prop(b"ibm,partition-name", text)
    content.prop(b"ibm,drc-names", words(n) + text).prop(b"ibm,drc-types", words(n) + text)
    content.prop(b"ibm,drc-indexes", words(n, *range(n))).prop(b"ibm,drc-power-domains", words(n, *range(n)))
    content.prop(b"ibm,drc-info", words(2) + (NASTY[0] + b"\0" + NASTY[2] + b"\0" + words(1, 1, 2, 1, 0)) * 2)
    content.begin(DRMEM).prop(b"ibm,lmb-size", words(0, LMB)).prop(V2, counted(sets(8), 8))
    for text in NASTY:
        content.prop(text, text)
    return finished(content, ends=2)


def strings(size: int) -> bytes:
    """A value of as many strings as it can have."""
    content = partition(open_node=b"options").prop(b"texts", b"a\0" * (size // 2))
    return finished(content, ends=2)


def known_strings(size: int) -> bytes:
    """The same where a list of strings is expected."""
    value, n = b"a\0" * (size // 8), size // 8
    content = partition(chosen=[(b"bootargs", value)])
    content.prop(b"ibm,drc-names", words(n) + value).prop(b"ibm,drc-types", words(n) + value)
    content.prop(b"slots", value)
    return finished(content)


def one_string(size: int) -> bytes:
    content = partition(open_node=b"options").prop(b"text", b"\\" * (size // 2) + b"\0")
    content.prop(b"model", b'"\x01\xff' * (size // 6) + b"\0")
    return finished(content, ends=2)


def one_value(size: int) -> bytes:
    content = partition(open_node=b"options").prop(b"noise", noise(size // 2))
    content.prop(b"odd", noise(size // 2 | 1))
    return finished(content, ends=2)


def long_reg(size: int) -> bytes:
    content = partition(open_node=b"memory@40000000").prop(b"device_type", b"memory\0")
    n = size // 16
    content.prop(b"reg", b"".join(struct.pack(">QQ", (i * 7919 % n) << 20, 1 << 21) for i in range(n)))
    return finished(content, ends=2)


def long_associativity(size: int) -> bytes:
    content = partition(vector="ff" * (size // 16), rtas=[(b"ibm,lrdr-capacity", noise(size // 16))])
    content.begin(b"memory@40000000").prop(b"device_type", b"memory\0")
    content.prop(b"reg", struct.pack(">QQ", 4 * LMB, LMB))
    n = size // 5
    content.prop(b"ibm,associativity", words(n) + noise(4 * n))
    return finished(content, ends=2)


def bootargs(size: int) -> bytes:
    return finished(partition(chosen=[(b"bootargs", b"mem=1G crashkernel=1G " * (size // 22) + b"\0")]))


def reservations(size: int) -> bytes:
    return blob(partition().end().finish(), reservations=[(i << 20, 1 << 20) for i in range(1, size // 16)])


def into_header(size: int) -> bytes:
    return patched(finished(partition()), off_dt_struct=8, off_dt_strings=4)


def beyond_the_end(size: int) -> bytes:
    return patched(finished(partition()), totalsize=0x7FFFFFFF)


def into_itself(size: int) -> bytes:
    """Strings that lie in the structure block."""
    data = finished(partition())
    return patched(data, off_dt_strings=int.from_bytes(data[8:12], "big"))


def trailing(size: int) -> bytes:
    return finished(partition()) + noise(size)


TREES: dict[str, Make] = {
    make.__name__: make
    for make in (
        *(v1_random, v1_one_by_one, v1_long, v2_random, v2_one_by_one, v2_small_sets, v2_sets_of_all),
        *(v2_one_set_of_all, v2_four_million, v2_claims, v1_half_limited),
        *(lookup_claims, lookup_claims_empty_rows, lookup_rows, lookup_alike, lookup_used, lookup_wide),
        *(usable_memory, form2, rtas_lists, drc_arrays, drc_info),
        *(nested, siblings, memory_nodes, cpus, phandles, empty_properties, long_names, own_names),
        *(nops, nops_between, nasty_names, strings, known_strings, one_string, one_value),
        *(long_reg, long_associativity, bootargs, reservations),
        *(into_header, beyond_the_end, into_itself, trailing),
    )
}
"""Name → what makes the blob."""
