# SPDX-License-Identifier: MIT
"""What is written to /sys/kernel/dlpar, and what the hotplug interrupt brings.

Source: Linux dlpar.c `dlpar_store` and its parsers, `handle_dlpar_errorlog`; hotplug-memory.c `dlpar_memory`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from drmemctl.errors import DrmemctlError
from drmemctl.formats.dynamic_memory import NODE, V1
from drmemctl.kernel.add import add_by_count, add_by_ic, add_by_index
from drmemctl.kernel.capabilities import (
    DRMEM_ARRAY,
    DT_RESOURCE,
    DYNAMIC_MEMORY_V2,
    ITERATOR_INCLUSIVE,
)
from drmemctl.kernel.errno import EINVAL
from drmemctl.kernel.firmware import Firmware
from drmemctl.kernel.flush import drmem_update_dt
from drmemctl.kernel.job import Fault, Job, OopsError, Outcome
from drmemctl.kernel.notifier import reread
from drmemctl.kernel.remove import readd_by_index, remove_by_count, remove_by_ic, remove_by_index
from drmemctl.kernel.state import KernelState

ADD, REMOVE, READD = "add", "remove", "readd"
COUNT, INDEX, INDEXED_COUNT = "count", "index", "indexed-count"

_U32 = re.compile(r"\+?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\n?\Z", re.ASCII)
_PREFIX = "dlpar: "


class NotSimulatedError(DrmemctlError):
    """A request that is fine, but is about something other than memory."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request for memory (`struct pseries_hp_errorlog`).

    Attributes:
        action: `add`, `remove`, or `readd`, which only the kernel itself asks for.
        kind: `count`, `index` or `indexed-count`.
        count: how many LMBs, unsigned 32 bits.
        drc_index: the DRC index of the first.

    """

    action: str
    kind: str
    count: int = 0
    drc_index: int = 0


def handle(state: KernelState, firmware: Firmware, request: Request) -> Outcome:
    """Carry a request out, as the hotplug interrupt's handler does."""
    job = Job(state, firmware)
    try:
        return job.outcome(dlpar_memory(job, request))
    except OopsError as oops:
        return job.stopped(oops, EINVAL)


def store(state: KernelState, firmware: Firmware, text: str) -> Outcome:
    """Carry out what is written to /sys/kernel/dlpar (`dlpar_store`).

    The kernel's complaint about a request quotes it with its line feed; the closing quote, alone on the next
    line of the log, is left out here.
    """
    job = Job(state, firmware)
    try:
        rc = _parse_and_handle(job, text)
    except OopsError as oops:
        return job.stopped(oops, EINVAL)
    if rc:
        job.log.append(f'{_PREFIX}Could not handle DLPAR request "{text.rstrip(chr(10))}')
    return job.outcome(rc)


def _parse_and_handle(job: Job, text: str) -> int:
    tokens = iter(text.split(" "))
    resource = next(tokens).removesuffix("\n")
    if resource not in ("memory", "cpu") and not (resource == "dt" and job.has(DT_RESOURCE)):
        return _refuse(job, "Invalid resource specified.")
    action = next(tokens, None)
    if action is None:
        return EINVAL
    if action.removesuffix("\n") not in (ADD, REMOVE):
        return _refuse(job, "Invalid action specified.")
    request = _parse_id(job, action.removesuffix("\n"), list(tokens))
    if request is None:
        return EINVAL
    if resource != "memory":
        message = (
            f"a request for {resource} is read as the kernel reads it, but only those for memory are carried out"
        )
        raise NotSimulatedError(message, hint="write `memory add|remove …`")
    return dlpar_memory(job, request)


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
    for position, what in enumerate(wanted, 1):
        number = _u32(job, tokens[position] if position < len(tokens) else None, what)
        if number is None:
            return None
        numbers[what] = number
    return Request(action, kind, numbers.get("count", 0), numbers.get("Index", 0))


def _u32(job: Job, token: str | None, what: str) -> int | None:
    """Return a number as `kstrtou32` reads it with base 0, one line feed at its end allowed; else None."""
    if token is None:
        _refuse(job, f"No DRC {what} specified.")
        return None
    digits = token.removesuffix("\n").removeprefix("+")
    if _U32.match(token):
        octal = digits[:1] == "0" and digits[1:2] not in ("x", "X")
        value = int(digits, 8 if octal else 0)
        if value >> 32 == 0:
            return value
    _refuse(job, f"Invalid DRC {what} specified.")
    return None


def dlpar_memory(job: Job, request: Request) -> int:
    """Carry a memory request out and write the array back (`dlpar_memory`); return the rc."""
    if not job.has(DRMEM_ARRAY):
        return _without_array(job, request)
    if job.has(ITERATOR_INCLUSIVE) and not job.state.table.n_lmbs:
        message = "there is no array, and its iterator goes through a null pointer"
        raise OopsError(Fault("oops", message, "for_each_drmem_lmb", NODE), dead="the hotplug lock is held")
    rc = _dispatch(job, request)
    return rc or drmem_update_dt(job)


def _without_array(job: Job, request: Request) -> int:
    """Read the property, act on it; each LMB was written back by itself."""
    node = job.state.tree.find(NODE)
    if node is None or (node.get(V1) is None and not job.has(DYNAMIC_MEMORY_V2)):
        return EINVAL
    reread(job)
    return _dispatch(job, request)


def _dispatch(job: Job, request: Request) -> int:
    if request.action == READD:
        return readd_by_index(job, request.drc_index)
    if request.kind == COUNT:
        return (add_by_count if request.action == ADD else remove_by_count)(job, request.count)
    if request.kind == INDEX:
        return (add_by_index if request.action == ADD else remove_by_index)(job, request.drc_index)
    return (add_by_ic if request.action == ADD else remove_by_ic)(job, request.count, request.drc_index)
