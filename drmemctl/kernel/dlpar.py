# SPDX-License-Identifier: MIT
"""Acquiring and releasing connectors (Linux arch/powerpc/platforms/pseries/dlpar.c).

A return code is 0 or a negative error number; -1, which these functions return for an unexpected sensor
value, reaches the user as EPERM.
"""

from __future__ import annotations

from drmemctl.kernel.errno import EEXIST, EFAULT, EINVAL, EIO, ENODEV, EPERM, ERANGE
from drmemctl.kernel.firmware import (
    ALLOCATION_STATE,
    DR_ENTITY_SENSE,
    ISOLATE,
    ISOLATION_STATE,
    SENSE_PRESENT,
    SENSE_UNUSABLE,
    SUCCESS,
    UNISOLATE,
    UNUSABLE,
    USABLE,
)
from drmemctl.kernel.job import Job
from drmemctl.kernel.task import StatePart, Task, atomic
from drmemctl.tree.node import Node

_RTAS_ERRORS = {-1: EIO, -3: EINVAL, -9000: EFAULT, -9001: EEXIST, -9002: ENODEV}


def rtas_error_rc(job: Job, status: int) -> int:
    """Return the error number of an RTAS status (`rtas_error_rc`)."""
    if status >= SUCCESS:
        return status
    if status not in _RTAS_ERRORS:
        job.log.append(f"rtas_error_rc: unexpected error {status}")
    return _RTAS_ERRORS.get(status, ERANGE)


@atomic(reads=(StatePart.CONNECTORS,))
def _sense(job: Job, function: str, drc_index: int, expected: int) -> bool:
    status, state = job.get_sensor(function, DR_ENTITY_SENSE, drc_index)
    return status == SUCCESS and state == expected


@atomic(writes=(StatePart.CONNECTORS, StatePart.DELIVERED))
def _set(job: Job, function: str, indicator: int, drc_index: int, value: int) -> int:
    return rtas_error_rc(job, job.set_indicator(function, indicator, drc_index, value))


def acquire_drc(job: Job, drc_index: int) -> Task[int]:
    """Make an unusable connector usable and unisolate it (`dlpar_acquire_drc`)."""
    if not (yield from _sense(job, "dlpar_acquire_drc", drc_index, SENSE_UNUSABLE)):
        return EPERM
    rc = yield from _set(job, "dlpar_acquire_drc", ALLOCATION_STATE, drc_index, USABLE)
    if rc:
        return rc
    rc = yield from _set(job, "dlpar_acquire_drc", ISOLATION_STATE, drc_index, UNISOLATE)
    if rc:
        yield from _set(job, "dlpar_acquire_drc", ALLOCATION_STATE, drc_index, UNUSABLE)
    return rc


def release_drc(job: Job, drc_index: int) -> Task[int]:
    """Isolate a present connector and make it unusable (`dlpar_release_drc`); memory code ignores the rc."""
    if not (yield from _sense(job, "dlpar_release_drc", drc_index, SENSE_PRESENT)):
        return EPERM
    rc = yield from _set(job, "dlpar_release_drc", ISOLATION_STATE, drc_index, ISOLATE)
    if rc:
        return rc
    rc = yield from _set(job, "dlpar_release_drc", ALLOCATION_STATE, drc_index, UNUSABLE)
    if rc:
        yield from _set(job, "dlpar_release_drc", ISOLATION_STATE, drc_index, UNISOLATE)
    return rc


def unisolate_drc(job: Job, drc_index: int) -> Task[int]:
    """Unisolate a present connector, as a hint that its removal failed (`dlpar_unisolate_drc`)."""
    if not (yield from _sense(job, "dlpar_unisolate_drc", drc_index, SENSE_PRESENT)):
        return EPERM
    yield from _set(job, "dlpar_unisolate_drc", ISOLATION_STATE, drc_index, UNISOLATE)
    return 0


@atomic(writes=(StatePart.CONNECTORS, StatePart.DELIVERED))
def configure_connector(job: Job, drc_index: int) -> Node | None:
    """Return what ibm,configure-connector describes, or None on any error (`dlpar_configure_connector`)."""
    return next(iter(_configured(job, drc_index)), None)


@atomic(writes=(StatePart.CONNECTORS, StatePart.DELIVERED))
def configure_siblings(job: Job, drc_index: int) -> tuple[Node, ...]:
    """Return all top nodes that ibm,configure-connector describes: of a CPU its own and those of its caches."""
    return _configured(job, drc_index)


def _configured(job: Job, drc_index: int) -> tuple[Node, ...]:
    connector = job.configure_connector("dlpar_configure_connector", drc_index)
    if connector.status != SUCCESS:
        job.log.append(f"Unexpected Error ({connector.status}) returned from configure-connector")
        return ()
    return () if connector.node is None else (connector.node, *connector.siblings)
