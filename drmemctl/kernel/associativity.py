# SPDX-License-Identifier: MIT
"""The lookup array of an LMB.

Source: Linux hotplug-memory.c `update_lmb_associativity_index`, `find_aa_index`.
"""

from __future__ import annotations

from drmemctl.formats.associativity import ASSOCIATIVITY
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE
from drmemctl.formats.rows import pack_words, words
from drmemctl.kernel.distances import update_numa_distance
from drmemctl.kernel.dlpar import configure_connector
from drmemctl.kernel.errno import EINVAL, ENODEV
from drmemctl.kernel.fault import HOTPLUG_LOCK_HELD, Fault
from drmemctl.kernel.job import Job, OopsError
from drmemctl.kernel.notifier import APPENDING, set_property
from drmemctl.kernel.plugins import replaceable
from drmemctl.kernel.task import StatePart, Task, atomic

_HEADER_WORDS = 2
_MAX_WIDTH = 1 << 20
"""Domains of a list from which on comparing it leaves mapped memory."""


@replaceable("update_lmb_associativity_index")
def update_lmb_associativity_index(job: Job, index: int, drc_index: int) -> Task[int]:
    """Ask firmware for the LMB's associativity and set its aa_index, appending a list if need be; return the rc.

    The new list is in the tree at once, and stays there if the add fails later.
    """
    node = yield from configure_connector(job, drc_index)
    if node is None:
        return EINVAL
    domains = node.get(ASSOCIATIVITY)
    if domains is None:
        return ENODEV
    yield from update_numa_distance(job, domains)
    arrays = yield from _lookup_arrays(job)
    if arrays is None:
        return ENODEV
    aa_index = yield from find_aa_index(job, arrays, domains)
    yield from set_aa(job, "update_lmb_associativity_index", index, aa_index)
    return 0


@atomic(reads=(StatePart.LOOKUP,))
def _lookup_arrays(job: Job) -> bytes | None:
    return job.state.tree.get(NODE, LOOKUP_ARRAYS)


@atomic(writes=(StatePart.AA,))
def set_aa(job: Job, function: str, index: int, aa_index: int) -> None:
    """Give an LMB of the array an aa_index."""
    job.set_lmb(function, index, aa_index=aa_index)


def find_aa_index(job: Job, arrays: bytes, associativity: bytes) -> Task[int]:
    """Return the index of the first list equal to the domains of `associativity`, which is appended if none is.

    The kernel compares as many words as the lookup arrays say and never looks at the list's own length; what is
    not there is read as 0.
    """
    cells = words(arrays)
    count, width = cells[0] if cells else 0, cells[1] if len(cells) > 1 else 0
    if len(cells) < _HEADER_WORDS:
        job.faults.append(_over_read("the two counts", len(arrays)))
    if width > _MAX_WIDTH:
        fault = Fault("oops", f"lists of {width} domains are compared", "find_aa_index", NODE, LOOKUP_ARRAYS)
        raise OopsError(fault, dead=HOTPLUG_LOCK_HELD)
    domains = words(associativity)[1 : 1 + width].tolist()
    if len(domains) < width:
        message = (
            f"the connector's list has {len(domains)} domains, the lookup arrays want {width}: reads beyond it"
        )
        job.faults.append(Fault("over-read", message, "find_aa_index", NODE, LOOKUP_ARRAYS))
        domains += [0] * (width - len(domains))
    for index in range(min(count, len(cells))):
        first = _HEADER_WORDS + index * width
        if cells[first : first + width].tolist() == domains:
            return index
    if _HEADER_WORDS + count * width > len(cells):
        job.faults.append(_over_read(f"{count} arrays of {width} domains", len(arrays)))
    # There is room for one list more, but it is written right behind the counted ones; what would be beyond the
    # property is other memory. An update since the property was read is lost: the kernel does not look again.
    size = len(arrays) + 4 * width
    first = 4 * (_HEADER_WORDS + count * width)
    grown = bytearray(arrays.ljust(size, b"\0"))
    grown[:4] = pack_words([(count + 1) & 0xFFFFFFFF])
    grown[first : first + 4 * width] = pack_words(domains)
    yield from set_property(job, NODE, LOOKUP_ARRAYS, bytes(grown[:size]), APPENDING)
    return count


def _over_read(contents: str, size: int) -> Fault:
    message = f"{contents} do not fit in {size} bytes: the kernel reads and writes beyond the property"
    return Fault("over-read", message, "find_aa_index", NODE, LOOKUP_ARRAYS)
