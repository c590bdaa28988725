# SPDX-License-Identifier: MIT
"""What is written to /sys/kernel/dlpar, and what the hotplug interrupt brings.

Source: Linux dlpar.c `dlpar_store` and its parsers, `handle_dlpar_errorlog`; hotplug-memory.c `dlpar_memory`;
hotplug-cpu.c `dlpar_cpu`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from drmemctl.errors import DrmemctlError
from drmemctl.formats.dynamic_memory import NODE, V1
from drmemctl.kernel.add import add_by_count, add_by_ic, add_by_index
from drmemctl.kernel.capabilities import (
    CPU_BY_COUNT,
    CPU_UNISOLATE,
    DRMEM_ARRAY,
    DT_RESOURCE,
    DYNAMIC_MEMORY_V2,
    ITERATOR_INCLUSIVE,
    QUEUED_REQUESTS,
)
from drmemctl.kernel.cpu_hotplug import add_cpu, add_cpus_by_count, remove_cpu_by_index, remove_cpus_by_count
from drmemctl.kernel.dlpar import unisolate_drc
from drmemctl.kernel.errno import EINVAL
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.flush import drmem_update_dt
from drmemctl.kernel.job import Job, OopsError
from drmemctl.kernel.notifier import reread
from drmemctl.kernel.remove import readd_by_index, remove_by_count, remove_by_ic, remove_by_index
from drmemctl.kernel.task import Lock, StatePart, Task, atomic, drop, in_turn, take

ADD, REMOVE, READD = "add", "remove", "readd"
COUNT, INDEX, INDEXED_COUNT = "count", "index", "indexed-count"
MEMORY, CPU = "memory", "cpu"

_U32 = re.compile(r"\+?(0[xX][0-9a-fA-F]+|(?P<octal>0[0-7]*)|[1-9][0-9]*)\n?\Z", re.ASCII)
_PREFIX = "dlpar: "


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
        resource: `memory` or `cpu`.

    """

    action: str
    kind: str
    count: int = 0
    drc_index: int = 0
    resource: str = MEMORY


def handle_event(job: Job, request: Request) -> Task[int]:
    """Do what the hypervisor asked for, in the order of its events (`queue_hotplug_event`)."""
    return in_turn(Lock.WORKQUEUE, _handler(job, request))


def handle_request(job: Job, request: Request) -> Task[int]:
    """Do what a user or a reassignment asked for (`handle_dlpar_errorlog`, earlier `queue_hotplug_event`)."""
    task = _handler(job, request)
    return in_turn(Lock.WORKQUEUE, task) if job.has(QUEUED_REQUESTS) else task


def _handler(job: Job, request: Request) -> Task[int]:
    return dlpar_cpu(job, request) if request.resource == CPU else dlpar_memory(job, request)


def dlpar_store(job: Job, text: str) -> Task[int]:
    """Carry a request out and complain if it failed (`dlpar_store`).

    The kernel's complaint about a request quotes it with its line feed; the closing quote, alone on the next
    line of the log, is left out here.
    """
    rc = yield from _parse_and_handle(job, text)
    if rc:
        job.log.append(f'{_PREFIX}Could not handle DLPAR request "{text.rstrip(chr(10))}')
    return rc


def _parse_and_handle(job: Job, text: str) -> Task[int]:
    tokens = iter(text.split(" "))
    resource = next(tokens).removesuffix("\n")
    if resource not in (MEMORY, CPU) and not (resource == "dt" and job.has(DT_RESOURCE)):
        return _refuse(job, "Invalid resource specified.")
    action = next(tokens, None)
    if action is None:
        return EINVAL
    if action.removesuffix("\n") not in (ADD, REMOVE):
        return _refuse(job, "Invalid action specified.")
    request = _parse_id(job, action.removesuffix("\n"), list(tokens))
    if request is None:
        return EINVAL
    if resource not in (MEMORY, CPU):
        message = (
            f"a request for {resource} is read as the kernel reads it, but only those for memory and CPUs are"
            " carried out"
        )
        raise NotSimulatedError(message, hint="write `memory add|remove …` or `cpu add|remove …`")
    return (yield from handle_request(job, replace(request, resource=resource)))


def _refuse(job: Job, message: str) -> int:
    job.log.append(_PREFIX + message)
    return EINVAL


def _parse_id(job: Job, action: str, tokens: list[str]) -> Request | None:
    """Return the request, or None if its numbers are missing or wrong (`dlpar_parse_id_type`)."""
    kind = tokens[0].removesuffix("\n") if tokens else None
    if kind is None:
        return None
    if kind not in (COUNT, INDEX, INDEXED_COUNT):
        _refuse(job, "Invalid id_type specified.")
        return None
    wanted = {COUNT: ("count",), INDEX: ("Index",), INDEXED_COUNT: ("count", "Index")}[kind]
    numbers: dict[str, int] = {}
    for position, field in enumerate(wanted, 1):
        number = _u32(job, tokens[position] if position < len(tokens) else None, field)
        if number is None:
            return None
        numbers[field] = number
    return Request(action, kind, numbers.get("count", 0), numbers.get("Index", 0))


def _u32(job: Job, token: str | None, field: str) -> int | None:
    """Return a number as `kstrtou32` reads it with base 0, one line feed at its end allowed; else None."""
    if token is None:
        _refuse(job, f"No DRC {field} specified.")
        return None
    match = _U32.match(token)
    if match:
        value = int(match[1], 8 if match["octal"] else 0)
        if value >> 32 == 0:
            return value
    _refuse(job, f"Invalid DRC {field} specified.")
    return None


def dlpar_memory(job: Job, request: Request) -> Task[int]:
    """Carry a memory request out and write the array back (`dlpar_memory`); return the rc."""
    yield from take(Lock.HOTPLUG)
    rc = yield from _locked(job, request)
    yield from drop(Lock.HOTPLUG)
    return rc


def dlpar_cpu(job: Job, request: Request) -> Task[int]:
    """Carry a request for CPUs out (`dlpar_cpu`); return the rc."""
    yield from take(Lock.HOTPLUG)
    rc = yield from _dispatch_cpu(job, request)
    yield from drop(Lock.HOTPLUG)
    return rc


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


def _locked(job: Job, request: Request) -> Task[int]:
    if not job.has(DRMEM_ARRAY):
        return (yield from _without_array(job, request))
    yield from _walk_array(job)
    rc = yield from _dispatch(job, request)
    return rc or (yield from drmem_update_dt(job))


@atomic()
def _walk_array(job: Job) -> None:
    if job.has(ITERATOR_INCLUSIVE) and not job.state.table.n_lmbs:
        message = "there is no array, and its iterator goes through a null pointer"
        raise OopsError(Fault("oops", message, "for_each_drmem_lmb", NODE), dead="the hotplug lock is held")


def _without_array(job: Job, request: Request) -> Task[int]:
    """Read the property, act on it; each LMB was written back by itself."""
    if not (yield from _read_property(job)):
        return EINVAL
    rc = yield from _dispatch(job, request)
    yield from _give_copy_back(job)
    return rc


@atomic(reads=(StatePart.NODES, StatePart.LMBS), writes=(StatePart.AA, StatePart.FLAGS))
def _give_copy_back(job: Job) -> None:
    job.state = replace(job.state, copies=job.state.copies - 1)
    reread(job)


@atomic(reads=(StatePart.NODES, StatePart.LMBS), writes=(StatePart.AA, StatePart.FLAGS))
def _read_property(job: Job) -> bool:
    node = job.state.tree.find(NODE)
    if node is None or (node.get(V1) is None and not job.has(DYNAMIC_MEMORY_V2)):
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
