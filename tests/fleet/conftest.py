# SPDX-License-Identifier: MIT
"""A client of Dask for tests that are not about processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_ANY_PORT = "127.0.0.1:0"
"""Of servers of HTTP: those without take port 8787, or one that has to be free for IPv4 and for IPv6."""

_PATIENCE = {
    "distributed.comm.timeouts.connect": "300s",
    "distributed.comm.timeouts.tcp": "300s",
}
"""A machine may have more to do than to start a thread."""


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A client that the caller has: one worker, a thread of this process, which starts in no time."""
    with _client(1) as connected:
        yield connected


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Any]:
    """The same with two workers."""
    with _client(2) as connected:
        yield connected


@contextmanager
def _client(workers: int) -> Iterator[Any]:
    dask = pytest.importorskip("dask", reason="dask is not installed")
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    with (
        dask.config.set(_PATIENCE),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=False,
            dashboard_address=_ANY_PORT,
            worker_dashboard_address=_ANY_PORT,
        ) as cluster,
        distributed.Client(cluster) as connected,
    ):
        yield connected
