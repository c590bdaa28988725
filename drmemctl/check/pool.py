# SPDX-License-Identifier: MIT
"""A pool of processes that keeps order, holds few results at once, and survives the death of any of them.

Not `concurrent.futures`: its executor gives up as a whole when one process dies and cannot say over which task. It
also runs threads, so that a process in place of a dead one would be forked beside them (Python 3.12 warns);
starting processes otherwise costs each an import of the package, and wants work that can be pickled.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from drmemctl import read_files
from drmemctl.check.cpus import n_cpus

T = TypeVar("T")
R = TypeVar("R")

_IN_HAND = 2
"""Tasks that a process has: the one it works on, and the next, so that it need not wait for us."""

_AHEAD = 8
"""Results per process that may wait for their turn before no further task is given out."""

_MOST_PER_CPU = 4
"""Processes for each CPU, whatever was asked for: more only share the same CPUs, and each takes memory."""

Work = Callable[[Any], Any]


def ordered_map(
    work: Callable[[T], R],
    tasks: Sequence[T],
    jobs: int,
    *,
    lost: Callable[[T, str], R],
    here: Callable[[T], bool] = lambda _: False,
) -> Iterator[R]:
    """Yield `work(task)` for each task in order, made by up to `jobs` processes, four a CPU at most.

    `lost(task, how)` is the result for a task over which a process died; tasks that are to be done `here` are
    done in this process. Stopping early, by an exception too, ends the processes.
    """
    crew = _Crew(work, tasks, min(jobs, len(tasks), _MOST_PER_CPU * n_cpus()), lost, here)
    try:
        yield from crew.results()
    finally:
        crew.stop()


class _Worker:
    """A process, our end of the pipe to it, and the numbers of the tasks that it has."""

    def __init__(self, work: Work, inherited: Iterable[Connection]) -> None:
        context = get_context("fork")
        self.pipe, far = context.Pipe()
        self.pending: deque[int] = deque()
        self._process = context.Process(target=_serve, args=(work, far, [self.pipe, *inherited]), daemon=True)
        # An interrupt goes to the whole foreground group; only this process is to act on it. A termination that
        # came to the new process before `_serve` would have it clean up what is ours.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        self._process.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        far.close()

    def give(self, number: int, task: object) -> None:
        self.pending.append(number)
        self.pipe.send(task)

    def how_it_died(self) -> str:
        """Return how the process ended, which it has."""
        self.pipe.close()
        self._process.join()
        code = self._process.exitcode or 0
        if code >= 0:
            return f"ended with exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"was killed by {name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")

    def terminate(self) -> None:
        self.pipe.close()
        self._process.terminate()

    def join(self) -> None:
        self._process.join()


def _serve(work: Work, pipe: Connection, inherited: Iterable[Connection]) -> None:
    """Be a worker: answer tasks until there are no more."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    # With a copy of the other ends open, no process would see that the first one has gone.
    for end in inherited:
        end.close()
    read_files.taken()
    try:
        while True:
            result = work(pipe.recv())
            pipe.send((result, read_files.taken()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


class _Crew:
    def __init__(
        self,
        work: Work,
        tasks: Sequence[Any],
        jobs: int,
        lost: Callable[[Any, str], Any],
        here: Callable[[Any], bool],
    ) -> None:
        self._work, self._tasks, self._lost, self._here = work, tasks, lost, here
        self._done: dict[int, Any] = {}
        self._again: deque[int] = deque()
        self._next = 0
        self._ahead = jobs * _AHEAD
        self._workers: list[_Worker] = []
        for _ in range(jobs):
            self._hire()

    def _hire(self) -> None:
        self._workers.append(_Worker(self._work, [worker.pipe for worker in self._workers]))

    def results(self) -> Iterator[Any]:
        for number in range(len(self._tasks)):
            while number not in self._done:
                self._give_out(number)
                if number not in self._done:
                    self._collect()
            yield self._done.pop(number)

    def _give_out(self, wanted: int) -> None:
        """Give tasks to the processes that have too few, none too far from the one that is wanted next."""
        for depth in range(1, _IN_HAND + 1):
            for worker in list(self._workers):
                if len(worker.pending) < depth:
                    number = self._next_task(wanted)
                    if number is None:
                        return
                    try:
                        worker.give(number, self._tasks[number])
                    except (BrokenPipeError, ConnectionResetError):
                        self._replace(worker)

    def _next_task(self, wanted: int) -> int | None:
        if self._again:
            return self._again.popleft()
        while self._next < min(len(self._tasks), wanted + self._ahead):
            number, self._next = self._next, self._next + 1
            if not self._here(self._tasks[number]):
                return number
            self._done[number] = self._work(self._tasks[number])
        return None

    def _collect(self) -> None:
        """Wait for results and take them."""
        by_pipe: dict[Any, _Worker] = {worker.pipe: worker for worker in self._workers}
        for pipe in wait(list(by_pipe)):
            worker = by_pipe[pipe]
            try:
                result, read = worker.pipe.recv()
            except (EOFError, OSError):
                self._replace(worker)
            else:
                read_files.add(read)
                self._done[worker.pending.popleft()] = result

    def _replace(self, worker: _Worker) -> None:
        """Take over from a process that died: the first of its tasks is lost, the others are given out again."""
        self._workers.remove(worker)
        how = worker.how_it_died()
        if worker.pending:
            number = worker.pending.popleft()
            self._done[number] = self._lost(self._tasks[number], how)
            self._again.extend(worker.pending)
        self._hire()

    def stop(self) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.join()
