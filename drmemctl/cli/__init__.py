# SPDX-License-Identifier: MIT
"""The command line: one module a command, which parses arguments, calls and renders. No logic."""

# An interrupt while this is imported is nobody's to catch, so nothing is that need not be.
from __future__ import annotations

import os
import sys

_INTERRUPTED = 130
_ALLOCATIONS = 100_000
"""Between garbage collections: at Python's 700, importing alone has dozens of them."""


def run() -> None:
    """Run drmemctl with the arguments of this process and exit: the console script."""
    try:
        code = _run()
    except BaseException as error:
        signalled = _signalled(error)
        if signalled is None:
            raise
        code = signalled
    _end(code)


def _run() -> int:
    from drmemctl.cli.ending import end_tidily

    end_tidily()
    import gc

    gc.set_threshold(_ALLOCATIONS)
    from drmemctl.output.writer import text_writer

    sys.stdout = text_writer(sys.stdout)
    sys.stderr = text_writer(sys.stderr)
    from drmemctl.cli.app import main

    return main(sys.argv[1:])


def _signalled(error: BaseException | None) -> int | None:
    """Return the exit code of a signal whose exception this is, or was before Python or a library wrapped it."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            _say_interrupted()
            return _INTERRUPTED
        if isinstance(error, SystemExit) and isinstance(error.code, int):
            return error.code
        error = error.__cause__ or error.__context__
    return None


def _say_interrupted() -> None:
    try:
        os.write(2, b"drmemctl: interrupted\n")
    except OSError:  # nobody to tell; contextlib would be one more import to be interrupted in
        return


def _end(code: int) -> None:
    """End the process: all that was asked for is done or refused, and an interrupt now would only hide that."""
    import gc
    import signal

    for number in (signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    if code == _INTERRUPTED:
        # Without the interpreter, which holds an interrupt that fell into an `exec` for one that nobody caught,
        # and would kill itself by that signal; dataclasses and named tuples are made by `exec`.
        os._exit(code)
    if "pyarrow" in sys.modules:
        # Threads of Arrow that are still there when the interpreter has gone abort the process, now and then.
        import atexit

        atexit._run_exitfuncs()  # noqa: SLF001 - what the interpreter does at its end, and no more
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):  # nobody reads it, or it was closed for that
                continue
        os._exit(code)
    # What is left goes with the process: the interpreter need not look through it on its way out.
    gc.freeze()
    sys.exit(code)
