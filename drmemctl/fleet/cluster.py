# SPDX-License-Identifier: MIT
"""The cluster that judges: one of this machine's processes, or one that is there already."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import dask
from distributed import Client, LocalCluster
from distributed.security import Security

from drmemctl._version import __version__
from drmemctl.errors import SHORTAGE_HINT, DrmemctlError

_LOOPBACK = "127.0.0.1"
_ANY_PORT = f"{_LOOPBACK}:0"
"""Said of every server of HTTP: those that are given no address take port 8787 on all of the machine's."""

_PATIENCE = 60
"""Seconds in which a cluster has to have a worker."""

_SETTINGS = {
    # The first death of a worker puts its batch under suspicion, which is then judged where it harms nobody.
    "distributed.scheduler.allowed-failures": 0,
    # A worker has no more batches than it works on: those that only waited there would be suspects too.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.no-workers-timeout": "300s",
    "distributed.scheduler.work-stealing": False,
    # Results are small and go to the client at once: there is nothing to put on a disk or to wait for.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.monitor-interval": "200ms",
    # What is kept of each event for people who debug the engine grows with the number of batches.
    "distributed.admin.low-level-log-length": 10,
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.worker.profile.enabled": False,
    # Else each loop looks fifty times a second how late it is: a hundredth of a processor in the client. It runs
    # there beside the scheduler: whatever is done by the second counts for every input, the more the busier the
    # machine is.
    "distributed.admin.tick.interval": "2s",
    "distributed.admin.tick.cycle": "2s",
    "distributed.admin.tick.limit": "60s",
    "distributed.client.scheduler-info-interval": "60s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.comm.timeouts.connect": "60s",
}

_LOOKED_AFTER = {"idle-timeout", "no-workers-timeout"}
_LOOKED_AFTER_MS = 5000
"""After which the scheduler looks for these, which are minutes, and by default four times a second."""

Say = Callable[[str], None]


class ClusterError(DrmemctlError):
    """A cluster that cannot be reached, or does not have what it takes."""


@contextmanager
def local_client(jobs: int, memory: int, say: Say) -> Iterator[Client]:
    """Return the client of a cluster of processes of this machine, each with so much memory.

    It listens on loopback, and to nobody who has not the certificate that was made for it: whatever reaches a
    scheduler of Dask is run.
    """
    with dask.config.set(_SETTINGS), _cluster(jobs, memory) as cluster, Client(cluster) as client:
        for name in _LOOKED_AFTER & {*cluster.scheduler.periodic_callbacks}:
            cluster.scheduler.periodic_callbacks[name].callback_time = _LOOKED_AFTER_MS
        if find_spec("bokeh") is not None:
            say(f"Dask's dashboard: {cluster.dashboard_link}")
        yield client


def _cluster(jobs: int, memory: int) -> LocalCluster:
    os.getcwd()  # noqa: PTH109 - workers start in it: the error of one that is gone is to be that one
    # An interrupt goes to the whole foreground group, of which this process alone is to act on it. The thread that
    # starts workers, also in place of dead ones, is made here and keeps it blocked, as they do.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            processes=True,
            host=_LOOPBACK,
            protocol="tls://",
            security=Security.temporary(),
            dashboard_address=_ANY_PORT,
            worker_dashboard_address=_ANY_PORT,
            memory_limit=memory,
            scheduler_sync_interval=60,
            silence_logs=logging.CRITICAL,
        )
    except (RuntimeError, OSError) as error:
        message = f"workers cannot be started: {error}"
        raise ClusterError(message, source="this machine", hint=SHORTAGE_HINT) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def remote_client(address: str) -> Iterator[Client]:
    """Return the client of a cluster that is there; certificates are those of Dask's configuration."""
    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError, TypeError) as error:
        hint = "name it as Dask does, such as tls://host:8786"
        raise ClusterError(f"no scheduler answers: {error}", source=address, hint=hint) from error
    with client:
        yield client


def check_workers(client: Client) -> None:
    """Raise `ClusterError` where a cluster has no worker, or one with another drmemctl."""
    name = client.scheduler.address if client.scheduler else "the cluster"
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError as error:
        raise ClusterError(f"no worker within {_PATIENCE} s", source=name) from error
    answers: dict[str, Any] = client.run(version, on_error="return")
    for worker, answer in answers.items():
        if isinstance(answer, Exception):
            hint = "install drmemctl[fleet] where the workers are"
            raise ClusterError(f"worker {worker} cannot run drmemctl: {answer}", source=name, hint=hint)
        if answer != __version__:
            hint = "what judges has to be the same everywhere"
            raise ClusterError(f"worker {worker} has drmemctl {answer}, not {__version__}", source=name, hint=hint)


def version() -> str:
    """Return the version of drmemctl where this runs, with all loaded that a worker needs."""
    from drmemctl.check.engine import all_rules

    import_module("drmemctl.fleet.worker")
    all_rules()
    return __version__
