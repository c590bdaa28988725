# SPDX-License-Identifier: MIT
"""Judges inputs of which one may have ended a worker in a process of their own, which may end as well.

Run as a module it is that process: a line of JSON on standard input has the inputs; on standard output it writes a
line when it is ready, and a line with the rows of each input. Where it dies, or is silent for too long, the input
in hand gets the cause in its row, and the others are given to another process.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import IO, Any, Self, cast

from drmemctl.check.engine import all_rules
from drmemctl.fleet.work import Item, Work
from drmemctl.wording import how_it_ended

_START = 60.0
"""Seconds that a process may take to start."""

_PIECE = 1 << 16


def rows_alone(
    work: Work, sources: Sequence[Item], kernels: Sequence[str], seconds: float, memory: int
) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """Yield the rows of each input, in order; one over which a process ended has its cause in place of more."""
    remaining = list(sources)
    while remaining:
        cause = ""
        with _Process(work, remaining, kernels, seconds, memory) as process:
            _, cause = process.line(_START)
            while remaining and not cause:
                line, cause = process.line(seconds)
                if not cause:
                    del remaining[0]
                    yield json.loads(line)
        if cause:
            yield work.functions.failed(remaining.pop(0), cause)


class _Process:
    """A process that judges inputs, and our ends of its pipes."""

    def __init__(
        self, work: Work, sources: Sequence[Item], kernels: Sequence[str], seconds: float, memory: int
    ) -> None:
        command = [sys.executable, "-m", __name__]
        # Another process is to find the same package.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._process = subprocess.Popen(  # noqa: S603 - it is this module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self._output = cast("IO[bytes]", self._process.stdout)
        self._text = b""
        job = json.dumps(
            {"work": work, "sources": sources, "kernels": kernels, "seconds": seconds, "memory": memory}
        )
        standard_input = cast("IO[bytes]", self._process.stdin)
        try:
            standard_input.write(job.encode() + b"\n")
            standard_input.close()
        except BrokenPipeError:
            return  # it ended already, which reading will show

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()
        self._output.close()

    def line(self, seconds: float) -> tuple[bytes, str]:
        """Return the next line, or why there is none."""
        pipe, end = self._output.fileno(), monotonic() + seconds
        pieces = [self._text]
        while b"\n" not in pieces[-1]:
            if not select.select([pipe], [], [], max(0.0, end - monotonic()))[0]:
                return b"", f"took more than {seconds:g} s"
            piece = os.read(pipe, _PIECE)
            if not piece:
                return b"", f"the process that read it {how_it_ended(self._process.wait())}"
            pieces.append(piece)
        line, _, self._text = b"".join(pieces).partition(b"\n")
        return line, ""


def _serve() -> None:
    job = json.loads(sys.stdin.buffer.readline())
    resource.setrlimit(resource.RLIMIT_AS, (job["memory"], job["memory"]))
    # What is judged may print; nobody takes that for rows.
    out = os.fdopen(os.dup(1), "wb", 0)
    os.dup2(2, 1)
    functions = Work(*job["work"]).functions
    all_rules()
    out.write(b"ready\n")
    for source in job["sources"]:
        # Where nobody is left who would end this process, it ends itself.
        faulthandler.dump_traceback_later(job["seconds"] + _START, exit=True)
        out.write(json.dumps(functions.rows_of(functions.ITEM(*source), job["kernels"])).encode() + b"\n")


if __name__ == "__main__":
    _serve()
