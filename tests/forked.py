# SPDX-License-Identifier: MIT
"""Processes of drmemctl that need not start Python and load the package: each is forked from one that has.

After that it is as a process that was started: its arguments, environment, directory and standard streams are its
own, and it ends as Python does. Loading takes ten times as long as what most commands do. What is about the start
itself (`tests.cli.running.started`) and the packages (`tests/packaging/smoke.py`) starts Python.
"""

from __future__ import annotations

import gc
import io
import json
import os
import pkgutil
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parent.parent
_BACKSTOP_MEMORY = 6 << 30


class Ended(NamedTuple):
    """How a process ended, and what it used: seconds of CPU, and bytes of memory at most."""

    code: int
    seconds: float
    memory: int


class Forks:
    """The process that forks: small, since one that is forked counts its memory as its own."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()

    def start(
        self,
        arguments: Sequence[str],
        streams: tuple[int, int, int],
        environment: Mapping[str, str],
        folder: str | Path = ROOT,
        most_seconds: int | None = None,
    ) -> None:
        """Start drmemctl with these standard streams; it is killed soon after `most_seconds` of CPU."""
        task = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": str(folder),
            "seconds": most_seconds,
        }
        data = json.dumps(task).encode()
        socket.send_fds(self._socket, [len(data).to_bytes(4, "big")], streams)
        self._socket.sendall(data)

    def wait(self, seconds: float | None = None) -> Ended:
        """Return how it ended; `TimeoutError` after so many seconds, and then nothing more can be started."""
        self._socket.settimeout(seconds)
        try:
            return Ended(**json.loads(self._socket.recv(1000)))
        except TimeoutError:
            os.killpg(self._process.pid, signal.SIGKILL)
            self.close()
            raise

    def close(self) -> None:
        """End the process that forks."""
        self._socket.close()
        self._process.wait()


def _serve(requests: socket.socket) -> None:
    """Fork as asked, one after the other."""
    import drmemctl

    for module in pkgutil.walk_packages(drmemctl.__path__, "drmemctl."):
        # Arrow and DuckDB take more memory than all the rest, and no other command has them.
        if module.name != "drmemctl.__main__" and ".fleet" not in module.name:
            import_module(module.name)
    # Each that is forked would look through all of this for cycles, and so copy it: a command has its own only.
    gc.collect()
    gc.freeze()
    while True:
        head, streams, _, _ = socket.recv_fds(requests, 4, 3)
        if not head:
            return
        task = json.loads(requests.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
        child = os.fork()
        if not child:
            requests.close()
            _become(task, streams)
            return
        for stream in streams:
            os.close(stream)
        _, status, used = os.wait4(child, 0)
        ended = Ended(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)
        requests.sendall(json.dumps(ended._asdict()).encode())


def _become(task: dict[str, Any], streams: Sequence[int]) -> None:
    """Be a drmemctl."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = (
        _reopened(number, like) for number, like in enumerate((sys.stdin, sys.stdout, sys.stderr))
    )
    os.chdir(task["folder"])
    os.environ.clear()
    os.environ.update(task["environment"])
    if task["seconds"] is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (task["seconds"] + 1, task["seconds"] + 2))
        resource.setrlimit(resource.RLIMIT_AS, (_BACKSTOP_MEMORY, _BACKSTOP_MEMORY))
    from drmemctl.cli import run

    sys.argv = ["drmemctl", *task["arguments"]]
    try:
        run()
    except SystemExit as end:
        _end(end.code if isinstance(end.code, int) else int(end.code is not None))


def _end(code: int) -> NoReturn:
    """End with an exit code as Python does, but leave to the system what else Python would take apart."""
    try:
        sys.stdout.flush()
    except OSError as error:
        sys.stderr.write(f"Exception ignored in: {sys.stdout!r}\n{error}\n")
        code = 120
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


def _reopened(number: int, like: Any) -> io.TextIOWrapper:
    """Return a standard stream as Python opens it: unbuffered lines for errors and on a terminal."""
    raw = open(number, "rb" if number == 0 else "wb", closefd=False)  # noqa: SIM115 - as long as the process
    by_line = number == 2 or os.isatty(number)
    return io.TextIOWrapper(raw, encoding=like.encoding, errors=like.errors, line_buffering=by_line)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
