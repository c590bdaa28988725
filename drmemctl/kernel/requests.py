# SPDX-License-Identifier: MIT
"""What is written to /sys/kernel/dlpar, and what the hotplug interrupt brings.

Source: Linux dlpar.c `dlpar_store` and its parsers, `handle_dlpar_errorlog`; hotplug-memory.c `dlpar_memory`;
hotplug-cpu.c `dlpar_cpu`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from drmemctl.errors import DrmemctlError
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.kernel.add import add_by_count, add_by_ic, add_by_index
from drmemctl.kernel.capabilities import (
    DRMEM_ARRAY,
    DT_RESOURCE,
    FLUSH_PER_LMB,
    ITERATOR_INCLUSIVE,
    LONG_LOG_RECORDS,
    QUEUED_REQUESTS,
)
from drmemctl.kernel.cpu_capabilities import CPU_BY_COUNT, CPU_UNISOLATE
from drmemctl.kernel.cpu_hotplug import add_cpu, add_cpus_by_count, remove_cpu_by_index, remove_cpus_by_count
from drmemctl.kernel.dlpar import unisolate_drc
from drmemctl.kernel.errno import EINVAL
from drmemctl.kernel.fault import HOTPLUG_LOCK_HELD, Fault
from drmemctl.kernel.flush import drmem_update_dt
from drmemctl.kernel.job import Job, OopsError
from drmemctl.kernel.lmb_property import reads_lmbs
from drmemctl.kernel.memory_capabilities import PMEM_EVENTS
from drmemctl.kernel.notifier import reread
from drmemctl.kernel.plugins import replaceable
from drmemctl.kernel.remove import readd_by_index, remove_by_count, remove_by_ic, remove_by_index
from drmemctl.kernel.task import Lock, StatePart, Task, atomic, holding, in_turn

ADD, REMOVE, READD = "add", "remove", "readd"
COUNT, INDEX, INDEXED_COUNT = "count", "index", "indexed-count"
MEMORY, CPU, PMEM = "memory", "cpu", "pmem"

_U32 = re.compile(r"\+?(0[xX][0-9a-fA-F]+|(?P<octal>0[0-7]*)|[1-9][0-9]{0,9})\n?\Z", re.ASCII)
_PREFIX = "dlpar: "

_PAGE = 1 << 16
"""Bytes of a page: 64 KiB, as kernels for pseries are built."""

_LONGEST_MESSAGE, _LONGEST_OLD_MESSAGE = 1021, 989
"""Bytes of a message in the kernel's log: a record without the two that mark its level (`vprintk_store`)."""


class NotSimulatedError(DrmemctlError):
    """A request that is fine, but is about neither memory nor CPUs."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request for memory or CPUs (`struct pseries_hp_errorlog`).

    Attributes:
        action: `add`, `remove`, or `readd`, which only the kernel itself asks for.
        kind: `count`, `index` or `indexed-count`.
        count: how many LMBs or CPUs, unsigned 32 bits.
        drc_index: the DRC index of the first.
        resource: `memory`, `cpu`, or `pmem`, of which only the hypervisor tells.

    """

    action: str
    kind: str
    count: int = 0
    drc_index: int = 0
    resource: str = MEMORY

    @property
    def drc_indexes(self) -> range:
        """The DRC indexes that it names; none where it asks for a number of any."""
        lmbs = {COUNT: 0, INDEX: 1, INDEXED_COUNT: self.count}[self.kind]
        return range(self.drc_index, self.drc_index + lmbs)


def lmb_words(drc_index: int, lmbs: int) -> str:
    """Return how a request names these LMBs and no others."""
    return f"{INDEX} {drc_index:#x}" if lmbs == 1 else f"{INDEXED_COUNT} {lmbs} {drc_index:#x}"


def handle_event(job: Job, request: Request) -> Task[int]:
    """Do what the hypervisor asked for, in the order of its events (`queue_hotplug_event`)."""
    return in_turn(Lock.WORKQUEUE, _handler(job, request))


def handle_request(job: Job, request: Request) -> Task[int]:
    """Do what a user or a reassignment asked for (`handle_dlpar_errorlog`, earlier `queue_hotplug_event`)."""
    task = _handler(job, request)
    return in_turn(Lock.WORKQUEUE, task) if job.has(QUEUED_REQUESTS) else task


def _handler(job: Job, request: Request) -> Task[int]:
    if request.resource == PMEM:
        return _dlpar_hp_pmem(job)
    return dlpar_cpu(job, request) if request.resource == CPU else dlpar_memory(job, request)


@atomic()
def _dlpar_hp_pmem(job: Job) -> int:
    """Leave persistent memory to its driver, which touches no LMB; older kernels do not know the resource."""
    if job.has(PMEM_EVENTS):
        return 0
    job.log.append(f"{_PREFIX}Invalid resource ({_HP_ELOG_RESOURCE_PMEM}) specified")
    return EINVAL


_HP_ELOG_RESOURCE_PMEM = 6


def write_dlpar(job: Job, text: str) -> Task[int]:
    """Write a text as `echo` does: what one write did not take comes in the next, up to the first that fails.

    A write of more than a page is taken as one of a page (`kernfs_fop_write_iter`), each of which is a request.
    """
    data = text.encode("utf-8", "surrogateescape")
    for at in range(0, len(data), _PAGE):
        rc = yield from dlpar_store(job, data[at : at + _PAGE].decode("utf-8", "surrogateescape"))
        if rc:
            return rc
    return 0


def dlpar_store(job: Job, text: str) -> Task[int]:
    """Carry a request out and complain if it failed (`dlpar_store`)."""
    text = text.partition("\0")[0]
    try:
        resource, request = _parse(text, dt=job.has(DT_RESOURCE))
    except _RefusedTextError as refused:
        job.log += [f"{_PREFIX}{message}" for message in refused.args]
        rc = EINVAL
    else:
        if resource not in (MEMORY, CPU):
            message = (
                f"a request for {resource} is read as the kernel reads it, but only those for memory and CPUs are"
                " carried out"
            )
            raise NotSimulatedError(message, hint="write `memory add|remove …` or `cpu add|remove …`")
        rc = yield from handle_request(job, replace(request, resource=resource))
    if rc:
        longest = _LONGEST_MESSAGE if job.has(LONG_LOG_RECORDS) else _LONGEST_OLD_MESSAGE
        quoted = f'{_PREFIX}Could not handle DLPAR request "{text}"'.encode("utf-8", "surrogateescape")[:longest]
        lines = quoted.decode("utf-8", "replace").split("\n")
        # The closing quote, alone on the line of the log that is its last, is left out.
        job.log += lines[:-1] if lines[-1] == '"' else lines
    return rc


def memory_request(text: str) -> Request | None:
    """Return the request for memory that a text is, None for any other."""
    try:
        resource, request = _parse(text.partition("\0")[0], dt=True)
    except _RefusedTextError:
        return None
    return request if resource == MEMORY else None


class _RefusedTextError(Exception):
    """The kernel's parser refuses a text, with a message or without."""


def _parse(text: str, *, dt: bool) -> tuple[str, Request]:
    """Return a resource and what is asked for it; `_RefusedTextError` for what the kernel does not take.

    Single blanks part the words, and `sysfs_streq` passes over one line feed at the end of each.
    """
    tokens = iter(text.split(" "))
    resource = next(tokens).removesuffix("\n")
    if resource not in (MEMORY, CPU) and not (resource == "dt" and dt):
        raise _RefusedTextError("Invalid resource specified.")
    action = next(tokens, None)
    if action is None:
        raise _RefusedTextError
    if action.removesuffix("\n") not in (ADD, REMOVE):
        raise _RefusedTextError("Invalid action specified.")
    return resource, _parse_id(action.removesuffix("\n"), list(tokens))


def _parse_id(action: str, tokens: list[str]) -> Request:
    """Return the request, if its numbers are there and right (`dlpar_parse_id_type`)."""
    if not tokens:
        raise _RefusedTextError
    kind = tokens[0].removesuffix("\n")
    if kind not in (COUNT, INDEX, INDEXED_COUNT):
        raise _RefusedTextError("Invalid id_type specified.")
    fields = {COUNT: ("count",), INDEX: ("Index",), INDEXED_COUNT: ("count", "Index")}[kind]
    numbers = {field: _u32(tokens, position, field) for position, field in enumerate(fields, 1)}
    return Request(action, kind, numbers.get("count", 0), numbers.get("Index", 0))


def _u32(tokens: list[str], position: int, field: str) -> int:
    """Return a number as `kstrtou32` reads it with base 0, one line feed at its end allowed."""
    if position == len(tokens):
        raise _RefusedTextError(f"No DRC {field} specified.")
    match = _U32.match(tokens[position])
    value = int(match[1], 8 if match["octal"] else 0) if match else -1
    if not 0 <= value < 1 << 32:
        raise _RefusedTextError(f"Invalid DRC {field} specified.")
    return value


@replaceable("dlpar_memory")
def dlpar_memory(job: Job, request: Request) -> Task[int]:
    """Carry a memory request out and write the array back (`dlpar_memory`); return the rc."""
    return holding(Lock.HOTPLUG, _with_lock_held(job, request))


def dlpar_cpu(job: Job, request: Request) -> Task[int]:
    """Carry a request for CPUs out (`dlpar_cpu`); return the rc."""
    return holding(Lock.HOTPLUG, _dispatch_cpu(job, request))


def _dispatch_cpu(job: Job, request: Request) -> Task[int]:
    adds = request.action == ADD
    if request.kind == COUNT and job.has(CPU_BY_COUNT):
        return (yield from (add_cpus_by_count if adds else remove_cpus_by_count)(job, request.count))
    if request.kind != INDEX:
        return EINVAL
    if adds:
        return (yield from add_cpu(job, request.drc_index))
    rc = yield from remove_cpu_by_index(job, request.drc_index)
    if rc and job.has(CPU_UNISOLATE):
        yield from unisolate_drc(job, request.drc_index)
    return rc


def _with_lock_held(job: Job, request: Request) -> Task[int]:
    if not job.has(DRMEM_ARRAY):
        # The request acts on a copy of the property; each LMB is written back by itself.
        if not (yield from _read_property(job)):
            return EINVAL
        rc = yield from _dispatch(job, request)
        yield from _give_copy_back(job)
        return rc
    yield from _walk_array(job)
    rc = yield from _dispatch(job, request)
    if rc or job.has(FLUSH_PER_LMB):
        return rc
    return (yield from drmem_update_dt(job))


@atomic()
def _walk_array(job: Job) -> None:
    if job.has(ITERATOR_INCLUSIVE) and not job.state.table.n_lmbs:
        message = "there is no array, and its iterator goes through a null pointer"
        raise OopsError(Fault("oops", message, "for_each_drmem_lmb", NODE), dead=HOTPLUG_LOCK_HELD)


@atomic(reads=(StatePart.NODES, StatePart.LMBS), writes=(StatePart.AA, StatePart.FLAGS))
def _give_copy_back(job: Job) -> None:
    job.state = replace(job.state, copies=job.state.copies - 1)
    reread(job)


@atomic(reads=(StatePart.NODES, StatePart.LMBS), writes=(StatePart.AA, StatePart.FLAGS))
def _read_property(job: Job) -> bool:
    if not reads_lmbs(job.state.tree.find(NODE), job.state.profile):
        return False
    reread(job)
    job.state = replace(job.state, copies=job.state.copies + 1)
    return True


def _dispatch(job: Job, request: Request) -> Task[int]:
    if request.action == READD:
        return readd_by_index(job, request.drc_index)
    if request.kind == COUNT:
        return (add_by_count if request.action == ADD else remove_by_count)(job, request.count)
    if request.kind == INDEX:
        return (add_by_index if request.action == ADD else remove_by_index)(job, request.drc_index)
    return (add_by_ic if request.action == ADD else remove_by_ic)(job, request.count, request.drc_index)
