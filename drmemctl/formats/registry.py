# SPDX-License-Identifier: MIT
"""Which property has which layout: by its name, and by the node it is in where the name alone does not say.

A new property is one line here, once its module and its describer are there.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import partial
from itertools import islice

from drmemctl.formats import describers as d
from drmemctl.formats import describers_places as places
from drmemctl.formats.describers import Describer
from drmemctl.formats.fields import Context, Field

DEFAULT_LIMIT = 64
"""Fields of one value that are shown unless someone asks for more."""

_ANY = ("*",)
_DRMEM = ("/ibm,dynamic-reconfiguration-memory",)
_NUMA = ("/rtas", "/", "/ibm,opal")
_MEMORY = ("/memory", "/memory@*", "type:memory")
_PMEMORY = ("/ibm,persistent-memory/*", "/persistent-memory/*", "type:ibm,pmemory")

# Property names, the nodes that they are known in, and what describes them there. `type:X` stands for any node
# whose device_type is X, everything else is a path with wildcards.
KNOWN: tuple[tuple[str, tuple[str, ...], Describer], ...] = (
    (
        "bootargs compatible device_type host-model host-serial model name status system-id vm,uuid",
        _ANY,
        d.strings,
    ),
    ("ibm,hypertas-functions ibm,loc-code ibm,partition-name stdout-path linux,stdout-path", _ANY, d.strings),
    ("phandle linux,phandle ibm,phandle interrupt-parent", _ANY, d.handle),
    ("#address-cells #size-cells #interrupt-cells ibm,partition-no ibm,chip-id", _ANY, d.number),
    ("timebase-frequency clock-frequency", _ANY, d.hertz),
    ("linux,memory-limit", ("/chosen",), d.byte_size),
    ("linux,booted-from-kexec", ("/chosen",), d.flag),
    ("ibm,architecture-vec-5", ("/chosen",), d.architecture_vec5),
    ("ibm,lmb-size", _DRMEM, d.lmb_size),
    ("ibm,memory-flags-mask", _DRMEM, d.flags_mask),
    ("ibm,memory-preservation-time", _DRMEM, d.minutes),
    ("ibm,dynamic-memory", _DRMEM, partial(d.entries, property="ibm,dynamic-memory")),
    ("ibm,dynamic-memory-v2", _DRMEM, partial(d.entries, property="ibm,dynamic-memory-v2")),
    ("ibm,associativity-lookup-arrays", _DRMEM, d.lookup_arrays),
    ("linux,drconf-usable-memory", _DRMEM, places.usable_memory),
    ("ibm,associativity-reference-points", _NUMA, d.reference_points),
    ("ibm,max-associativity-domains ibm,current-associativity-domains", _NUMA, d.domains),
    ("ibm,numa-lookup-index-table", _NUMA, d.index_table),
    ("ibm,numa-distance-table", _NUMA, d.distance_table),
    ("ibm,lrdr-capacity", ("/rtas",), d.lrdr_capacity),
    ("ibm,associativity", _ANY, d.associativity),
    ("ibm,drc-indexes", _ANY, partial(places.drc_words, property="ibm,drc-indexes")),
    ("ibm,drc-power-domains", _ANY, partial(places.drc_words, property="ibm,drc-power-domains")),
    ("ibm,drc-names", _ANY, partial(places.drc_strings, property="ibm,drc-names")),
    ("ibm,drc-types", _ANY, partial(places.drc_strings, property="ibm,drc-types")),
    ("ibm,drc-info", _ANY, places.drc_info),
    ("ibm,my-drc-index", _ANY, d.words),
    ("ibm,ppc-interrupt-server#s", _ANY, partial(d.words, text=str)),
    ("reg", _MEMORY, partial(places.reg, short="reg")),
    ("linux,usable-memory", _MEMORY, partial(places.reg, short="usable-reg")),
    ("hotpluggable", _MEMORY, d.flag),
    ("reg", _PMEMORY, d.handle),
    ("ibm,unit-guid ibm,pmem-application", _PMEMORY, d.strings),
    ("ibm,block-size ibm,metadata-size", _PMEMORY, d.byte_size),
    ("ibm,number-of-blocks", _PMEMORY, d.decimal),
    ("ibm,cache-flush-required ibm,hcall-flush-required", _PMEMORY, d.flag),
    ("reg", ("/cpus/*", "type:cpu"), d.number),
)


def _by_name() -> dict[str, list[tuple[tuple[str, ...], Describer]]]:
    table: dict[str, list[tuple[tuple[str, ...], Describer]]] = {}
    for names, nodes, describe_value in KNOWN:
        for name in names.split():
            table.setdefault(name, []).append((nodes, describe_value))
    return table


_TABLE = _by_name()


def is_known(name: str) -> bool:
    """Whether properties of this name are decoded, in some node at least."""
    return name in _TABLE


def _matches(pattern: str, path: str, device_type: str) -> bool:
    _, colon, wanted = pattern.partition(":")
    return wanted == device_type if colon else fnmatchcase(path, pattern)


def describer(path: str, name: str, device_type: str = "") -> Describer | None:
    """Return what describes a property of the node at `path`, or None if its layout is not known."""
    for nodes, describe_value in _TABLE.get(name, ()):
        if any(_matches(pattern, path, device_type) for pattern in nodes):
            return describe_value
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
