# SPDX-License-Identifier: MIT
"""Work in several processes: results in order, few held at once, and the input named over which a process died.

The processes are those of the standard library's executor. That gives up as a whole when a process dies and cannot
say over which task: so the first that it had is done again in a process of its own, and a new executor has the
others. Tasks are taken in order: after as many turns as there are processes, at most, the one that kills is first.
Processes are forked, all of them before the executor starts its thread: what they work with need not be pickled.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from typing import Any, TypeVar, cast

from drmemctl.check.cpus import n_cpus
from drmemctl.read_files import add as add_read_files
from drmemctl.read_files import taken as read_files_taken
from drmemctl.wording import how_it_ended

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 8
"""Tasks per process that may be given out, or done before their turn."""

_MOST_PER_CPU = 4
"""Processes for each CPU, whatever was asked for: more only share the same CPUs, and each takes memory."""

_SIGNALS = {signal.SIGINT, signal.SIGTERM}

_work: Callable[[Any], Any]
"""What a process is for."""


def ordered_map(
    work: Callable[[T], R],
    tasks: Sequence[T],
    jobs: int,
    *,
    lost: Callable[[T, str], R],
    here: Callable[[T], bool] = lambda _: False,
) -> Iterator[R]:
    """Yield `work(task)` for each task in order, made by up to `jobs` processes, four a CPU at most.

    `lost(task, how)` is the result for a task over which a process died, alone with it; tasks that are to be done
    `here` are done in this process. Stopping early, by an exception too, ends the processes.
    """
    jobs = min(jobs, len(tasks), _MOST_PER_CPU * n_cpus())
    todo = iter(tasks)
    pending: deque[tuple[T, _Answer]] = deque()
    pool = _Pool(work, jobs)
    try:
        while True:
            for task in islice(todo, jobs * _AHEAD - len(pending)):
                pending.append((task, _done(work(task)) if here(task) else pool.submit(task)))
            if not pending:
                return
            if not _died(pending[0][1]):
                yield _result(pending.popleft()[1])
                continue
            pool.stop()
            suspect, _ = pending.popleft()
            result = _alone(work, suspect, lost)
            pool = _Pool(work, jobs)
            pending = deque((task, pool.submit(task) if _died(answer) else answer) for task, answer in pending)
            yield result
    finally:
        pool.stop()


_Answer = Future[tuple[Any, frozenset[int]]]
"""Of the work for a task: its result, and the files that were read."""


class _Pool:
    """An executor and its processes."""

    def __init__(self, work: Callable[[Any], Any], jobs: int) -> None:
        older = active_children()
        self._executor = ProcessPoolExecutor(jobs, get_context("fork"), initializer=_begin, initargs=(work,))
        # An interrupt goes to the whole foreground group; only this process is to act on it. A termination that
        # came to a new process before `_begin` would have it clean up what is ours.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            try:
                self._executor.submit(os.getpid)  # forks all of them
            finally:
                self._processes = [process for process in active_children() if process not in older]
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        except BaseException:
            # What came meanwhile is raised here, or there is no room for all of them: Python would wait for the
            # others at its end. An executor that nobody stops is at its end in another thread while Python ends:
            # it may then write into a pipe that is closed.
            self.stop()
            raise

    def submit(self, task: object) -> _Answer:
        try:
            return self._executor.submit(_answer, task)
        except BrokenProcessPool as broken:
            answer: _Answer = Future()
            answer.set_exception(broken)
            return answer

    def stop(self) -> None:
        """End the processes, whatever they are at."""
        for process in self._processes:
            process.terminate()
        self._executor.shutdown(cancel_futures=True)
        for process in self._processes:
            process.join()  # which an executor does that came to start its thread

    def exit_code(self) -> int:
        """Return that of the first process, which was stopped."""
        return self._processes[0].exitcode or 0


def _begin(work: Callable[[Any], Any]) -> None:
    """Be a process of a pool."""
    global _work  # noqa: PLW0603 - the executor has no other place for it
    _work = work
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    Thread(target=_end_with_parent, daemon=True).start()
    read_files_taken()


def _end_with_parent() -> None:
    # The executor's processes have all ends of its pipes, and would wait for a parent that was killed.
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _answer(task: Any) -> tuple[Any, frozenset[int]]:
    return _work(task), read_files_taken()


def _done(result: R) -> Future[tuple[R, frozenset[int]]]:
    answer: Future[tuple[R, frozenset[int]]] = Future()
    answer.set_result((result, frozenset()))
    return answer


def _died(answer: _Answer) -> bool:
    return isinstance(answer.exception(), BrokenProcessPool)


def _result(answer: _Answer) -> Any:
    result, read = answer.result()
    add_read_files(read)
    return result


def _alone(work: Callable[[T], R], task: T, lost: Callable[[T, str], R]) -> R:
    """Return the result of a task that has a process for itself."""
    pool = _Pool(work, 1)
    try:
        answer = pool.submit(task)
        if not _died(answer):
            return cast("R", _result(answer))
    finally:
        pool.stop()
    return lost(task, how_it_ended(pool.exit_code()))
