# SPDX-License-Identifier: MIT
"""The catalogue of properties: all that goes by a property's name is asked here.

Its layout (by the node it is in where the name alone does not say), where it stands, whether a diff compares it,
whether a migration may change it, what its size goes by.

A new property is one entry here, once its module and its describer are there.
"""

from __future__ import annotations

from enum import Enum
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from typing import NamedTuple

from drmemctl.formats import describers as d
from drmemctl.formats.describers import Describer
from drmemctl.formats.fields import Context, Field

DEFAULT_LIMIT = 64
"""Fields of one value that are shown unless someone asks for more."""

_ANY = ("*",)
_DRMEM = ("/ibm,dynamic-reconfiguration-memory",)
_NUMA = ("/rtas", "/", "/ibm,opal")
_MEMORY = ("/memory", "/memory@*", "type:memory")
_PMEMORY = ("/ibm,persistent-memory/*", "/persistent-memory/*", "type:ibm,pmemory")


class Growth(Enum):
    """What the size of a property goes by in a large partition: how much of it is decoded goes by that, too."""

    FIXED = "fixed"
    BY_CONNECTOR = "four bytes for each connector"
    BY_LMB = "some bytes for each LMB"
    V1 = "an entry for each LMB"


class KnownProperties(NamedTuple):
    """Properties of which everything here is the same.

    Attributes:
        names: their names, a space between them.
        nodes: where their layout is known: paths with wildcards, `type:X` for any node whose device_type is X.
        describer: what describes them there, None where nobody has to.
        home: the node below the root that an lsprop text without paths has them from; they stand in no other
            (LoPAR B.6 and C.6.6, Linux arch/powerpc/mm/numa.c).
        compared: the nodes in which a diff of memory and affinity compares them, besides those about memory.
        unordered: whether their order in a list means nothing: firmware lists connectors in that of a hash table.
        migrated: whether LoPAR (ibm,update-properties) lets a migration change them.
        growth: what their size goes by.

    """

    names: str
    nodes: tuple[str, ...]
    describer: Describer | None
    home: str = ""
    compared: tuple[str, ...] = ()
    unordered: bool = False
    migrated: bool = False
    growth: Growth = Growth.FIXED


_DRMEM_HOME = partial(KnownProperties, nodes=_DRMEM, home="ibm,dynamic-reconfiguration-memory")
_NUMA_HOME = partial(KnownProperties, nodes=_NUMA, home="rtas", compared=_ANY)
_CONNECTORS = partial(
    KnownProperties,
    nodes=_ANY,
    # Their connectors are LMBs and CPUs; other nodes have those of slots.
    compared=("/", "/cpus"),
    unordered=True,
    migrated=True,
)

KNOWN = (
    KnownProperties(
        "compatible device_type host-model host-serial model name status system-id vm,uuid", _ANY, d.strings
    ),
    KnownProperties("bootargs stdout-path", _ANY, d.strings, home="chosen"),
    KnownProperties("ibm,hypertas-functions ibm,loc-code ibm,partition-name linux,stdout-path", _ANY, d.strings),
    KnownProperties("phandle linux,phandle ibm,phandle interrupt-parent", _ANY, d.handle),
    KnownProperties("#address-cells #size-cells #interrupt-cells ibm,partition-no ibm,chip-id", _ANY, d.number),
    KnownProperties("timebase-frequency clock-frequency", _ANY, d.hertz),
    KnownProperties("linux,memory-limit", ("/chosen",), d.byte_size, compared=_ANY),
    KnownProperties("linux,booted-from-kexec", ("/chosen",), d.flag),
    KnownProperties("linux,initrd-start", (), None, home="chosen"),
    KnownProperties(
        "ibm,architecture-vec-5", ("/chosen",), d.architecture_vec5, home="chosen", compared=_ANY, migrated=True
    ),
    _DRMEM_HOME("ibm,lmb-size", describer=d.lmb_size),
    _DRMEM_HOME("ibm,memory-flags-mask", describer=d.flags_mask),
    _DRMEM_HOME("ibm,memory-preservation-time", describer=d.minutes, migrated=True),
    _DRMEM_HOME(
        "ibm,dynamic-memory",
        describer=partial(d.entries, property="ibm,dynamic-memory"),
        migrated=True,
        growth=Growth.V1,
    ),
    _DRMEM_HOME(
        "ibm,dynamic-memory-v2",
        describer=partial(d.entries, property="ibm,dynamic-memory-v2"),
        migrated=True,
        growth=Growth.BY_LMB,
    ),
    _DRMEM_HOME("ibm,associativity-lookup-arrays", describer=d.lookup_arrays, migrated=True),
    _DRMEM_HOME("linux,drconf-usable-memory", describer=d.usable_memory, growth=Growth.BY_LMB),
    _NUMA_HOME("ibm,associativity-reference-points", describer=d.reference_points, migrated=True),
    _NUMA_HOME(
        "ibm,max-associativity-domains ibm,current-associativity-domains", describer=d.domains, migrated=True
    ),
    _NUMA_HOME("ibm,numa-lookup-index-table", describer=d.index_table),
    _NUMA_HOME("ibm,numa-distance-table", describer=d.distance_table),
    KnownProperties("ibm,lrdr-capacity", ("/rtas",), d.lrdr_capacity, home="rtas", compared=_ANY),
    KnownProperties("rtas-size rtas-version", (), None, home="rtas"),
    KnownProperties("ibm,associativity", _ANY, d.associativity, compared=_ANY, migrated=True),
    KnownProperties("ibm,migratable-partition", (), None, compared=_ANY),
    _CONNECTORS(
        "ibm,drc-indexes",
        describer=partial(d.drc_words, property="ibm,drc-indexes"),
        growth=Growth.BY_CONNECTOR,
    ),
    _CONNECTORS(
        "ibm,drc-power-domains",
        describer=partial(d.drc_words, property="ibm,drc-power-domains"),
        growth=Growth.BY_CONNECTOR,
    ),
    _CONNECTORS("ibm,drc-names", describer=partial(d.drc_strings, property="ibm,drc-names"), growth=Growth.BY_LMB),
    _CONNECTORS(
        "ibm,drc-types",
        describer=partial(d.drc_strings, property="ibm,drc-types"),
        growth=Growth.BY_CONNECTOR,
    ),
    _CONNECTORS("ibm,drc-info", describer=d.drc_info),
    KnownProperties("ibm,my-drc-index", _ANY, d.words, compared=_ANY),
    KnownProperties("ibm,ppc-interrupt-server#s", _ANY, partial(d.words, text=str)),
    KnownProperties("reg", _MEMORY, partial(d.reg, short="reg")),
    KnownProperties("linux,usable-memory", _MEMORY, partial(d.reg, short="usable-reg")),
    KnownProperties("hotpluggable", _MEMORY, d.flag),
    KnownProperties("reg", _PMEMORY, d.handle),
    KnownProperties("ibm,unit-guid ibm,pmem-application", _PMEMORY, d.strings),
    KnownProperties("ibm,block-size ibm,metadata-size", _PMEMORY, d.byte_size),
    KnownProperties("ibm,number-of-blocks", _PMEMORY, d.decimal),
    KnownProperties("ibm,cache-flush-required ibm,hcall-flush-required", _PMEMORY, d.flag),
    KnownProperties("reg", ("/cpus/*", "type:cpu"), d.number),
)
"""All properties of which anything is known by their names."""


def _by_name() -> dict[str, list[KnownProperties]]:
    table: dict[str, list[KnownProperties]] = {}
    for entry in KNOWN:
        for name in entry.names.split():
            table.setdefault(name, []).append(entry)
    return table


_TABLE = _by_name()

HOMES = {name: entry.home for name, entries in _TABLE.items() for entry in entries if entry.home}
"""The node below the root of each property that stands in no other."""

COMPARED = {name: entry.compared for name, entries in _TABLE.items() for entry in entries if entry.compared}
"""The properties about memory and affinity, and the nodes in which they are about that: `*` for any."""

UNORDERED = frozenset(name for name, entries in _TABLE.items() if any(entry.unordered for entry in entries))
"""The properties whose order in a list means nothing."""

MIGRATED = frozenset(name for name, entries in _TABLE.items() if any(entry.migrated for entry in entries))
"""The properties of memory and affinity that LoPAR lets a migration change."""


def is_known(name: str) -> bool:
    """Whether properties of this name are decoded, in some node at least."""
    return any(entry.describer for entry in _TABLE.get(name, ()))


def growth(name: str) -> Growth:
    """Return what the size of properties of this name goes by."""
    return next((entry.growth for entry in _TABLE.get(name, ())), Growth.FIXED)


def _matches(pattern: str, path: str, device_type: str) -> bool:
    _, colon, wanted = pattern.partition(":")
    return wanted == device_type if colon else fnmatchcase(path, pattern)


def describer(path: str, name: str, device_type: str = "") -> Describer | None:
    """Return what describes a property of the node at `path`, or None if its layout is not known."""
    for entry in _TABLE.get(name, ()):
        if any(_matches(pattern, path, device_type) for pattern in entry.nodes):
            return entry.describer
    return None


def describe(  # noqa: PLR0913 - a property, what it is read with, and how much of it is wanted
    path: str,
    name: str,
    data: bytes,
    address_cells: int = 2,
    size_cells: int = 2,
    *,
    device_type: str = "",
    limit: int = DEFAULT_LIMIT,
    total: int | None = None,
) -> list[Field] | None:
    """Return a known property's value in at most `limit` fields, or None if its layout is not known.

    `address_cells` and `size_cells` are the root's, `device_type` is the node's, `total` is the true length where
    `data` is only the beginning. Behind the fields: one called `more` if there are others, one called `defect`
    for each fault, with the fault's code as its value.
    """
    describe_value = describer(path, name, device_type)
    if describe_value is None:
        return None
    description = describe_value(data, Context(address_cells, size_cells, total))
    fields = list(islice(description.fields, limit + 1))
    if len(fields) > limit:
        fields[limit:] = [Field(fields[limit].offset, 0, "more", None, "and more, not shown")]
    fields += (Field(fault.offset or 0, 0, "defect", fault.code, fault.message) for fault in description.defects)
    return fields
