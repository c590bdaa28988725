# SPDX-License-Identifier: MIT
"""The client's side: batches given to a cluster, results taken in the order of the inputs, parts written.

What is in a part depends on the list of inputs alone, whoever judged which and when: the data set has the same
bytes for any number of workers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from queue import SimpleQueue
from time import monotonic
from typing import Any, NamedTuple

from distributed import Client, Future, KilledWorker

from drmemctl.fleet.cluster import ClusterError
from drmemctl.fleet.dataset import DatasetWriter
from drmemctl.fleet.work import Item
from drmemctl.fleet.worker import InputLimits, Packed, judge, judge_alone, merged_files

_PARTS = 32
"""Parts that a run makes of few inputs, so that several workers have something to do."""

_LEAST, _MOST = 8, 1000
"""Inputs of a part."""

_BATCH_BYTES = 64 << 20
_PART_BYTES = 4 << 30
"""Bytes of inputs, as they are stored: of a batch, and of a part, which is what a client that dies has lost."""

_PACKED_BYTES = 64 << 20
"""Bytes of a part's files."""

_AHEAD = 4
"""Batches for each worker that may be done ahead of one that is not."""

_SPARE = 2
"""Batches beyond one for each worker, so that none has to wait for us."""

_COUNTED_EVERY = 5.0
"""Seconds after which the workers are counted again: to ask for each batch costs as much as to give it out."""

_MOST_DEATHS = 20
"""Workers that may die over a batch: alone, in processes of their own, its inputs can end none."""


class Batch(NamedTuple):
    """Inputs that a worker judges in one go; `number` is their place among the batches."""

    number: int
    inputs: tuple[Item, ...]

    @property
    def size(self) -> int:
        """Bytes of all inputs."""
        return sum(source.size or 0 for source in self.inputs)


def part_inputs(total: int) -> int:
    """Return how many inputs a part has, of as many as there are in all."""
    return max(_LEAST, min(_MOST, -(-total // _PARTS)))


def batches(sources: Iterable[Item], most: int) -> Iterator[Batch]:
    """Yield inputs in batches of up to `most`, and not too many bytes."""
    number, size = 0, 0
    inputs: list[Item] = []
    for source in sources:
        if inputs and (len(inputs) >= most or size + (source.size or 0) > _BATCH_BYTES):
            yield Batch(number, tuple(inputs))
            number, size, inputs = number + 1, 0, []
        inputs.append(source)
        size += source.size or 0
    if inputs:
        yield Batch(number, tuple(inputs))


class Judging:
    """The judging of a list of inputs.

    Attributes:
        outcomes: how many inputs came to what.

    """

    def __init__(
        self, client: Client, writer: DatasetWriter, kernels: Sequence[str], limits: InputLimits, part: int
    ) -> None:
        """Judge with the workers of a client; `part` is how many inputs a part has."""
        self.outcomes: Counter[int] = Counter()
        self._client = client
        self._writer = writer
        self._kernels = tuple(kernels)
        self._limits = limits
        self._part = part
        self._work = writer.work
        self._submitted: dict[Future[Any], Batch] = {}
        # distributed.as_completed() polls ten times a second, which a busy client feels.
        self._finished: SimpleQueue[Future[Any]] = SimpleQueue()
        self._results: dict[int, tuple[Batch, Packed]] = {}
        self._uncommitted: list[tuple[Batch, Packed]] = []
        self._next = 0
        self._deaths: Counter[int] = Counter()
        self._threads = 1
        self._counted_at = -_COUNTED_EVERY

    def judge(self, sources: Iterable[Item], progress: Callable[[int], None] = lambda _: None) -> None:
        """Judge inputs and write the parts, each of which counts as soon as it is written.

        `progress` is told how many inputs are in the data set.
        """
        remaining = batches(sources, self._part)
        try:
            self._submit_batches(remaining)
            while self._submitted:
                self._collect(self._finished.get())
                self._write_full_parts()
                progress(sum(self.outcomes.values()))
                self._submit_batches(remaining)
            self._commit()
        finally:
            for future in self._submitted:
                future.cancel()

    def _submit_batches(self, remaining: Iterator[Batch]) -> None:
        """Submit batches: as many as keep the workers busy, none too far ahead of the next one to be written."""
        seconds = monotonic()
        if seconds >= self._counted_at + _COUNTED_EVERY:  # workers come and go
            self._threads, self._counted_at = max(1, sum(self._client.nthreads().values())), seconds
        most = self._threads + _SPARE
        while len(self._submitted) < most and len(self._submitted) + len(self._results) < _AHEAD * most:
            batch = next(remaining, None)
            if batch is None:
                return
            self._submit(judge, batch)

    def _submit(self, work: Callable[..., Packed], batch: Batch) -> None:
        key = f"drmemctl-{work.__name__}-{id(self)}-{batch.number}-{self._deaths[batch.number]}"
        # Of arguments Dask goes through each tuple, for futures that may be in it.
        task = partial(work, batch.inputs, self._kernels, self._limits, self._work)
        future = self._client.submit(task, key=key, pure=False)
        self._submitted[future] = batch
        future.add_done_callback(self._finished.put)

    def _collect(self, future: Future[Any]) -> None:
        batch = self._submitted.pop(future)
        try:
            # A result that went with its worker is made once more.
            self._results[batch.number] = batch, future.result()
        except KilledWorker as error:
            # It is not known which input it was, nor whether it was one of another batch on that worker.
            self._deaths[batch.number] += 1
            if self._deaths[batch.number] > _MOST_DEATHS:
                hint = "what was judged is in the data set; go on with the same command"
                raise ClusterError(f"worker after worker dies: {error}", hint=hint) from error
            self._submit(judge_alone, batch)
        finally:
            future.release()

    def _write_full_parts(self) -> None:
        """Take results in the order of the batches, and write the parts that are full."""
        while self._next in self._results:
            batch, packed = self._results.pop(self._next)
            self._next += 1
            self._uncommitted.append((batch, packed))
            inputs = sum(len(waiting.inputs) for waiting, _ in self._uncommitted)
            size = sum(waiting.size for waiting, _ in self._uncommitted)
            packed_size = sum(len(data) for _, packed in self._uncommitted for data in packed.files.values())
            if inputs >= self._part or size >= _PART_BYTES or packed_size >= _PACKED_BYTES:
                self._commit()

    def _commit(self) -> None:
        if self._uncommitted:
            self._writer.add(merged_files([packed for _, packed in self._uncommitted]))
            for _, packed in self._uncommitted:
                self.outcomes.update(packed.outcomes)
            self._uncommitted.clear()
