# SPDX-License-Identifier: MIT
"""Running drmemctl as a user does: in this process for speed, as a process of its own, or on a terminal."""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import IO, Any, NamedTuple

from drmemctl.cli.app import main
from tests.conftest import ROOT
from tests.forked import Forks

COMMAND = [sys.executable, "-m", "drmemctl"]
DROPPED = {
    *("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"),
    # With it, what cannot be written is known before the end.
    "PYTHONUNBUFFERED",
    *("DRMEMCTL_DEBUG", "DRMEMCTL_MAX_MIB"),
}


class Outcome(NamedTuple):
    """Exit code and what was printed."""

    code: int
    out: str
    err: str


def run(*arguments: str | Path) -> Outcome:
    """Run a command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Outcome(code, out.getvalue(), err.getvalue())


def environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Return this environment without what decides about colour, width and buffers, and with `changes`."""
    dropped = (
        "NO_COLOR",
        "FORCE_COLOR",
        "COLUMNS",
        "TERM",
        "PYTHONUNBUFFERED",
        "DRMEMCTL_DEBUG",
        "DRMEMCTL_MAX_MIB",
    )
    return {key: value for key, value in os.environ.items() if key not in dropped} | dict(changes)


def process(
    *arguments: str | Path,
    stdin: bytes | IO[bytes] = b"",
    stdout: Any = subprocess.PIPE,
    cwd: str | Path = ROOT,
    **variables: str,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command line in a process of its own, which need not load the package; see `tests.forked`.

    `variables` go into its environment.
    """
    if any(name.startswith(("PYTHON", "LC_", "LANG")) for name in variables):
        assert isinstance(stdin, bytes)
        return started(*arguments, stdin=stdin, stdout=stdout, **variables)
    command = [str(argument) for argument in arguments]
    with ThreadPoolExecutor(3) as pool:
        in_read, in_write = os.pipe() if isinstance(stdin, bytes) else (stdin.fileno(), None)
        out_read, out_write = os.pipe() if stdout == subprocess.PIPE else (None, _number(stdout))
        err_read, err_write = os.pipe()
        _forks().start(command, (in_read, out_write, err_write), environment(variables), cwd)
        os.close(err_write)
        if in_write is not None and isinstance(stdin, bytes):
            os.close(in_read)
            pool.submit(_write_all, in_write, stdin)
        out = None
        if out_read is not None:
            os.close(out_write)
            out = pool.submit(_read_to_end, out_read)
        err = pool.submit(_read_to_end, err_read)
        try:
            code = _forks().wait(120).code
        except TimeoutError:
            _forks.cache_clear()
            raise
        return subprocess.CompletedProcess(command, code, out.result() if out else None, err.result())


@cache
def _forks() -> Forks:
    forks = Forks()
    atexit.register(forks.close)
    return forks


def _number(stream: Any) -> int:
    return stream if isinstance(stream, int) else int(stream.fileno())


def _write_all(pipe: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(pipe, "wb") as stream:
        stream.write(data)


def started(
    *arguments: str | Path, stdin: bytes = b"", stdout: Any = subprocess.PIPE, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command line from the start of Python on; `variables` go into its environment."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
        cwd=ROOT,
        env=environment(variables),
        timeout=120,
    )


def on_terminal(*arguments: str | Path, **variables: str) -> bytes:
    """Run a command line on a terminal and return what that shows."""
    ours, theirs = pty.openpty()
    variables = {"TERM": "xterm", "COLUMNS": "160", **variables}
    # A terminal that nobody reads is full after some kilobytes, and then the command waits.
    with ThreadPoolExecutor(1) as pool:
        shown = pool.submit(_read_to_end, ours)
        try:
            process(*arguments, stdin=b"", stdout=theirs, **variables)
        finally:
            os.close(theirs)
        return shown.result()


def _read_to_end(terminal: int) -> bytes:
    shown = b""
    # Linux says EIO at the end of what a closed terminal has left.
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 65536):
            shown += part
    os.close(terminal)
    return shown
