# SPDX-License-Identifier: MIT
"""The command line: one module a command, which parses arguments, calls and renders. No logic."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from contextlib import suppress

_INTERRUPTED = 130
_ALLOCATIONS = 100_000
"""Between garbage collections: at Python's 700, importing alone has dozens of them."""


def _escape_what_cannot_be_encoded() -> None:
    r"""Let a stream that is ASCII only show `\u2026` for an ellipsis instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _replace_closed_streams() -> None:
    """Open what whoever started us has closed (`>&-`): the exit code still counts.

    Without a standard error Click would print what is wrong among the data, and a file that is opened later
    would get its number.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - for as long as the process lives


def _leave_at_once(code: int) -> None:
    """End without the interpreter, which holds an interrupt that fell into an `exec` for one that nobody caught.

    It would kill itself by that signal then; dataclasses and named tuples are made by `exec`.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def run() -> None:
    """Run drmemctl with the arguments of this process and exit: the console script."""
    gc.set_threshold(_ALLOCATIONS)
    try:
        _replace_closed_streams()
        _escape_what_cannot_be_encoded()
        from drmemctl.cli.ending import end_tidily

        end_tidily()
        from drmemctl.cli.app import main

        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.stderr.write("drmemctl: interrupted\n")
        code = _INTERRUPTED
    # All that was asked for is done or refused: an interrupt from here on would only hide that.
    for number in (signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    if code == _INTERRUPTED:
        _leave_at_once(code)
    # What is left goes with the process: the interpreter need not look through it on its way out.
    gc.freeze()
    sys.exit(code)
