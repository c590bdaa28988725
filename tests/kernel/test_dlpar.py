# SPDX-License-Identifier: MIT
"""Acquiring and releasing a connector, call by call, with firmware that refuses one of them.

Calls and error numbers are those of Linux arch/powerpc/platforms/pseries/dlpar.c and arch/powerpc/kernel/rtas.c.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from drmemctl.kernel.boot import boot
from drmemctl.kernel.dlpar import acquire_drc, configure_connector, release_drc, unisolate_drc
from drmemctl.kernel.firmware import ConnectorAnswer
from drmemctl.kernel.job import Job
from drmemctl.kernel.profiles import profile
from drmemctl.kernel.task import Task, run
from drmemctl.kernel.trace import RtasCall, Trace
from drmemctl.tree.node import Tree
from tests.kernel.partitions import DRC, lmbs, tree

EMPTY, PRESENT, UNUSABLE = 0, 1, 2
SENSE = ("get-sensor-state", (9003, DRC))
TO_USABLE, TO_UNUSABLE = (9003, DRC, 1), (9003, DRC, 0)
UNISOLATE, ISOLATE = (9001, DRC, 1), (9001, DRC, 0)

FUNCTION: dict[object, str] = {
    acquire_drc: "dlpar_acquire_drc",
    release_drc: "dlpar_release_drc",
    unisolate_drc: "dlpar_unisolate_drc",
}


@dataclass
class Scripted:
    """Firmware with one connector in one state, which refuses some calls."""

    sense: tuple[int, int]
    refuses: dict[tuple[int, ...], int] = field(default_factory=dict)
    transfer_error: int = 0
    aborted: bool = False

    def get_sensor(self, _sensor: int, _drc_index: int) -> tuple[tuple[int, int], Scripted]:
        return self.sense, self

    def set_indicator(self, indicator: int, drc_index: int, value: int, _count: int = 1) -> tuple[int, Scripted]:
        return self.refuses.get((indicator, drc_index, value), 0), self

    def configure_connector(self, _drc_index: int, _count: int = 1) -> tuple[ConnectorAnswer, Scripted]:
        return ConnectorAnswer(-9003), self

    def updated(self, _name: str, _value: bytes | None, _tree: Tree) -> Scripted:
        return self

    def home_node(self, _server: int) -> tuple[int, ...] | None:
        return None

    def n_alike(self, _drc_index: int, _count: int) -> int:
        return 1

    def refused(self, _drc_index: int, _count: int) -> int:
        return 0


def done(task: Callable[[Job, int], Task[int]], firmware: Scripted) -> tuple[int, Job]:
    state, _ = boot(tree(lmbs(2, 2)), profile("6.1"))
    job = Job(state, firmware, events=Trace())
    return run(job, task(job, DRC)), job


def calls(job: Job) -> list[tuple[str, tuple[int, ...]]]:
    assert job.events is not None
    return [(one.call, one.arguments) for one in job.events if isinstance(one, RtasCall)]


def indicators(*arguments: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    return [SENSE, *(("set-indicator", one) for one in arguments)]


@pytest.mark.parametrize(
    ("task", "sense", "refuses", "rc", "made"),
    [
        (acquire_drc, UNUSABLE, {}, 0, [TO_USABLE, UNISOLATE]),
        (acquire_drc, UNUSABLE, {TO_USABLE: -1}, -errno.EIO, [TO_USABLE]),
        (acquire_drc, UNUSABLE, {UNISOLATE: -9001}, -errno.EEXIST, [TO_USABLE, UNISOLATE, TO_UNUSABLE]),
        (acquire_drc, PRESENT, {}, -errno.EPERM, []),
        (release_drc, PRESENT, {}, 0, [ISOLATE, TO_UNUSABLE]),
        (release_drc, PRESENT, {ISOLATE: -9000}, -errno.EFAULT, [ISOLATE]),
        (release_drc, PRESENT, {TO_UNUSABLE: -9002}, -errno.ENODEV, [ISOLATE, TO_UNUSABLE, UNISOLATE]),
        (release_drc, EMPTY, {}, -errno.EPERM, []),
        (unisolate_drc, PRESENT, {}, 0, [UNISOLATE]),
        (unisolate_drc, PRESENT, {UNISOLATE: -3}, 0, [UNISOLATE]),
        (unisolate_drc, UNUSABLE, {}, -errno.EPERM, []),
    ],
)
def test_each_call_and_what_follows_a_refusal(
    task: Callable[[Job, int], Task[int]],
    sense: int,
    refuses: dict[tuple[int, ...], int],
    rc: int,
    made: list[tuple[int, ...]],
) -> None:
    found, job = done(task, Scripted((0, sense), refuses))
    assert (found, calls(job), job.log) == (rc, indicators(*made), [])
    assert {one.function for one in job.events or ()} == {FUNCTION[task]}


@pytest.mark.parametrize("task", [acquire_drc, release_drc, unisolate_drc])
def test_a_sensor_that_cannot_be_read_is_as_a_wrong_state(task: Callable[[Job, int], Task[int]]) -> None:
    wanted = UNUSABLE if task is acquire_drc else PRESENT
    found, job = done(task, Scripted((-1, wanted)))
    assert (found, calls(job)) == (-errno.EPERM, [SENSE])


@pytest.mark.parametrize(("status", "rc"), [(-3, -errno.EINVAL), (-9999, -errno.ERANGE)])
def test_only_a_status_that_the_kernel_does_not_know_is_logged(status: int, rc: int) -> None:
    found, job = done(acquire_drc, Scripted((0, UNUSABLE), {TO_USABLE: status}))
    assert found == rc
    assert job.log == (["rtas_error_rc: unexpected error -9999"] if status == -9999 else [])


def test_a_connector_that_cannot_be_configured_is_logged_with_its_status() -> None:
    state, _ = boot(tree(lmbs(2, 2)), profile("6.1"))
    job = Job(state, Scripted((0, PRESENT)), events=Trace())
    assert run(job, configure_connector(job, DRC)) is None
    assert calls(job) == [("configure-connector", (DRC,))]
    assert job.log == ["Unexpected Error (-9003) returned from configure-connector"]
