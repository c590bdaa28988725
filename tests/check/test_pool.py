# SPDX-License-Identifier: MIT
"""The pool: order, bounds, and what becomes of processes that die. In processes without threads, as it is used."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT

HEAD = """
import os, signal, sys, time
from pathlib import Path
from drmemctl.check.pool import ordered_map

def lost(task, how):
    return f"{task} {how}"

def show(work, tasks, jobs, **more):
    print(*ordered_map(work, tasks, jobs, lost=lost, **more), sep="|", flush=True)
"""


def output(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HEAD + code],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_results_keep_the_order_of_tasks() -> None:
    code = """
def work(n):
    time.sleep((7 * n % 5) / 200)
    return n * n
for jobs in (1, 2, 3, 50):
    print(list(ordered_map(work, range(30), jobs, lost=lost)) == [n * n for n in range(30)])
"""
    assert output(code) == "\n".join(["True"] * 4)


def test_a_death_leaves_the_other_tasks_to_a_pool() -> None:
    """At most two deaths, each with a suspect alone and a new pool of two: 8 processes for 30 tasks."""
    code = """
def work(n):
    if n == 3:
        os._exit(7)
    time.sleep(0.01)
    return n, os.getpid()
results = [*ordered_map(work, range(30), 2, lost=lost)]
print(results.pop(3))
print([n for n, _ in results] == [n for n in range(30) if n != 3], len({pid for _, pid in results}) <= 8)
"""
    assert output(code) == "3 ended with exit code 7\nTrue True"


def test_no_more_processes_than_there_is_something_for() -> None:
    code = """
from multiprocessing import active_children
from drmemctl.check.cpus import n_cpus
for tasks, jobs in ((5000, 10**6), (3, 10**6), (5000, 2)):
    results = ordered_map(lambda n: n, range(tasks), jobs, lost=lost)
    next(results)
    print(len(active_children()) == min(tasks, jobs, 4 * n_cpus()))
    results.close()
"""
    assert output(code) == "\n".join(["True"] * 3)


def test_a_process_that_dies_costs_one_task() -> None:
    code = """
def work(n):
    if n == 3:
        os._exit(7)
    if n == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    if n == 8:
        os.kill(os.getpid(), signal.SIGSEGV)
    return n
show(work, range(10), 2)
"""
    assert output(code) == (
        "0|1|2|3 ended with exit code 7|4|5 was killed by SIGKILL (out of memory?)|6|7|8 was killed by SIGSEGV|9"
    )


def test_every_process_may_die() -> None:
    assert output("show(lambda n: os._exit(n), range(6), 2)").count("ended with exit code") == 6


def test_tasks_may_be_done_here() -> None:
    code = """
here = os.getpid()
show(lambda n: os.getpid() == here, range(4), 2, here=lambda n: n == 2)
"""
    assert output(code) == "False|False|True|False"


def test_no_more_than_a_few_results_wait() -> None:
    code = """
import tempfile
folder = tempfile.mkdtemp()
def work(n):
    open(f"{folder}/{n}", "w").close()
    if n == 0:
        time.sleep(0.5)
    return n
results = ordered_map(work, range(10_000), 2, lost=lost)
print(next(results), len(os.listdir(folder)) <= 2 * 8)
"""
    assert output(code) == "0 True"


def test_stopping_early_ends_the_processes() -> None:
    code = """
results = ordered_map(lambda n: os.getpid() if n < 2 else time.sleep(60), range(9), 2, lost=lost)
found = {next(results), next(results)}
results.close()
for pid in found:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        print("gone")
print("end")
"""
    assert output(code).splitlines()[-1] == "end"
    assert "gone" in output(code)


def test_large_results_arrive() -> None:
    assert output("show(lambda n: len(bytes(n)), [1 << 20] * 8, 2)") == "|".join([str(1 << 20)] * 8)


def test_what_work_raises_arrives() -> None:
    code = """
def work(n):
    if n == 3:
        raise ValueError(n)
    return n
results = ordered_map(work, range(9), 2, lost=lost)
try:
    for result in results:
        print(result)
except ValueError as error:
    print("error", error)
"""
    assert output(code).split() == ["0", "1", "2", "error", "3"]


def test_a_killed_parent_leaves_no_process() -> None:
    code = """
from multiprocessing import Process, Pipe
near, far = Pipe(duplex=False)
def work(n):
    far.send(os.getpid())
    if n > 1:
        time.sleep(60)
def parent():
    list(ordered_map(work, range(9), 2, lost=lost))
process = Process(target=parent)
process.start()
pids = {near.recv() for _ in range(4)}
process.kill()
process.join()
deadline = time.monotonic() + 30
def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
while any(map(runs, pids)):
    assert time.monotonic() < deadline
    time.sleep(0.01)
print("gone")
"""
    assert output(code) == "gone"


def test_a_signal_that_came_while_processes_were_made_ends_them_all() -> None:
    code = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children
import threading
submit = ProcessPoolExecutor.submit
def interrupted(executor, task):
    signal.raise_signal(signal.SIGINT)
    return submit(executor, task)
ProcessPoolExecutor.submit = interrupted
try:
    show(str, range(3), 2)
except KeyboardInterrupt:
    print(active_children(), threading.active_count())
"""
    assert output(code) == "[] 1"


def test_no_room_for_all_processes_ends_those_that_there_are() -> None:
    code = """
from multiprocessing import active_children
fork, forks = os.fork, []
def limited():
    forks.append(0)
    if len(forks) > 2:
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()
os.fork = limited
try:
    show(str, range(3), 3)
except BlockingIOError:
    print(len(forks), active_children(), signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""
    assert output(code) == "3 [] set()"
